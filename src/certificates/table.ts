// Formats certificates as a table, with a summary below it.

import { alignColumns } from './align.ts'
import type { CertificateRow } from './row.ts'
import { CERTIFICATE_STATES, isHealthy } from './state.ts'

/** A Certificate of a host. */
export interface Listed extends Omit<CertificateRow, 'state'> {
  readonly host: string
  /** Deleted: while it is watched. */
  readonly state: CertificateRow['state'] | 'Deleted'
  /** The tool that manages it: `Flux (platform-root)`; null: nobody is known. */
  readonly owner: string | null
  /** What uses its Secret: `Deployment/web`; empty also where it was not read. */
  readonly consumers: readonly string[]
}

export interface TableOptions {
  /** With a column for the host. */
  readonly hosts: boolean
  /** With every column. */
  readonly wide: boolean
}

interface Column {
  readonly head: string
  readonly when?: keyof TableOptions
  readonly cell: (row: Listed) => string | undefined
}

const COLUMNS: readonly Column[] = [
  { head: 'HOST', when: 'hosts', cell: ({ host }) => host },
  { head: 'NAMESPACE', cell: ({ namespace }) => namespace },
  { head: 'NAME', cell: ({ name }) => name },
  { head: 'STATE', cell: ({ state }) => state },
  { head: 'STATUS', when: 'wide', cell: ({ status }) => status },
  { head: 'ISSUER', cell: ({ issuer }) => issuer },
  { head: 'NAMES', cell: ({ names }) => names.join(',') },
  { head: 'AGE', cell: ({ age }) => age },
  { head: 'EXPIRES', cell: ({ expires }) => expires },
  { head: 'RENEWS', cell: ({ renews }) => renews },
  { head: 'OWNER', cell: ({ owner }) => owner?.replace(/ \(.*/, '') },
  { head: 'SECRET', when: 'wide', cell: ({ secretName }) => secretName },
  { head: 'CONSUMERS', when: 'wide', cell: ({ consumers }) => consumers.join(',') },
]

/** The head, then a line for each row, aligned. */
export function tableLines(rows: readonly Listed[], options: TableOptions): string[] {
  const columns = COLUMNS.filter(({ when }) => when === undefined || options[when])
  const lines = rows.map((row) => columns.map(({ cell }) => cell(row) || '-'))
  return alignColumns([columns.map(({ head }) => head), ...lines])
}

/** `2 Ready, 1 Issuing.` */
export function summaryOf(rows: readonly Listed[]): string {
  const counts = CERTIFICATE_STATES.map((state) => [rows.filter((row) => row.state === state).length, state] as const)
  return `${counts.flatMap(([n, state]) => (n === 0 ? [] : `${n} ${state}`)).join(', ')}.`
}

/** `why` is the command that explains what is not healthy. */
export function tableText(rows: readonly Listed[], options: TableOptions, why: string): string {
  if (rows.length === 0) return 'no certificates\n'
  const hint = rows.some(({ state }) => state !== 'Deleted' && !isHealthy(state)) ? ` Why: ${why}` : ''
  return `${[...tableLines(rows, options), `${summaryOf(rows)}${hint}`].join('\n')}\n`
}
