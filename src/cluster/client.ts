// A cluster's API through a stream of the host's SSH connection: HTTP/2, so that all requests share one channel and one handshake.

import { Buffer } from 'node:buffer'
import { request as httpRequest } from 'node:http'
import { type ClientHttp2Session, connect as connectHttp2, constants } from 'node:http2'
import { Duplex } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect as connectTls, type TLSSocket } from 'node:tls'
import { z } from 'zod'
import { ProblemError } from '../engine/problem.ts'
import { LinkError, type Transport } from '../host/transport.ts'
import { ApiError, type Cluster, FIELD_MANAGER, type Listing, type Watched } from './cluster.ts'
import { type Live, live, type Ref } from './object.ts'

export interface ClientOptions {
  /** The node's own kubeconfig, asked for at every connection: its server is reached from the node. */
  readonly kubeconfig: () => string
  readonly forward: Transport['forward']
  /** Bound of the handshake and of each request, milliseconds; default 30 000. */
  readonly timeoutMs?: number
}

/** A cluster whose connection can be ended. */
export interface Client extends Cluster {
  /** Connects, or does nothing when there is a connection. Rejects with LinkError or ApiError when nothing well answers. */
  open(): Promise<void>
  close(): void
}

const status = z.looseObject({
  kind: z.literal('Status'),
  message: z.string().default(''),
  reason: z.string().default(''),
  code: z.number().optional(),
  details: z
    .looseObject({
      retryAfterSeconds: z.number().optional(),
      causes: z
        .array(
          z.looseObject({
            reason: z.string().default(''),
            message: z.string().default(''),
            field: z.string().default(''),
          }),
        )
        .optional(),
    })
    .optional(),
})
const served = z.looseObject({
  resources: z.array(z.looseObject({ name: z.string(), kind: z.string(), namespaced: z.boolean() })),
})
const list = z.looseObject({
  metadata: z.looseObject({ resourceVersion: z.string().optional() }),
  items: z.array(z.looseObject({})).nullable(),
})
const watched = z.looseObject({ type: z.string(), object: z.looseObject({}) })
const versionInfo = z.looseObject({ gitVersion: z.string() })

/** The API gives a webhook 30 s at most, and says then which it was. */
const TIMEOUT_MS = 34_000
const BODY_LIMIT = 65_536
const HISTORY_GONE = 410

interface Request {
  readonly method: string
  readonly path: string
  readonly query?: Readonly<Record<string, string | number | undefined>>
  readonly body?: object
  readonly type?: string
  readonly accept?: string
}

interface Answer {
  readonly code: number
  readonly text: string
  readonly retryAfter: string | undefined
}

