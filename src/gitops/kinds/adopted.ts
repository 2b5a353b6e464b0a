// A release of Helm that Flux goes on with: its HelmChart is Flux's to replace, and goes without uninstalling anything.

import { z } from 'zod'
import { ApiError, type Cluster } from '../../cluster/cluster.ts'
import { stuck } from '../../cluster/kinds/object.ts'
import { conditions, type Live, type Ref, refOf } from '../../cluster/object.ts'
import type { ClusterResource } from '../../cluster/resource.ts'
import { deleted } from '../../cluster/until.ts'
import { ProblemError } from '../../engine/problem.ts'

export interface Release {
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
  status: z.looseObject({
    conditions,
    observedGeneration: z.number().default(0),
    storageNamespace: z.string().default(''),
    history: z
      .array(z.looseObject({ name: z.string(), namespace: z.string(), status: z.string().default('') }))
      .default([]),
  }),
})

/** `Flux (HelmRelease caddy)` once it has deployed that very release; it is the same only with name and both namespaces. */
export async function keeperOf(cluster: Cluster, { name, namespace, fluxNamespace }: Release): Promise<string | null> {
  const api = { apiVersion: 'helm.toolkit.fluxcd.io/v2', kind: 'HelmRelease' }
  const { data } = shape.safeParse(await cluster.get({ ...api, namespace: fluxNamespace, name }))
  if (data === undefined) return null
  const { metadata, status } = data
  const [newest] = status.history
  const ready = status.conditions.some(({ type, status: is }) => type === 'Ready' && is === 'True')
  const same = newest?.name === name && newest.namespace === namespace && status.storageNamespace === namespace
  const done = ready && same && newest.status === 'deployed' && status.observedGeneration >= metadata.generation
  return done ? `Flux (HelmRelease ${name})` : null
}

/** The HelmChart of a release: Flux's, once Flux keeps the release. */
export function keptChart(chart: ClusterResource, release: Release): ClusterResource {
  return {
    ...chart,
    look: async (cluster, at) => {
      const keeper = await keeperOf(cluster, release)
      return keeper === null ? chart.look(cluster, at) : { actual: {}, desired: {}, owner: keeper }
    },
  }
}

/** Takes the HelmChart away once Flux keeps the release: first what was made for it, so that a run that is cut short goes on. */
export function retired(release: Release): ClusterResource {
  const ref: Ref = { ...CHART, name: release.name }
  const title = `HelmChart ${CHARTS}/${release.name}`
  return {
    id: `retired:${release.name}`,
    title,
    before: { actual: {}, desired: {} },
    action: () => `retire ${title}: Flux goes on with the release, nothing is uninstalled`,
    look: async (cluster) => {
      const [chart, keeper] = await Promise.all([cluster.get(ref), keeperOf(cluster, release)])
      if (chart === null || keeper === null) return { actual: {}, desired: {} }
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
