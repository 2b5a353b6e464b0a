// What a run is told with: the options that shape it, the streams it goes to, and what one audience gets.

import type { Event, HostResult, Mode } from '../engine/events.ts'
import type { Problem } from '../engine/problem.ts'
import type { Told } from './told.ts'

export type Output = 'text' | 'json' | 'junit' | 'github'

export interface ReportOptions {
  readonly mode: Mode
  readonly output: Output
  /** Show files' contents, those of new files included. */
  readonly diff: boolean
  /** Only problems and the recap. */
  readonly quiet: boolean
  /** 0 to 3, one for each `-v`. */
  readonly verbosity: number
  /** false: never. */
  readonly color: boolean
  /** Path of the event stream; relative to cwd. */
  readonly events: string | null
  /** The command that does what a plan shows, with the user's own flags. */
  readonly again: string
}

/** A stream as far as reporters need it. */
export interface Out {
  write(text: string): unknown
  readonly isTTY?: boolean | undefined
  readonly columns?: number | undefined
  readonly rows?: number | undefined
}

export interface ReportIo {
  readonly stdout: Out
  readonly stderr: Out
  readonly env: Readonly<Record<string, string | undefined>>
  readonly cwd: string
  /** Milliseconds since the epoch. */
  readonly now: () => number
  /** Calls `restore` if the program ends before the returned function was called. */
  readonly onExit: (restore: () => void) => () => void
}

export interface Reporter {
  emit(event: Event): void
  /** A sentence of narration that belongs to no host. */
  say(text: string): void
  /** A line for the person at the terminal as it is: the one door for a secret that is to be shown. */
  reveal(line: string): void
  /** Once, last. The problems are those that belong to no host and that no event told. */
  end(results: readonly HostResult[], problems: readonly Problem[]): void
}

/** What one audience gets: told events, already without secrets. */
export interface Sink {
  emit(told: Told): void
  say?(text: string): void
  end(results: readonly HostResult[], problems: readonly Problem[]): void
}
