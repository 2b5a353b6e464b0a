// One command from its words to its exit code; every way a run can end passes through here.

import { type Problem, ProblemError } from '../engine/problem.ts'
import { EXIT, outcome } from '../report/outcome.ts'
import { makeReporter } from '../report/reporter.ts'
import type { ReportOptions } from '../report/sink.ts'
import type { Io } from './io.ts'
import { type CliOptions, type Program, parse } from './options.ts'
import { Interrupted } from './prompt.ts'

export type Run = (options: CliOptions, io: Io) => Promise<number>

/** `run` is asked for only when there is something to run: it brings the heavy libraries. */
export async function program(
  argv: readonly string[],
  io: Io,
  about: Program,
  run: () => Promise<Run>,
): Promise<number> {
  const parsed = parse(argv, io.env, about)
  if (parsed.is === 'print') {
    const asked = argv.length > 0
    const out = asked ? io.stdout : io.stderr
    out.write(parsed.text)
    return asked ? EXIT.ok : EXIT.usage
  }
  if (parsed.is === 'usage') return fail(parsed.problems, parsed.report, io)
  const { options } = parsed
  try {
    const command = await run()
    return await command(options, io)
  } catch (error) {
    // Nobody else reports any more: the events file, if there is one, was the failed reporter's.
    return fail(problemsOf(error, options.debug), { ...options, events: null }, io)
  }
}

function fail(problems: readonly Problem[], report: ReportOptions, io: Io): number {
  makeReporter(report, io, (text) => text).end([], problems)
  return outcome([], problems).exitCode
}

function problemsOf(error: unknown, debug: boolean): readonly Problem[] {
  if (error instanceof ProblemError) return error.problems
  if (error instanceof Interrupted)
    return [{ kind: 'interrupted', where: '', what: 'interrupted before anything was touched' }]
  const { name, message, stack } = error instanceof Error ? error : new Error(String(error))
  return [
    {
      kind: 'failed',
      where: 'internal error',
      what: name === 'Error' ? message : `${name}: ${message}`,
      ...(debug && stack ? { why: stack } : {}),
      hint: debug
        ? 'please report it with the lines above'
        : 'run the same command with --debug and report what it says',
    },
  ]
}
