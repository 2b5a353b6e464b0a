// Runs one command from its arguments to its exit code. Every way a run can end passes through here.

import type { Problem } from '../engine/problem.ts'
import { openDoor } from '../report/door.ts'
import { EXIT, outcome } from '../report/outcome.ts'
import { makeReporter } from '../report/reporter.ts'
import type { ReportOptions, Streams } from '../report/sink.ts'
import type { Run } from './command.ts'
import { asGiven } from './flag-values.ts'
import { problemsOf } from './internal-error.ts'
import type { Io } from './io.ts'
import { type ParsedCall, type Program, parse } from './options.ts'
import { typedSecrets } from './typed-secrets.ts'

/** `load` is called only when there is something to run: it brings the heavy libraries. `opened` gets the door first. */
export async function program(
  argv: readonly string[],
  streams: Streams,
  about: Program,
  load: (call: ParsedCall) => Promise<Run> = (call) => call.load(),
  opened: (io: Io, debug: boolean) => void = () => undefined,
): Promise<number> {
  const parsed = parse(argv, streams.env, about)
  const io = openDoor(
    streams,
    parsed.is === 'run' ? parsed.options.output : parsed.is === 'usage' ? parsed.report.output : 'text',
  )
  opened(io, parsed.is === 'run' && parsed.options.debug)
  if (parsed.is === 'print') {
    const out = parsed.requested ? io.stdout : io.stderr
    out.write(parsed.text)
    return parsed.requested ? EXIT.ok : EXIT.usage
  }
  io.learn(typedSecrets(parsed.is === 'usage' ? parsed.extraVars : parsed.options.extraVars))
  if (parsed.is === 'usage') return fail(parsed.problems, parsed.report, io)
  const { options } = parsed
  try {
    const run = await load(parsed)
    return await run(io)
  } catch (error) {
    // Nobody else reports any more: the events file, if there is one, was the failed reporter's.
    const problems = problemsOf(error, options.debug).map((problem) => asGiven(problem, options.fromEnv))
    return fail(problems, { ...options, events: null }, io)
  }
}

function fail(problems: readonly Problem[], report: ReportOptions, io: Io): number {
  makeReporter(report, io).end([], problems)
  return outcome([], problems).exitCode
}
