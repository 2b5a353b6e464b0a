// A resource, the stages that hold resources in the order in which they are made, and the backend that carries them.

import type { Problem } from './problem.ts'
import type { State } from './state.ts'

export interface Resource {
  /** Unique on a host, stable between runs: `file:/etc/rancher/k3s/config.yaml`. */
  readonly id: string
  /** What people read: `/etc/rancher/k3s/config.yaml`. */
  readonly title: string
  /** A file of the workstation: apply writes it, and it is no part of the host's state, so no plan counts it. */
  readonly workstation?: true
  /** Fields that hold secrets: they are shown as `***`. */
  readonly masked?: readonly string[]
  /** Resources of the same host whose change changes this one: what a unit is started with, what a check looks at. */
  readonly inputs?: readonly string[]
  /**
   * What will be known of this resource once the inputs of those titles have changed, so that a plan shows the whole of
   * what apply will do. Default: nothing changes.
   */
  afterInputs?(actual: State | null, inputs: readonly string[]): Observed
  /** Whether a change of this one counts as a change of an input for those it is an input of. Default: any does. */
  disturbs?(change: { readonly actual: State | null; readonly desired: State | null }): boolean
  /** Making it changes nothing, it waits: what was well and is not any more is waited for again. */
  readonly waits?: true
  /** Words for a change that is neither the making nor the editing of something: `restart k3s.service`. */
  action?(actual: State | null, desired: State): string | null
}

/** What a look at a resource found. */
export interface Observed {
  readonly actual: State | null
  /** Set when the answer is known only after something before it exists: `after the restart`. */
  readonly deferred?: string
  /**
   * Set when somebody else owns the object: `Flux (platform-root)`. It is shown, never written; what differs is drift between
   * the owner and what is wanted here.
   */
  readonly owner?: string
}

export interface Observation extends Observed {
  /** Set when the resource is not for this target: it has no part in the plan. */
  readonly elsewhere?: true
  /** null: should be absent. */
  readonly desired: State | null
  /** What is worth saying of what it becomes: whose word its digest is. */
  readonly remark?: string
}

export interface Stage<R extends Resource = Resource> {
  readonly role: string
  readonly name: string
  /** Goes along with any other stage of its role, whatever tags say. */
  readonly always?: true
  /** Stands last and only waits: the lock is released before it, so that others are not kept waiting for what changes nothing. */
  readonly unlocked?: true
  readonly resources: readonly R[]
}

/** Where resources live: one host, or one cluster. */
export interface Backend<R extends Resource, Facts> {
  /** Looks at all of them in one round trip; changes nothing, takes no lock. */
  observe(resources: readonly R[], signal: AbortSignal): Promise<Look<Facts>>
  /** Nobody else changes this target until the lock is released. */
  lock(signal: AbortSignal): Promise<Lock>
  /**
   * Makes the changes of one stage, in order, in one round trip; reports each step. Throws ProblemError with the step that
   * failed. `stop` asks to finish the step under way and return early; `signal` ends at once.
   */
  apply(changes: readonly PendingChange<R>[], how: Applying): Promise<void>
}

export interface Look<Facts> {
  readonly facts: Facts
  /** By resource id; one for every resource that was asked for. */
  readonly observations: ReadonlyMap<string, Observation>
}

export interface Lock {
  release(): Promise<void>
}

/** What a backend needs of a change to make it true. */
export interface PendingChange<R extends Resource> {
  readonly resource: R
  readonly actual: State | null
  readonly desired: State | null
}

export interface Applying {
  readonly stop: AbortSignal
  readonly signal: AbortSignal
  step(report: StepReport): void
}

export type StepReport =
  | { readonly is: 'start'; readonly resource: string; readonly title: string }
  | { readonly is: 'wait'; readonly resource: string; readonly why: string; readonly boundSeconds: number | null }
  | { readonly is: 'output'; readonly resource: string; readonly text: string }
  | { readonly is: 'warning'; readonly resource: string; readonly problem: Problem }
  | { readonly is: 'done'; readonly resource: string; readonly title: string }
