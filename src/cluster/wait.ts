// Waits with a timeout: judges again whenever something changes, and reports what it waits for.

import { listen, type WatchedListing } from './changes.ts'
import type { Cluster } from './cluster.ts'
import { type Live, type Ref, titleOf } from './object.ts'
import { heldBy } from './refusal.ts'
import type { Making, Readiness } from './resource.ts'

type Ready = { readonly is: 'ready' }
type NotReady = Exclude<Readiness, Ready>

/** `failed`: it does not become ready by itself. `late`: the bound is over. `stopped`: the user asked to end. */
type WaitOutcome<N extends NotReady> =
  | { readonly is: 'ready' | 'stopped' }
  | { readonly is: 'failed' | 'late'; readonly verdict: N; readonly seconds: number }

/** `late`: the bound is over, and `why` it is not there yet. `stopped`: the user asked to end. */
export type Waited =
  | { readonly is: 'done' | 'stopped' }
  | { readonly is: 'late'; readonly why: string; readonly seconds: number }

interface WaitBounds {
  /** Seconds, where the user named none. */
  readonly bound: number
  /** Milliseconds between two judgements; default 1000, and 5000 where changes of `watches` wake. */
  readonly pauseMs?: () => number
  readonly watches?: readonly WatchedListing[]
}

interface WaitSpec<N extends NotReady> extends WaitBounds {
  /** A failure that is younger may be one of before the change, and is waited out. Default 0: each failure is believed. */
  readonly graceSeconds?: number
  /** How long it has to stay ready before the wait is over. Default 0. */
  readonly steadySeconds?: number
  /** Done once, when changes are watched already and nothing is judged yet. */
  readonly begin?: () => Promise<void>
  /** Called at the first verdict and at failures; true: something was done, judge again. */
  readonly heal?: (first: boolean) => Promise<boolean>
  judge(): Promise<Ready | N>
}

/** A heal that does not help is no reason to go round in circles. */
const HEALS = 3

export async function waitUntilReady<N extends NotReady>(spec: WaitSpec<N>, how: Making): Promise<WaitOutcome<N>> {
  const { watches = [], graceSeconds = 0, steadySeconds = 0 } = spec
  const { pauseMs = () => (watches.length > 0 ? 5000 : 1000) } = spec
  const bound = how.boundSeconds ?? spec.bound
  const begun = how.now()
  const changes = listen(watches, how)
  try {
    await spec.begin?.()
    for (let turn = 0, heals = 0, said = '', readySince: number | null = null; ; turn++) {
      how.signal.throwIfAborted()
      const verdict = await spec.judge()
      how.signal.throwIfAborted()
      const waited = (how.now() - begun) / 1000
      if (verdict.is === 'ready') {
        readySince ??= waited
        const left = steadySeconds - (waited - readySince)
        if (left <= 0) return { is: 'ready' }
        if (how.stop.aborted) return { is: 'stopped' }
        await changes.next(left * 1000)
        continue
      }
      if (how.stop.aborted) return { is: 'stopped' }
      readySince = null
      const failed = verdict.is === 'failed' && waited >= graceSeconds
      if (spec.heal && (turn === 0 || failed) && heals < HEALS && (await spec.heal(turn === 0))) {
        heals++
        continue
      }
      if (failed || waited >= bound) return { is: failed ? 'failed' : 'late', verdict, seconds: bound }
      const why = firstLine(verdict.why)
      if (why !== said) how.wait(why, bound)
      said = why
      await changes.next(Math.min(pauseMs(), (bound - waited) * 1000))
    }
  } finally {
    changes.end()
  }
}

/** `ask` returns null when it is so, otherwise why not. */
export async function until(ask: () => Promise<string | null>, how: Making, bounds: WaitBounds): Promise<Waited> {
  const judge = async (): Promise<Readiness> => {
    const why = await ask()
    return why === null ? { is: 'ready' } : { is: 'waiting', why }
  }
  const outcome = await waitUntilReady({ ...bounds, judge }, how)
  if ('verdict' in outcome) return { is: 'late', why: outcome.verdict.why, seconds: outcome.seconds }
  return { is: outcome.is === 'ready' ? 'done' : 'stopped' }
}

/** Deletes that very object and waits until it is gone; with `owned` first, what it owns as well. */
export async function deleted(
  cluster: Cluster,
  ref: Ref,
  live: Live,
  how: Making,
  bound: number,
  which: { readonly owned?: 'first' } = {},
): Promise<Waited> {
  const { uid } = live.metadata
  if (live.metadata.deletionTimestamp === undefined) {
    await cluster.delete(ref, { ...which, ...(uid !== undefined && { uid }) })
  }
  const { apiVersion, kind, namespace, name } = ref
  return until(
    async () => {
      const now = await cluster.get(ref)
      if (now === null || now.metadata.uid !== uid) return null
      return `${titleOf(ref)} is being deleted${heldBy(now) && `: ${heldBy(now)}`}`
    },
    how,
    { bound, watches: [{ cluster, listing: { apiVersion, kind, namespace, fields: `metadata.name=${name}` } }] },
  )
}

export function firstLine(text: string): string {
  return text.split('\n', 1)[0] ?? ''
}
