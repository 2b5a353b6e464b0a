// Values of charts: how they are laid over each other, and what a chart's schema says of them in plain words.

import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import type { JsonMap } from '../../src/engine/state.ts'
import { readArchive } from '../../src/supply/chart-archive.ts'
import { schemaFaults } from '../../src/supply/schema-faults.ts'
import { unknownValues } from '../../src/supply/unknown-values.ts'
import { layerValues, mergeValues } from '../../src/supply/values.ts'
import { checkValues } from '../../src/supply/values-check.ts'
import { chart } from './charts.ts'
import { schemaVerdicts } from './helm-schemas.ts'

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
interface Unknown {
  readonly title: string
  readonly defaults: JsonMap | string
  readonly schema?: JsonMap
  readonly templates?: string
  readonly dependencies?: readonly JsonMap[]
  readonly values: JsonMap
  readonly says?: readonly string[]
}
const cases: { merge: readonly Merge[]; check: readonly Check[]; unknown: readonly Unknown[] } = parse(
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
  const { faults } = await checkValues(archive, values)
  expect(faults.map(({ path, message, hint }) => `${path.join('.')}: ${message}${hint ? ` (${hint})` : ''}`)).toEqual(
    says,
  )
})

test.each(cases.unknown)(
  '$title',
  async ({ defaults, schema, templates = '', dependencies = [], values, says = [] }) => {
    const files = {
      'Chart.yaml': { name: 'caddy', version: '1.0.0', dependencies },
      'values.yaml': defaults,
      'templates/all.yaml': templates,
      ...(schema && { 'values.schema.json': schema }),
    }
    const faults = unknownValues(await readArchive(await chart('caddy', '1.0.0', files)), values)
    expect(faults.map(({ path, message, hint }) => `${path.join('.')}: ${message}${hint ? ` (${hint})` : ''}`)).toEqual(
      says,
    )
  },
)

test('a step into a list is a number, one into a map is a key', async () => {
  const schema = { properties: { list: { items: { properties: { '0/a': { type: 'string' } } } } } }
  const archive = await readArchive(await chart('caddy', '1.0.0', { 'values.schema.json': schema }))
  expect(await checkValues(archive, { list: [{}, { '0/a': 1 }] })).toEqual({
    faults: [{ path: ['list', 1, '0/a'], message: 'expected a string, got a number' }],
  })
})

test.each(schemaVerdicts())('Helm $verdict $title: $shown', ({ schema, defaults, value, verdict }) => {
  expect(schemaFaults(schema, mergeValues(defaults, { it: value })).length > 0 ? 'refuses' : 'takes').toBe(verdict)
})

test('a pattern that backtracks, and a schema that branches without end, do not hold the program', async () => {
  const levels = Array.from({ length: 40 }, (_, i) => [
    `l${i}`,
    { allOf: [{ $ref: `#/$defs/l${i + 1}` }, { $ref: `#/$defs/l${i + 1}` }] },
  ])
  const endless = {
    $defs: { ...Object.fromEntries(levels), l40: { type: 'string' } },
    properties: { it: { $ref: '#/$defs/l0' } },
  }
  const patient = { properties: { it: { pattern: '^(a+)+$' } } }
  const asked = async (schema: object, value: string) => {
    const archive = await readArchive(await chart('caddy', '1.0.0', { 'values.schema.json': schema }))
    return checkValues(archive, { it: value }, 1)
  }
  expect((await asked(patient, `${'a'.repeat(10_000)}!`)).faults).toHaveLength(1)
  expect(await asked(endless, 'a')).toEqual({ faults: [], unchecked: 'validation with its schema takes more than 1 s' })
}, 30_000)

test('a schema that takes all memory ends its worker, and nothing else', async () => {
  const levels = Array.from({ length: 30 }, (_, i) => [
    `l${i}`,
    { allOf: [{ $ref: `#/$defs/l${i + 1}` }, { $ref: `#/$defs/l${i + 1}` }] },
  ])
  const hungry = {
    $defs: { ...Object.fromEntries(levels), l30: { type: 'string' } },
    properties: { it: { $ref: '#/$defs/l0' } },
  }
  const archive = await readArchive(await chart('caddy', '1.0.0', { 'values.schema.json': hungry }))
  const { faults, unchecked } = await checkValues(archive, { it: 1 }, 60)
  expect([faults, unchecked]).toEqual([[], expect.stringMatching(/memory/)])
}, 60_000)
