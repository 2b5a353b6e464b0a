// Charts in the lock file: how they are resolved, written and read, beside what was there before.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { prefixedSettings } from '../../src/supply/chart-source.ts'
import { digestIn, type LockEntry, lockText, noLock, readLock } from '../../src/supply/lock.ts'
import { changed, type Lockable, resolveLock } from '../../src/supply/resolve.ts'
import { type ChartServer, chart, chartServer, registry, repository, sum } from './charts.ts'

let web: ChartServer
let dir: string
let path: string
let caddy: Buffer
let reloader: Buffer
beforeAll(async () => {
  web = await chartServer()
  caddy = await chart('caddy', '1.10.0')
  reloader = await chart('reloader', 'v2.0.0')
})
afterAll(() => web.close())
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'k3sp-chart-lock-'))
  path = join(dir, 'k3s-platform.lock')
  web.requests = []
  web.routes = {
    ...repository({ 'caddy-1.10.0.tgz': caddy }),
    ...registry('charts/reloader', { 'v2.0.0': reloader }),
    '/sums': { body: `${sum('k3s')}  k3s\n` },
  }
  return () => rmSync(dir, { recursive: true })
})

const source = (name: string, version: string, url: string): Lockable => ({
  entry: ['charts', name, version],
  chart: { name, version, url, plainHttp: true, settings: prefixedSettings(`k3s_platform_${name}`, version) },
})
const wanted = (): Lockable[] => [
  { entry: ['k3s', 'v1.36.5+k3s1', 'binary', 'amd64'], sums: { url: `${web.url}/sums`, name: 'k3s' } },
  source('reloader', 'v2.0.0', `oci://${web.host}/charts`),
  source('caddy', '1.10.0', web.url),
]
const resolve = (lock = noLock(path), all = wanted()) =>
  resolveLock(lock, all, { cache: join(dir, 'cache'), boundMs: 5000 })
const HEADER =
  '# Digests of what is installed, written by k3s-platform lock. Commit it; entries that no host uses may be deleted.\n'

test('a chart is locked by its name and version, from whatever source, in the order of names', async () => {
  const { differences, problems } = await resolve()
  expect(problems).toEqual([])
  const text = lockText(
    noLock(path),
    differences.map(({ entry, to }) => [entry, to] as const),
  )
  expect(text).toBe(`${HEADER}version: 1
charts:
  caddy:
    1.10.0: ${sum(caddy)}
  reloader:
    v2.0.0: ${sum(reloader)}
k3s:
  v1.36.5+k3s1:
    binary:
      amd64: ${sum('k3s')}
`)
  writeFileSync(path, text)
  const { lock } = await readLock(path, 'shown')
  expect(digestIn(lock, ['charts', 'caddy', '1.10.0'])).toBe(sum(caddy))
  expect(await resolve(lock)).toEqual({ differences: [], same: 3, missing: [], problems: [] })
  expect(lockText(lock, [])).toBe(text)
})

test('a lock of charts alone has no other section, and one without charts stays as it was', async () => {
  const only = lockText(noLock(path), [[['charts', 'caddy', '1.10.0'], sum(caddy)]])
  expect(only).toBe(`${HEADER}version: 1\ncharts:\n  caddy:\n    1.10.0: ${sum(caddy)}\n`)
  const before = `${HEADER}version: 1\nk3s:\n  v1.36.5+k3s1:\n    binary:\n      amd64: ${sum('k3s')}\n`
  writeFileSync(path, before)
  const { lock, problems } = await readLock(path, 'shown')
  expect([lockText(lock, []), problems]).toEqual([before, []])
  expect(digestIn(lock, ['charts', 'caddy', '1.10.0'])).toBeUndefined()
})

test('versions and digests that look like numbers are text', async () => {
  const digest = `${'1'.repeat(40)}e${'2'.repeat(23)}`
  const entries: [LockEntry, string][] = [
    [['charts', 'caddy', '1.10'], digest],
    [['charts', 'caddy', '1.9'], '0'.repeat(64)],
  ]
  writeFileSync(path, `version: 1\ncharts:\n  caddy:\n    1.9: ${'0'.repeat(64)}\n    1.10: ${digest}\n`)
  const { lock } = await readLock(path, 'shown')
  for (const [entry, expected] of entries) expect(digestIn(lock, entry)).toBe(expected)
  const text = lockText(noLock(path), entries)
  expect(text.indexOf('1.9')).toBeLessThan(text.indexOf('1.10'))
  writeFileSync(path, text)
  expect(lockText((await readLock(path, 'shown')).lock, [])).toBe(text)
})

test('a section of charts that cannot be understood is a problem with its place', async () => {
  writeFileSync(path, 'version: 1\ncharts:\n  caddy:\n    1.10.0: 12ab\n')
  const { problems } = await readLock(path, 'shown')
  expect(problems).toMatchObject([
    { kind: 'usage', where: 'shown:4:13', what: expect.stringContaining('charts.caddy.1.10.0: expected a sha256') },
  ])
})

test('two sources of a chart are one entry when they have the same, each asked once', async () => {
  web.routes['/mirror/index.yaml'] = web.routes['/index.yaml'] ?? {}
  web.routes['/mirror/files/caddy-1.10.0.tgz'] = { body: caddy }
  const all = [web.url, web.url, `${web.url}/mirror`].map((url) => source('caddy', '1.10.0', url))
  const { differences, problems } = await resolve(noLock(path), all)
  expect([differences.length, problems]).toEqual([1, []])
  expect(web.requests.filter((one) => one.endsWith('index.yaml')).toSorted()).toEqual([
    '/index.yaml',
    '/mirror/index.yaml',
  ])
})

test('two sources that have different charts under one version disagree', async () => {
  web.routes = {
    ...web.routes,
    ...registry('charts/caddy', { '1.10.0': await chart('caddy', '1.10.0', { extra: 'x' }) }),
  }
  const { problems } = await resolve(noLock(path), [...wanted(), source('caddy', '1.10.0', `oci://${web.host}/charts`)])
  expect(problems).toMatchObject([
    {
      where: `oci://${web.host}/charts chart caddy 1.10.0`,
      what: 'two sources publish different digests of the same version',
      why: expect.stringContaining(sum(caddy)),
      hint: 'use one k3s_platform_caddy_chart_repo_url per version',
    },
  ])
})

test('a chart that was replaced is a difference that is not taken over silently', async () => {
  const old = 'a'.repeat(64)
  writeFileSync(path, lockText(noLock(path), [[['charts', 'caddy', '1.10.0'], old]]))
  const { differences } = await resolve((await readLock(path, 'shown')).lock)
  const [replaced] = differences.filter(({ from }) => from !== null)
  expect(replaced).toEqual({ entry: ['charts', 'caddy', '1.10.0'], from: old, to: sum(caddy) })
  expect(replaced && changed(replaced, 'shown').where).toBe('shown chart caddy 1.10.0')
})

test('every chart that is not to be had is told, and the rest is resolved', async () => {
  const { differences, problems, missing } = await resolve(noLock(path), [
    ...wanted(),
    source('caddy', '1.11.0', web.url),
    source('apisix', '1.0.0', 'http://127.0.0.1:4999'),
  ])
  expect(problems.map(({ what }) => what)).toEqual([
    'version 1.11.0 of the chart caddy does not exist',
    'the chart apisix 1.0.0 could not be fetched',
  ])
  expect([differences.length, missing]).toEqual([3, []])
})
