// Turns anything thrown into problems. Unexpected errors become an internal error, with its stack if --debug is set.

import { type Problem, ProblemError } from '../engine/problem.ts'
import { Interrupted } from './prompt.ts'

export function problemsOf(error: unknown, debug: boolean): readonly Problem[] {
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
      hint: debug ? 'please report it with the lines above' : 'run the same command with --debug and report its output',
    },
  ]
}
