// Serializes events to plain data, without functions and states.

import type { Event, StepEvent } from '../engine/events.ts'
import type { Change, Op, Plan } from '../engine/plan.ts'
import type { Problem } from '../engine/problem.ts'
import type { Delta } from '../engine/state.ts'

export interface ToldChange {
  readonly id: string
  readonly title: string
  readonly op: Op
  readonly note: string | null
  readonly because: readonly string[]
  readonly deltas: readonly Delta[]
}

export interface ToldStage {
  readonly role: string
  readonly name: string
  readonly changes: readonly ToldChange[]
}

export interface ToldPlan {
  readonly stages: readonly ToldStage[]
}

type Tell<E> = E extends { event: 'plan' }
  ? Omit<E, 'plan'> & { readonly plan: ToldPlan }
  : E extends { is: 'done' }
    ? Omit<E, 'change'> & { readonly change: ToldChange }
    : E

/** An event, with every change as plain data. */
export type Told = Tell<Event>
export type ToldOf<K extends Told['event']> = Extract<Told, { readonly event: K }>

/** As plain data; what it says is still as it was said. */
export function tell(event: Event): Told {
  switch (event.event) {
    case 'plan':
      return { ...event, plan: tellPlan(event.plan) }
    case 'step':
      return { at: event.at, ...tellStep(event) }
    case 'problem':
      return { ...event, problem: tellProblem(event.problem) }
    default:
      return event
  }
}

/** Without what only `--debug` shows. */
export function tellProblem({ kind, where, what, why, hint, rescued }: Problem): Problem {
  return {
    ...{ kind, where, what },
    ...(why === undefined ? {} : { why }),
    ...(hint === undefined ? {} : { hint }),
    ...(rescued ? { rescued } : {}),
  }
}

function tellStep(event: StepEvent): Tell<StepEvent> {
  return event.is === 'done' ? { ...event, change: tellChange(event.change) } : event
}

function tellPlan(plan: Plan): ToldPlan {
  return {
    stages: plan.stages.map(({ role, name, changes }) => ({ role, name, changes: changes.map(tellChange) })),
  }
}

/** Leaves out the states: they hold the fields that the deltas mask. */
function tellChange({ resource, op, note, because, deltas }: Change): ToldChange {
  return { id: resource.id, title: resource.title, op, note: note ?? null, because, deltas }
}
