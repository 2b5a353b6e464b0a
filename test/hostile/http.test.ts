// What a mirror, a chart repository or a registry answers is bounded, and a login stays with whom it was given for.

import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { createServer as createHttp, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createHttps } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { ProblemError } from '../../src/engine/problem.ts'
import { fetchAsset } from '../../src/supply/cache.ts'
import { type FetchOptions, fetchChart } from '../../src/supply/chart.ts'
import { type ChartSource, prefixedSettings } from '../../src/supply/chart-source.ts'
import { fetchManifest } from '../../src/supply/manifest.ts'
import { readChart, readRepositoryIndex } from '../../src/supply/reading.ts'
import { fetchSums } from '../../src/supply/sums.ts'
import { get } from '../../src/supply/web.ts'
import { chart, sum, tgz, tls } from '../supply/charts.ts'

type Answer = (request: IncomingMessage, response: ServerResponse) => void

const never = new AbortController().signal
let cache: string
let closing: (() => void)[]
beforeEach(() => {
  cache = mkdtempSync(join(tmpdir(), 'hostile-http-'))
  closing = []
})
afterEach(() => {
  for (const close of closing) close()
  rmSync(cache, { recursive: true })
})

/** `requests` has path and Authorization of each. */
async function serve(scheme: 'http' | 'https', answer: Answer) {
  const requests: string[] = []
  const listener: Answer = (request, response) => {
    response.on('error', () => {})
    requests.push(`${request.url} ${request.headers.authorization ?? '-'}`)
    answer(request, response)
  }
  const server = scheme === 'http' ? createHttp(listener) : createHttps(tls, listener)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  closing.push(() => {
    server.closeAllConnections()
    server.close()
  })
  const address = server.address()
  const host = `127.0.0.1:${typeof address === 'object' ? address?.port : ''}`
  return { url: `${scheme}://${host}`, host, requests }
}

/** Never ends: as fast as it is read. */
const endless: Answer = (_, response) => {
  const chunk = Buffer.alloc(1_048_576, 'a')
  const more = () => {
    while (!response.destroyed && response.write(chunk));
  }
  response.on('drain', more)
  more()
}
const drip: Answer = (_, response) => {
  const timer = setInterval(() => response.write('a'), 20)
  response.on('close', () => clearInterval(timer))
}
const redirect =
  (location: string, status = 302): Answer =>
  (_, response) =>
    response.writeHead(status, { location }).end()
const text =
  (body: string | Buffer): Answer =>
  (_, response) =>
    response.end(body)

const asking = { signal: never, boundMs: 5000, maxBytes: 65_536, ca: tls.ca }
const why = (of: Promise<unknown>) =>
  of.then(
    () => 'no problem',
    (error: unknown) => {
      if (error instanceof ProblemError) return error.problems.map((one) => `${one.what}: ${one.why}`).join('\n')
      return error instanceof Error ? error.message : String(error)
    },
  )
const chartFrom = (source: Partial<ChartSource>, options: Partial<FetchOptions> = {}) =>
  fetchChart(
    {
      name: 'caddy',
      version: '1.0.0',
      url: 'https://x',
      ca: tls.ca,
      settings: prefixedSettings('k3s_platform_caddy', '1.0.0'),
      ...source,
    },
    { cache, signal: never, ...options },
  )

