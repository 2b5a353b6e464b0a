// Applies the objects of an install manifest as one resource, with its differences in one line of the plan.

import { type Problem, ProblemError } from '../../engine/problem.ts'
import type { Observation } from '../../engine/resource.ts'
import type { Json, State } from '../../engine/state.ts'
import type { Cluster } from '../cluster.ts'
import { idOf, type Live, type Manifest, type Ref, refOf, titleOf } from '../object.ts'
import { managerOf, ownerOf } from '../ownership.ts'
import type { ClusterResource, Looking } from '../resource.ts'
import { APART, type Held, heldOf, holdAs, markOf, shortDigest, UNSEEN } from './applied-bundle.ts'
import { allOf, applyAll, part, remove } from './parts.ts'
import { KEPT } from './prune.ts'
import { unwanted } from './record.ts'

export interface BundleSpec {
  /** Unique in a cluster: `flux`. */
  readonly name: string
  readonly title: string
  readonly version: string
  /** Where it is installed. */
  readonly namespace: string
  /** As kubectl's --selector: what every object of the manifest bears. */
  readonly labels: string
  /** Of the manifest; null: whatever its release says, and of a version that is there already what was applied. */
  readonly sha256: string | null
  /** Whose word the digest is, for people: `as published`. */
  readonly by: string
  readonly inputs?: readonly string[]
  /** Made by resources of their own, and removed with what else is not wanted any more; they bear the labels, too. */
  readonly also?: readonly Ref[]
  /** Reads only, and is asked at every look. */
  want(cluster: Cluster): Promise<Want>
  /** Other ways to install the same, by their field managers: what to do where their fields are in the way. */
  readonly installers?: { readonly managers: readonly string[]; readonly hint: string }
}

export interface Want {
  /** Text that changes when something else than the manifest makes the objects other ones. */
  readonly settings: string
  /** Called only when something has to be compared or applied. `sha256`: the manifest is this one. */
  objects(sha256: string | null, signal: AbortSignal): Promise<Wanted>
}

interface Wanted {
  readonly sha256: string
  readonly manifests: readonly Manifest[]
}

/** An object with more fields that differ is told by their number: a CRD of another release has hundreds. */
const FIELDS = 8
const NOW = 'as in the inventory'

/**
 * Applied as `object` applies: strictly, not forced, and what another tool owns is left alone. What an older manifest had and
 * this one has not is removed, but no Namespace and no CRD. Each object is marked when it was applied; a look lists metadata, and
 * only what has another mark by now is compared, for which the manifest is fetched.
 */
export function bundle(spec: BundleSpec): ClusterResource {
  const { title, version, inputs = [] } = spec
  const whole: State = { version, ...(inputs.length > 0 && { inputs: 'as they are' }) }
  const remark = spec.by
  return {
    id: `bundle:${spec.name}`,
    title,
    inputs,
    before: { actual: null, desired: whole, remark },
    afterInputs: (actual) => ({ actual: actual && { ...actual, inputs: 'as they were' } }),

    look: async (cluster, at) => {
      const [held, want] = await Promise.all([heldOf(cluster, spec.name), spec.want(cluster)])
      const there = await metadataOf(cluster, spec, held)
      const owner = ownerOfAll([...there.values()])
      if (owner !== null) return { actual: {}, desired: {}, owner }
      const settings = shortDigest(want.settings)
      const current = held !== null && isCurrent(held, spec, settings)
      const moved = new Set((held?.objects ?? []).flatMap((one) => (isAsLeft(one, there) ? [] : idOf(one.ref))))
      if (current && moved.size === 0) return { actual: whole, desired: whole }

      const { manifests, sha256 } = await want.objects(digestFor(spec, held), at.signal)
      const suspects = current ? manifests.filter((one) => moved.has(idOf(refOf(one)))) : manifests
      const found = await explaining(spec, at, compared(suspects, cluster, at))
      if (held === null && found.nothing) return { actual: null, desired: whole, remark }
      const leftovers = current ? [] : left(held, manifests, spec).filter((ref) => there.has(idOf(ref)))
      return {
        actual: {
          ...whole,
          version: held && (held.done ? held.version : `${held.version}, in part`),
          ...(held && { sha256: held.sha256, settings: held.settings === settings ? NOW : 'unchanged' }),
          ...found.actual,
          ...Object.fromEntries(leftovers.map((ref) => [titleOf(ref), 'there'])),
        },
        desired: {
          ...whole,
          ...(held?.version === version && { sha256, settings: NOW }),
          ...found.desired,
          ...Object.fromEntries(leftovers.map((ref) => [titleOf(ref), null])),
        },
      }
    },

    make: async (_, cluster, how) => {
      const [held, want] = await Promise.all([heldOf(cluster, spec.name), spec.want(cluster)])
      const { manifests, sha256 } = await want.objects(digestFor(spec, held), how.signal)
      const now = { version, sha256, settings: shortDigest(want.settings) }
      const refs = manifests.map(refOf)
      const old = left(held, manifests, spec)
      const also = (spec.also ?? []).map((ref) => ({ ref, mark: APART }))
      const unseen = [...refs, ...old].map((ref) => ({ ref, mark: UNSEEN }))
      // What is applied from here on is known, also to the run after one that is killed.
      await holdAs(cluster, spec.name, { ...now, done: false, objects: [...also, ...unseen] })
      const marks = await explaining(spec, how, applyAll(manifests, title, cluster, how))
      for (const ref of old.toReversed()) await remove(ref, cluster, how)
      if (how.stop.aborted) return
      const marked = refs.map((ref) => ({ ref, mark: marks.get(idOf(ref)) ?? UNSEEN }))
      await holdAs(cluster, spec.name, { ...now, done: true, objects: [...also, ...marked] })
    },
  }
}

