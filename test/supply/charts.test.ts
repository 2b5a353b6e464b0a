// Charts from an index, a registry and a file: what is fetched, what is kept, what is refused and how that is said.

import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { ProblemError } from '../../src/engine/problem.ts'
import { chartContentOf, type FetchOptions, fetchChart, unlockedChart } from '../../src/supply/chart.ts'
import { type ChartSource, ociReference, prefixedSettings } from '../../src/supply/chart-source.ts'
import { noLock } from '../../src/supply/lock.ts'
import { behindToken, type ChartServer, chart, chartServer, registry, repository, sum, tgz, tls } from './charts.ts'

const OTHER = '0'.repeat(64)
const VERSIONS = ['v1.2.0', 'v1.2.3', 'v1.10.0', 'v1.11.0-rc.1']
const SCHEMA = { type: 'object', properties: { replicas: { type: 'integer' } } }

let web: ChartServer
let secure: ChartServer
let dir: string
let cache: string
/** caddy v1.2.3 */
let bytes: Buffer
let charts: Record<string, Buffer>
beforeAll(async () => {
  web = await chartServer()
  secure = await chartServer(true)
  const made = VERSIONS.map(async (version) => {
    const parts = { 'values.yaml': { replicas: 1 }, 'values.schema.json': SCHEMA }
    return [`caddy-${version}.tgz`, await chart('caddy', version, parts)] as const
  })
  charts = Object.fromEntries(await Promise.all(made))
  charts['reloader-2.0.0.tgz'] = await chart('reloader', '2.0.0')
  bytes = charts['caddy-v1.2.3.tgz'] ?? Buffer.of()
})
afterAll(() => {
  web.close()
  secure.close()
})
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'k3sp-charts-'))
  cache = join(dir, 'made', 'when missing')
  for (const server of [web, secure]) {
    server.requests = []
    server.routes = repository(charts)
  }
  return () => rmSync(dir, { recursive: true })
})

type Given = Partial<ChartSource> & { readonly options?: Partial<FetchOptions> }
function get({ options, ...source }: Given = {}) {
  const { signal } = new AbortController()
  const from = {
    name: 'caddy',
    version: 'v1.2.3',
    url: web.url,
    settings: prefixedSettings('k3s_platform_caddy', 'v1.2.3'),
    ...source,
  }
  return fetchChart(from, { cache, signal, ...options })
}
const oci = (): Given => ({ url: `oci://${web.host}/charts`, plainHttp: true })
const told = (given: Given) =>
  get(given).then(
    () => 'no problem',
    (error: unknown) => {
      if (!(error instanceof ProblemError)) throw error
      return error.problems
        .map(({ where, what, why, hint }) => `${where}: ${what}\nwhy: ${why}\nhint: ${hint}`)
        .join('\n')
        .replaceAll(web.host, 'WEB')
        .replaceAll(secure.host, 'SECURE')
    },
  )

test('a chart of a repository is fetched once, read, and kept by its digest', async () => {
  const got = await get()
  expect(got).toEqual({
    name: 'caddy',
    version: 'v1.2.3',
    appVersion: null,
    kubeVersion: '>=1.22.0-0',
    defaults: { replicas: 1 },
    valuesSchema: SCHEMA,
    subcharts: {},
    dependencies: [],
    source: { templates: '', values: 'replicas: 1\n' },
    sha256: sum(bytes),
    path: join(cache, sum(bytes)),
  })
  expect(readFileSync(got.path)).toEqual(bytes)
  expect(await get()).toEqual(got)
  expect(web.requests).toEqual(['/index.yaml', '/files/caddy-v1.2.3.tgz'])
  expect(readdirSync(cache).toSorted()).toEqual([sum(bytes), 'charts'].toSorted())
})

test('a locked chart that lies in the cache is taken without asking anybody, whatever its source is', async () => {
  await get()
  web.requests = []
  await get({ url: 'https://gone.invalid/charts', options: { locked: sum(bytes) } })
  expect(web.requests).toEqual([])
})

