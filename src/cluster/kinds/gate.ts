// A gate: a cluster resource that is open when something works, and says what it waits for until then.

import { span } from '../../engine/duration.ts'
import { type Problem, ProblemError } from '../../engine/problem.ts'
import type { Observation } from '../../engine/resource.ts'
import { LinkError } from '../../host/transport.ts'
import { ApiError, type Cluster, type Listing } from '../cluster.ts'
import type { Ref } from '../object.ts'
import type { ClusterResource, Looking, Making, Readiness } from '../resource.ts'
import { firstLine, waitUntilReady } from '../wait.ts'

/** A Readiness with, for a failure, the sentence that is said instead of `not ready`. `alone`: no evidence is needed. */
export type GateVerdict = Readiness & { readonly what?: string; readonly alone?: boolean }
type NotReady = Exclude<GateVerdict, { readonly is: 'ready' }>

export interface GateSpec {
  readonly id: string
  /** What shall work: `cert-manager`, `Certificate database/postgresql-tls`. */
  readonly title: string
  readonly inputs?: readonly string[]
  /** The object that it waits for, where it is one. */
  readonly about?: Ref
  /** How long it is waited for, unless the run has a bound of its own. */
  readonly boundSeconds: number
  /**
   * A failure that is this young may be one of before the change, and is waited out. Default 0: each failure is believed.
   */
  readonly graceSeconds?: number
  /** How long it has to stay ready before the wait is over. Default 0. */
  readonly steadySeconds?: number
  /** Reads and dry runs only. What an API answers with an error is waited for. */
  judge(cluster: Cluster, at: Looking): Promise<GateVerdict>
  /** What makes it worth judging again; in any case it is judged every 5 s. */
  readonly watches: readonly Listing[]
  /** Done once when the wait begins, before the first judgement: has what is judged look anew. */
  begin?(cluster: Cluster, how: Making): Promise<void>
  /**
   * Clears away what keeps it from becoming ready by itself; true: something was done, judge again. Called when the wait
   * begins (`first`: what is found is left over from earlier) and on failures.
   */
  heal?(cluster: Cluster, how: Making, first: boolean): Promise<boolean>
  /** What else is known when the wait is over: lines below the reason, and a better hint. */
  evidence?(cluster: Cluster, at: Looking): Promise<{ readonly why?: string; readonly hint?: string }>
  /** What to do when neither the verdict nor the evidence says it. */
  readonly hint?: string
}

const READY = { state: 'ready' } as const
const POLL_MS = 5000

export function gate(spec: GateSpec): ClusterResource {
  const { id, title, inputs = [], about, boundSeconds: bound, graceSeconds = 0, steadySeconds = 0 } = spec
  const before: Observation = { actual: null, desired: READY, deferred: 'known once it exists' }
  return {
    id,
    title,
    inputs,
    ...(about && { about }),
    waits: true,
    before,
    afterInputs: () => ({ actual: null, deferred: 'known after the change' }),
    action: () => `wait until ${title} is ready`,

    look: async (cluster, at) => {
      const verdict = await judged(spec, cluster, at)
      const state = verdict.is === 'ready' ? 'ready' : `${verdict.is}: ${firstLine(verdict.why)}`
      return { actual: { state }, desired: READY }
    },

    make: async (_change, cluster, how) => {
      const outcome = await waitUntilReady<NotReady>(
        {
          ...{ bound, graceSeconds, steadySeconds },
          pauseMs: () => POLL_MS,
          watches: spec.watches.map((listing) => ({ cluster, listing })),
          begin: async () => spec.begin?.(cluster, how),
          heal: async (first) => (await spec.heal?.(cluster, how, first)) ?? false,
          judge: () => judged(spec, cluster, how).catch((error: unknown) => apiAway(error, how)),
        },
        how,
      )
      if ('verdict' in outcome) throw await explained(spec, outcome.verdict, outcome.seconds, cluster, how)
    },
  }
}

/** An API that answers with an error is not ready: a webhook that starts, an etcd that elects. */
async function judged(spec: GateSpec, cluster: Cluster, at: Looking): Promise<GateVerdict> {
  try {
    return await spec.judge(cluster, at)
  } catch (error) {
    if (!(error instanceof ApiError)) throw error
    return { is: 'waiting', why: `the API reports: ${error.message}` }
  }
}

/** An API that restarts, or is too busy to answer, is waited for like anything else. */
async function apiAway(error: unknown, { reachHost }: Making): Promise<GateVerdict> {
  if (!(error instanceof LinkError) || reachHost === undefined) throw error
  await reachHost(error)
  return { is: 'waiting', why: error.message }
}

async function explained(
  spec: GateSpec,
  verdict: NotReady,
  bound: number,
  cluster: Cluster,
  how: Making,
): Promise<ProblemError> {
  const more = await Promise.resolve(verdict.alone ? undefined : spec.evidence?.(cluster, how)).catch(
    (error: unknown) => {
      if (!(error instanceof ApiError)) throw error
      return undefined
    },
  )
  const hint =
    more?.hint ?? verdict.hint ?? spec.hint ?? (verdict.is === 'waiting' ? 'to wait longer: --timeout' : undefined)
  const problem: Problem = {
    kind: 'failed',
    where: `${how.host} ${spec.title}`,
    what:
      verdict.what ??
      (verdict.is === 'failed'
        ? 'it is not ready and will not become ready by itself'
        : `it did not become ready within ${span(bound)}`),
    why: [verdict.why, ...(more?.why ?? '').split('\n').filter((line) => !verdict.why.includes(line))].join('\n'),
    ...(hint === undefined ? {} : { hint }),
  }
  return new ProblemError(problem)
}