function isCurrent(held: Held, { version, sha256 }: BundleSpec, settings: string): boolean {
  const same = held.version === version && (sha256 ?? held.sha256) === held.sha256 && held.settings === settings
  return held.done && same
}

/** Nothing but a pin or a lock makes another manifest of a version than the one that is there. */
function digestFor({ version, sha256 }: BundleSpec, held: Held | null): string | null {
  return sha256 ?? (held?.version === version ? held.sha256 : null)
}

/** What others own is as it should be, whatever it is. */
function isAsLeft({ ref, mark }: Held['objects'][number], there: ReadonlyMap<string, Live>): boolean {
  if (mark === APART) return true
  const live = there.get(idOf(ref))
  return live !== undefined && (markOf(live) === mark || ownerOf(live) !== null)
}

const refsOf = (held: Held | null): readonly Ref[] => (held?.objects ?? []).map(({ ref }) => ref)

/** Of what was applied before, what is not wanted any more and may go. */
function left(held: Held | null, manifests: readonly Manifest[], { also = [] }: BundleSpec): readonly Ref[] {
  const refs = unwanted(refsOf(held), [...manifests.map(refOf), ...also])
  return refs.filter(({ kind }) => KEPT[kind] === undefined)
}

const WORKLOADS = { apiVersion: 'apps/v1', kind: 'Deployment' }

/** One list for each kind, by id: of what was applied, and of the Deployments anyhow, as they tell whose it is. */
async function metadataOf(
  cluster: Cluster,
  { namespace, labels }: BundleSpec,
  held: Held | null,
): Promise<ReadonlyMap<string, Live>> {
  const refs = [{ ...WORKLOADS, namespace }, ...refsOf(held)]
  const kinds = new Map(
    refs.map(({ apiVersion, kind, namespace: of }) => [
      `${apiVersion} ${kind} ${of}`,
      { apiVersion, kind, namespace: of },
    ]),
  )
  const lists = await Promise.all(
    [...kinds.values()].map((one) => {
      // One that the manifest leaves to whoever applies it has no labels.
      const which = one.kind === 'Namespace' ? { fields: `metadata.name=${namespace}` } : { labels }
      return cluster.list({ ...one, ...which, metadataOnly: true })
    }),
  )
  return new Map(lists.flat().map((live) => [idOf(refOf(live)), live]))
}

/** Who has the controllers has the rest as well. */
function ownerOfAll(there: readonly Live[]): string | null {
  const owners = there.filter(({ kind }) => kind === WORKLOADS.kind).map((live) => ownerOf(live))
  return owners.includes(null) ? null : (owners[0] ?? null)
}

interface Compared {
  readonly actual: State
  readonly desired: State
  /** Not one of them is there, a namespace aside. */
  readonly nothing: boolean
}

async function compared(manifests: readonly Manifest[], cluster: Cluster, at: Looking): Promise<Compared> {
  const seen = await allOf(
    manifests.map(async (manifest) => ({ manifest, seen: await part(manifest).look(cluster, at) })),
  )
  const states = seen.map(({ manifest, seen }) => stateOf(titleOf(refOf(manifest)), seen))
  return {
    actual: Object.assign({}, ...states.map(([actual]) => actual)),
    desired: Object.assign({}, ...states.map(([, desired]) => desired)),
    nothing: seen.every(({ manifest, seen }) => seen.actual === null || manifest.kind === 'Namespace'),
  }
}

/** `Deployment flux-system/source-controller spec.replicas`, or the object alone where it is not there. */
function stateOf(title: string, { actual, desired, owner }: Observation): [State, State] {
  if (owner !== undefined) return [{}, {}]
  if (actual === null) return [{}, { [title]: 'there' }]
  const { length } = Object.keys(desired ?? {})
  if (length > FIELDS) return [{ [title]: `differs in ${length} fields` }, { [title]: 'as in the manifest' }]
  const named = (state: State | null): { [field: string]: Json } =>
    Object.fromEntries(Object.entries(state ?? {}).map(([field, value]) => [`${title} ${field}`, value]))
  return [named(actual), named(desired)]
}

/** Where the fields of another installer are in the way, the way out is one for all objects, and not field by field. */
async function explaining<T>({ title, installers }: BundleSpec, { host }: Looking, doing: Promise<T>): Promise<T> {
  try {
    return await doing
  } catch (error) {
    if (!(error instanceof ProblemError) || installers === undefined) throw error
    const { managers, hint } = installers
    const titles = managers.map((name) => managerOf(name).title)
    /** undefined: of one of its fields that is somebody else's. */
    const ownersOf = ({ why = '' }: Problem) =>
      why.split('\n').map((line) => titles.find((title) => line.endsWith(`: ${title}`)))
    const isTheirs = (problem: Problem) => !ownersOf(problem).includes(undefined)
    const theirs = error.problems.filter(isTheirs)
    if (theirs.length === 0) throw error
    const one: Problem = {
      kind: 'failed',
      where: `${host} ${title}`,
      what: `owned by ${[...new Set(theirs.flatMap(ownersOf))].join(' and ')}, and conflicts are never forced`,
      why: `its fields are owned by ${theirs.map(({ where }) => where.replace(`${host} `, '')).join(', ')}`,
      hint,
    }
    throw new ProblemError([one, ...error.problems.filter((problem) => !isTheirs(problem))])
  }
}
