// What a run tells: one union, which every reporter maps over; a line of `--events` is one of these as JSON.

import type { Change, Plan } from './plan.ts'
import type { Problem } from './problem.ts'
import type { Resource } from './resource.ts'

export type Event = { readonly at: number } & (
  | {
      readonly event: 'start'
      readonly mode: RunMode
      readonly hosts: readonly string[]
      readonly roles: readonly string[]
    }
  /** What a host is busy with while there is no step: connecting, looking, waiting for the lock. */
  | { readonly event: 'busy'; readonly host: string; readonly doing: string }
  | {
      readonly event: 'plan'
      readonly host: string
      readonly about: string
      readonly checks: number
      readonly plan: Plan
      /** Hosts that share one of these are changed one at a time. */
      readonly exclusive?: readonly string[]
    }
  | StepEvent
  | { readonly event: 'problem'; readonly host: string | null; readonly problem: Problem }
  | {
      readonly event: 'wire'
      readonly host: string
      readonly exec: number
      readonly what: string
      readonly script: string
    }
  | ({ readonly event: 'end' } & HostResult)
)

export type RunMode = 'apply' | 'check'

interface StepBase {
  readonly event: 'step'
  readonly host: string
  readonly role: string
  readonly stage: string
  readonly resource: string
}

export type StepEvent = StepBase &
  (
    | { readonly is: 'start'; readonly title: string }
    | { readonly is: 'wait'; readonly why: string; readonly boundSeconds: number | null }
    | { readonly is: 'output'; readonly text: string }
    | { readonly is: 'done'; readonly title: string; readonly change: Change<Resource>; readonly seconds: number }
  )

/** The outcome of one host, in the words of Ansible's recap. */
export interface HostResult {
  readonly host: string
  readonly status: 'ok' | 'pending' | 'failed' | 'unreachable' | 'interrupted'
  readonly recap: Recap
  readonly seconds: number
  /** Commands that were run over the connection. */
  readonly execs: number
}

export interface Recap {
  /** In the state that was asked for, those that were changed included. */
  readonly ok: number
  readonly changed: number
  readonly unreachable: number
  readonly failed: number
  /** Not got to: after a failure, or left to an owner. */
  readonly skipped: number
  /** Put back to the last good state after a failure. */
  readonly rescued: number
}

/** Takes events; `at` is milliseconds since the epoch by the run's clock. */
export type Emit = (event: Event) => void

type WithoutTime<E> = E extends unknown ? Omit<E, 'at'> : never
/** An event before its time is known. */
export type Untimed = WithoutTime<Event>
