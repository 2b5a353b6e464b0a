// One HTTP/2 connection to an API server through a stream of the host's SSH connection: requests, and their answers as they come.
// @kubernetes/client-node speaks HTTP/1.1: each of the parallel reads would need a TLS handshake of its own over SSH; here all share one.

import { Buffer } from 'node:buffer'
import { type ClientHttp2Session, type ClientHttp2Stream, connect as connectHttp2, constants } from 'node:http2'
import { Duplex, PassThrough } from 'node:stream'
import type { ConnectionOptions } from 'node:tls'
import { Budget, LimitError, MAX_OBJECT_BYTES, MAX_PENDING_BYTES } from '../host/limits.ts'
import { LinkError, type Transport } from '../host/transport.ts'
import type { NodeKubeconfig } from '../kubeconfig/node-kubeconfig.ts'
import { ApiError } from './cluster.ts'
import { tlsOver, within } from './tls.ts'

export interface Request {
  readonly method: string
  readonly path: string
  readonly query?: Readonly<Record<string, string | number | undefined>>
  readonly body?: object
  readonly type?: string
  readonly accept?: string
  /** Of the whole answer; default: that of one object. */
  readonly maxBytes?: number
}

interface Answer {
  readonly code: number
  readonly text: string
  readonly retryAfter: string | undefined
}

export interface Http2Transport {
  /** Whether there is a connection, as far as is known. */
  readonly up: boolean
  /** The whole answer, whatever its code. Rejects with LinkError. What only reads is sent again over a new connection, once. */
  send(request: Request): Promise<Answer>
  /** The answer's body as it comes. */
  stream(request: Request): Promise<Body>
  close(): void
}

/** Of an answer; iterating it throws when the connection breaks before the body's end. */
interface Body extends AsyncIterable<Buffer> {
  /** Ends the request, and the body with it. */
  cancel(): void
}

export interface Http2Options {
  /** Called at every connection. */
  readonly kubeconfig: () => NodeKubeconfig
  readonly forward: Transport['forward']
  /** Bound of the handshake and of each whole answer, milliseconds. */
  readonly timeoutMs: number
}

export function http2Transport({ kubeconfig, forward, timeoutMs }: Http2Options): Http2Transport {
  let session: Promise<ClientHttp2Session> | undefined
  // Loaded while the host is looked at.
  const library = import('@kubernetes/client-node').then(({ KubeConfig }) => ({ KubeConfig }))
  library.catch(() => undefined)
  let pendingBytes = 0
  let excess: Excess | undefined

  const connected = async (): Promise<ClientHttp2Session> => {
    const known = await session
    if (known?.closed || known?.destroyed) session = undefined
    session ??= dial(kubeconfig(), library, forward, timeoutMs).then(
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

  const once = async (request: Request): Promise<Answer> => {
    if (excess !== undefined) throw excess
    const opened = await connected()
    const stream = start(opened, request, kubeconfig().token)
    const body = read(stream)
    const chunks: Buffer[] = []
    const budget = new Budget("the API's answer", request.maxBytes ?? MAX_OBJECT_BYTES)
    let ownBytes = 0
    const timer = setTimeout(
      () => stream.destroy(new Silence(`the API did not answer within ${timeoutMs / 1000} s`)),
      timeoutMs,
    )
    try {
      const headers = await head(stream)
      for await (const chunk of body) {
        budget.spend(chunk.length)
        ownBytes += chunk.length
        pendingBytes += chunk.length
        if (pendingBytes > MAX_PENDING_BYTES) throw new LimitError("the API's responses are too large in total")
        chunks.push(chunk)
      }
      return {
        code: Number(headers[constants.HTTP2_HEADER_STATUS] ?? 0),
        text: Buffer.concat(chunks).toString('utf8'),
        retryAfter: headers['retry-after']?.toString(),
      }
    } catch (error) {
      if (!(error instanceof LimitError)) throw excess ?? linkError(error)
      // Nothing more is asked of an API that sends too much.
      excess ??= new Excess(error.message)
      opened.destroy()
      throw excess
    } finally {
      pendingBytes -= ownBytes
      clearTimeout(timer)
    }
  }

  return {
    get up() {
      return session !== undefined
    },
    send: async (request) => {
      const before = session
      try {
        return await once(request)
      } catch (error) {
        // The API server may have been restarted since: a connection of before tells it only when it is used.
        const broken = error instanceof LinkError && !(error instanceof Silence || error instanceof Excess)
        if (before === undefined || !broken || !reads(request)) throw error
        if (session === before) session = undefined
        return once(request)
      }
    },
    stream: async (request) => read(start(await connected(), request, kubeconfig().token)),
    close: () => {
      session?.then(
        (opened) => opened.destroy(),
        () => undefined,
      )
      session = undefined
    },
  }
}

/** The connection is there, and nothing comes. */
class Silence extends LinkError {}
/** What comes is too much: it would be the next time, too. */
class Excess extends LinkError {}

const reads = ({ method, query }: Request) => method === 'GET' || query?.dryRun === 'All'

function start(
  session: ClientHttp2Session,
  { method, path, query = {}, body, type, accept = 'application/json, */*' }: Request,
  token: string | undefined,
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
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...(type === undefined ? {} : { 'content-type': type }),
    },
    { endStream: body === undefined },
  )
  if (body !== undefined) stream.end(JSON.stringify(body))
  return stream
}

