// Little charts, and loopback servers for them: an index, an OCI registry that may want a token, with TLS or without.

import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { gzipSync } from 'node:zlib'
import { pack } from 'tar-stream'
import { parse, stringify } from 'yaml'

export const sum = (bytes: string | Buffer) => createHash('sha256').update(bytes).digest('hex')

/** A CA of the tests, and a pair for 127.0.0.1 that it signed; PEM. */
export const tls: { ca: string; cert: string; key: string } = parse(
  readFileSync(new URL('tls.yaml', import.meta.url), 'utf8'),
)

/** `files` by their path in the archive. */
export async function tgz(files: Readonly<Record<string, string>>): Promise<Buffer> {
  const archive = pack()
  for (const [name, content] of Object.entries(files)) archive.entry({ name, mtime: new Date(0) }, content)
  archive.finalize()
  return gzipSync(await buffer(Readable.from(archive)))
}

/** `more` by the path below the chart's directory: text, or what becomes YAML or JSON. */
export function chart(name: string, version: string, more: Readonly<Record<string, unknown>> = {}): Promise<Buffer> {
  const files: Readonly<Record<string, unknown>> = {
    'Chart.yaml': { apiVersion: 'v2', name, version, kubeVersion: '>=1.22.0-0' },
    'templates/none.yaml': '',
    ...more,
  }
  const text = (path: string, what: unknown) =>
    typeof what === 'string' ? what : path.endsWith('.json') ? JSON.stringify(what) : stringify(what)
  return tgz(Object.fromEntries(Object.entries(files).map(([path, what]) => [`${name}/${path}`, text(path, what)])))
}

interface Reply {
  readonly status?: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | Buffer
}

export interface ChartServer {
  /** `127.0.0.1:PORT` */
  readonly host: string
  readonly url: string
  /** By path; a function decides; `hang` never answers. */
  routes: Record<string, Reply | 'hang' | ((request: IncomingMessage) => Reply)>
  /** Paths, and ` +token` when credentials came with it. */
  requests: string[]
  close(): void
}

export async function chartServer(secure = false): Promise<ChartServer> {
  const answer = (request: IncomingMessage, response: ServerResponse) => {
    const path = request.url ?? ''
    it.requests.push(`${path}${request.headers.authorization === undefined ? '' : ' +token'}`)
    const route = it.routes[path]
    if (route === 'hang') return
    const { status, headers, body } = (typeof route === 'function' ? route(request) : route) ?? { status: 404 }
    response.writeHead(status ?? 200, headers).end(body ?? '')
  }
  const server = secure ? createTlsServer({ cert: tls.cert, key: tls.key }, answer) : createServer(answer)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`
  const it: ChartServer = {
    host,
    url: `${secure ? 'https' : 'http'}://${host}`,
    routes: {},
    requests: [],
    close: () => {
      server.close()
      server.closeAllConnections()
    },
  }
  return it
}

/** The routes of a repository at `/` with these charts, by file name `NAME-VERSION.tgz`; `digests: false`: its index has none. */
export function repository(charts: Readonly<Record<string, Buffer>>, digests = true): ChartServer['routes'] {
  const entries: Record<string, object[]> = {}
  for (const [file, bytes] of Object.entries(charts)) {
    const [, name = '', version = ''] = /^(.+?)-(v?\d.*)\.tgz$/.exec(file) ?? []
    entries[name] = [
      ...(entries[name] ?? []),
      { name, version, urls: [`files/${file}`], ...(digests && { digest: sum(bytes) }) },
    ]
  }
  const files = Object.entries(charts).map(([file, body]) => [`/files/${file}`, { body }])
  return { '/index.yaml': { body: stringify({ apiVersion: 'v1', entries }) }, ...Object.fromEntries(files) }
}

const CHART_LAYER = 'application/vnd.cncf.helm.chart.content.v1.tar+gzip'

/** The routes of an OCI registry with `repository` (`charts/caddy`) at these tags. */
export function registry(
  repository: string,
  charts: Readonly<Record<string, Buffer>>,
  mediaType = CHART_LAYER,
): ChartServer['routes'] {
  const routes: ChartServer['routes'] = {
    [`/v2/${repository}/tags/list?n=1000`]: {
      body: JSON.stringify({ name: repository, tags: [...Object.keys(charts), 'sha256-12ab.sig'] }),
    },
  }
  for (const [tag, bytes] of Object.entries(charts)) {
    const config = { mediaType: 'application/vnd.cncf.helm.config.v1+json', digest: `sha256:${sum('{}')}`, size: 2 }
    const layers = [{ mediaType, digest: `sha256:${sum(bytes)}`, size: bytes.length }]
    routes[`/v2/${repository}/manifests/${tag}`] = { body: JSON.stringify({ schemaVersion: 2, config, layers }) }
    routes[`/v2/${repository}/blobs/sha256:${sum(bytes)}`] = { body: bytes }
  }
  return routes
}

/** The same routes for those with the token that `/token` gives for `scope`, as ghcr.io and quay.io have it. */
export function behindToken(routes: ChartServer['routes'], url: string, repository: string): ChartServer['routes'] {
  const scope = `repository:${repository}:pull`
  const challenge = `Bearer realm="${url}/token",service="charts.example",scope="${scope}"`
  const guarded = Object.entries(routes).map(([path, route]) => {
    const guard = (request: IncomingMessage): Reply => {
      if (request.headers.authorization !== 'Bearer granted') {
        return { status: 401, headers: { 'www-authenticate': challenge } }
      }
      return typeof route === 'function' ? route(request) : route === 'hang' ? {} : route
    }
    return [path, guard] as const
  })
  const query = new URLSearchParams({ service: 'charts.example', scope })
  return { ...Object.fromEntries(guarded), [`/token?${query}`]: { body: JSON.stringify({ token: 'granted' }) } }
}
