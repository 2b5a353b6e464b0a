// A web server on the loopback that serves what a case says and remembers what was asked.

import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'

interface Answer {
  readonly content: string | Buffer
  readonly status: number
  /** Whether it can continue a file. */
  readonly ranges: boolean
}

export interface Served {
  readonly url: string
  answers: Readonly<Record<string, Answer>>
  requests: string[]
  close(): void
}

export async function serve(): Promise<Served> {
  const server: Server = createServer((request, response) => {
    const { range } = request.headers
    it.requests.push(`GET ${request.url}${range === undefined ? '' : ` ${range}`}`)
    const answer = it.answers[request.url ?? '']
    if (answer === undefined || answer.status !== 200) return response.writeHead(answer?.status ?? 404).end('nothing')
    const all = Buffer.from(answer.content)
    const from = answer.ranges ? Number(/^bytes=(\d+)-$/.exec(range ?? '')?.[1] ?? 0) : 0
    if (from === 0) return response.writeHead(200, { 'content-length': all.length }).end(all)
    if (from >= all.length) return response.writeHead(416, { 'content-range': `bytes */${all.length}` }).end()
    const rest = all.subarray(from)
    const span = `bytes ${from}-${all.length - 1}/${all.length}`
    return response.writeHead(206, { 'content-length': rest.length, 'content-range': span }).end(rest)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const it: Served = {
    url: `http://127.0.0.1:${port}`,
    answers: {},
    requests: [],
    close: () => {
      server.close()
      server.closeAllConnections()
    },
  }
  return it
}