export function clusterClient({ kubeconfig, forward, timeoutMs = TIMEOUT_MS }: ClientOptions): Client {
  let session: Promise<ClientHttp2Session> | undefined
  let version = ''
  const kinds = new Map<string, Promise<z.output<typeof served>['resources']>>()

  const connected = (): Promise<ClientHttp2Session> => {
    session ??= dial(kubeconfig(), forward, timeoutMs).then(
      (opened) => {
        const forget = () => {
          session = undefined
        }
        opened.once('close', forget)
        opened.once('goaway', forget)
        return opened
      },
      (error: unknown) => {
        session = undefined
        throw error
      },
    )
    return session
  }

  const send = async (request: Request): Promise<Answer> => {
    const opened = await connected()
    const stream = start(opened, request)
    const chunks: Buffer[] = []
    const timer = setTimeout(
      () => stream.destroy(new LinkError(`the API did not answer within ${timeoutMs / 1000} s`)),
      timeoutMs,
    )
    try {
      const headers = await head(stream)
      for await (const chunk of stream) chunks.push(chunk)
      return {
        code: Number(headers[constants.HTTP2_HEADER_STATUS] ?? 0),
        text: Buffer.concat(chunks).toString('utf8'),
        retryAfter: headers['retry-after']?.toString(),
      }
    } catch (error) {
      throw linkError(error)
    } finally {
      clearTimeout(timer)
    }
  }

  const json = async (request: Request): Promise<unknown> => {
    const answer = await send(request)
    if (answer.code >= 300) throw errorOf(answer)
    return JSON.parse(answer.text)
  }

  const object = async (request: Request): Promise<Live> => live.parse(await json(request))

  /** The API's words for a kind: its plural and whether it is namespaced; undefined: it is not served (yet). */
  const resourceOf = async ({ apiVersion, kind }: Pick<Ref, 'apiVersion' | 'kind'>) => {
    const ask = () => {
      const asked = json({ method: 'GET', path: groupPath(apiVersion) }).then(
        (body) => served.parse(body).resources,
        (error: unknown) => {
          kinds.delete(apiVersion)
          if (error instanceof ApiError && error.code === 404) return []
          throw error
        },
      )
      kinds.set(apiVersion, asked)
      return asked
    }
    const pick = (resources: z.output<typeof served>['resources']) =>
      resources.find((one) => one.kind === kind && !one.name.includes('/'))
    const known = kinds.get(apiVersion)
    // A kind that is missing in what was asked before may have come since.
    return (known && pick(await known)) ?? pick(await ask())
  }

  /** Throws what the API says of a kind that it does not serve. */
  const pathOf = async (ref: Omit<Ref, 'name'> & { readonly name?: string }): Promise<string> => {
    const found = await resourceOf(ref)
    if (found === undefined) {
      throw new ApiError({
        code: 404,
        reason: 'NotFound',
        message: `no matches for kind "${ref.kind}" in version "${ref.apiVersion}"`,
        causes: [],
        retryAfterSeconds: null,
      })
    }
    const scope = found.namespaced && ref.namespace !== undefined ? `/namespaces/${ref.namespace}` : ''
    const name = ref.name === undefined ? '' : `/${encodeURIComponent(ref.name)}`
    return `${groupPath(ref.apiVersion)}${scope}/${found.name}${name}`
  }

  const absent = (error: unknown): null => {
    if (error instanceof ApiError && error.code === 404) return null
    throw error
  }

  const listOf = async (listing: Listing) => {
    const { labels: labelSelector, fields: fieldSelector } = listing
    const body = list.parse(
      await json({
        method: 'GET',
        path: await pathOf(listing),
        query: { labelSelector, fieldSelector },
        ...as('PartialObjectMetadataList', listing),
      }),
    )
    // A list tells the kind once, not in each of its items.
    const { apiVersion, kind } = listing
    const items = (body.items ?? []).map((item) => live.parse({ ...item, apiVersion, kind }))
    return { items, resourceVersion: body.metadata.resourceVersion ?? '' }
  }

  /** One list and the stream after it; ends when the API ends the stream. */
  async function* follow(listing: Listing, signal: AbortSignal): AsyncGenerator<Watched> {
    const { items, resourceVersion } = await listOf(listing)
    for (const item of items) yield { type: 'ADDED', object: item }
    const { apiVersion, kind, labels: labelSelector, fields: fieldSelector } = listing
    const opened = await connected()
    const stream = start(opened, {
      method: 'GET',
      path: await pathOf(listing),
      query: { watch: 'true', resourceVersion, labelSelector, fieldSelector },
      ...as('PartialObjectMetadata', listing),
    })
    const end = () => stream.close(constants.NGHTTP2_CANCEL)
    signal.addEventListener('abort', end, { once: true })
    try {
      if (signal.aborted) return end()
      let rest = ''
      stream.setEncoding('utf8')
      for await (const chunk of stream) {
        const lines = `${rest}${chunk}`.split('\n')
        rest = lines.pop() ?? ''
        for (const line of lines) {
          const event = watched.parse(JSON.parse(line))
          if (event.type === 'ERROR') throw errorOf({ code: HISTORY_GONE, text: JSON.stringify(event.object) })
          if (event.type === 'ADDED' || event.type === 'MODIFIED' || event.type === 'DELETED') {
            yield { type: event.type, object: live.parse({ ...event.object, apiVersion, kind }) }
          }
        }
      }
    } finally {
      signal.removeEventListener('abort', end)
      stream.close(constants.NGHTTP2_CANCEL)
    }
  }

  return {
    get version() {
      return version
    },
    open: async () => {
      if (session !== undefined && version !== '') return
      version = versionInfo.parse(await json({ method: 'GET', path: '/version' })).gitVersion
    },
    close: () => {
      session?.then(
        (opened) => opened.destroy(),
        () => undefined,
      )
      session = undefined
    },

    get: async (ref) => {
      try {
        return await object({ method: 'GET', path: await pathOf(ref) })
      } catch (error) {
        return absent(error)
      }
    },
    list: async (listing) => {
      try {
        return (await listOf(listing)).items
      } catch (error) {
        return absent(error) ?? []
      }
    },
    apply: async (manifest, { dryRun = false, force = false } = {}) =>
      object({
        method: 'PATCH',
        path: await pathOf({ ...manifest, ...manifest.metadata }),
        query: {
          fieldManager: FIELD_MANAGER,
          fieldValidation: 'Strict',
          dryRun: dryRun ? 'All' : undefined,
          force: force ? 'true' : undefined,
        },
        type: 'application/apply-patch+yaml',
        body: manifest,
      }),
    create: async (manifest, { dryRun = false } = {}) => {
      const { namespace } = manifest.metadata
      return object({
        method: 'POST',
        path: await pathOf({ ...manifest, namespace }),
        query: { fieldManager: FIELD_MANAGER, fieldValidation: 'Strict', dryRun: dryRun ? 'All' : undefined },
        type: 'application/json',
        body: manifest,
      })
    },
    patch: async (ref, merge, { subresource } = {}) =>
      object({
        method: 'PATCH',
        path: `${await pathOf(ref)}${subresource === undefined ? '' : `/${subresource}`}`,
        query: { fieldManager: FIELD_MANAGER },
        type: 'application/merge-patch+json',
        body: merge,
      }),
    delete: async (ref, { uid, owned } = {}) => {
      const preconditions = uid === undefined ? {} : { preconditions: { uid } }
      try {
        await json({
          method: 'DELETE',
          path: await pathOf(ref),
          type: 'application/json',
          body: {
            apiVersion: 'v1',
            kind: 'DeleteOptions',
            propagationPolicy: owned === 'first' ? 'Foreground' : 'Background',
            ...preconditions,
          },
        })
      } catch (error) {
        absent(error)
      }
    },
    logs: async ({ namespace, name }, { container, lines } = {}) => {
      const path = `/api/v1/namespaces/${namespace}/pods/${encodeURIComponent(name)}/log`
      const answer = await send({ method: 'GET', path, query: { container, tailLines: lines } })
      return answer.code === 200 ? answer.text : null
    },
    watch: async function* (listing, signal) {
      let broken = 0
      while (!signal.aborted) {
        try {
          for await (const event of follow(listing, signal)) {
            broken = 0
            yield event
          }
        } catch (error) {
          if (signal.aborted) return
          const passing = error instanceof ApiError && (error.code === 404 || error.code === HISTORY_GONE)
          if (!passing && ++broken > WATCH_TRIES) throw linkError(error)
          await sleep(WATCH_PAUSE_MS, undefined, { signal }).catch(() => undefined)
        }
      }
    },
    http: (request) => httpFromNode(forward, request),
    serves: async (kind) => (await resourceOf(kind)) !== undefined,
  }
}

