// The output of a run: options, streams, and the interface of one audience.

import type { Event, HostResult, RunMode } from '../engine/events.ts'
import type { Problem } from '../engine/problem.ts'
import type { Secret } from '../engine/secret.ts'
import type { Told } from './serialize.ts'

export type Output = 'text' | 'json' | 'junit' | 'github'

export interface ReportOptions {
  readonly mode: RunMode
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
  /** The command prints a JSON document of its own instead of the run's. */
  readonly ownDocument?: true
  /** The command that does what a plan shows, with the user's own flags. */
  readonly again: string
}

/** A stream as far as reporters need it. */
export interface Out {
  write(text: string): unknown
  readonly isTTY?: boolean | undefined
  readonly columns?: number | undefined
  readonly rows?: number | undefined
  /** Its reader has gone away. */
  readonly destroyed?: boolean | undefined
}

/** What the process gives: nothing but the door writes to it. */
export interface Streams {
  readonly stdout: Out
  readonly stderr: Out
  readonly env: Readonly<Record<string, string | undefined>>
  readonly cwd: string
  /** Milliseconds since the epoch. */
  readonly now: () => number
  /** Calls `restore` if the program ends before the returned function was called. */
  readonly onExit: (restore: () => void) => () => void
}

/** The streams through the door (`openDoor`): what is written comes out without known secrets, and escaped. */
export interface ReportIo extends Streams {
  /** From now on these appear nowhere. */
  learn(secrets: Iterable<Secret>): void
  /** The value as plain data for programs: without secrets, named or by shape, each field bounded. */
  data<T>(value: T): T
  /** The same for people: escaped as well; what has to be one line is one. */
  shown<T>(value: T): T
  /** `data` as JSON: everything that a terminal or a runner would obey is escaped as JSON does. */
  json(data: unknown, indent?: number): string
  /** A JSON document onto stdout. */
  document(value: unknown): void
  /** The one way to show a secret on purpose: as it is, but for what a terminal would obey. */
  reveal(text: string, on?: 'stdout' | 'stderr'): void
}

export interface Reporter {
  emit(event: Event): void
  /** A sentence of narration that belongs to no host. */
  say(text: string): void
  /** A line for the person at the terminal with the secret in it. */
  reveal(line: string): void
  /** Once, last. The problems are those that belong to no host and that no event told. */
  end(results: readonly HostResult[], problems: readonly Problem[]): void
}

/** What one audience gets: told events without secrets; `data` for programs, otherwise as people may see them. */
export interface Sink {
  readonly wants: 'data' | 'text'
  emit(told: Told): void
  say?(text: string): void
  reveal?(line: string): void
  end(results: readonly HostResult[], problems: readonly Problem[]): void
}
