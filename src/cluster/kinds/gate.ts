// A gate: a cluster resource that is open when something works, and says what it waits for until then.

import { span } from '../../certificates/words.ts'
import { type Problem, ProblemError } from '../../engine/problem.ts'
import type { Observation } from '../../engine/resource.ts'
import { ApiError, type Cluster, type Listing } from '../cluster.ts'
import type { Ref } from '../object.ts'
import type { ClusterResource, Looking, Making, Readiness } from '../resource.ts'

/** A Readiness with, for a failure, the sentence that is said instead of `not ready`. `alone`: no evidence is needed. */
export type Verdict = Readiness & { readonly what?: string; readonly alone?: boolean }

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
  /** Reads and dry runs only. What an API answers with an error is waited for. */
  judge(cluster: Cluster, at: Looking): Promise<Verdict>
  /** What makes it worth judging again; anyhow it is done every 5 s. */
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
/** Changes come in swarms. */
const DEBOUNCE_MS = 150
/** A heal that does not help is no reason to go round in circles. */
const HEALS = 3

export function gate(spec: GateSpec): ClusterResource {
  const { id, title, inputs = [], about, boundSeconds: own, graceSeconds = 0 } = spec
  const before: Observation = { actual: null, desired: READY, deferred: 'known once it is there' }
  return {
    id,
    title,
    inputs,
    ...(about && { about }),
    before,
    afterInputs: () => ({ actual: null, deferred: 'known after the change' }),
    action: () => `wait until ${title} is ready`,

    look: async (cluster, at) => {
      const verdict = await judged(spec, cluster, at)
      const state = verdict.is === 'ready' ? 'ready' : `${verdict.is}: ${firstLine(verdict.why)}`
      return { actual: { state }, desired: READY }
    },

    make: async (_change, cluster, how) => {
      const bound = how.boundSeconds ?? own
      const begun = how.now()
      const changes = listen(cluster, spec.watches, how)
      try {
        await spec.begin?.(cluster, how)
        for (let turn = 0, heals = 0, said = ''; ; turn++) {
          how.signal.throwIfAborted()
          const verdict = await judged(spec, cluster, how)
          if (verdict.is === 'ready' || how.stop.aborted) return
          const waited = (how.now() - begun) / 1000
          const failed = verdict.is === 'failed' && waited >= graceSeconds
          if (spec.heal && (turn === 0 || failed) && heals < HEALS && (await spec.heal(cluster, how, turn === 0))) {
            heals++
            continue
          }
          if (failed || waited >= bound) throw await explained(spec, verdict, bound, cluster, how)
          const why = firstLine(verdict.why)
          if (why !== said) how.wait(why, bound)
          said = why
          await changes.next(Math.min(POLL_MS, (bound - waited) * 1000))
        }
      } finally {
        changes.end()
      }
    },
  }
}

/** An API that answers with an error is not ready: a webhook that starts, an etcd that elects. */
async function judged(spec: GateSpec, cluster: Cluster, at: Looking): Promise<Verdict> {
  try {
    return await spec.judge(cluster, at)
  } catch (error) {
    if (!(error instanceof ApiError)) throw error
    return { is: 'waiting', why: `the API says: ${error.message}` }
  }
}

async function explained(
  spec: GateSpec,
  verdict: Exclude<Verdict, { is: 'ready' }>,
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
    more?.hint ?? verdict.hint ?? spec.hint ?? (verdict.is === 'waiting' ? '--timeout gives it longer' : undefined)
  const problem: Problem = {
    kind: 'failed',
    where: `${how.host} ${spec.title}`,
    what:
      verdict.what ??
      (verdict.is === 'failed' ? 'not ready, and will not be by itself' : `not ready after ${span(bound)}`),
    why: [verdict.why, ...(more?.why ?? '').split('\n').filter((line) => !verdict.why.includes(line))].join('\n'),
    ...(hint === undefined ? {} : { hint }),
  }
  return new ProblemError(problem)
}

interface Changes {
  /** Resolves after the next change, in `ms` at the latest, or when the run is stopped. */
  next(ms: number): Promise<void>
  end(): void
}

function listen(cluster: Cluster, watches: readonly Listing[], { signal, stop }: Making): Changes {
  const ended = new AbortController()
  const until = AbortSignal.any([ended.signal, signal])
  let changed = false
  let wake = () => {}
  const ring = () => {
    changed = true
    setTimeout(() => wake(), DEBOUNCE_MS)
  }
  const follow = async (listing: Listing) => {
    try {
      for await (const _ of cluster.watch(listing, until)) ring()
    } catch {
      // Without this watch the poll goes on; what is wrong shows in the next judgement.
    }
  }
  for (const listing of watches) void follow(listing)
  const now = () => wake()
  for (const one of [signal, stop]) one.addEventListener('abort', now)
  return {
    next: async (ms) => {
      let timer: ReturnType<typeof setTimeout> | undefined
      await new Promise<void>((resolve) => {
        wake = resolve
        timer = setTimeout(resolve, changed ? DEBOUNCE_MS : ms)
        if (signal.aborted || stop.aborted) resolve()
      })
      clearTimeout(timer)
      changed = false
    },
    end: () => {
      ended.abort()
      for (const one of [signal, stop]) one.removeEventListener('abort', now)
    },
  }
}

function firstLine(text: string): string {
  return text.split('\n', 1)[0] ?? ''
}
