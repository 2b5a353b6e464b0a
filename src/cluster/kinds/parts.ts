// Applies and removes the objects of a bundle in the order that they require, and reports all problems at once.

import { type Problem, ProblemError } from '../../engine/problem.ts'
import { isMap } from '../../engine/state.ts'
import type { Cluster } from '../cluster.ts'
import { fieldsOf } from '../fields.ts'
import { idOf, type Live, type Manifest, type Ref, refOf, titleOf } from '../object.ts'
import { isOurs, ownerOf } from '../ownership.ts'
import type { ClusterResource, Making } from '../resource.ts'
import { deleted, until } from '../wait.ts'
import { markOf } from './applied-bundle.ts'
import { applied, stuck } from './object.ts'

/** Seconds, for a kind to be served and for an object to go. */
const BOUND_SECONDS = 60
const CRD = 'CustomResourceDefinition'

/** `made` is told what the API has made of it. */
export function part(manifest: Manifest, made?: (live: Live) => void): ClusterResource {
  return applied({
    ref: refOf(manifest),
    manifest: () => manifest,
    created: { present: true },
    fields: fieldsOf,
    ...(made && { made }),
  })
}

/**
 * Namespaces, then kinds, then, once these are served, the rest; what another tool owns is left out. Returns the mark of each
 * object as it was applied, by its id.
 */
export async function applyAll(
  manifests: readonly Manifest[],
  title: string,
  cluster: Cluster,
  how: Making,
): Promise<ReadonlyMap<string, string>> {
  const marks = new Map<string, string>()
  const put = async (manifest: Manifest): Promise<void> => {
    if (how.stop.aborted) return
    const ref = refOf(manifest)
    const live = await cluster.get(ref)
    if (live !== null && ownerOf(live, manifest) !== null) return
    const resource = part(manifest, (made) => marks.set(idOf(ref), markOf(made)))
    // Each listens to signals of its own: they are more than one signal likes to have.
    const [signal, stop] = [AbortSignal.any([how.signal]), AbortSignal.any([how.stop])]
    await resource.make({ resource, actual: live && {}, desired: {} }, cluster, { ...how, signal, stop })
  }
  const phaseOf = ({ kind }: Manifest) => ['Namespace', CRD].indexOf(kind)
  for (const phase of [0, 1, -1]) {
    await allOf(manifests.filter((one) => phaseOf(one) === phase).map(put))
    if (phase === 1 && !how.stop.aborted) await served(manifests, title, cluster, how)
  }
  return marks
}

async function served(manifests: readonly Manifest[], title: string, cluster: Cluster, how: Making): Promise<void> {
  const kinds = manifests.flatMap(kindsOf)
  const ask = async () => {
    for (const one of kinds) {
      if (!(await cluster.serves(one))) return `the API does not serve ${one.kind} of ${one.apiVersion} yet`
    }
    return null
  }
  const waited = await until(ask, how, { bound: BOUND_SECONDS })
  if (waited.is !== 'late') return
  const hint = 'to see the cause: kubectl get crd and kubectl describe crd NAME'
  const what = `the API did not serve its kinds within ${waited.seconds} s`
  throw new ProblemError({ kind: 'failed', where: `${how.host} ${title}`, what, why: waited.why, hint })
}

/** What a CRD makes the API serve. */
function kindsOf({ kind, spec }: Manifest): Pick<Ref, 'apiVersion' | 'kind'>[] {
  if (kind !== CRD || !isMap(spec) || !isMap(spec.names) || !Array.isArray(spec.versions)) return []
  const { group, names } = spec
  return spec.versions.flatMap((version: unknown) =>
    isMap(version) && version.served === true
      ? [{ apiVersion: `${group}/${version.name}`, kind: String(names.kind) }]
      : [],
  )
}

/** Nothing is deleted that is another tool's by now, or nothing of which is ours. */
export async function remove(ref: Ref, cluster: Cluster, how: Making): Promise<void> {
  if (how.stop.aborted) return
  const live = await cluster.get(ref)
  if (live === null || ownerOf(live) !== null || !isOurs(live)) return
  const gone = await deleted(cluster, ref, live, how, BOUND_SECONDS)
  if (gone.is === 'late') throw new ProblemError(stuck(`${how.host} ${titleOf(ref)}`, ref, gone))
}

/** Waits for all of them, and throws all of their problems at once. */
export async function allOf<T>(promises: readonly Promise<T>[]): Promise<T[]> {
  const settled = await Promise.allSettled(promises)
  const problems: Problem[] = []
  const values: T[] = []
  for (const one of settled) {
    if (one.status === 'fulfilled') values.push(one.value)
    else if (one.reason instanceof ProblemError) problems.push(...one.reason.problems)
    else throw one.reason
  }
  if (problems.length > 0) throw new ProblemError(problems)
  return values
}
