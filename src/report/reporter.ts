// The choice of who listens to a run: one reporter per audience, each a map over the event union.

import { boundedProblems, visible } from './door.ts'
import { eventsFile } from './events-file.ts'
import { githubSink } from './github.ts'
import { jsonSink } from './json.ts'
import { junitSink } from './junit.ts'
import { tell, tellProblem } from './serialize.ts'
import type { Reporter, ReportIo, ReportOptions, Sink } from './sink.ts'
import { textSink } from './text.ts'

/** `more` are told the same. Throws a usage ProblemError when the events file cannot be written. */
export function makeReporter(options: ReportOptions, io: ReportIo, more: readonly Sink[] = []): Reporter {
  const sinks: Sink[] = [textSink(options, io), ...more]
  if (options.output === 'json' && !options.ownDocument) sinks.push(jsonSink(options, io))
  if (options.output === 'junit') sinks.push(junitSink(io))
  if (options.output === 'github') sinks.push(githubSink(options, io))
  if (options.events !== null) sinks.push(eventsFile(options.events, options.verbosity, io))
  return {
    emit(event) {
      const data = io.data(tell(event))
      const shown = visible(data)
      for (const sink of sinks) sink.emit(sink.wants === 'data' ? data : shown)
    },
    say(text) {
      const shown = io.shown(text)
      for (const sink of sinks) sink.say?.(shown)
    },
    reveal(line) {
      for (const sink of sinks) sink.reveal?.(line)
    },
    end(results, problems) {
      const data = io.data(boundedProblems(problems).map(tellProblem))
      const shown = visible(data)
      const [told, seen] = [io.data(results), io.shown(results)]
      for (const sink of sinks) {
        if (sink.wants === 'data') sink.end(told, data)
        else sink.end(seen, shown)
      }
    },
  }
}