test('what lies in the cache is verified, and fetched again when it was damaged', async () => {
  const { path } = await get()
  writeFileSync(path, 'damaged')
  expect(readFileSync((await get()).path)).toEqual(bytes)
  expect(web.requests).toHaveLength(4)
})

test('asked afresh, only the index is read when it names what the cache has', async () => {
  await get()
  await get({ options: { fresh: true } })
  expect(web.requests).toEqual(['/index.yaml', '/files/caddy-v1.2.3.tgz', '/index.yaml'])
})

test('asked afresh, a chart that was replaced is seen; else the one that was fetched stays', async () => {
  await get()
  const again = await chart('caddy', 'v1.2.3', { 'values.yaml': { replicas: 2 } })
  web.routes = repository({ 'caddy-v1.2.3.tgz': again }, false)
  expect((await get()).sha256).toBe(sum(bytes))
  expect((await get({ options: { fresh: true } })).sha256).toBe(sum(again))
})

test.each<[title: string, token: boolean, url: string]>([
  ['by the path that it lies in', false, 'oci://WEB/charts'],
  ['by its own path', false, 'oci://WEB/charts/caddy/'],
  ['with an anonymous token where one is asked for', true, 'oci://WEB/charts'],
])('a chart of a registry is fetched once, %s', async (_title, token, url) => {
  const routes = registry('charts/caddy', { 'v1.2.3': bytes })
  web.routes = token ? behindToken(routes, web.url, 'charts/caddy') : routes
  const given = { url: url.replace('WEB', web.host), plainHttp: true }
  expect(await get(given)).toMatchObject({ sha256: sum(bytes), path: join(cache, sum(bytes)) })
  await get(given)
  const asked = ['/v2/charts/caddy/manifests/v1.2.3', `/v2/charts/caddy/blobs/sha256:${sum(bytes)}`]
  const [manifest = '', blob] = asked
  const query = new URLSearchParams({ service: 'charts.example', scope: 'repository:charts/caddy:pull' })
  expect(web.requests).toEqual(token ? [manifest, `/token?${query}`, `${manifest} +token`, `${blob} +token`] : asked)
})

test('the build in a version is written with _ in a tag', async () => {
  const built = await chart('caddy', '1.2.3+2')
  web.routes = registry('charts/caddy', { '1.2.3_2': built })
  expect((await get({ ...oci(), version: '1.2.3+2' })).sha256).toBe(sum(built))
})

test('a token is not sent on to the store that a registry redirects to', async () => {
  const routes = registry('charts/caddy', { 'v1.2.3': bytes })
  const blob = `/v2/charts/caddy/blobs/sha256:${sum(bytes)}`
  web.routes = behindToken(
    { ...routes, [blob]: { status: 307, headers: { location: `${secure.url}/store` } } },
    web.url,
    'charts/caddy',
  )
  secure.routes = { '/store': { body: bytes } }
  expect((await get({ ...oci(), ca: tls.ca })).sha256).toBe(sum(bytes))
  expect(secure.requests).toEqual(['/store'])
})

test('a source with a CA of its own is asked when that is given', async () => {
  expect((await get({ url: secure.url, ca: tls.ca })).sha256).toBe(sum(bytes))
})

test('a file of the workstation is the chart: nothing is asked or kept', async () => {
  const file = join(dir, 'own.tgz')
  writeFileSync(file, bytes)
  const got = await get({ file, options: { locked: sum(bytes) } })
  expect(got).toMatchObject({ path: file, sha256: sum(bytes) })
  expect(await chartContentOf(got)).toBe(bytes.toString('base64'))
  expect([web.requests, readdirSync(dir)]).toEqual([[], ['own.tgz']])
})