describe('bytes and time', { timeout: 60_000 }, () => {
  test('an answer that never ends is left at its bound', async () => {
    const web = await serve('http', endless)
    expect(await why(get(web.url, asking))).toBe('it is longer than 0.0625 MiB')
  })

  test('an answer that comes one byte at a time is left at its deadline', async () => {
    const web = await serve('http', drip)
    expect(await why(get(web.url, { ...asking, wholeMs: 300 }))).toBe('the answer did not end in time')
  })

  test('a deadline counts over redirects', async () => {
    const web = await serve('http', (request, response) => {
      setTimeout(() => redirect(`/${Math.random()}`)(request, response), 150)
    })
    expect(await why(get(web.url, { ...asking, wholeMs: 300 }))).toBe('the answer did not end in time')
  })

  test.each(['index.yaml', 'manifest', 'sums', 'asset', 'install manifest'])('%s: endless is refused', async (what) => {
    const web = await serve('http', endless)
    const asset = { urls: [web.url], sha256: sum('x'), sums: null, maxBytes: 65_536 }
    const ask: Readonly<Record<string, () => Promise<unknown>>> = {
      'index.yaml': () => chartFrom({ url: web.url }),
      manifest: () => chartFrom({ url: `oci://${web.host}`, plainHttp: true }),
      sums: () => fetchSums(web.url, never),
      asset: () => fetchAsset(asset, cache, never),
      'install manifest': () =>
        fetchManifest({ ...asset, maxBytes: 65_536 }, (one, signal) => fetchAsset(one, cache, signal), never),
    }
    expect(await why(ask[what]?.() ?? Promise.resolve())).toContain('it is longer than')
    expect(readdirSync(cache)).toEqual([])
  })

  test('a chart that never ends is refused', async () => {
    const index = `entries: {caddy: [{version: 1.0.0, urls: [/caddy.tgz]}]}`
    const web = await serve('http', (request, response) =>
      request.url === '/index.yaml' ? response.end(index) : endless(request, response),
    )
    expect(await why(chartFrom({ url: web.url }))).toContain('it is longer than 16 MiB')
  })

  test('a token that never ends is refused', async () => {
    const web = await serve('http', (request, response) => {
      if (request.url?.startsWith('/token')) return endless(request, response)
      response.writeHead(401, { 'www-authenticate': `Bearer realm="http://${web.host}/token"` }).end()
    })
    expect(await why(chartFrom({ url: `oci://${web.host}`, plainHttp: true }))).toContain('it is longer than 4 MiB')
  })

  test('a file that is no install manifest is refused by its size', async () => {
    const file = join(cache, 'install.yaml')
    writeFileSync(file, Buffer.alloc(17 * 1_048_576))
    const asset = { urls: [], sums: null, sha256: null, file }
    expect(await why(fetchManifest(asset, (one, signal) => fetchAsset(one, cache, signal), never))).toContain('16 MiB')
  })
})

describe('redirects', () => {
  test('https is not left for http, nor for another protocol', async () => {
    const plain = await serve('http', text('never'))
    for (const place of [plain.url, 'file:///etc/passwd', 'ftp://127.0.0.1/x']) {
      const web = await serve('https', redirect(place))
      expect(await why(get(web.url, asking))).toContain('it redirects from https to')
    }
    const web = await serve('http', redirect('file:///etc/passwd'))
    expect(await why(get(web.url, asking))).toBe('file: is not http or https')
    expect(plain.requests).toEqual([])
  })

  test('a loop of redirects ends', async () => {
    const web = await serve('http', redirect('/again'))
    expect(await why(get(web.url, asking))).toBe('it redirects more than 5 times')
    expect(web.requests).toHaveLength(6)
  })

  test('a place that is no URL is refused', async () => {
    const web = await serve('http', redirect('http://['))
    expect(await why(get(web.url, asking))).toBe('it redirects to an invalid URL')
  })

  test('credentials of the request and of the URL stay with their origin', async () => {
    const other = await serve('https', text('body'))
    const web = await serve('https', (request, response) =>
      redirect(request.url === '/' ? '/same' : other.url)(request, response),
    )
    const headers = { Authorization: 'Bearer secret', cookie: 'secret' }
    expect((await get(web.url, { ...asking, headers })).body.toString()).toBe('body')
    expect([web.requests, other.requests]).toEqual([['/ Bearer secret', '/same Bearer secret'], ['/ -']])
    await get(web.url.replace('//', '//user:secret@'), asking)
    expect(other.requests).toEqual(['/ -', '/ -'])
  })
})

describe('the realm of a registry', () => {
  const challenged =
    (realm: string): Answer =>
    (_, response) => {
      response.writeHead(401, { 'www-authenticate': `Bearer realm="${realm}",service="x",scope="y"` }).end()
    }

  test('by plain http no other service is asked for a token', async () => {
    const inner = await serve('http', text('{"token":"t"}'))
    const secure = await serve('https', challenged(`${inner.url}/latest/meta-data`))
    const plain = await serve('http', challenged(`${inner.url}/latest/meta-data`))
    await why(chartFrom({ url: `oci://${secure.host}` }))
    await why(chartFrom({ url: `oci://${plain.host}`, plainHttp: true }))
    expect(inner.requests).toEqual([])
  })

  test('by https it is asked, without any login, and its token goes to the registry alone', async () => {
    const blobs = await serve('https', text('blob'))
    const tokens = await serve('https', text('{"token":"t"}'))
    const registry = await serve('https', (request, response) => {
      if (request.headers.authorization !== 'Bearer t') {
        return challenged(tokens.url.replace('//', '//user:pass@'))(request, response)
      }
      const layer = { mediaType: 'application/tar+gzip', digest: `sha256:${sum('x')}` }
      if (request.url?.includes('/manifests/')) return response.end(JSON.stringify({ layers: [layer] }))
      redirect(`${blobs.url}/blob`)(request, response)
    })
    expect(await why(chartFrom({ url: `oci://${registry.host}` }))).toContain('the digest of the chart')
    expect(tokens.requests).toEqual(['/?service=x&scope=y -'])
    expect(blobs.requests).toEqual(['/blob -'])
  })

  test('a token with a line break is none', async () => {
    const registry = await serve('https', (request, response) =>
      request.url?.startsWith('/token')
        ? response.end(JSON.stringify({ token: 'a\r\nHost: evil' }))
        : challenged(`https://${registry.host}/token`)(request, response),
    )
    expect(await why(chartFrom({ url: `oci://${registry.host}` }))).toContain('it requires authentication')
  })
})

