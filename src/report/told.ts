// Events as they leave the program: plain data without functions, states or secrets.

import { stripVTControlCharacters } from 'node:util'
import type { Event, StepEvent } from '../engine/events.ts'
import type { Change, Op, Plan } from '../engine/plan.ts'
import type { Problem } from '../engine/problem.ts'
import type { Delta, Json } from '../engine/state.ts'
import type { Redact } from './redact.ts'

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

/** The only door: what a reporter shows went through here. */
export function tell(event: Event, redact: Redact): Told {
  switch (event.event) {
    case 'start':
    case 'end':
      return event
    case 'busy':
      return { ...event, doing: redact(event.doing) }
    case 'plan':
      return { ...event, about: redact(event.about), plan: tellPlan(event.plan, redact) }
    case 'step':
      return { at: event.at, ...tellStep(event, redact) }
    case 'problem':
      return { ...event, problem: tellProblem(event.problem, redact) }
    case 'wire':
      return { ...event, what: redact(event.what), script: redact(event.script) }
  }
}

export function tellProblem(problem: Problem, redact: Redact): Problem {
  const { kind, where, what, why, hint, rescued } = problem
  return {
    kind,
    where: redact(where),
    what: printed(what, redact),
    ...(why === undefined ? {} : { why: printed(why, redact) }),
    ...(hint === undefined ? {} : { hint: redact(hint) }),
    ...(rescued ? { rescued } : {}),
  }
}

function tellStep(event: StepEvent, redact: Redact): Tell<StepEvent> {
  switch (event.is) {
    case 'start':
      return { ...event, title: redact(event.title) }
    case 'wait':
      return { ...event, why: printed(event.why, redact) }
    case 'output':
      return { ...event, text: printed(event.text, redact) }
    case 'done':
      return { ...event, title: redact(event.title), change: tellChange(event.change, redact) }
  }
}

/** What a node printed may hold escape sequences: they have no business on our terminal. */
function printed(text: string, redact: Redact): string {
  return redact(stripVTControlCharacters(text))
}

function tellPlan(plan: Plan, redact: Redact): ToldPlan {
  return {
    stages: plan.stages.map(({ role, name, changes }) => ({
      role,
      name,
      changes: changes.map((change) => tellChange(change, redact)),
    })),
  }
}

/** Leaves out the states: they hold the fields that the deltas mask. */
function tellChange({ resource, op, note, because, deltas }: Change, redact: Redact): ToldChange {
  return {
    id: redact(resource.id),
    title: redact(resource.title),
    op,
    note: note === undefined ? null : redact(note),
    because: because.map(redact),
    deltas: deltas.map((delta) => ({ ...delta, from: tellJson(delta.from, redact), to: tellJson(delta.to, redact) })),
  }
}

function tellJson(value: Json, redact: Redact): Json {
  if (typeof value === 'string') return redact(value)
  if (value === null || typeof value !== 'object') return value
  if (isList(value)) return value.map((item) => tellJson(item, redact))
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [redact(key), tellJson(item, redact)]))
}

function isList(value: Json): value is readonly Json[] {
  return Array.isArray(value)
}
