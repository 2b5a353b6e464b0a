// Certificates as a table for a terminal or a log, and the sentence below it.

import type { Row } from './row.ts'

/** A Certificate of a host. */
export interface Listed extends Row {
  readonly host: string
  /** The tool that has it: `Flux (platform-root)`; null: nobody is known. */
  readonly owner: string | null
}

const STATES = ['issued', 'pending', 'failed'] as const

/** Without a HOST column where there is one host. `why` is the command that explains what is not issued. */
export function tableText(rows: readonly Listed[], several: boolean, why: string): string {
  if (rows.length === 0) return 'no certificates\n'
  const cells = rows.map((one) => [
    ...(several ? [one.host] : []),
    ...[one.namespace, one.name, one.status, one.issuer, one.names.join(',') || '-'],
    ...[one.expires ?? '-', one.renews ?? '-', one.owner?.replace(/ \(.*/, '') ?? '-'],
  ])
  const head = [...(several ? ['HOST'] : []), ...'NAMESPACE NAME STATUS ISSUER NAMES EXPIRES RENEWS OWNER'.split(' ')]
  const table = [head, ...cells]
  const widths = head.map((_, i) => Math.max(...table.map((line) => line[i]?.length ?? 0)) + 2)
  const lines = table.map((line) =>
    line
      .map((cell, i) => cell.padEnd(widths[i] ?? 0))
      .join('')
      .trimEnd(),
  )
  const counts = STATES.map((state) => [rows.filter(({ status }) => status === state).length, state] as const)
  const told = counts.flatMap(([n, state]) => (n === 0 ? [] : `${n} ${state}`)).join(', ')
  const open = rows.some(({ status }) => status !== 'issued')
  return `${[...lines, `${told}.${open ? ` Why: ${why}` : ''}`].join('\n')}\n`
}
