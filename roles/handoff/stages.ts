// The stages of the handoff: the source, the object that represents the tree, and the ownership of its objects.

import { object } from '../../src/cluster/kinds/object.ts'
import { idOf, type Live, type Manifest, type Ref, refOf, titleOf } from '../../src/cluster/object.ts'
import type { ClusterResource } from '../../src/cluster/resource.ts'
import type { Problem } from '../../src/engine/problem.ts'
import type { Look, Stage } from '../../src/engine/resource.ts'
import { diff, type Json } from '../../src/engine/state.ts'
import { type Applier, argoApplier, fluxApplier } from '../../src/gitops/applier.ts'
import { argocd } from '../../src/gitops/argocd.ts'
import { decryptsNow, gitRepository, rootKustomization } from '../../src/gitops/flux.ts'
import { FLUX_ROOT, type Handover } from '../../src/gitops/handover.ts'
import { handed, takenBack } from '../../src/gitops/kinds/handed.ts'
import { applicationReady, readWith, rootReady, sourceReady } from '../../src/gitops/kinds/ready.ts'
import { type Need, root, switched } from '../../src/gitops/kinds/root.ts'
import type { RoleContext } from '../role.ts'

/** Who brings the kinds of these groups; the tree's other kinds are Kubernetes' own or Flux's. */
const BROUGHT: Readonly<Record<string, string>> = {
  'cert-manager.io': 'cert-manager',
  'external-secrets.io': 'external-secrets',
  'monitoring.coreos.com': 'the Prometheus operator',
}

const manifestsOf = ({ parts }: Handover): readonly Manifest[] =>
  parts.flatMap(({ files }) => files.flatMap(({ manifests }) => manifests))

/** What has to be in the cluster before the tree can be applied. A tree with HelmReleases brings it along. */
export function needsOf(handover: Handover): readonly Need[] {
  const all = manifestsOf(handover)
  if (all.some(({ kind }) => kind === 'HelmRelease')) return []
  const needs = all.flatMap(({ apiVersion, kind }) => {
    const from = BROUGHT[apiVersion.split('/')[0] ?? '']
    return from === undefined ? [] : [{ apiVersion, kind, from }]
  })
  return [...new Map(needs.map((need) => [`${need.apiVersion} ${need.kind}`, need])).values()]
}

export function applierOf(handover: Handover): Applier | null {
  if (handover.by === 'none' || handover.gitUrl === undefined) return null
  if (handover.by === 'flux') return fluxApplier(handover.fluxNamespace, FLUX_ROOT)
  const [, application] = argocd(handover)
  return argoApplier(application.metadata.namespace ?? '', application.metadata.name)
}

/** The repository as Flux reads it; `login` makes its Secret; `admit`: what to do when that is refused. */
export function sourceResources(
  handover: Handover,
  login: readonly ClusterResource[],
  secret: boolean,
  admit?: string,
): ClusterResource[] {
  if (handover.by !== 'flux' || handover.gitUrl === undefined) return [...login]
  const repository = object(gitRepository(handover, secret), { inputs: login.map(({ id }) => id) })
  const { fluxNamespace: namespace, fluxSource: source } = handover
  return [
    ...login.map((one) => readWith(one, { namespace, source })),
    repository,
    sourceReady({ namespace, source, inputs: [...login.map(({ id }) => id), repository.id], admit }),
  ]
}

/**
 * What stands for the tree, and the wait until all of it is applied and well; `between` is what a part of the tree may wait
 * for in its turn.
 */
export function rootStages(
  role: string,
  handover: Handover,
  { handing }: Pick<RoleContext, 'handing'>,
  between: readonly Stage<ClusterResource>[] = [],
): RootStages {
  const applier = applierOf(handover)
  if (applier === null) return { before: [], after: between }
  const stage = (...resources: ClusterResource[]): Stage<ClusterResource> => ({ role, name: 'handoff', resources })
  const made = root(rootManifest(handover), applier, needsOf(handover))
  if (handing === 'take-back')
    return { before: [{ ...stage(switched(applier, true)), always: true }], after: [stage(made), ...between] }
  const goesOn = handing === 'hand-over' ? [switched(applier, false)] : []
  const make = [...goesOn, ...besides(handover), made]
  const wait = waitOf(handover, applier, [...goesOn.map(({ id }) => id), made.id])
  const after = between.length === 0 ? [stage(...make, wait)] : [stage(...make), ...between, stage(wait)]
  return { before: [], after }
}