/**
 * Reads from the beginning on: from Node 24.21 on, a stream that ends before somebody reads it is closed with what has come, so
 * that an answer that arrives at once would be lost.
 */
function read(stream: ClientHttp2Stream): Body {
  const body = new PassThrough()
  body.on('error', () => undefined) // whoever iterates it gets it
  body.on('drain', () => stream.resume())
  stream.on('data', (chunk) => {
    if (!body.write(chunk)) stream.pause()
  })
  stream.once('end', () => body.end())
  stream.once('error', (error) => body.destroy(error))
  stream.once('close', () => {
    if (!body.writableEnded) body.destroy(new LinkError('the API closed the connection before the end of its answer'))
  })
  return {
    [Symbol.asyncIterator]: () => body[Symbol.asyncIterator](),
    cancel: () => {
      body.end()
      stream.close(constants.NGHTTP2_CANCEL)
    },
  }
}

async function head(stream: ClientHttp2Stream): Promise<Readonly<Record<string, string | string[] | undefined>>> {
  return new Promise((resolve, reject) => {
    stream.once('response', (headers) =>
      resolve(Object.fromEntries(Object.entries(headers).map(([k, v]) => [k, String(v)]))),
    )
    stream.once('error', reject)
    stream.once('close', () => reject(new LinkError('the API closed the connection before it responded')))
  })
}

/** What broke, as a LinkError; what the API said stays. */
export function linkError(error: unknown): Error {
  if (error instanceof ApiError || error instanceof LinkError) return error
  return new LinkError(`the connection to the API was lost: ${error instanceof Error ? error.message : String(error)}`)
}

/**
 * The handshake is the API server's proof: its certificate must be of the CA in the kubeconfig. The KubeConfig is made of what the
 * parser let through, never of a node's text: that could name commands to run and files to read.
 */
async function dial(
  { server, ca, client }: NodeKubeconfig,
  library: Promise<Pick<typeof import('@kubernetes/client-node'), 'KubeConfig'>>,
  forward: Transport['forward'],
  timeoutMs: number,
): Promise<ClientHttp2Session> {
  const { hostname, port, origin } = new URL(server)
  const host = hostname.replace(/^\[|\]$/g, '')
  const { KubeConfig } = await library
  const config = new KubeConfig()
  const base64 = (pem: string) => Buffer.from(pem, 'latin1').toString('base64')
  config.loadFromClusterAndUser(
    { name: 'node', server, caData: base64(ca), skipTLSVerify: false },
    {
      name: 'node',
      ...(client && { certData: base64(client.certificate), keyData: base64(client.key) }),
    },
  )
  const credentials: Pick<ConnectionOptions, 'ca' | 'cert' | 'key'> = {}
  await config.applyToHTTPSOptions(credentials)
  const stream = Duplex.from(await forward(host, Number(port || 443)))
  const options = { ...credentials, rejectUnauthorized: true, host, ALPNProtocols: ['h2'] }
  const socket = await within(timeoutMs, tlsOver(stream, options)).catch((error: unknown) => {
    stream.destroy()
    throw new LinkError(`TLS connection to the API failed: ${error instanceof Error ? error.message : String(error)}`)
  })
  const session = connectHttp2(origin, { createConnection: () => socket, settings: { enablePush: false } })
  // Requests that are under way learn of it by themselves.
  session.on('error', () => undefined)
  // Over a stream that is no socket of Node's own, HTTP/2 does not notice that the other side has ended it.
  socket.once('end', () => session.destroy(new Error('the API server closed it')))
  return session
}
