// A door in front of a node's ACME server: https with a certificate of its own, a log of requests, and refusals on demand.
//
//   node acme.mjs --listen 10.88.0.1:0 --tls PEM --to 10.88.0.11:14001
//
// Started with an IPC channel, for acme.ts. Pebble makes its URLs from the Host header, which is passed on.

import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer, request as forward } from 'node:https'
import { parseArgs } from 'node:util'

const { values } = parseArgs({
  options: { listen: { type: 'string', default: '10.88.0.1:0' }, tls: { type: 'string' }, to: { type: 'string' } },
})
const [host, wanted] = values.listen.split(':')
const [toHost, toPort] = values.to.split(':')
const pem = readFileSync(values.tls)
let requests = []
let refusals = []

const calls = {
  requests: () => requests,
  refuse: (refusal) => {
    refusals.push({ times: Number.POSITIVE_INFINITY, ...refusal })
  },
  clear: () => {
    requests = []
    refusals = []
  },
  down: () => {
    server.close()
    server.closeAllConnections()
  },
  up: async () => {
    if (!server.listening) await once(server.listen(port, host), 'listening')
  },
}

const server = createServer({ cert: pem, key: pem }, (request, response) => {
  const refusal = refusals.find((one) => request.url.startsWith(one.path) && one.times > 0)
  requests.push({ method: request.method, path: request.url, refused: refusal !== undefined })
  if (refusal === undefined) {
    const onward = forward(
      {
        host: toHost,
        port: toPort,
        method: request.method,
        path: request.url,
        headers: request.headers,
        rejectUnauthorized: false,
      },
      (answer) => {
        response.writeHead(answer.statusCode, answer.headers)
        answer.pipe(response)
      },
    )
    onward.on('error', () => response.destroy())
    request.pipe(onward)
    return
  }
  refusal.times -= 1
  const { status, type, detail } = refusal
  request.resume()
  response.writeHead(status, { 'content-type': 'application/problem+json', ...refusal.headers })
  response.end(JSON.stringify({ type: `urn:ietf:params:acme:error:${type}`, detail, status }))
})
process.on('message', async ({ id, call, argument }) =>
  process.send({ id, result: (await calls[call](argument)) ?? null }),
)
process.on('disconnect', () => process.exit(0))
await once(server.listen(Number(wanted), host), 'listening')
const { port } = server.address()
process.send({ url: `https://${host}:${port}` })
