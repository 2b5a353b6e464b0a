// Whether everything that a Helm release runs is rolled out, and what is wrong with the pods of a namespace.

import { z } from 'zod'
import { fieldsOfAnswer } from './answer.ts'
import type { Cluster } from './cluster.ts'
import type { Live } from './object.ts'
import { missing, podTrouble } from './pod.ts'
import type { Readiness } from './resource.ts'
import { podsOf, workloadReadiness } from './workload.ts'

const KINDS = ['Deployment', 'DaemonSet', 'StatefulSet'] as const
/** Helm sets it on all that it makes, and the annotation with the release's name beside it. */
const BY_HELM = 'app.kubernetes.io/managed-by=Helm'
const LOG_LINES = 12
const EVENTS = 4
const LACKS = 'create it from the inventory: k3s-platform apply -t secrets; the pod starts once it exists'

/** Of the workloads in the release's own namespace. */
export async function rolledOut(
  cluster: Cluster,
  { release, namespace }: { readonly release: string; readonly namespace: string },
): Promise<Readiness> {
  const lists = await Promise.all(
    KINDS.map((kind) => cluster.list({ apiVersion: 'apps/v1', kind, namespace, labels: BY_HELM })),
  )
  const mine = lists.flat().filter(({ metadata }) => metadata.annotations?.['meta.helm.sh/release-name'] === release)
  return allRolledOut(cluster, namespace, mine)
}

/** Of these workloads; the first that is not tells why. */
export async function allRolledOut(cluster: Cluster, namespace: string, all: readonly Live[]): Promise<Readiness> {
  for (const workload of all) {
    const readiness = workloadReadiness(workload)
    if (readiness.is === 'ready') continue
    const labels = podsOf(workload)
    const pods = await cluster.list({ apiVersion: 'v1', kind: 'Pod', namespace, labels })
    const why = await whyNot(cluster, namespace, pods)
    if (why === undefined) return readiness
    return { ...readiness, why: `${readiness.why}; ${why}`, ...(/ waits for /.test(why) && { hint: LACKS }) }
  }
  return { is: 'ready' }
}

/** Of the first pod that is not well; what a volume lacks is told by events alone. */
async function whyNot(cluster: Cluster, namespace: string, pods: readonly Live[]): Promise<string | undefined> {
  for (const pod of pods) {
    const trouble = podTrouble(pod)
    if (trouble === null) continue
    const { name } = pod.metadata
    const warning = trouble.known ? undefined : (await warningsOf(cluster, namespace, { kind: 'Pod', name })).at(-1)
    if (warning === undefined) return trouble.why
    return `pod ${name}: ${missing(warning, namespace) ?? warning}`
  }
  return undefined
}

const event = z.looseObject({
  type: z.string().default(''),
  reason: z.string().default(''),
  message: z.string().default(''),
  count: z.number().nullish(),
  lastTimestamp: z.string().nullish(),
  eventTime: z.string().nullish(),
  involvedObject: z.looseObject({ kind: z.string().default(''), name: z.string().default('') }).prefault({}),
})

/** Some lines: each pod that is not well, the end of the log of the first that has one, and the latest warnings. */
export async function troubles(cluster: Cluster, namespace: string): Promise<string> {
  const [pods, warnings] = await Promise.all([
    cluster.list({ apiVersion: 'v1', kind: 'Pod', namespace }),
    warningsOf(cluster, namespace),
  ])
  const found = pods.flatMap((pod) => {
    const trouble = podTrouble(pod)
    return trouble === null ? [] : [{ pod, trouble }]
  })
  const log = await firstLog(cluster, found)
  // Not those of pods that are gone, or well by now.
  const news = warnings.filter((line) => {
    const pod = / of Pod (\S+): /.exec(line)?.[1]
    return pod === undefined || found.some((one) => one.pod.metadata.name === pod)
  })
  const mute = ({ pod, trouble }: (typeof found)[number]) =>
    !trouble.known && news.some((line) => line.includes(pod.metadata.name))
  const told = found.filter((one) => !mute(one))
  return [...told.map(({ trouble }) => trouble.why), ...log, ...news.slice(-EVENTS)].join('\n')
}

async function firstLog(
  cluster: Cluster,
  found: readonly { readonly pod: Live; readonly trouble: { readonly container?: string } }[],
): Promise<string[]> {
  for (const { pod, trouble } of found) {
    if (trouble.container === undefined) continue
    const log = await cluster.logs(pod.metadata, { container: trouble.container, lines: LOG_LINES })
    const lines = (log ?? '').trimEnd().split('\n').filter(Boolean)
    if (lines.length > 0) return [`log of ${pod.metadata.name}:`, ...lines.map((line) => `  ${line}`)]
  }
  return []
}

/** `Warning FailedMount of Pod caddy-7c4: ...`, oldest first, each message once; of one object where it is named. */
export async function warningsOf(
  cluster: Cluster,
  namespace: string | undefined,
  of?: { readonly kind: string; readonly name: string },
): Promise<string[]> {
  const object = of === undefined ? '' : `,involvedObject.kind=${of.kind},involvedObject.name=${of.name}`
  const events = await cluster.list({ apiVersion: 'v1', kind: 'Event', namespace, fields: `type=Warning${object}` })
  const time = ({ lastTimestamp, eventTime }: z.output<typeof event>) =>
    Date.parse(lastTimestamp ?? eventTime ?? '') || 0
  const told = events
    .map((one) => fieldsOfAnswer(event, one))
    .sort((a, b) => time(a) - time(b))
    .map(({ reason, message, involvedObject: { kind, name } }) => {
      const line = message.replace(/\s+/g, ' ').trim()
      return of === undefined ? `${reason} of ${kind} ${name}: ${line}` : `${reason}: ${line}`
    })
  return [...new Set(told.reverse())].reverse()
}
