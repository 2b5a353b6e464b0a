// The newest version of a chart: by number, of a repository and of a registry, and asked once an hour.

import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { ProblemError } from '../../src/engine/problem.ts'
import { type ChartSource, prefixedSettings } from '../../src/supply/chart-source.ts'
import { isNewer, newestVersion } from '../../src/supply/newest-chart.ts'
import { type ChartServer, chartServer, registry, repository } from './charts.ts'

let web: ChartServer
let cache: string
const BYTES = Buffer.from('never read')
const HOUR = 3_600_000

beforeAll(async () => {
  web = await chartServer()
})
afterAll(() => web.close())
beforeEach(() => {
  cache = mkdtempSync(join(tmpdir(), 'k3sp-newest-'))
  web.requests = []
  web.routes = repository(
    Object.fromEntries(['1.9.3', '1.10.0', '1.2.0', '2.0.0-rc.1'].map((v) => [`web-${v}.tgz`, BYTES])),
  )
  return () => rmSync(cache, { recursive: true })
})

const newest = (more: Partial<ChartSource> = {}, now = 0) => {
  const settings = prefixedSettings('k3s_platform_web', '1.2.0')
  const source = { name: 'web', version: '1.2.0', url: web.url, settings, ...more }
  return newestVersion(source, { cache, now, signal: new AbortController().signal, boundMs: 5000 })
}

test('is the one with the greatest numbers; pre-releases count for a pre-release', async () => {
  expect(await newest()).toBe('1.10.0')
  expect(await newest({ version: '2.0.0-beta.1' })).toBe('2.0.0-rc.1')
})

test('of a registry is among its tags', async () => {
  web.routes = registry('charts/web', { '1.9.3': BYTES, 'v1.10.0': BYTES, '1.9.4_build.1': BYTES })
  expect(await newest({ url: `oci://${web.host}/charts`, plainHttp: true })).toBe('v1.10.0')
})

test('of a file is not known, and nobody is asked', async () => {
  expect(await newest({ file: '/web.tgz' })).toBeNull()
  expect(web.requests).toEqual([])
})

test('is asked once an hour, whatever the version of the inventory is', async () => {
  await newest()
  await newest({ version: '1.9.3' }, HOUR - 1)
  expect(web.requests).toEqual(['/index.yaml'])
  await newest({}, HOUR)
  expect(web.requests).toHaveLength(2)
})

test('is asked again where the memory is damaged, or of a time to come', async () => {
  await newest({}, 2 * HOUR)
  await newest({}, HOUR)
  expect(web.requests).toHaveLength(2)
  for (const name of readdirSync(join(cache, 'charts'))) writeFileSync(join(cache, 'charts', name), '{"at":0')
  expect(await newest({}, HOUR)).toBe('1.10.0')
  expect(web.requests).toHaveLength(3)
})

test('of a chart that the source does not have, or of none that answers, is a problem', async () => {
  await expect(newest({ name: 'wab' })).rejects.toThrow(ProblemError)
  await expect(newest({ url: 'http://127.0.0.1:1' })).rejects.toThrow(ProblemError)
  web.routes = {}
  await expect(newest({ url: `oci://${web.host}/charts`, plainHttp: true })).rejects.toThrow(ProblemError)
  expect(readdirSync(cache)).toEqual([])
})

test.each([
  ['v1.10.0', '1.9.3', true],
  ['1.9.3', 'v1.10.0', false],
  ['1.9.3', 'v1.9.3', false],
  ['1.9.3+build.2', '1.9.3', false],
])('%s is newer than %s: %s', (a, b, is) => {
  expect(isNewer(a, b)).toBe(is)
})
