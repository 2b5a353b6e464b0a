// Values of charts: how they are laid over each other, and what a chart's schema says of them in plain words.

import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { readArchive } from '../../src/supply/chart-archive.ts'
import { type JsonMap, layerValues, mergeValues } from '../../src/supply/values.ts'
import { checkValues } from '../../src/supply/values-check.ts'
import { chart } from './charts.ts'

interface Merge {
  readonly title: string
  readonly base: JsonMap
  readonly over: JsonMap
  readonly merged: JsonMap
  /** Where null is kept; default: as `merged`. */
  readonly layered?: JsonMap
}
interface Check {
  readonly title: string
  /** Files of the chart besides Chart.yaml. */
  readonly chart?: Readonly<Record<string, unknown>>
  /** In place of values.schema.json: what the key `it` must be. */
  readonly it?: unknown
  readonly values: JsonMap
  /** `path: message (hint)`; default: none. */
  readonly says?: readonly string[]
}
const cases: { merge: readonly Merge[]; check: readonly Check[] } = parse(
  readFileSync(new URL('values.yaml', import.meta.url), 'utf8'),
)

test.each(cases.merge)('$title', ({ base, over, merged, layered = merged }) => {
  const before = structuredClone([base, over])
  expect(mergeValues(base, over)).toEqual(merged)
  expect(layerValues(base, over)).toEqual(layered)
  expect([base, over]).toEqual(before)
})

test.each(cases.check)('$title', async ({ chart: files, it, values, says = [] }) => {
  const schema = { 'values.schema.json': { properties: { it } } }
  const archive = await readArchive(await chart('caddy', '1.0.0', files ?? schema))
  const told = await checkValues(archive, values)
  expect(told.map(({ path, message, hint }) => `${path.join('.')}: ${message}${hint ? ` (${hint})` : ''}`)).toEqual(
    says,
  )
})

test('a step into a list is a number, one into a map is a key', async () => {
  const schema = { properties: { list: { items: { properties: { '0/a': { type: 'string' } } } } } }
  const archive = await readArchive(await chart('caddy', '1.0.0', { 'values.schema.json': schema }))
  expect(await checkValues(archive, { list: [{}, { '0/a': 1 }] })).toEqual([
    { path: ['list', 1, '0/a'], message: 'expected a text, got a number' },
  ])
})
