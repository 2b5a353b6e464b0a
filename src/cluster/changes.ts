// Wakes a wait when something that it watches changes, or when the run is stopped.

import type { Cluster, Listing } from './cluster.ts'
import type { Making } from './resource.ts'

/** Changes come in swarms. */
const DEBOUNCE_MS = 150

interface Changes {
  /** Resolves after the next change, in `ms` at the latest, or when the run is stopped. A change while nobody waits is not lost. */
  next(ms: number): Promise<void>
  end(): void
}

export interface WatchedListing {
  readonly cluster: Cluster
  readonly listing: Listing
}

export function listen(watches: readonly WatchedListing[], { signal, stop }: Making): Changes {
  const ended = new AbortController()
  const until = AbortSignal.any([ended.signal, signal])
  let changed = false
  let wake = () => {}
  const ring = () => {
    changed = true
    setTimeout(() => wake(), DEBOUNCE_MS)
  }
  const follow = async ({ cluster, listing }: WatchedListing) => {
    try {
      for await (const _ of cluster.watch(listing, until)) ring()
    } catch {
      // Without this watch the wait asks at its intervals; what is wrong shows in the next answer.
    }
  }
  for (const one of watches) void follow(one)
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
