// The addons of a cluster and how they are: Helm's releases, the GitOps controllers, and what k3s brings itself.

import { z } from 'zod'
import { fieldsOfAnswer } from './answer.ts'
import type { Cluster } from './cluster.ts'
import { conditions, type Live, titleOf } from './object.ts'
import { ownerOf } from './ownership.ts'
import { helmJob, isStuck, readRelease, releases } from './release.ts'
import { allRolledOut } from './rollout.ts'
import { isScaledDown } from './workload.ts'

/** Degraded: a part of it does not run (yet). Failed: it could not be installed. */
type AddonState = 'Running' | 'Degraded' | 'Failed'

export interface AddonStatus {
  readonly name: string
  readonly namespace: string
  /** Of its chart; of a controller its own; null: nothing says it. */
  readonly version: string | null
  readonly state: AddonState
  /** What is wrong; null while it runs. */
  readonly why: string | null
  /** The command that fixes or explains it. */
  readonly hint: string | null
}

const WORKLOADS = ['Deployment', 'DaemonSet', 'StatefulSet'] as const
/** Where k3s's controller has its HelmCharts and jobs. */
const CHARTS = 'kube-system'
const CHART_LABEL = 'helmcharts.helm.cattle.io/chart'
const CONTROLLERS = ['flux', 'argocd']

const chartShape = z.looseObject({
  spec: z.looseObject({ targetNamespace: z.string().optional(), version: z.string().optional() }).prefault({}),
})
const releaseShape = z.looseObject({
  spec: z
    .looseObject({
      releaseName: z.string().optional(),
      targetNamespace: z.string().optional(),
      suspend: z.boolean().default(false),
      chart: z.looseObject({ spec: z.looseObject({ version: z.string().optional() }) }).optional(),
    })
    .prefault({}),
  status: z
    .looseObject({
      conditions,
      history: z.array(z.looseObject({ chartVersion: z.string().optional() })).default([]),
    })
    .prefault({}),
})

interface Installed {
  readonly name: string
  readonly namespace: string
  readonly version: string | null
  readonly trouble: Trouble | null
  readonly workloads: readonly Live[]
}

type Trouble = Pick<AddonStatus, 'state' | 'why' | 'hint'>

/** Sorted by name. What is well costs a few lists side by side; what is not, a request or two more for its reason. */
export async function addonStatuses(cluster: Cluster): Promise<AddonStatus[]> {
  const [charts, helmReleases, jobs, records, ...workloads] = await Promise.all([
    cluster.list({ apiVersion: 'helm.cattle.io/v1', kind: 'HelmChart' }),
    cluster.list({ apiVersion: 'helm.toolkit.fluxcd.io/v2', kind: 'HelmRelease' }),
    cluster.list({ apiVersion: 'batch/v1', kind: 'Job', namespace: CHARTS, labels: CHART_LABEL }),
    cluster.list({ apiVersion: 'v1', kind: 'Secret', labels: 'owner=helm', metadataOnly: true }),
    ...WORKLOADS.map((kind) => cluster.list({ apiVersion: 'apps/v1', kind })),
  ])
  const running = workloads.flat()
  const partsOf = (key: string) => running.filter((one) => releaseOf(one) === key)
  const recordsOf = (key: string) =>
    records.filter(({ metadata: { namespace = '', labels } }) => keyOf(namespace, labels?.name ?? '') === key)
  const installed = new Map<string, Installed>()
  for (const chart of charts) {
    const { name, namespace: own = '' } = chart.metadata
    const { targetNamespace: namespace = own, version } = fieldsOfAnswer(chartShape, chart).spec
    const key = keyOf(namespace, name)
    const parts = partsOf(key)
    const job = jobs.find(({ metadata }) => metadata.labels?.[CHART_LABEL] === name)
    const trouble = await chartTrouble(cluster, name, recordsOf(key), job)
    installed.set(key, { name, namespace, version: version ?? versionOf(parts), trouble, workloads: parts })
  }
  // Flux has the word where both have the release.
  for (const one of helmReleases) {
    const { spec, status } = fieldsOfAnswer(releaseShape, one)
    const { name: own, namespace: space = '' } = one.metadata
    const namespace = spec.targetNamespace ?? space
    const name = spec.releaseName ?? (spec.targetNamespace === undefined ? own : `${spec.targetNamespace}-${own}`)
    const parts = partsOf(keyOf(namespace, name))
    const version = status.history[0]?.chartVersion ?? spec.chart?.spec.version ?? versionOf(parts)
    const ready = status.conditions.find(({ type }) => type === 'Ready')
    const trouble = spec.suspend ? null : releaseTrouble(ready, `kubectl -n ${space} describe helmrelease ${own}`)
    installed.set(keyOf(namespace, name), { name, namespace, version, trouble, workloads: parts })
  }
  for (const [key, one] of controllersIn(running)) installed.set(key, one)
  const statuses = await Promise.all([...installed.values()].map((one) => statusOf(cluster, one)))
  return statuses.toSorted((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : a.namespace < b.namespace ? -1 : 1))
}

