// The workstation's cache: fetched once, verified always.

import { createHash } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { ProblemError } from '../../src/engine/problem.ts'
import { fetchAsset } from '../../src/supply/cache.ts'
import { type Served, serve } from '../host/kinds/served.ts'

const never = new AbortController().signal
const sum = (text: string) => createHash('sha256').update(text).digest('hex')
const ok = (content: string) => ({ content, status: 200, ranges: true })

let web: Served
let cache: string
beforeAll(async () => {
  web = await serve()
})
afterAll(() => web.close())
beforeEach(() => {
  cache = mkdtempSync(join(tmpdir(), 'k3sp-cache-'))
  web.requests = []
  web.answers = {
    '/k3s': ok('binary'),
    '/sums': ok(`${sum('arm')}  k3s-arm64\n${sum('binary')} *k3s\n`),
    '/empty': ok(''),
    '/broken': { ...ok('x'), status: 500 },
  }
  return () => rmSync(cache, { recursive: true })
})

const asset = (paths: readonly string[], sha256: string | null, name = 'k3s', sums = '/sums') => ({
  urls: paths.map((path) => web.url + path),
  sha256,
  sums: { url: web.url + sums, name },
})
const problem = (of: Promise<unknown>) =>
  of.then(
    () => null,
    (error: unknown) => (error instanceof ProblemError ? error.problems[0] : error),
  )

test('an asset is fetched once, to a path that is its digest, and then taken from there', async () => {
  const directory = join(cache, 'made', 'when missing')
  const expected = { path: join(directory, sum('binary')), sha256: sum('binary') }
  expect(await fetchAsset(asset(['/k3s'], sum('binary')), directory, never)).toEqual(expected)
  expect(readFileSync(expected.path, 'utf8')).toBe('binary')
  expect(await fetchAsset(asset(['/k3s'], sum('binary')), directory, never)).toEqual(expected)
  expect(web.requests).toEqual(['GET /k3s'])
})

test('the digest comes from the file of sums when none is given', async () => {
  expect(await fetchAsset(asset(['/k3s'], null), cache, never)).toMatchObject({ sha256: sum('binary') })
  expect(web.requests).toEqual(['GET /sums', 'GET /k3s'])
})

test('what lies in the cache is verified, and fetched again when it was damaged', async () => {
  writeFileSync(join(cache, sum('binary')), 'damaged')
  const { path } = await fetchAsset(asset(['/k3s'], sum('binary')), cache, never)
  expect(readFileSync(path, 'utf8')).toBe('binary')
  expect(web.requests).toEqual(['GET /k3s'])
})

test('the next address is tried after one that has it not, one that is broken, and one that has something else', async () => {
  const paths = ['/gone', '/broken', '/sums', '/k3s', '/never']
  await fetchAsset(asset(paths, sum('binary')), cache, never)
  expect(web.requests.at(-1)).toBe('GET /k3s')
})

test('two that fetch the same asset at the same time do not disturb each other', async () => {
  const big = 'x'.repeat(3_000_000)
  web.answers = { '/big': ok(big) }
  const results = await Promise.all([1, 2, 3].map(() => fetchAsset(asset(['/big'], sum(big)), cache, never)))
  expect(new Set(results.map((r) => r.path)).size).toBe(1)
  expect(readFileSync(results[0]?.path ?? '', 'utf8')).toBe(big)
  expect(readdirSync(cache)).toEqual([sum(big)])
})

test('content with another digest is refused with both digests, and not kept', async () => {
  const told = await problem(fetchAsset(asset(['/k3s', '/gone'], sum('other')), cache, never))
  expect(told).toMatchObject({
    kind: 'failed',
    where: `${web.url}/k3s`,
    why: `${web.url}/k3s: expected sha256 ${sum('other')}, got ${sum('binary')}\n${web.url}/gone: HTTP 404 Not Found`,
  })
  expect(readdirSync(cache)).toEqual([])
})

test.each([
  ['a file of sums without the name', asset.bind(null, ['/k3s'], null, 'k3s-s390x'), 'does not list it'],
  ['a missing file of sums', asset.bind(null, ['/k3s'], null, 'k3s', '/gone'), 'HTTP 404'],
])('%s is a problem that names it', async (_, of, words) => {
  const told = await problem(fetchAsset(of(), cache, never))
  expect(told).toMatchObject({
    what: expect.stringContaining('the digest of k3s'),
    why: expect.stringContaining(words),
  })
  expect(told).toMatchObject({ where: expect.stringContaining(web.url), hint: expect.stringContaining('sha256') })
})

test('a server that is not there is told with the cause', async () => {
  const told = await problem(
    fetchAsset({ urls: ['http://127.0.0.1:9/k3s'], sha256: sum('x'), sums: null }, cache, never),
  )
  expect(told).toMatchObject({ why: expect.stringMatching(/127\.0\.0\.1:9|bad port/) })
})

test('Ctrl-C ends a fetch at once and leaves nothing', async () => {
  const stopped = AbortSignal.abort(new Error('twice'))
  await expect(fetchAsset(asset(['/k3s'], sum('binary')), cache, stopped)).rejects.toThrow('twice')
  expect(readdirSync(cache)).toEqual([])
})
