// What charts says of each release, and the table.

import { expect, test } from 'vitest'
import { chartState, chartTable } from '../../src/cli/chart-table.ts'
import type { ChartsDocument } from '../../src/report/documents.ts'

test.each([
  [undefined, 'unknown'],
  [null, 'absent'],
  [{ revision: 3, status: 'deployed', chartVersion: '1.0.0' }, 'deployed'],
  [{ revision: 3, status: 'deployed', chartVersion: '0.9.0' }, 'outdated'],
  [{ revision: 3, status: 'deployed', chartVersion: null }, 'outdated'],
  [{ revision: 3, status: 'pending-upgrade', chartVersion: '1.0.0' }, 'pending'],
  [{ revision: 3, status: 'failed', chartVersion: '1.0.0' }, 'failed'],
] as const)('a release that is %j, of 1.0.0, is %s', (installed, state) => {
  expect(chartState(installed, '1.0.0')).toBe(state)
})

const row = (release: string, more: Partial<ChartsDocument['charts'][number]> = {}) => ({
  ...{ host: 'edge-1', release, namespace: 'web', chart: release, version: '1.9.0', installed: '1.9.0' },
  ...{ newest: '1.9.0', digest: 'ab'.repeat(32), source: 'https://charts.example', state: 'deployed' as const },
  ...more,
})

test('a line for each, what is newer by number, and the host where there are several', () => {
  const rows = [
    row('caddy'),
    row('grafana', { newest: '1.10.0', digest: null }),
    row('old', { newest: '1.8.0', host: 'edge-2' }),
    row('file', { installed: null, newest: null, state: 'absent' }),
  ]
  expect(`\n${chartTable(rows, true)}`).toMatchSnapshot()
  expect(chartTable(rows.slice(0, 1), false)).toMatch(/^RELEASE .*\ncaddy /)
  expect(chartTable([], false)).toBe('no charts\n')
})
