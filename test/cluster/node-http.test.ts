// Requests from the node: over http and https, with a body, bounded as a whole, and never before the certificate is found good.

import { X509Certificate } from 'node:crypto'
import { createServer, type IncomingMessage, type RequestListener } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { type AddressInfo, connect, createServer as createTcpServer, type Server } from 'node:net'
import { execa } from 'execa'
import { afterEach, beforeAll, expect, test } from 'vitest'
import type { NodeRequest } from '../../src/cluster/cluster.ts'
import { handshakeFromNode, httpFromNode } from '../../src/cluster/node-http.ts'
import { ProblemError } from '../../src/engine/problem.ts'
import type { Transport } from '../../src/host/transport.ts'

const servers: Server[] = []
afterEach(() => {
  for (const server of servers.splice(0)) server.close()
})

let cert = ''
let key = ''
beforeAll(async () => {
  const subject = ['-subj', '/CN=vault', '-addext', 'subjectAltName=DNS:vault.extsvc.svc,IP:127.0.0.1']
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', '-', '-out', '-']
  const { stdout } = await execa('/usr/bin/openssl', ['req', '-x509', '-days', '2', ...subject, ...curve], {
    stdin: 'ignore',
  })
  const at = stdout.indexOf('-----BEGIN CERTIFICATE-----')
  key = stdout.slice(0, at)
  cert = stdout.slice(at)
})

async function listening(server: Server): Promise<number> {
  servers.push(server)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  const isPort = (one: typeof address): one is AddressInfo => typeof one === 'object' && one !== null
  return isPort(address) ? address.port : 0
}

const went: string[] = []
/** As sshd does it, with a name server that knows only addresses. */
const forward: Transport['forward'] = async (host, port) => {
  went.push(host)
  if (host !== '127.0.0.1') {
    const why = '(SSH) Channel open failure: Name or service not known'
    throw new ProblemError({ kind: 'failed', where: 'edge-1', what: 'no way there', why })
  }
  const socket = connect(port, host)
  await new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject))
  return { readable: socket, writable: socket }
}
const ask = (request: Partial<NodeRequest> & { port: number }) =>
  httpFromNode(forward, { host: '127.0.0.1', path: '/v1/x?y=1', timeoutMs: 3000, ...request })

const read = async (request: IncomingMessage) => {
  let text = ''
  for await (const chunk of request) text += String(chunk)
  return text
}
const echo: RequestListener = async (request, response) => {
  const { method, url, headers } = request
  response.statusCode = 418
  response.end(
    JSON.stringify({ method, url, host: headers.host, token: headers['x-vault-token'], body: await read(request) }),
  )
}

test('a request has a method, headers and a body', async () => {
  const port = await listening(createServer(echo))
  const headers = { 'x-vault-token': 'hvs.x' }
  const { status, body } = await ask({ port, method: 'PUT', headers, body: '{"key":"ü"}' })
  expect(status).toBe(418)
  expect(JSON.parse(body)).toEqual({
    ...{ method: 'PUT', url: '/v1/x?y=1', host: `127.0.0.1:${port}`, token: 'hvs.x', body: '{"key":"ü"}' },
  })
})

test('a name that the node does not know is reached by its address, and stays what the certificate is for', async () => {
  const port = await listening(createTlsServer({ cert, key }, echo))
  const { body } = await ask({ port, host: 'vault.extsvc.svc', address: '127.0.0.1', tls: { ca: cert } })
  expect(JSON.parse(body)).toMatchObject({ host: `vault.extsvc.svc:${port}` })
  expect(went.at(-1)).toBe('127.0.0.1')
  await expect(ask({ port, host: 'vault.extsvc.svc', tls: { ca: cert } })).rejects.toThrow('Name or service not known')
})

test.each([
  ['an authority that is not trusted', {}, 'self-signed certificate'],
  ['another name', { host: 'other.extsvc.svc', address: '127.0.0.1' }, "does not match certificate's altnames"],
])('nothing is told to a server with %s', async (_, more, words) => {
  const requests: string[] = []
  const port = await listening(createTlsServer({ cert, key }, (request) => requests.push(request.url ?? '')))
  const tls = 'host' in more ? { ca: cert } : {}
  await expect(ask({ port, ...more, tls, method: 'PUT', body: 'secret' })).rejects.toThrow(words)
  expect(requests).toEqual([])
})

test('a server without TLS is told from one with', async () => {
  const port = await listening(createServer(echo))
  await expect(ask({ port, tls: {} })).rejects.toThrow(/wrong version number|packet length/)
})

test('silence ends with the bound: on the way there, in the handshake, in the answer', async () => {
  const mute = await listening(createTcpServer(() => undefined))
  const words = 'no answer within 0.2 s'
  await expect(ask({ port: mute, timeoutMs: 200 })).rejects.toThrow(words)
  await expect(ask({ port: mute, timeoutMs: 200, tls: {} })).rejects.toThrow(words)
  const never: Transport['forward'] = () => new Promise(() => undefined)
  await expect(httpFromNode(never, { host: 'h', port: 1, path: '/', timeoutMs: 200 })).rejects.toThrow(words)
})

test('a handshake tells which certificate is shown for a name, by whatever authority, or the alert', async () => {
  const server = createTlsServer({
    cert,
    key,
    SNICallback: (name, done) => done(name === 'none.test' ? new Error('none') : null),
  })
  const port = await listening(server)
  const hands = (servername: string) =>
    handshakeFromNode(forward, { servername, address: '127.0.0.1', port, timeoutMs: 3000 })
  const { fingerprint256, validTo } = new X509Certificate(cert)
  expect(await hands('any.test')).toEqual({ fingerprint: fingerprint256, notAfter: new Date(validTo) })
  await expect(hands('none.test')).rejects.toThrow()
})

test('a connection that ends in place of an answer is an error', async () => {
  const port = await listening(createTcpServer((socket) => socket.end()))
  await expect(ask({ port })).rejects.toThrow('socket hang up')
})

test('an answer is cut at 64 KiB', async () => {
  const port = await listening(createServer((_, response) => response.end('x'.repeat(200_000))))
  expect((await ask({ port })).body.length).toBe(65_536)
})
