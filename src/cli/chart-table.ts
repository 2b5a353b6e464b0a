// Formats the charts of an inventory as a table, with a summary below it.

import { alignColumns } from '../certificates/align.ts'
import type { InstalledRelease } from '../cluster/installed-release.ts'
import type { ChartsDocument } from '../report/documents.ts'
import { isNewer } from '../supply/newest-chart.ts'

type Row = ChartsDocument['charts'][number]

const DIGEST_LENGTH = 12

/** `installed`: null: there is none; undefined: the cluster could not be read. `version`: in the inventory. */
export function chartState(installed: InstalledRelease | null | undefined, version: string): Row['state'] {
  if (installed === undefined) return 'unknown'
  if (installed === null) return 'absent'
  if (installed.status === 'deployed') return installed.chartVersion === version ? 'deployed' : 'outdated'
  return installed.status.startsWith('pending-') ? 'pending' : 'failed'
}

/** The head, a line for each chart, and a summary. `hosts`: with a column for the host. */
export function chartTable(rows: readonly Row[], hosts: boolean): string {
  if (rows.length === 0) return 'no charts\n'
  const head = ['RELEASE', 'NAMESPACE', 'CHART', 'VERSION', 'INSTALLED', 'NEWEST', 'DIGEST', 'STATE']
  const lines = rows.map((row) => [
    ...(hosts ? [row.host] : []),
    ...[row.release, row.namespace, row.chart, row.version, row.installed ?? '-', row.newest ?? '-'],
    row.digest?.slice(0, DIGEST_LENGTH) ?? 'not locked',
    row.state,
  ])
  return `${[...alignColumns([[...(hosts ? ['HOST'] : []), ...head], ...lines]), summaryOf(rows)].join('\n')}\n`
}

/** `3 deployed, 1 absent. Newer versions: web 1.1.0.` */
function summaryOf(rows: readonly Row[]): string {
  const states = ['deployed', 'outdated', 'pending', 'failed', 'absent', 'unknown'] as const
  const counts = states.flatMap((state) => {
    const count = rows.filter((row) => row.state === state).length
    return count === 0 ? [] : [`${count} ${state}`]
  })
  const newer = rows.filter(({ newest, version }) => newest !== null && isNewer(newest, version))
  const names = [...new Set(newer.map(({ release, newest }) => `${release} ${newest}`))]
  return `${counts.join(', ')}.${names.length === 0 ? '' : ` Newer versions: ${names.join(', ')}.`}`
}
