// A problem as people read it: where, what, why, hint.

import type { Problem } from '../engine/problem.ts'
import type { Paint } from './style.ts'

/** Lines without a newline; a why or hint of many lines is indented below its first. */
export function problemLines({ kind, where, what, why, hint }: Problem, paint: Paint): string[] {
  const sign = kind === 'warning' ? paint('yellow', '!') : paint('red', '✗')
  const [head = '', ...more] = what.split('\n')
  return [
    `${sign} ${place(where)}${head}`,
    // Deeper than `why:`, which a node could say as well.
    ...more.map((line) => `${' '.repeat(8)}${line}`.trimEnd()),
    ...labelled('why:', why),
    ...labelled('hint:', hint),
  ]
}

/** `hosts.yaml:14:7  hosts.edge-1.port: `, `edge-1 unit:k3s: `; a position alone needs no colon more. */
function place(where: string): string {
  if (where === '') return ''
  const [, position, path] = /^(\S*:\d+(?::\d+)?)(?: +(.*))?$/.exec(where) ?? []
  if (position === undefined) return `${where}: `
  return path ? `${position}  ${path}: ` : `${position}  `
}

function labelled(label: string, text: string | undefined): string[] {
  if (text === undefined || text.trim() === '') return []
  return text
    .trimEnd()
    .split('\n')
    .map((line, i) => `  ${(i === 0 ? label : '').padEnd(5)} ${line}`)
}
