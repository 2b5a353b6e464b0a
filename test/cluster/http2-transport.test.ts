// The connection to an API server that has ended it: the next request goes over a new one, and not into silence.

import { createSecureServer, type ServerHttp2Session } from 'node:http2'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { PassThrough, Writable } from 'node:stream'
import { beforeEach, expect, test } from 'vitest'
import { type Http2Transport, http2Transport } from '../../src/cluster/http2-transport.ts'
import { tls } from '../supply/charts.ts'

let line: Http2Transport
const sessions: ServerHttp2Session[] = []
const channels: { readonly readable: PassThrough; readonly socket: Socket }[] = []
beforeEach(async () => {
  const server = createSecureServer({ key: tls.key, cert: tls.cert }, (_, response) => response.end('ok'))
  server.on('session', (session) => sessions.push(session))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  line = http2Transport({
    kubeconfig: () => ({ server: `https://127.0.0.1:${port}`, ca: tls.ca }),
    forward,
    timeoutMs: 2000,
  })
  return () => {
    line.close()
    for (const { socket } of channels) socket.destroy()
    for (const session of sessions) session.destroy()
    server.close()
  }
})

/** As over SSH: what the other side sends ends by itself, and what is sent to it is still taken. */
async function forward(host: string, port: number) {
  const socket = connect({ host, port, allowHalfOpen: true })
  const readable = new PassThrough()
  socket.pipe(readable)
  socket.on('error', () => undefined)
  const writable = new Writable({
    write: (chunk, _, done) => void (socket.writable ? socket.write(chunk, () => done()) : done()),
  })
  channels.push({ readable, socket })
  return { readable, writable }
}

test('a request after the API server was restarted is sent over a new connection', async () => {
  const ask = () => line.send({ method: 'GET', path: '/version' })
  expect((await ask()).text).toBe('ok')
  expect((await ask()).text).toBe('ok')
  expect(channels).toHaveLength(1)
  const [first = expect.fail()] = channels
  first.socket.unpipe(first.readable)
  first.readable.end()
  await new Promise((resolve) => setTimeout(resolve, 50))
  expect((await ask()).text).toBe('ok')
  expect(channels).toHaveLength(2)
})