const text = (body: string) => ({ body })
const index = (entry: object) => text(JSON.stringify({ entries: { caddy: [{ version: 'v1.2.3', ...entry }] } }))
const routes = (more: ChartServer['routes']) => {
  web.routes = { ...web.routes, ...more }
}
const inRegistry = (more: ChartServer['routes'] = {}) => {
  web.routes = { ...registry('charts/caddy', { 'v1.2.0': bytes, 'v1.2.3': bytes }), ...more }
}

test.each<[title: string, given: () => Given | Promise<Given>, says: readonly (string | RegExp)[]]>([
  [
    'a repository that is down',
    () => ({ url: 'http://127.0.0.1:4999/charts' }),
    [
      'http://127.0.0.1:4999/charts/index.yaml: the chart caddy v1.2.3 could not be fetched',
      '127.0.0.1:4999 refused the connection: connect ECONNREFUSED',
      'hint: check k3s_platform_caddy_chart_repo_url',
      'k3s_platform_caddy_chart_file',
    ],
  ],
  [
    'a host that nobody knows',
    () => ({ url: 'https://charts.invalid' }),
    [
      /the host name charts.invalid does not resolve: .*ENOTFOUND|no DNS server answered for the host name charts.invalid: .*EAI_AGAIN/,
    ],
  ],
  [
    'a repository that does not answer',
    () => {
      routes({ '/index.yaml': 'hang' })
      return { options: { boundMs: 100 } }
    },
    ['did not answer in time: no answer within 0.1 s'],
  ],
  [
    'a CA that is not known',
    () => ({ url: secure.url }),
    [/the TLS certificate of \S+ is not trusted: /, 'hint: set k3s_platform_caddy_chart_ca to the CA that signed it'],
  ],
  [
    'a certificate for another name',
    () => ({ url: secure.url.replace('127.0.0.1', 'localhost'), ca: tls.ca }),
    ['the TLS certificate of localhost:', 'is for other names'],
  ],
  [
    'a registry without TLS',
    () => ({ ...oci(), plainHttp: false }),
    ['WEB does not speak TLS', 'hint: if the registry has no TLS, set k3s_platform_caddy_chart_plain_http: true'],
  ],
  [
    'a repository without an index',
    () => ({ url: `${web.url}/none/` }),
    ['/none/index.yaml', 'why: HTTP 404 Not Found'],
  ],
  [
    'a page in place of an index',
    () => routes({ '/index.yaml': text('<html>log in</html>') }) ?? {},
    ['why: it is not the index of a chart repository'],
  ],
  [
    'a redirect without an end',
    () => routes({ '/index.yaml': { status: 302, headers: { location: '/index.yaml' } } }) ?? {},
    ['it redirects more than 5 times'],
  ],
  [
    'a chart that the index does not have',
    () => ({ name: 'cady' }),
    ['the chart cady does not exist', 'why: the repository has caddy, reloader', 'hint: did you mean caddy?'],
  ],
  [
    'a version that the index does not have',
    () => ({ version: 'v1.12.0' }),
    [
      'version v1.12.0 of the chart caddy does not exist',
      'why: the newest versions are v1.10.0, v1.2.3, v1.2.0\n',
      'did you mean v1.10.0? set k3s_platform_caddy_chart_version',
    ],
  ],
  ['a version without its v', () => ({ version: '1.2.3' }), ['did you mean v1.2.3?']],
  [
    'a chart that the index names and the repository does not have',
    () => routes({ '/files/caddy-v1.2.3.tgz': { status: 503 } }) ?? {},
    ['WEB/files/caddy-v1.2.3.tgz', 'points to this URL, but: HTTP 503 Service Unavailable'],
  ],
  [
    'an index that sends to a registry',
    () => routes({ '/index.yaml': index({ urls: ['oci://r.example/caddy:v1.2.3'] }) }) ?? {},
    ['its index redirects to oci://r.example/caddy:v1.2.3', 'set k3s_platform_caddy_chart_repo_url to that'],
  ],
  ['an index that names no place', () => routes({ '/index.yaml': index({}) }) ?? {}, ['its index has no URL for it']],
  [
    'another digest than the index says',
    () => routes({ '/index.yaml': index({ digest: `sha256:${OTHER}`, urls: ['/files/caddy-v1.2.3.tgz'] }) }) ?? {},
    ['differs from the published one', `index   ${OTHER}`, 'got     SUM'],
  ],
  [
    'another digest than is locked',
    () => ({ options: { locked: OTHER } }),
    [
      'differs from the locked one',
      `locked  ${OTHER}`,
      'got     SUM',
      'chart versions are immutable',
      'k3s-platform lock --yes',
    ],
  ],
  [
    'another digest than is locked, where the index has none',
    () => {
      web.routes = repository(charts, false)
      return { options: { locked: OTHER } }
    },
    [`locked  ${OTHER}`, 'got     SUM'],
  ],
  [
    'something that is not a chart',
    () => routes({ '/index.yaml': index({ urls: ['x.tgz'] }), '/x.tgz': text('<html>') }) ?? {},
    ['WEB/x.tgz', 'why: the file is not a chart: it is a web page'],
  ],
  [
    'another chart in its place',
    () => routes({ '/index.yaml': index({ urls: ['files/reloader-2.0.0.tgz'] }) }) ?? {},
    ['the file is the chart reloader 2.0.0', 'set k3s_platform_caddy_chart_version'],
  ],
  [
    'a registry that has no such chart',
    () => ({ ...oci(), name: 'cady' }),
    ['oci://WEB/charts/cady: the chart cady does not exist'],
  ],
  [
    'a version that a registry does not have',
    () => inRegistry() ?? { ...oci(), version: 'v1.2.2' },
    [
      'oci://WEB/charts/caddy: version v1.2.2 of the chart caddy does not exist',
      'why: the newest versions are v1.2.3, v1.2.0\n',
      'did you mean v1.2.3?',
    ],
  ],
  [
    'a registry that wants a login',
    () =>
      inRegistry({
        '/v2/charts/caddy/manifests/v1.2.3': { status: 401, headers: { 'www-authenticate': 'Basic realm="x"' } },
      }) ?? oci(),
    ['HTTP 401 Unauthorized: it requires authentication', 'k3s_platform_caddy_chart_file'],
  ],
  [
    'an image in place of a chart',
    () => {
      web.routes = registry('charts/caddy', { 'v1.2.3': bytes }, 'application/vnd.oci.image.layer.v1.tar+gzip')
      return oci()
    },
    ['oci://WEB/charts/caddy:v1.2.3', 'it is not a chart: it has application/vnd.oci.image.layer.v1.tar+gzip'],
  ],
  [
    'another digest than the manifest says',
    () => inRegistry({ [`/v2/charts/caddy/blobs/sha256:${sum(bytes)}`]: text('else') }) ?? oci(),
    ['index   SUM', `got     ${sum('else')}`],
  ],
  [
    'a file that is not there',
    () => ({ file: '/none/caddy.tgz' }),
    [
      '/none/caddy.tgz: the chart caddy v1.2.3 could not be fetched',
      'no such file',
      'relative paths start at the inventory',
    ],
  ],
])('%s is told, and nothing is kept', async (_title, given, says) => {
  const words = (await told(await given())).replaceAll(sum(bytes), 'SUM')
  for (const say of says) expect(words).toMatch(typeof say === 'string' ? literally(say) : say)
  expect(readdirSync(dir)).toEqual([])
})
const literally = (words: string) => new RegExp(words.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'))

test('credentials in a URL are not told', async () => {
  const words = await told({ url: web.url.replace('http://', 'http://me:hunter2@'), version: '9' })
  expect(words).toContain('http://WEB/index.yaml: version 9 of the chart caddy does not exist')
  expect(words).not.toContain('hunter2')
})

test('Ctrl-C ends a fetch at once', async () => {
  web.routes = { '/index.yaml': 'hang' }
  const stop = new AbortController()
  setTimeout(() => stop.abort(new Error('twice')), 100)
  await expect(get({ options: { signal: stop.signal } })).rejects.toThrow('twice')
})

test.each<[title: string, files: () => Promise<Buffer> | Buffer, why: string]>([
  ['no archive', () => Buffer.from('text'), 'it is not a gzip archive, or is truncated'],
  [
    'an archive that ends too early',
    async () => (await chart('caddy', 'v1.2.3')).subarray(0, 90),
    'it is not a gzip archive, or is truncated',
  ],
  ['no chart', () => tgz({ 'caddy/readme': '' }), 'it contains no Chart.yaml'],
  ['a chart without a name', () => tgz({ 'caddy/Chart.yaml': 'version: v1.2.3' }), 'Chart.yaml: name: '],
  ['a Chart.yaml that is no YAML', () => tgz({ 'caddy/Chart.yaml': 'a: [' }), 'Chart.yaml: '],
  ['values that are a list', () => chart('caddy', 'v1.2.3', { 'values.yaml': [] }), 'values.yaml: '],
  ['a schema that is no JSON', () => chart('caddy', 'v1.2.3', { 'values.schema.json': '{' }), 'values.schema.json: '],
  [
    'values that are too long',
    () => chart('caddy', 'v1.2.3', { 'values.yaml': `a: ${'x'.repeat(5_300_000)}` }),
    'its archive cannot be read: values.yaml is longer than 5 MiB',
  ],
  [
    'a bomb',
    () => Buffer.concat(Array(101).fill(gzipSync(Buffer.alloc(1_048_576)))),
    'its unpacked size exceeds 100 MiB',
  ],
])('%s is not taken for a chart', async (_title, files, why) => {
  const file = join(dir, 'own.tgz')
  writeFileSync(file, await files())
  const words = await told({ file })
  expect(words).toContain(`why: the file is not a chart: ${why}`)
  expect(words).toContain('hint: check k3s_platform_caddy_chart_file')
})

test('a chart that is too big to lie in the cluster is refused with the way out', async () => {
  const file = join(dir, 'own.tgz')
  const noise = Array.from({ length: 26_000 }, (_, i) => sum(`${i}`)).join('')
  writeFileSync(file, await chart('caddy', 'v1.2.3', { 'files/noise': noise }))
  await expect(chartContentOf(await get({ file }))).rejects.toThrow('too large to be stored in the cluster')
})

test('the chart of a registry is named once', () => {
  const at = (url: string) => ociReference({ url, name: 'caddy' })
  expect([at('oci://r/charts'), at('oci://r/charts/'), at('oci://r/charts/caddy')]).toEqual(
    Array(3).fill('oci://r/charts/caddy'),
  )
})

test.each<[title: string, strict: boolean, locked: boolean, says: string | undefined, file?: string]>([
  ['without --locked nothing is refused', false, false, undefined],
  ['with --locked a chart that is locked is not refused', true, true, undefined],
  ['with --locked a chart that is not locked is refused', true, false, 'the chart caddy v1.2.3 is not locked'],
  ['with --locked a file of the workstation is not refused', true, false, undefined, '/i/caddy.tgz'],
])('%s', (_title, strict, locked, says, file) => {
  const lock = noLock('/i/k3s-platform.lock')
  const entries: Readonly<Record<string, string>> = locked ? { 'charts caddy v1.2.3': OTHER } : {}
  const said = unlockedChart(
    { name: 'caddy', version: 'v1.2.3', url: '', settings: prefixedSettings('k3s_platform_caddy', 'v1.2.3'), file },
    {
      lock,
      lockShown: 'i/k3s-platform.lock',
      strict,
      locked: (entry) => entries[entry.join(' ')],
      locate: String,
      digestOf: () => undefined,
    },
  )
  expect(said?.what).toBe(says)
  if (says !== undefined) {
    expect(said?.hint).toContain(
      'there is no i/k3s-platform.lock: run k3s-platform lock -e k3s_platform_caddy_chart_version=v1.2.3',
    )
  }
})