describe('archives and indexes', { timeout: 60_000 }, () => {
  /** Each takes the parser minutes. */
  const SLOW: Readonly<Record<string, string>> = {
    'anchors on one value': `a: ${'&a '.repeat(300_000)}x`,
    'tags on one value': `a: ${'!!str '.repeat(300_000)}x`,
    'many aliases': Array.from({ length: 100_000 }, (_, i) => `- &a${i} x\n- *a${i}\n`).join(''),
  }
  test.each(Object.entries(SLOW))('%s: reading ends at its bound', async (_, yaml) => {
    const bounds = { seconds: 1, heap: 256 }
    const words = /it takes more than 1 s to read|it cannot be read/
    expect(await why(readRepositoryIndex(`x: 1\n${yaml}`, 'caddy', bounds))).toMatch(words)
    const values = await chart('caddy', '1.0.0', { 'values.yaml': yaml })
    expect(await why(readChart(values, bounds))).toMatch(words)
  })

  test('equal keys are not compared one by one', async () => {
    const keys = Array.from({ length: 60_000 }, (_, i) => `k${i}: x\n`).join('')
    const made = await chart('caddy', '1.0.0', { 'Chart.yaml': `name: caddy\nversion: 1.0.0\n${keys}` })
    expect(await readChart(made)).toMatchObject({ name: 'caddy' })
  })

  test.each([
    [
      'a bomb of aliases',
      Array.from(
        { length: 20 },
        (_, i) =>
          `a${i}: &a${i} [${
            i === 0
              ? 'x'
              : Array(10)
                  .fill(`*a${i - 1}`)
                  .join(',')
          }]`,
      ).join('\n'),
    ],
    ['a deep list', '['.repeat(100_000)],
    ['a deep map', '? '.repeat(100_000)],
  ])('%s is no chart', async (_, yaml) => {
    expect(await why(readChart(await chart('caddy', '1.0.0', { 'values.yaml': yaml })))).not.toBe('no problem')
    expect(await why(readRepositoryIndex(yaml, 'caddy'))).not.toBe('no problem')
  })

  test.each([
    ['values.yaml', `${'{"a":'.repeat(1500)}1${'}'.repeat(1500)}`],
    ['values.yaml', `a: ${'['.repeat(300)}${']'.repeat(300)}`],
    ['values.schema.json', `{"default":${'['.repeat(1500)}${']'.repeat(1500)}}`],
  ])('a %s that only the worker could walk through is refused', async (path, text) => {
    const told = await why(readChart(await chart('caddy', '1.0.0', { [path]: text })))
    expect(told).toContain(`${path}: it is nested more than 200 levels deep`)
  })

  test('reading fills no more memory than its bound', async () => {
    const yaml = `entries: {caddy: [${'{version: a},'.repeat(300_000)}]}`
    const told = await why(readRepositoryIndex(yaml, 'caddy', { seconds: 60, heap: 32 }))
    expect(told).toMatch(/memory/)
  })

  test('a bomb of gzip is refused', async () => {
    expect(await why(readChart(gzipSync(Buffer.alloc(101 * 1_048_576), { level: 1 })))).toContain(
      'its unpacked size exceeds 100 MiB',
    )
  })

  test('names that a map has by itself are no charts', async () => {
    const web = await serve('http', text('entries: {}'))
    expect(await why(chartFrom({ name: 'constructor', url: web.url }))).toContain('no chart')
  })

  test('links and paths that lead elsewhere are not followed: nothing is unpacked', async () => {
    const made = await tgz({ 'caddy/Chart.yaml': 'name: caddy\nversion: 1.0.0\n', '../../../escaped': 'x' })
    expect(await readChart(made)).toMatchObject({ name: 'caddy' })
  })

  test('an index by https that sends to http without a digest is refused', async () => {
    const plain = await serve('http', text('never'))
    const web = await serve('https', text(`entries: {caddy: [{version: 1.0.0, urls: ['${plain.url}/c.tgz']}]}`))
    expect(await why(chartFrom({ url: web.url }))).toContain('without a digest')
    expect(plain.requests).toEqual([])
  })
})
