// The gate of a Helm chart: its job is done, its release is deployed and is what the HelmChart says, its workloads are
// rolled out, and it does what it is for.

import { span } from '../../engine/duration.ts'
import { isMap, type JsonMap } from '../../engine/state.ts'
import { layerValues } from '../../supply/values.ts'
import { parseAnswer } from '../answer.ts'
import type { Cluster, Listing } from '../cluster.ts'
import { type HelmError, helmError } from '../helm-errors.ts'
import { type Live, type Ref, refOf, titleOf } from '../object.ts'
import { podFailures, podRuns } from '../pod.ts'
import {
  type HelmJob,
  helmJob,
  isStuck,
  json,
  madeFor,
  madeWith,
  type Revision,
  readRelease,
  releases,
  wasInterrupted,
} from '../release.ts'
import type { ClusterResource, Looking, Making, Readiness } from '../resource.ts'
import { rolledOut, troubles } from '../rollout.ts'
import { type GateVerdict, gate } from './gate.ts'

export interface ChartSpec {
  /** The HelmChart's name in kube-system. helm-controller gives the release the same one. */
  readonly name: string
  readonly release: string
  /** Where the release is installed: spec.targetNamespace. */
  readonly namespace: string
  /** Of the chart, as its Chart.yaml has it. */
  readonly version: string
  /** As in spec.valuesContent. */
  readonly values: JsonMap
  /** As in spec.valuesSecrets: each key is a document of values, laid over those before it. */
  readonly valuesSecret?: { readonly name: string; readonly keys: readonly string[] } | undefined
  readonly inputs: readonly string[]
  readonly boundSeconds: number
  /** Who keeps the release in place of the HelmChart; null: nobody. */
  readonly keeper?: (cluster: Cluster) => Promise<Keeper | null>
  /** The one proof that it works, asked for when all is rolled out. */
  readonly proof?: (cluster: Cluster, at: Looking) => Promise<Readiness>
  /** Where its values are written: `group_vars/all.yaml:31:5 k3s_platform_cert_manager_values`. */
  readonly where?: string
  /** The value that may have been meant by one that the chart refuses: `crds.enabled` for `crds.enabeld`. */
  readonly schemaHint?: (refused: string) => string | undefined
}

/** Another tool that goes on with a release. */
export interface Keeper {
  /** `Flux (HelmRelease caddy)` */
  readonly owner: string
  /** Whether the release is as that tool wants it. */
  readonly well: Readiness
}

const CHARTS = 'kube-system'
const CHART = { apiVersion: 'helm.cattle.io/v1', kind: 'HelmChart' }
const CHART_LABEL = 'helmcharts.helm.cattle.io/chart'
/** helm-controller leaves such a HelmChart alone: another tool keeps the release. */
const UNMANAGED = 'helmcharts.helm.cattle.io/unmanaged'
/** helm-controller takes a change up within a second; after this long, a job that is older than it was not needed. */
const TAKEN_UP_MS = 10_000
const LOG_LINES = 60

interface Seen {
  readonly chart: Live | null
  readonly job: Live | null
  /** Newest first. */
  readonly releases: readonly Revision[]
}

export function chartReady(spec: ChartSpec): ClusterResource {
  const { name, release, namespace } = spec
  const told: Told = new Map()
  return gate({
    id: `ready:HelmChart/${name}`,
    title: name,
    inputs: spec.inputs,
    boundSeconds: spec.boundSeconds,
    watches: [
      { ...listingOf(name), metadataOnly: true },
      { apiVersion: 'batch/v1', kind: 'Job', namespace: CHARTS, labels: `${CHART_LABEL}=${name}`, metadataOnly: true },
      { apiVersion: 'v1', kind: 'Pod', namespace: CHARTS, labels: `${CHART_LABEL}=${name}`, metadataOnly: true },
      { apiVersion: 'v1', kind: 'Pod', namespace, metadataOnly: true },
    ],
    judge: async (cluster, at) => {
      const [seen, rollout] = await Promise.all([see(cluster, spec), rolledOut(cluster, { release, namespace })])
      const deployed = await judgeRelease(cluster, at, spec, seen, told)
      if (deployed.is !== 'ready') return deployed
      if (rollout.is !== 'ready') return rollout
      return (await spec.proof?.(cluster, at)) ?? { is: 'ready' }
    },
    heal: (cluster, how, first) => heal(cluster, how, spec, first),
    evidence: async (cluster) => ({ why: await troubles(cluster, namespace) }),
    hint: `kubectl get helmchart,job,pod -n ${CHARTS} -l ${CHART_LABEL}=${name}, and kubectl get pods -n ${namespace}; to wait longer: --timeout`,
  })
}

