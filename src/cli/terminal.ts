// Decides whether a person is at the terminal, and whether secrets may be shown there.

import { isCi } from '../report/door.ts'
import type { Terminal } from '../vault/key-storage.ts'
import type { Io } from './io.ts'
import type { CliOptions } from './options.ts'

/** A log that is kept, and a document that is handed on, are no terminal. `print` shows a line as it is. */
export function terminalOf(
  { output }: Pick<CliOptions, 'output'>,
  { env, stderr }: Pick<Io, 'env' | 'stderr'>,
  print: (line: string) => void,
): Terminal {
  if (isCi(env)) return { refused: 'CI is set, and its log would store them' }
  if (output !== 'text') return { refused: `-o ${output} is for programs, which may store the output` }
  if (stderr.isTTY !== true) return { refused: 'stderr is not a terminal, so the output may be stored' }
  return { show: (lines) => lines.forEach(print) }
}

/** Whether a person runs this. What goes through a pipe (`apply | tee log`) still has its other stream. */
export function isInteractive({ env, stdout, stderr }: Pick<Io, 'env' | 'stdout' | 'stderr'>): boolean {
  return !isCi(env) && (stdout.isTTY === true || stderr.isTTY === true)
}