export interface RootStages {
  /** Before anything that Git owns is touched. */
  readonly before: readonly Stage<ClusterResource>[]
  readonly after: readonly Stage<ClusterResource>[]
}

/** A run that is not given the key does not end the decryption: Flux would apply what is encrypted as it is. */
const rootManifest = (handover: Handover) => (live: Live | null) => {
  if (handover.by === 'argocd') return argocd(handover)[1]
  return rootKustomization({ ...handover, decrypts: handover.decrypts || decryptsNow(live) })
}

const besides = (handover: Handover) => (handover.by === 'argocd' ? [object(argocd(handover)[0])] : [])

function waitOf(
  { by, fluxNamespace: namespace, fluxSource: source }: Handover,
  { root: ref }: Applier,
  inputs: readonly string[],
) {
  if (by === 'argocd') return applicationReady(ref, inputs)
  return rootReady({ namespace, source, root: FLUX_ROOT, inputs })
}

/** Namespaces stay the role's, too: it writes Secrets into them. */
const isGits = ({ kind }: Ref) => kind !== 'Namespace' && !/^Helm|Repository$/.test(kind)

/** The objects that Git owns from the handoff on are left to it, or are taken back from it. */
export function underGit(
  stages: readonly Stage<ClusterResource>[],
  handover: Handover,
  { handing }: RoleContext,
): Stage<ClusterResource>[] {
  const applier = applierOf(handover)
  if (applier === null) return [...stages]
  const gits = new Set(manifestsOf(handover).map(refOf).filter(isGits).map(idOf))
  const own = (resource: ClusterResource): ClusterResource => {
    const ref = resource.writes ?? resource.about
    if (ref === undefined || !gits.has(idOf(ref))) return resource
    if (handing !== 'take-back') return handed(resource, ref, applier)
    return resource.writes === undefined ? resource : takenBack(resource, ref)
  }
  return stages.map((stage) => ({ ...stage, resources: stage.resources.map(own) }))
}

/** A release is shown as its HelmChart, also when that is gone. */
const shownAs = (ref: Ref): Ref =>
  ref.kind === 'HelmRelease'
    ? { apiVersion: 'helm.cattle.io/v1', kind: 'HelmChart', namespace: 'kube-system', name: ref.name }
    : ref

/** Where the inventory and Git differ in an object that is Git's: nobody is right by itself, so both are told. */
export function driftWarnings(
  { observations }: Pick<Look<unknown>, 'observations'>,
  handover: Handover,
  { host }: Pick<RoleContext, 'host'>,
): Problem[] {
  return handover.parts.flatMap(({ folder, files }) =>
    files.flatMap(({ name, manifests }) =>
      manifests.flatMap((manifest): Problem[] => {
        const ref = refOf(manifest)
        const seen = observations.get(idOf(shownAs(ref)))
        if (!(isGits(ref) || ref.kind === 'HelmRelease') || seen?.owner === undefined || seen.desired === null)
          return []
        const file = `infrastructure/${handover.cluster}/${folder}/${name}.yaml`
        const where = `${host} ${titleOf(ref)}`
        const render = 'k3s-platform render --tree DIR --commit, then git push'
        if (seen.actual === null) {
          const hint = `add it to Git again (${render}), or remove it from the inventory`
          const what = `is in the inventory but not in the cluster: ${seen.owner} does not manage it`
          return [{ kind: 'warning', where, what, why: `its path in Git is ${file}`, hint }]
        }
        const deltas = diff(seen.actual, seen.desired)
        if (deltas.length === 0) return []
        const why = deltas
          .map(({ field, from, to }) => `${field}: ${textOf(from)} in Git, ${textOf(to)} in the inventory`)
          .join('\n')
        const hint = `change the inventory, or ${file} in Git: ${render}`
        return [{ kind: 'warning', where, what: `Git and the inventory differ; ${seen.owner} owns it`, why, hint }]
      }),
    ),
  )
}

const textOf = (value: Json) => (value === null ? 'absent' : JSON.stringify(value))