function listingOf(name: string): Listing {
  return { ...CHART, namespace: CHARTS, fields: `metadata.name=${name}` }
}

/** A HelmChart may hold a whole chart and a release's Secret does: of both only the metadata are read. */
async function see(cluster: Cluster, { name, release, namespace }: ChartSpec): Promise<Seen> {
  const [charts, job, secrets] = await Promise.all([
    cluster.list({ ...listingOf(name), metadataOnly: true }),
    cluster.get({ apiVersion: 'batch/v1', kind: 'Job', namespace: CHARTS, name: `helm-install-${name}` }),
    cluster.list({
      apiVersion: 'v1',
      kind: 'Secret',
      namespace,
      labels: `owner=helm,name=${release}`,
      fields: 'type=helm.sh/release.v1',
      metadataOnly: true,
    }),
  ])
  return { chart: charts[0] ?? null, job, releases: releases(secrets) }
}

/** The last error of each job, by its uid: with a job that has failed, its pod and the log of it are gone. */
type Told = Map<string, HelmError>

async function judgeRelease(
  cluster: Cluster,
  at: Looking,
  spec: ChartSpec,
  seen: Seen,
  known: Told,
): Promise<GateVerdict> {
  const { chart, job } = seen
  const release = seen.releases[0] ?? null
  const keeper = (await spec.keeper?.(cluster)) ?? null
  if (keeper !== null && keeper.well.is !== 'ready') return keeper.well
  if (chart === null && keeper === null) return waiting(`HelmChart ${CHARTS}/${spec.name} does not exist`)
  // From then on the release is not the job's any more.
  if (chart === null || keeper !== null || chart.metadata.annotations?.[UNMANAGED] !== undefined) {
    return release?.status === 'deployed' ? { is: 'ready' } : waiting(`its release is ${release?.status ?? 'absent'}`)
  }
  if (chart.metadata.deletionTimestamp !== undefined) return waiting(`job helm-delete-${spec.name} uninstalls it`)
  if (job === null) {
    const hint = 'without helm-controller (disable-helm-controller in the k3s configuration) no chart is installed'
    return { ...waiting('helm-controller has not created a job for it yet'), hint }
  }
  const { current, going, changed } = madeFor(job, chart)
  const state = helmJob(job)
  if (!current) {
    const fresh = going || Math.abs(at.now() - changed) < TAKEN_UP_MS
    const same = !fresh && state.is === 'complete' && release?.status === 'deployed' && release.hash === state.hash
    if (same && (await holds(cluster, spec, release))) return { is: 'ready' }
    return waiting('helm-controller has not processed the change yet')
  }
  if (release?.status === 'failed' && release.hash === state.hash) {
    const record = await recordOf(cluster, release)
    if (record !== null && !wasInterrupted(record)) {
      const unknown = { why: record.description, final: true }
      return told(spec, job, state, release, helmError(record.description) ?? unknown)
    }
    const goesOn = (await jobPods(cluster, spec.name)).some(podRuns)
    const why = `Helm was interrupted during revision ${release.revision}`
    return goesOn
      ? waiting(`${why}; job ${job.metadata.name} continues`)
      : told(spec, job, state, release, { why, final: true })
  }
  if (state.is === 'complete') {
    if (release?.status === 'deployed' && release.hash === state.hash) {
      // A change of the Secret is none of the HelmChart: only the record tells whether the job knew it.
      if (spec.valuesSecret === undefined || (await holds(cluster, spec, release))) return { is: 'ready' }
      return waiting('helm-controller has not processed the change of its secret values yet')
    }
    return waiting(`job helm-install-${spec.name} ended, but the release is ${release?.status ?? 'absent'}`)
  }
  const pods = await jobPods(cluster, spec.name)
  const failures = Math.max(
    state.failed,
    pods.reduce((sum, pod) => sum + podFailures(pod), 0),
  )
  const { uid = '' } = job.metadata
  const read = failures > 0 || state.is === 'failed' ? await errorOf(cluster, pods) : null
  if (read !== null) known.set(uid, read)
  const error = read ?? known.get(uid) ?? inTheWay(release, state, pods)
  const isRunning = pods.some(podRuns)
  // What stopped an attempt may be gone at the next one, which is believed once it has ended.
  if (state.is === 'failed' || (error?.final && !isRunning)) {
    const unknown = { why: 'its log is no longer available', final: true }
    return told(spec, job, { ...state, failed: failures }, release, error ?? unknown)
  }
  const attempt = `job helm-install-${spec.name}, attempt ${failures + (isRunning ? 1 : 0) || 1}`
  if (error === null) return waiting(attempt)
  return { ...waiting(`${attempt}: ${error.why}`), alone: !error.pods, ...(error.hint && { hint: error.hint }) }
}

