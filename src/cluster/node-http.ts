// An HTTP request from the node itself, through a stream of the host's SSH connection.

import { request as httpRequest } from 'node:http'
import { Duplex } from 'node:stream'
import { ProblemError } from '../engine/problem.ts'
import { LinkError, type Transport } from '../host/transport.ts'
import type { Cluster } from './cluster.ts'

const BODY_LIMIT = 65_536

/** The node's own words for what it could not reach: `Connection refused`. */
function unreached(error: unknown): never {
  const [problem] = error instanceof ProblemError ? error.problems : []
  const words = (problem?.why ?? '').replace(/^\(SSH\) Channel open failure: /, '')
  throw words === '' ? error : new LinkError(words)
}

export async function httpFromNode(
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
