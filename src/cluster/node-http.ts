// An HTTP request from the node itself, through a stream of the host's SSH connection.

import { request as httpRequest } from 'node:http'
import { isIP } from 'node:net'
import { Duplex } from 'node:stream'
import { connect, type TLSSocket } from 'node:tls'
import { ProblemError } from '../engine/problem.ts'
import { LinkError, type Transport } from '../host/transport.ts'
import type { NodeAnswer, NodeRequest } from './cluster.ts'

const BODY_LIMIT = 65_536

/** The node's own words for what it could not reach: `Connection refused`. */
function unreached(error: unknown): never {
  const [problem] = error instanceof ProblemError ? error.problems : []
  const words = (problem?.why ?? '').replace(/^\(SSH\) Channel open failure: /, '')
  throw words === '' ? error : new LinkError(words)
}

export async function httpFromNode(forward: Transport['forward'], request: NodeRequest): Promise<NodeAnswer> {
  const { host, address = host, port, timeoutMs } = request
  let timer: ReturnType<typeof setTimeout> | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new LinkError(`no answer within ${timeoutMs / 1000} s`)), timeoutMs)
  })
  const opened = forward(address, port).then(Duplex.from, unreached)
  try {
    const plain = await Promise.race([opened, late])
    const socket = request.tls === undefined ? plain : await Promise.race([secured(plain, request), late])
    return await Promise.race([answered(socket, request), late])
  } finally {
    clearTimeout(timer)
    // It may still come when nobody waits for it any more.
    void opened.then(
      (stream) => stream.destroy(),
      () => undefined,
    )
  }
}

/** Nothing of the request is on the wire before the certificate is found to be good. */
function secured(socket: Duplex, { host, tls }: NodeRequest): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const name = host.replace(/^\[|\]$/g, '')
    const secure = connect({
      socket,
      host: name,
      ...(isIP(name) === 0 && { servername: name }),
      ...(tls?.ca !== undefined && { ca: tls.ca }),
    })
    secure.on('error', reject)
    secure.once('secureConnect', () => resolve(secure))
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