const WATCH_TRIES = 5
const WATCH_PAUSE_MS = 1000

function groupPath(apiVersion: string): string {
  return apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`
}

/** Metadata alone, in the API's words. */
function as(form: 'PartialObjectMetadataList' | 'PartialObjectMetadata', { metadataOnly = false }: Listing) {
  return metadataOnly ? { accept: `application/json;as=${form};g=meta.k8s.io;v=v1` } : {}
}

function start(
  session: ClientHttp2Session,
  { method, path, query = {}, body, type, accept = 'application/json, */*' }: Request,
) {
  const asked = Object.entries(query).flatMap(([key, value]) =>
    value === undefined ? [] : [`${key}=${encodeURIComponent(value)}`],
  )
  const stream = session.request(
    {
      ':method': method,
      ':path': asked.length === 0 ? path : `${path}?${asked.join('&')}`,
      accept,
      'user-agent': 'k3s-platform',
      ...(type === undefined ? {} : { 'content-type': type }),
    },
    { endStream: body === undefined },
  )
  if (body !== undefined) stream.end(JSON.stringify(body))
  return stream
}

type Stream = ReturnType<typeof start>

async function head(stream: Stream): Promise<Readonly<Record<string, string | string[] | undefined>>> {
  return new Promise((resolve, reject) => {
    stream.once('response', (headers) =>
      resolve(Object.fromEntries(Object.entries(headers).map(([k, v]) => [k, String(v)]))),
    )
    stream.once('error', reject)
    stream.once('close', () => reject(new LinkError('the API closed the connection before it answered')))
  })
}

function errorOf({
  code,
  text,
  retryAfter,
}: Omit<Answer, 'retryAfter'> & { readonly retryAfter?: string | undefined }) {
  const told = status.safeParse(parsed(text))
  const after = Number(retryAfter ?? Number.NaN)
  if (!told.success) {
    const message = text.trim().split('\n')[0] || `HTTP ${code}`
    return new ApiError({
      code,
      reason: '',
      message,
      causes: [],
      retryAfterSeconds: Number.isNaN(after) ? null : after,
    })
  }
  const { message, reason, details } = told.data
  return new ApiError({
    code: told.data.code ?? code,
    reason,
    message,
    causes: details?.causes ?? [],
    retryAfterSeconds: details?.retryAfterSeconds ?? (Number.isNaN(after) ? null : after),
  })
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function linkError(error: unknown): Error {
  if (error instanceof ApiError || error instanceof LinkError) return error
  return new LinkError(`the API's connection broke: ${error instanceof Error ? error.message : String(error)}`)
}

