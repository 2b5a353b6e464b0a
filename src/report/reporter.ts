// The choice of who listens to a run: one reporter per audience, each a map over the event union.

import { eventsFile } from './events-file.ts'
import { githubSink } from './github.ts'
import { jsonSink } from './json.ts'
import { junitSink } from './junit.ts'
import type { Redact } from './redact.ts'
import type { Reporter, ReportIo, ReportOptions, Sink } from './sink.ts'
import { textSink } from './text.ts'
import { tell, tellProblem } from './told.ts'

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
    reveal(line) {
      for (const sink of sinks) sink.say?.(line)
    },
    end(results, problems) {
      const shown = problems.map((problem) => tellProblem(problem, redact))
      for (const sink of sinks) sink.end(results, shown)
    },
  }
}
