// Removes the HelmChart of a release that Flux takes over, without uninstalling anything.

import { z } from 'zod'
import { fieldsOfAnswer } from '../../cluster/answer.ts'
import { ApiError, type Cluster } from '../../cluster/cluster.ts'
import type { Keeper } from '../../cluster/kinds/chart.ts'
import { stuck } from '../../cluster/kinds/object.ts'
import { kubectl } from '../../cluster/kubectl.ts'
import { conditions, type Live, type Ref, refOf, titleOf } from '../../cluster/object.ts'
import type { ClusterResource } from '../../cluster/resource.ts'
import { deleted } from '../../cluster/wait.ts'
import { ProblemError } from '../../engine/problem.ts'
import { type Applier, holderOf } from '../applier.ts'

export interface AdoptedRelease {
  /** Of the release, its HelmChart and its HelmRelease. */
  readonly name: string
  /** Of its objects and of Helm's own record. */
  readonly namespace: string
  readonly fluxNamespace: string
}

const BOUND_SECONDS = 60
const CHARTS = 'kube-system'
const CHART = { apiVersion: 'helm.cattle.io/v1', kind: 'HelmChart', namespace: CHARTS }
/** helm-controller leaves such a HelmChart alone, and uninstalls nothing when it goes: pkg/controllers/chart/chart.go. */
const UNMANAGED = 'helmcharts.helm.cattle.io/unmanaged'
/** On all that helm-controller has made for a HelmChart, a role binding for administrators among it. */
const MADE_FOR = ['objectset.rio.cattle.io/owner-gvk', 'objectset.rio.cattle.io/owner-name'] as const
const MADE = [
  { apiVersion: 'batch/v1', kind: 'Job', namespace: CHARTS },
  { apiVersion: 'v1', kind: 'ServiceAccount', namespace: CHARTS },
  { apiVersion: 'v1', kind: 'Secret', namespace: CHARTS },
  { apiVersion: 'v1', kind: 'ConfigMap', namespace: CHARTS },
  { apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'ClusterRoleBinding' },
] as const

const shape = z.looseObject({
  metadata: z.looseObject({ generation: z.number().default(0) }),
  status: z
    .looseObject({
      conditions,
      observedGeneration: z.number().default(0),
      storageNamespace: z.string().default(''),
      /** Newest first. */
      history: z
        .array(z.looseObject({ name: z.string(), namespace: z.string(), status: z.string().default('') }))
        .default([]),
    })
    .prefault({}),
})

/**
 * Flux, from its first try on that very release; it is the same only with name and both namespaces. Where there is no
 * HelmChart, the HelmRelease alone will do: two would install it side by side.
 * spec: https://fluxcd.io/flux/components/helm/helmreleases/#helmrelease-status
 */
export async function keeperOf(cluster: Cluster, release: AdoptedRelease): Promise<Keeper | null> {
  const { name, namespace } = release
  const ref = helmReleaseOf(release)
  const live = await cluster.get(ref)
  if (live === null) return null
  const { metadata, status } = fieldsOfAnswer(shape, live)
  const [newest] = status.history
  const same = newest?.name === name && newest.namespace === namespace && status.storageNamespace === namespace
  if (!same && (await hasChart(cluster, name))) return null
  const owner = `Flux (HelmRelease ${name})`
  const on = (wanted: string) => status.conditions.find(({ type, status: is }) => type === wanted && is === 'True')
  const current = status.observedGeneration >= metadata.generation
  if (same && current && newest.status === 'deployed' && on('Ready')) return { owner, well: { is: 'ready' } }
  const ready = status.conditions.find(({ type }) => type === 'Ready')
  const is = current && on('Stalled') ? 'failed' : 'waiting'
  const says = ready && ready.status !== 'True' ? `${ready.reason}: ${ready.message}` : 'Flux has not deployed it yet'
  return { owner, well: { is, why: `${titleOf(ref)}: ${says}`, hint: kubectl('describe', ref) } }
}

const helmReleaseOf = ({ name, fluxNamespace: namespace }: AdoptedRelease): Ref => ({
  apiVersion: 'helm.toolkit.fluxcd.io/v2',
  kind: 'HelmRelease',
  namespace,
  name,
})

/** It may hold a whole chart: only its metadata are read. */
async function hasChart(cluster: Cluster, name: string): Promise<boolean> {
  const found = await cluster.list({ ...CHART, fields: `metadata.name=${name}`, metadataOnly: true })
  return found.length > 0
}

/** The HelmChart of a release; once Flux keeps that, it stands for the HelmRelease, and differs where that does. */
export function keptChart(
  chart: ClusterResource,
  release: AdoptedRelease,
  helmRelease: ClusterResource,
): ClusterResource {
  return {
    ...chart,
    look: async (cluster, at) => {
      const keeper = await keeperOf(cluster, release)
      if (keeper === null) return chart.look(cluster, at)
      const seen = await helmRelease.look(cluster, at)
      // Compared with the inventory is what Git applies.
      return { ...(seen.owner === undefined ? { actual: {}, desired: {} } : seen), owner: keeper.owner }
    },
  }
}

/** Once Git has the addons, one that is neither installed nor in Git is missing there, and comes by way of Git. */
export function gitsOwn(resource: ClusterResource, release: AdoptedRelease, applier: Applier): ClusterResource {
  return {
    ...resource,
    look: async (cluster, at) => {
      const seen = await resource.look(cluster, at)
      if (seen.owner !== undefined || seen.desired === null) return seen
      const [chart, live] = await Promise.all([hasChart(cluster, release.name), cluster.get(helmReleaseOf(release))])
      const owner = chart || live !== null ? null : await holderOf(cluster, applier)
      return owner === null ? seen : { actual: null, desired: seen.desired, owner }
    },
  }
}

/** Takes the HelmChart away once Flux keeps the release: first what was made for it, so that a run that is cut short goes on. */
export function retired(release: AdoptedRelease): ClusterResource {
  const ref: Ref = { ...CHART, name: release.name }
  const title = `HelmChart ${CHARTS}/${release.name}`
  return {
    id: `retired:${release.name}`,
    title,
    before: { actual: {}, desired: {} },
    action: () => `remove ${title}: Flux takes over the release, nothing is uninstalled`,
    look: async (cluster) => {
      const [chart, keeper] = await Promise.all([cluster.get(ref), keeperOf(cluster, release)])
      if (chart === null || keeper?.well.is !== 'ready') return { actual: {}, desired: {} }
      return { actual: { chart: 'there' }, desired: { chart: null } }
    },
    make: async (_, cluster, how) => {
      const chart = await cluster.get(ref)
      if (chart === null) return
      await cluster.patch(ref, { metadata: { annotations: { [UNMANAGED]: 'true' } } })
      for (const one of await madeFor(cluster, release.name)) await cluster.delete(refOf(one))
      try {
        await cluster.patch(ref, { metadata: { finalizers: null } })
      } catch (error) {
        if (!(error instanceof ApiError) || error.code !== 404) throw error
      }
      const gone = await deleted(cluster, ref, chart, how, BOUND_SECONDS)
      if (gone.is === 'late') throw new ProblemError(stuck(`${how.host} ${title}`, ref, gone))
    },
  }
}

async function madeFor(cluster: Cluster, name: string): Promise<Live[]> {
  const [kind, owner] = MADE_FOR
  const lists = await Promise.all(MADE.map((one) => cluster.list({ ...one, metadataOnly: true })))
  return lists
    .flat()
    .filter(
      ({ metadata: { annotations = {} } }) =>
        annotations[kind] === 'helm.cattle.io/v1, Kind=HelmChart' && annotations[owner] === name,
    )
}