/** The handshake is the API server's proof: its certificate must be of the CA in the kubeconfig. */
async function dial(kubeconfig: string, forward: Transport['forward'], timeoutMs: number): Promise<ClientHttp2Session> {
  const { KubeConfig } = await import('@kubernetes/client-node')
  const config = new KubeConfig()
  config.loadFromString(kubeconfig)
  const { hostname, port, origin } = new URL(config.getCurrentCluster()?.server ?? '')
  const host = hostname.replace(/^\[|\]$/g, '')
  const credentials: { ca?: string | Buffer; cert?: string | Buffer; key?: string | Buffer } = {}
  await config.applyToHTTPSOptions(credentials)
  const { ca, cert, key } = credentials
  const opened = await forward(host, Number(port || 443))
  const socket = connectTls({
    socket: Duplex.from(opened),
    host,
    ALPNProtocols: ['h2'],
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
  })
  await secured(socket, timeoutMs)
  const session = connectHttp2(origin, { createConnection: () => socket })
  // Requests that are under way learn of it by themselves.
  session.on('error', () => undefined)
  return session
}

async function secured(socket: TLSSocket, timeoutMs: number): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const fail = (error: Error) => {
      socket.destroy()
      reject(new LinkError(`no TLS with the API: ${error.message}`))
    }
    const timer = setTimeout(() => fail(new Error(`no answer within ${timeoutMs / 1000} s`)), timeoutMs)
    const settle = (then: () => void) => () => {
      clearTimeout(timer)
      then()
    }
    socket.once('secureConnect', settle(resolve))
    socket.once('error', (error) => settle(() => fail(error))())
    socket.once(
      'close',
      settle(() => fail(new Error('the connection was closed'))),
    )
  })
  socket.on('error', () => undefined)
}

/** The node's own words for what it could not reach: `Connection refused`. */
function unreached(error: unknown): never {
  const [problem] = error instanceof ProblemError ? error.problems : []
  const words = (problem?.why ?? '').replace(/^\(SSH\) Channel open failure: /, '')
  throw words === '' ? error : new LinkError(words)
}

async function httpFromNode(
  forward: Transport['forward'],
  { host, port, path, headers = {}, timeoutMs }: Parameters<Cluster['http']>[0],
): ReturnType<Cluster['http']> {
  const socket = Duplex.from(await forward(host, port).catch(unreached))
  try {
    return await new Promise((resolve, reject) => {
      const bound = setTimeout(() => reject(new LinkError(`no answer within ${timeoutMs / 1000} s`)), timeoutMs)
      const request = httpRequest({
        host,
        path,
        headers: { connection: 'close', ...headers },
        createConnection: () => socket,
      })
      request.once('error', reject)
      request.once('response', (response) => {
        let body = ''
        response.setEncoding('utf8')
        const finish = () => {
          clearTimeout(bound)
          const told = Object.entries(response.headers).map(([key, value]) => [key, String(value)] as const)
          resolve({ status: response.statusCode ?? 0, headers: Object.fromEntries(told), body })
        }
        response.on('data', (text: string) => {
          body += text
          if (body.length >= BODY_LIMIT) {
            body = body.slice(0, BODY_LIMIT)
            finish()
          }
        })
        response.once('end', finish)
        response.once('error', reject)
      })
      request.end()
    })
  } finally {
    socket.destroy()
  }
}