/** What failed before its newest version keeps Helm from going on. Its own may have come to its end since it was looked at. */
function inTheWay(release: Revision | null, { hash }: HelmJob, pods: readonly Live[]): HelmError | null {
  if (release === null || release.hash === hash || !isStuck(release) || pods.some(podRuns)) return null
  return { why: `revision ${release.revision} of the release is stuck: ${release.status}`, final: true }
}

const waiting = (why: string) => ({ is: 'waiting', why }) as const

/** What is deployed is what the HelmChart says; the whole record is read, so only where the dates do not tell. */
async function holds(cluster: Cluster, spec: ChartSpec, release: Revision): Promise<boolean> {
  const { name, version, values } = spec
  const [record, secret] = await Promise.all([recordOf(cluster, release), secretValuesOf(cluster, spec)])
  if (record === null || record.chartVersion !== version) return false
  if (madeWith(record, secret.reduce(layerValues, values))) return true
  // Values that an operator lays over ours.
  const over = await cluster.get({ ...CHART, kind: 'HelmChartConfig', namespace: CHARTS, name })
  return over !== null
}

/** The documents of the Secret; one that is missing there, or is no map, is left out: the release is not made with it. */
async function secretValuesOf(cluster: Cluster, { valuesSecret }: ChartSpec): Promise<readonly JsonMap[]> {
  if (valuesSecret === undefined) return []
  const live = await cluster.get({ apiVersion: 'v1', kind: 'Secret', namespace: CHARTS, name: valuesSecret.name })
  const data = isMap(live?.data) ? live.data : {}
  return valuesSecret.keys.flatMap((key) => {
    const text = data[key]
    const document = typeof text === 'string' ? parseAnswer(Buffer.from(text, 'base64').toString('utf8')) : null
    const values = json.safeParse(document).data
    return isMap(values) ? [values] : []
  })
}

async function recordOf(cluster: Cluster, { secret }: Revision) {
  const whole = await cluster.get({ ...refOf(secret), apiVersion: 'v1', kind: 'Secret' })
  return whole && readRelease(whole)
}

/** Newest first. */
async function jobPods(cluster: Cluster, name: string): Promise<Live[]> {
  const labels = `${CHART_LABEL}=${name},batch.kubernetes.io/job-name=helm-install-${name}`
  const pods = await cluster.list({ apiVersion: 'v1', kind: 'Pod', namespace: CHARTS, labels })
  const made = ({ metadata }: Live) => Date.parse(metadata.creationTimestamp ?? '') || 0
  return [...pods].sort((a, b) => made(b) - made(a))
}

/** A retry that has only begun says nothing yet: the one before does. */
async function errorOf(cluster: Cluster, pods: readonly Live[]): Promise<HelmError | null> {
  for (const { metadata } of pods.slice(0, 3)) {
    const log = await cluster.logs(metadata, { container: 'helm', lines: LOG_LINES })
    const error = log === null ? null : helmError(log)
    if (error !== null) return error
  }
  return null
}

