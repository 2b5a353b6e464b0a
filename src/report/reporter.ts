// What a run is told to, and the choice of who listens: one reporter per audience, each a map over the event union.

import type { Event, HostResult, Mode } from '../engine/events.ts'
import type { Problem } from '../engine/problem.ts'
import { eventsFile } from './events-file.ts'
import { githubSink } from './github.ts'
import { jsonSink } from './json.ts'
import { junitSink } from './junit.ts'
import type { Redact } from './redact.ts'
import { textSink } from './text.ts'
import { type Told, tell, tellProblem } from './told.ts'

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
  /** Once, last. The problems are those that belong to no host and that no event told. */
  end(results: readonly HostResult[], problems: readonly Problem[]): void
}

/** What one audience gets: told events, already without secrets. */
export interface Sink {
  emit(told: Told): void
  say?(text: string): void
  end(results: readonly HostResult[], problems: readonly Problem[]): void
}

/** Throws a usage ProblemError when the events file cannot be written. */
export function makeReporter(options: ReportOptions, io: ReportIo, redact: Redact): Reporter {
  const sinks: Sink[] = [textSink(options, io)]
  if (options.output === 'json') sinks.push(jsonSink(options, io))
  if (options.output === 'junit') sinks.push(junitSink(io))
  if (options.output === 'github') sinks.push(githubSink(options, io))
  if (options.events !== null) sinks.push(eventsFile(options.events, options.verbosity, io))
  return {
    emit(event) {
      const told = tell(event, redact)
      for (const sink of sinks) sink.emit(told)
    },
    say(text) {
      for (const sink of sinks) sink.say?.(redact(text))
    },
    end(results, problems) {
      const shown = problems.map((problem) => tellProblem(problem, redact))
      for (const sink of sinks) sink.end(results, shown)
    },
  }
}
