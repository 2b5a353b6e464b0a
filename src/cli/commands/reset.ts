// reset: takes k3s off a host again.

import { ProblemError } from '../../engine/problem.ts'
import type { Io } from '../io.ts'
import type { CliOptions } from '../options.ts'

export async function run(_options: CliOptions, _io: Io): Promise<number> {
  throw new ProblemError({ kind: 'usage', where: 'reset', what: 'cannot be done by this version yet' })
}
