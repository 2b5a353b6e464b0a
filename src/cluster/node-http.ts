// HTTP requests and TLS handshakes from the node itself, through a stream of the host's SSH connection.

import { X509Certificate } from 'node:crypto'
import { request as httpRequest } from 'node:http'
import { isIP } from 'node:net'
import { Duplex } from 'node:stream'
import { ProblemError } from '../engine/problem.ts'
import { LinkError, type Transport } from '../host/transport.ts'
import type { HandshakeRequest, NodeAnswer, NodeRequest, ServedCertificate } from './cluster.ts'
import { tlsOver, within } from './tls.ts'

const BODY_LIMIT = 65_536

/** The node's own words for what it could not reach: `Connection refused`. */
function unreached(error: unknown): never {
  const [problem] = error instanceof ProblemError ? error.problems : []
  const words = (problem?.why ?? '').replace(/^\(SSH\) Channel open failure: /, '')
  throw words === '' ? error : new LinkError(words)
}

export async function httpFromNode(forward: Transport['forward'], request: NodeRequest): Promise<NodeAnswer> {
  const { host, address = host, port, timeoutMs } = request
  return connected(forward, { address, port, timeoutMs }, async (plain) =>
    answered(request.tls === undefined ? plain : await secured(plain, request), request),
  )
}

export async function handshakeFromNode(
  forward: Transport['forward'],
  { servername, ...to }: HandshakeRequest,
): Promise<ServedCertificate> {
  return connected(forward, to, async (stream) => {
    // What is served is looked at, and nothing is sent: any authority will do.
    const socket = await tlsOver(stream, { servername, rejectUnauthorized: false })
    const { fingerprint256, validTo } = new X509Certificate(socket.getPeerCertificate().raw)
    return { fingerprint: fingerprint256, notAfter: new Date(validTo) }
  })
}

/** A stream from the node to an address; all of the way and of its use takes no longer than `timeoutMs`. */
async function connected<T>(
  forward: Transport['forward'],
  { address, port, timeoutMs }: Pick<HandshakeRequest, 'address' | 'port' | 'timeoutMs'>,
  use: (stream: Duplex) => Promise<T>,
): Promise<T> {
  const opened = forward(address, port).then(Duplex.from, unreached)
  try {
    return await within(timeoutMs, opened.then(use))
  } finally {
    // It may still come when nobody waits for it any more.
    void opened.then(
      (stream) => stream.destroy(),
      () => undefined,
    )
  }
}

/** Nothing of the request is on the wire before the certificate is found to be good. */
function secured(stream: Duplex, { host, tls }: NodeRequest): Promise<Duplex> {
  const name = host.replace(/^\[|\]$/g, '')
  return tlsOver(stream, {
    host: name,
    ...(isIP(name) === 0 && { servername: name }),
    ...(tls?.ca !== undefined && { ca: tls.ca }),
  })
}

function answered(socket: Duplex, { host, port, tls, path, method = 'GET', headers, body }: NodeRequest) {
  return new Promise<NodeAnswer>((resolve, reject) => {
    const request = httpRequest({
      host,
      port,
      path,
      method,
      defaultPort: tls === undefined ? 80 : 443,
      headers: {
        connection: 'close',
        ...(body !== undefined && { 'content-length': Buffer.byteLength(body) }),
        ...headers,
      },
      createConnection: () => socket,
    })
    request.on('error', reject)
    request.once('response', (response) => {
      let text = ''
      response.setEncoding('utf8')
      const finish = () => {
        const told = Object.entries(response.headers).map(([key, value]) => [key, String(value)] as const)
        resolve({ status: response.statusCode ?? 0, headers: Object.fromEntries(told), body: text })
      }
      response.on('data', (more: string) => {
        text += more
        if (text.length >= BODY_LIMIT) {
          text = text.slice(0, BODY_LIMIT)
          finish()
        }
      })
      response.once('end', finish)
      response.on('error', reject)
    })
    request.end(body)
  })
}
