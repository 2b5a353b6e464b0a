// One HTTP/2 connection to an API server through a stream of the host's SSH connection: requests, and their answers as they come.

import { Buffer } from 'node:buffer'
import { type ClientHttp2Session, type ClientHttp2Stream, connect as connectHttp2, constants } from 'node:http2'
import { Duplex } from 'node:stream'
import { connect as connectTls, type TLSSocket } from 'node:tls'
import { LinkError, type Transport } from '../host/transport.ts'
import { ApiError } from './cluster.ts'

export interface Request {
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

export interface Wire {
  /** Whether there is a connection, as far as is known. */
  readonly up: boolean
  /** The whole answer, whatever its code. Rejects with LinkError. What only reads is sent again over a new connection, once. */
  send(request: Request): Promise<Answer>
  /** The answer's body as it comes. */
  stream(request: Request): Promise<ClientHttp2Stream>
  close(): void
}

export interface WireOptions {
  /** Asked for at every connection. */
  readonly kubeconfig: () => string
  readonly forward: Transport['forward']
  /** Bound of the handshake and of each whole answer, milliseconds. */
  readonly timeoutMs: number
}

export function wire({ kubeconfig, forward, timeoutMs }: WireOptions): Wire {
  let session: Promise<ClientHttp2Session> | undefined

  const connected = async (): Promise<ClientHttp2Session> => {
    const known = await session
    if (known?.closed || known?.destroyed) session = undefined
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

  const once = async (request: Request): Promise<Answer> => {
    const opened = await connected()
    const stream = start(opened, request)
    const chunks: Buffer[] = []
    const timer = setTimeout(
      () => stream.destroy(new Silence(`the API did not answer within ${timeoutMs / 1000} s`)),
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
        const broken = error instanceof LinkError && !(error instanceof Silence)
        if (before === undefined || !broken || !reads(request)) throw error
        if (session === before) session = undefined
        return once(request)
      }
    },
    stream: async (request) => start(await connected(), request),
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

const reads = ({ method, query }: Request) => method === 'GET' || query?.dryRun === 'All'

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

async function head(stream: ClientHttp2Stream): Promise<Readonly<Record<string, string | string[] | undefined>>> {
  return new Promise((resolve, reject) => {
    stream.once('response', (headers) =>
      resolve(Object.fromEntries(Object.entries(headers).map(([k, v]) => [k, String(v)]))),
    )
    stream.once('error', reject)
    stream.once('close', () => reject(new LinkError('the API closed the connection before it answered')))
  })
}

/** What broke, as a LinkError; what the API said stays. */
export function linkError(error: unknown): Error {
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
  // Over a stream that is no socket of Node's own, HTTP/2 does not notice that the other side has ended it.
  socket.once('end', () => session.destroy(new Error('the API server ended it')))
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
