// A cluster resource: how it looks at the API, what it does there, and what is known of it before there is a cluster.

import type { Observation, PendingChange, Resource } from '../engine/resource.ts'
import type { LinkError } from '../host/transport.ts'
import type { Cluster } from './cluster.ts'
import type { Ref } from './object.ts'

export interface ClusterResource extends Resource {
  /** The object that it makes and that goes when it is no longer wanted; undefined: it makes none. */
  readonly writes?: Ref
  /** The object that it is about without writing it: whose readiness a gate waits for. */
  readonly about?: Ref
  /** What is known while the node has no k3s: most objects are to be created, a gate is known later. */
  readonly before: Observation
  /**
   * Changes nothing: reads and dry runs only. Throws ProblemError for what no apply can put right (a field that another
   * manager owns, a manifest that the API refuses); an API that cannot answer yet (a webhook that starts) is `deferred`.
   */
  look(cluster: Cluster, at: Looking): Promise<Observation>
  /** Makes the change true and returns when the API has taken it; a gate returns when it is open. Throws ProblemError. */
  make(change: PendingChange<ClusterResource>, cluster: Cluster, how: Making): Promise<void>
}

export interface Looking {
  /** The host's name in the inventory, which problems begin with. */
  readonly host: string
  /** Milliseconds since the epoch. */
  readonly now: () => number
  readonly signal: AbortSignal
}

export interface Making extends Looking {
  /** First Ctrl-C: return early where nothing is half done. A wait ends. */
  readonly stop: AbortSignal
  /** Bound of the longest wait, seconds; undefined: the resource's own. */
  readonly boundSeconds: number | undefined
  /** Said once per reason, not per poll. */
  wait(why: string, boundSeconds: number | null): void
  output(text: string): void
  /** Something that people have to do next, told however quiet the run is. */
  warn(what: string, hint: string): void
  /** After a LinkError: rejects where the whole host is gone. Otherwise the API alone is, and may come back. */
  readonly reachHost?: (error: LinkError) => Promise<void>
}

/** How far something is: `waiting` may still come by itself, `failed` does not. `why` is one line, or several for a log. */
export type Readiness =
  | { readonly is: 'ready' }
  | { readonly is: 'waiting' | 'failed'; readonly why: string; readonly hint?: string }
