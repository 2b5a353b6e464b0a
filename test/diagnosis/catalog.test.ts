import { describe, expect, test } from 'vitest'
import { diagnose } from '../../src/diagnosis/diagnose.ts'
import { catalog } from './catalog.ts'

/** What the callers know: every placeholder of the tables. */
const known = {
  server: 'SERVER',
  host: 'HOST',
  url: 'URL',
  chart_ca: 'CHART_CA',
  chart_plain_http: 'CHART_PLAIN_HTTP',
  scan: 'SCAN',
  key: ': KEY',
  path: 'PATH',
  message: 'MESSAGE',
  name: 'NAME',
  duplicates: '5',
  port: '22',
  user: 'USER',
  kind: 'KIND',
  version: 'VERSION',
  namespace: 'NAMESPACE',
  unknown: 'field UNKNOWN',
  explain: 'EXPLAIN',
  delete: 'DELETE',
}

describe.each(Object.entries(catalog))('the table %s', (_, table) => {
  test.each(table.map((row) => [row.name, row] as const))('answers %s with its own row', (name, row) => {
    const found = diagnose(table, { text: row.example, values: { ...known, ...row.when } })
    expect(found?.name).toBe(name)
    expect(`${found?.cause}\n${found?.hint}`).not.toMatch(/\{\w+\}|\$\d/)
  })

  test('names each of its rows once', () => {
    const names = table.map(({ name }) => name)
    expect(names).toEqual([...new Set(names)])
  })
})