const keyOf = (namespace: string, release: string) => `${namespace}/${release}`

/** As Helm marks what it makes; undefined: it is not Helm's. */
function releaseOf({ metadata: { annotations = {}, namespace = '' } }: Live): string | undefined {
  const name = annotations['meta.helm.sh/release-name']
  return name === undefined ? undefined : keyOf(annotations['meta.helm.sh/release-namespace'] ?? namespace, name)
}

/** `cert-manager-v1.20.0`, as Helm's charts label what they make. */
function versionOf(workloads: readonly Live[]): string | null {
  const chart = workloads.map(({ metadata }) => metadata.labels?.['helm.sh/chart']).find((label) => label !== undefined)
  return /-(v?\d+\.\d+.*)$/.exec(chart ?? '')?.[1] ?? null
}

/** Flux, Argo CD, and Deployments of k3s' manifest directory such as coredns. */
function controllersIn(running: readonly Live[]): Map<string, Installed> {
  const found = new Map<string, Installed>()
  for (const one of running) {
    const { name, namespace = '', labels = {} } = one.metadata
    if (releaseOf(one) !== undefined) continue
    const part = CONTROLLERS.find((controller) => labels['app.kubernetes.io/part-of'] === controller)
    const isK3s = ownerOf(one)?.startsWith('k3s ') ?? false
    if (part === undefined && !isK3s) continue
    const key = keyOf(namespace, part ?? name)
    const version = part === undefined ? null : (labels['app.kubernetes.io/version'] ?? null)
    const { workloads = [] } = found.get(key) ?? {}
    found.set(key, { name: part ?? name, namespace, version, trouble: null, workloads: [...workloads, one] })
  }
  return found
}

async function statusOf(
  cluster: Cluster,
  { name, namespace, version, trouble, workloads }: Installed,
): Promise<AddonStatus> {
  const found = trouble ?? (await workloadTrouble(cluster, namespace, workloads))
  return { name, namespace, version, ...(found ?? { state: 'Running', why: null, hint: null }) }
}

/** A controller that someone scaled to 0 does nothing, although Kubernetes calls it ready. */
async function workloadTrouble(
  cluster: Cluster,
  namespace: string,
  workloads: readonly Live[],
): Promise<Trouble | null> {
  const stopped = workloads.find(isScaledDown)
  if (stopped !== undefined) {
    const { kind, metadata } = stopped
    const title = titleOf({ kind, ...metadata })
    const scale = `kubectl -n ${metadata.namespace} scale ${kind.toLowerCase()}/${metadata.name} --replicas=1`
    return { state: 'Degraded', why: `${title} is scaled to 0`, hint: scale }
  }
  const readiness = await allRolledOut(cluster, namespace, workloads)
  if (readiness.is === 'ready') return null
  const { why, hint = `kubectl -n ${namespace} get pods` } = readiness
  return { state: 'Degraded', why, hint }
}

/** Of a HelmChart: what Helm's newest record and the job of k3s say; null: it is deployed. */
async function chartTrouble(
  cluster: Cluster,
  name: string,
  secrets: readonly Live[],
  job: Live | undefined,
): Promise<Trouble | null> {
  const [newest] = releases(secrets)
  const run = job === undefined ? undefined : helmJob(job)
  const hint = `kubectl -n ${CHARTS} logs job/helm-install-${name}`
  if (newest !== undefined && isStuck(newest) && run?.is !== 'running') {
    const { namespace, name: record } = newest.secret.metadata
    const whole = await cluster.get({ apiVersion: 'v1', kind: 'Secret', namespace, name: record })
    const says = whole === null ? '' : (readRelease(whole)?.description ?? '')
    const why = `revision ${newest.revision} of the release is ${newest.status}${says === '' ? '' : `: ${says}`}`
    return { state: 'Failed', why, hint }
  }
  if (run?.is === 'failed') return { state: 'Failed', why: `Job ${CHARTS}/helm-install-${name} failed`, hint }
  if (run?.is === 'running' && run.failed > 0)
    return { state: 'Failed', why: `Job ${CHARTS}/helm-install-${name} failed ${run.failed} times and retries`, hint }
  if (newest === undefined || run?.is === 'running')
    return { state: 'Degraded', why: 'Helm has not finished installing it', hint }
  return null
}

function releaseTrouble(ready: z.output<typeof conditions>[number] | undefined, hint: string): Trouble | null {
  if (ready?.status === 'True') return null
  const why = ready === undefined ? 'Flux has not processed it yet' : `${ready.reason}: ${ready.message}`
  return {
    state: ready?.status === 'False' && /Failed|Exhausted/.test(ready.reason) ? 'Failed' : 'Degraded',
    why,
    hint,
  }
}
