// Whether somebody sits at the terminal who may be shown a secret, and alone would see it.

import type { Terminal } from '../vault/keeping.ts'
import type { Io } from './io.ts'
import type { CliOptions } from './options.ts'

/** A log that is kept, and a document that is handed on, are no terminal. `print` shows a line as it is. */
export function terminalOf(
  { output }: Pick<CliOptions, 'output'>,
  { env }: Pick<Io, 'env'>,
  print: (line: string) => void,
): Terminal {
  if (!['', 'false', '0'].includes(env.CI ?? '')) return { refused: 'CI is set, and its log would keep them' }
  if (output !== 'text') return { refused: `with -o ${output} what is told is read by programs, and kept` }
  return { show: (lines) => lines.forEach(print) }
}
