// Waiting: asks again whenever something changes, within a bound, and tells what it waits for.

import type { Cluster, Listing } from './cluster.ts'
import { type Live, type Ref, titleOf } from './object.ts'
import { heldBy } from './refusal.ts'
import type { Making } from './resource.ts'

/** `late`: the bound is over, and `why` it is not there yet. `stopped`: the user asked to end. */
export type Waited =
  | { readonly is: 'done' | 'stopped' }
  | { readonly is: 'late'; readonly why: string; readonly seconds: number }

export interface Waiting {
  /** Seconds, where the user named none. */
  readonly bound: number
  /** Milliseconds between two looks; default 1000, and 5000 where changes of `watched` wake. */
  readonly pauseMs?: () => number
  readonly watched?: { readonly cluster: Cluster; readonly listing: Listing }
}

/** `ask` returns null when it is so, otherwise why not. */
export async function until(
  ask: () => Promise<string | null>,
  how: Making,
  { bound, watched, pauseMs = () => (watched ? 5000 : 1000) }: Waiting,
): Promise<Waited> {
  const seconds = how.boundSeconds ?? bound
  const end = how.now() + seconds * 1000
  const over = new AbortController()
  const bell = new Bell()
  const ring = () => bell.ring()
  for (const signal of [how.signal, how.stop]) signal.addEventListener('abort', ring)
  if (watched) void follow(watched.cluster, watched.listing, AbortSignal.any([over.signal, how.signal]), ring)
  try {
    for (;;) {
      const why = await ask()
      how.signal.throwIfAborted()
      if (why === null) return { is: 'done' }
      if (how.stop.aborted) return { is: 'stopped' }
      const left = end - how.now()
      if (left <= 0) return { is: 'late', why, seconds }
      how.wait(why, seconds)
      await bell.wait(Math.min(left, pauseMs()))
    }
  } finally {
    over.abort()
    for (const signal of [how.signal, how.stop]) signal.removeEventListener('abort', ring)
  }
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
    { bound, watched: { cluster, listing: { apiVersion, kind, namespace, fields: `metadata.name=${name}` } } },
  )
}

async function follow(cluster: Cluster, listing: Listing, signal: AbortSignal, ring: () => void): Promise<void> {
  try {
    for await (const _ of cluster.watch(listing, signal)) ring()
  } catch {
    // The pause between two looks is bounded without it.
  }
}

/** A ring while nobody waits is not lost. */
class Bell {
  #rung = false
  #wake = () => {}

  ring(): void {
    this.#rung = true
    this.#wake()
  }

  async wait(ms: number): Promise<void> {
    if (!this.#rung) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, ms)
        this.#wake = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    }
    this.#rung = false
  }
}
