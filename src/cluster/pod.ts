// Explains why a pod is not running, and which container's log shows the cause.

import { z } from 'zod'
import { fieldsOfAnswer } from './answer.ts'
import type { Live } from './object.ts'

export interface Trouble {
  /** One line: `pod external-dns-7c4: waits for Secret platform/cloudflare-api-token, which does not exist`. */
  readonly why: string
  /** The pod itself says the reason; else its events may. */
  readonly known: boolean
  /** The container whose log tells more; left out where none has run. */
  readonly container?: string
}

const text = z.string().default('')
const ended = z.looseObject({ exitCode: z.number(), reason: text, message: text, signal: z.number().optional() })
const container = z.looseObject({
  name: z.string(),
  image: text,
  ready: z.boolean().default(false),
  restartCount: z.number().default(0),
  state: z
    .looseObject({
      waiting: z.looseObject({ reason: text, message: text }).optional(),
      running: z.looseObject({}).optional(),
      terminated: ended.optional(),
    })
    .default({}),
  lastState: z.looseObject({ terminated: ended.optional() }).default({}),
})
const containers = z.array(container).default([])
const shape = z.looseObject({
  status: z
    .looseObject({
      phase: text,
      reason: text,
      message: text,
      conditions: z
        .array(z.looseObject({ type: z.string(), status: z.string(), reason: text, message: text }))
        .default([]),
      initContainerStatuses: containers,
      containerStatuses: containers,
    })
    .prefault({}),
})

type Container = z.output<typeof container>

/** null: it runs and is ready, it has done its work, or it is on its way out. */
export function podTrouble(pod: Live): Trouble | null {
  const { status } = fieldsOfAnswer(shape, pod)
  const { name, namespace = '' } = pod.metadata
  const say = (why: string, of?: Container, known = true): Trouble => ({
    why: `pod ${name}: ${why}`,
    known,
    ...(of !== undefined && { container: of.name }),
  })
  if (pod.metadata.deletionTimestamp !== undefined || status.phase === 'Succeeded') return null
  const unscheduled = status.conditions.find(({ type, status }) => type === 'PodScheduled' && status === 'False')
  if (unscheduled !== undefined) return say(`cannot be scheduled: ${unscheduled.message || unscheduled.reason}`)
  for (const one of [...status.initContainerStatuses, ...status.containerStatuses]) {
    const words = containerTrouble(one, namespace)
    if (words !== null) return say(words, one.state.waiting === undefined || one.restartCount > 0 ? one : undefined)
  }
  // The kubelet's own word: Evicted, NodeLost.
  if (status.phase === 'Failed') return say(`failed: ${[status.reason, status.message].filter(Boolean).join(', ')}`)
  const waiting = status.initContainerStatuses.some((one) => one.state.running !== undefined)
  if (waiting) return say('its init container is still running', undefined, false)
  const unready = status.containerStatuses.find(({ ready }) => !ready)
  if (unready?.state.running !== undefined)
    return say(`container ${unready.name} is running but not ready`, unready, false)
  if (status.phase === 'Pending' || unready !== undefined) return say('it is starting', undefined, false)
  return null
}

/** Whether a container of it is at work. */
export function podRuns(pod: Live): boolean {
  const { status } = fieldsOfAnswer(shape, pod)
  return status.containerStatuses.some(({ state }) => state.running !== undefined)
}

/** How often its containers have ended badly. */
export function podFailures(pod: Live): number {
  const { status } = fieldsOfAnswer(shape, pod)
  const bad = status.containerStatuses.filter(({ state }) => (state.terminated?.exitCode ?? 0) !== 0).length
  return status.containerStatuses.reduce((sum, { restartCount }) => sum + restartCount, bad)
}

function containerTrouble(
  { name, image, state, lastState, restartCount }: Container,
  namespace: string,
): string | null {
  const { waiting, terminated } = state
  if (terminated !== undefined && terminated.exitCode !== 0) return `container ${name} ended: ${exit(terminated)}`
  if (waiting === undefined) return null
  switch (waiting.reason) {
    case '':
    case 'ContainerCreating':
    case 'PodInitializing':
      return missing(waiting.message, namespace)
    case 'ErrImagePull':
    case 'ImagePullBackOff':
    case 'InvalidImageName':
    case 'ErrImageNeverPull':
      return `image ${image} could not be pulled: ${waiting.message || waiting.reason}`
    case 'CreateContainerConfigError':
      return missing(waiting.message, namespace) ?? `container ${name}: ${waiting.message || waiting.reason}`
    case 'CrashLoopBackOff': {
      const last = lastState.terminated
      return `container ${name} keeps crashing${last ? ` (${exit(last)})` : ''}, ${restartCount} restarts`
    }
    default:
      return `container ${name}: ${[waiting.reason, waiting.message].filter(Boolean).join(': ')}`
  }
}

function exit({ exitCode, signal, reason }: z.output<typeof ended>): string {
  const code = signal === undefined || signal === 0 ? `exit ${exitCode}` : `signal ${signal}`
  return reason === '' || reason === 'Error' ? code : `${code}, ${reason}`
}

/** What a pod needs and has not, from the kubelet's words for it (of a container or of a volume); null: something else. */
export function missing(message: string, namespace: string): string | null {
  const [, kind, name] = /\b(secret|configmap) "([^"]+)" not found/i.exec(message) ?? []
  if (kind !== undefined) {
    // A volume's message names the namespace with it.
    const title = name?.includes('/') ? name : `${namespace}/${name}`
    return `it waits for ${kind.toLowerCase() === 'secret' ? 'Secret' : 'ConfigMap'} ${title}, which does not exist`
  }
  const [, key, of, title] = /couldn't find key (\S+) in (Secret|ConfigMap) (\S+)/i.exec(message) ?? []
  return key === undefined ? null : `it waits for the key ${key} of ${of} ${title}, which does not exist`
}