function told(spec: ChartSpec, job: Live, state: HelmJob, release: Revision | null, error: HelmError): GateVerdict {
  const { where, schemaHint } = spec
  const attempts = state.failed > 0 ? `, ${state.failed} ${state.failed === 1 ? 'attempt' : 'attempts'}` : ''
  const took = state.seconds === null ? '' : `, ${span(state.seconds)}`
  const upgrade = release !== null && (release.revision > 1 || release.status === 'deployed')
  const meant = (error.values ?? []).flatMap((refused) => schemaHint?.(refused) ?? [])
  const question = meant.length > 0 ? `did you mean ${meant.join(', ')}? ` : ''
  const left =
    release === null
      ? 'nothing is installed'
      : `the release was not changed (${release.status}, revision ${release.revision})`
  const remedy = error.values === undefined ? error.hint : `${question}correct ${where ?? 'the values'}`
  return {
    is: 'failed',
    what: `Helm could not ${upgrade ? 'upgrade' : 'install'} it (job ${job.metadata.name}${attempts}${took})`,
    why: error.why,
    alone: !error.pods,
    hint: `${remedy ?? 'fix that'}, then run the same command again; ${left}`,
  }
}

/**
 * Under the failure policy abort, nothing goes on over a release that failed or whose Helm was killed: its record is taken
 * away, so that the revision before is the newest again (or the objects are adopted by a new install). No job is ever
 * deleted and nothing is uninstalled.
 */
async function heal(cluster: Cluster, how: Making, spec: ChartSpec, first: boolean): Promise<boolean> {
  const { chart, job, releases } = await see(cluster, spec)
  if (chart === null || chart.metadata.deletionTimestamp !== undefined) return false
  if (chart.metadata.annotations?.[UNMANAGED] !== undefined || (await spec.keeper?.(cluster)) != null) return false
  const current = job !== null && madeFor(job, chart).current
  const good = releases.findIndex((one) => !isStuck(one))
  const stuck = releases.slice(0, good === -1 ? releases.length : good)
  const [newest] = stuck
  if (newest !== undefined) {
    if ((await jobPods(cluster, spec.name)).some(podRuns)) return false
    const record = await recordOf(cluster, newest)
    const interrupted = record === null ? newest.status !== 'failed' : wasInterrupted(record)
    // It came to its end since it was looked at.
    if (!interrupted && newest.status !== 'failed') return false
    const before = job === null || newest.hash !== helmJob(job).hash
    if (!first && !interrupted && !before) return false
    for (const { secret } of stuck) {
      const { uid } = secret.metadata
      await cluster.delete({ ...refOf(secret), apiVersion: 'v1', kind: 'Secret' }, uid === undefined ? {} : { uid })
    }
    const was = interrupted ? 'Helm was interrupted during' : 'Helm had failed at'
    how.output(`${was} revision ${newest.revision} (${newest.status}): its record is removed and Helm retries`)
    if (current) await askAgain(cluster, spec.name)
    return true
  }
  if (!first || !current || helmJob(job).is === 'complete') return false
  const pods = helmJob(job).is === 'failed' ? [] : await jobPods(cluster, spec.name)
  // Between two attempts, the error of the last one may be of a cause that is gone.
  const failed = pods.some((pod) => podFailures(pod) > 0) && !pods.some(podRuns)
  if (helmJob(job).is !== 'failed' && !failed) return false
  const was = failed ? 'an earlier attempt failed' : 'helm-controller stopped retrying'
  how.output(`${was} (${titleOf(refOf(job))}): the installation is retried`)
  await askAgain(cluster, spec.name)
  return true
}

/**
 * helm-controller makes a new job only when the pod that it would run is another one. This field is handed to the pod, `v3`
 * and nothing mean the same (https://docs.k3s.io/helm), and nothing else of ours sets it. Left empty, not out: the API server
 * dates the change (`madeFor`) only as long as the field is there.
 */
async function askAgain(cluster: Cluster, name: string): Promise<void> {
  const ref: Ref = { ...CHART, namespace: CHARTS, name }
  const live = await cluster.get(ref)
  if (live === null) return
  const spec = live.spec
  const set = typeof spec === 'object' && spec !== null && 'helmVersion' in spec && spec.helmVersion === 'v3'
  await cluster.patch(ref, { spec: { helmVersion: set ? '' : 'v3' } })
}
