// The plan: a pure function from what was observed to what would be done.

import type { Observation, Observed, Resource, Stage } from './resource.ts'
import { type Delta, diff, type State } from './state.ts'

/**
 * `action`: neither made nor edited, but done to: a restart. `deferred`: known only once something before it is there. `local`:
 * a file of the workstation; its deltas are what apply writes.
 */
export type Op = 'none' | 'create' | 'update' | 'delete' | 'action' | 'owned' | 'deferred' | 'local'

export interface Change<R extends Resource = Resource> {
  readonly resource: R
  readonly op: Op
  readonly deltas: readonly Delta[]
  /** For `action` what is done, for `owned` the owner, for `deferred` and `local` what it waits for, for `create` and `update` a remark. */
  readonly note?: string
  /** Titles of the inputs that cause it. */
  readonly because: readonly string[]
  readonly actual: State | null
  readonly desired: State | null
}

interface StagePlan<R extends Resource = Resource> {
  readonly role: string
  readonly name: string
  readonly changes: readonly Change<R>[]
}

export interface Plan<R extends Resource = Resource> {
  readonly stages: readonly StagePlan<R>[]
}

/** What the host differs in. A deferred resource counts: what it will turn into is unknown. */
export function pending({ op }: Pick<Change, 'op'>): boolean {
  return op !== 'none' && op !== 'owned' && op !== 'local'
}

/** A file of the workstation that is not what it should be. It may have to wait for what it is made of. */
export function unwritten({ op, note, deltas }: Change): boolean {
  return op === 'local' && (note !== undefined || deltas.length > 0)
}

/** What apply has something to do for. */
export function isDue(change: Change): boolean {
  return pending(change) || unwritten(change)
}

/** Something before it has to be there first. */
export function isWaiting({ op, note }: Change): boolean {
  return op === 'deferred' || (op === 'local' && note !== undefined)
}

export function changesOf<R extends Resource>(plan: Plan<R>): Change<R>[] {
  return plan.stages.flatMap((stage) => stage.changes)
}

/** How often each op stands in the plan. */
export function count(plan: Plan): Readonly<Record<Op, number>> {
  const counts: Record<Op, number> = {
    none: 0,
    create: 0,
    update: 0,
    delete: 0,
    action: 0,
    owned: 0,
    deferred: 0,
    local: 0,
  }
  for (const change of changesOf(plan)) counts[change.op]++
  return counts
}

/** Stages in their order; a resource's inputs stand before it, in an earlier stage or earlier in its own. */
export function plan<R extends Resource>(
  stages: readonly Stage<R>[],
  observations: ReadonlyMap<string, Observation>,
): Plan<R> {
  const changed = new Map<string, string>()
  return {
    stages: stages.map((stage) => ({
      role: stage.role,
      name: stage.name,
      changes: stage.resources.flatMap((resource) => {
        if (observations.get(resource.id)?.elsewhere) return []
        const change = planOne(resource, observations.get(resource.id), changed)
        if (pending(change) && (resource.disturbs?.(change) ?? true)) changed.set(resource.id, resource.title)
        return change
      }),
    })),
  }
}

function planOne<R extends Resource>(
  resource: R,
  found: Observation | undefined,
  changed: ReadonlyMap<string, string>,
): Change<R> {
  if (found === undefined) throw new Error(`${resource.id} was not observed`)
  const { desired } = found
  if (resource.workstation) return planLocal(resource, found)
  const because = (resource.inputs ?? []).flatMap((id) => changed.get(id) ?? [])
  const base = { resource, desired, actual: found.actual, deltas: [], because: [] }
  if (found.owner !== undefined) {
    const deltas = desired === null ? [] : diff(found.actual, desired, resource.masked)
    return { ...base, op: 'owned', note: found.owner, deltas }
  }

  const seen: Observed = because.length > 0 ? (resource.afterInputs?.(found.actual, because) ?? found) : found
  if (seen.deferred !== undefined) return { ...base, op: 'deferred', note: seen.deferred }
  const deltas = diff(seen.actual, desired, resource.masked)
  const done = { ...base, actual: seen.actual, deltas, because: seen === found ? [] : because }
  if (desired === null) return { ...done, op: seen.actual === null ? 'none' : 'delete' }
  if (deltas.length === 0 && seen.actual !== null) return { ...done, op: 'none', because: [] }
  const action = resource.action?.(seen.actual, desired)
  if (action) return { ...done, op: 'action', note: action }
  const remark = found.remark === undefined ? {} : { note: found.remark }
  return { ...done, ...remark, op: seen.actual === null ? 'create' : 'update' }
}

function planLocal<R extends Resource>(resource: R, { actual, desired, deferred }: Observation): Change<R> {
  const base = { resource, op: 'local', actual, desired, because: [] } as const
  if (deferred !== undefined) return { ...base, deltas: [], note: deferred }
  return { ...base, deltas: diff(actual, desired, resource.masked) }
}
