// A file server for the testbed's network namespace: k3s releases, packages, charts; it logs requests and breaks them on demand.
//
//   node mirror.mjs --listen 10.88.0.1:0 [--state FILE] [--tls PEM] DIR [NAME=DIR...]
//
// DIR/a/b is served as /a/b, NAME=DIR as /NAME/...; a path may be percent-encoded. Started with an IPC channel it takes the
// calls of mirror.ts over it and ends with it; with --state it writes {"pid","url"} to FILE once it listens. With --tls it
// speaks https with the certificate and key in PEM. A file below a folder v2 and a folder manifests is an OCI manifest.

import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createReadStream, readFileSync } from 'node:fs'
import { readFile, rename, stat, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import { join, normalize } from 'node:path'
import { Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { parseArgs } from 'node:util'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { listen: { type: 'string', default: '10.88.0.1:0' }, state: { type: 'string' }, tls: { type: 'string' } },
})
const mounts = new Map(
  positionals.map((text) => {
    const [, name = '', dir] = /^(?:([a-z0-9-]+)=)?(.*)$/.exec(text) ?? []
    return [name, dir]
  }),
)
let faults = []
let requests = []

const calls = {
  requests: () => requests,
  fault: (fault) => {
    faults.push({ times: Number.POSITIVE_INFINITY, ...fault })
  },
  serve: ({ name, dir }) => {
    mounts.set(name, dir)
  },
  clear: () => {
    faults = []
    requests = []
  },
  down: () => {
    server.close()
    server.closeAllConnections()
  },
  up: async () => {
    if (!server.listening) await once(server.listen(port, host), 'listening')
  },
}

/** The file that a decoded path names, or null. */
async function find(path) {
  const clean = normalize(path).slice(1)
  const cut = clean.indexOf('/')
  const named = cut > 0 ? mounts.get(clean.slice(0, cut)) : undefined
  const file = named !== undefined ? join(named, clean.slice(cut + 1)) : join(mounts.get('') ?? '/nonexistent', clean)
  const info = await stat(file).catch(() => null)
  return info?.isFile() ? { file, size: info.size } : null
}

/** The fault that is next for a path: the first one that matches its end and is not used up. */
function faultFor(path) {
  const fault = faults.find((one) => path.endsWith(one.path) && one.times > 0)
  if (fault !== undefined) fault.times -= 1
  return fault
}

/** What a fault does to a body: wrong bytes, too slow, or an end after so many bytes (broken, or silent for ever). */
function spoil(fault, response) {
  let left = fault.bytes ?? 0
  return new Transform({
    transform(chunk, _encoding, done) {
      if (fault.kind === 'corrupt') return done(null, Buffer.from(chunk.map((byte) => byte ^ 0xff)))
      if (fault.kind === 'slow') return void setTimeout(done, (chunk.length * 1000) / fault.bytesPerSecond, null, chunk)
      const part = chunk.subarray(0, left)
      left -= part.length
      if (left > 0 || part.length === chunk.length) return done(null, part)
      this.push(part)
      // Neither calls done: nothing more comes. What was sent before the cut shall arrive.
      if (fault.kind === 'cut') setTimeout(() => response.socket?.destroySoon(), 50)
    },
  })
}

async function answer(request, response) {
  const path = decodeURIComponent(new URL(request.url, 'http://mirror').pathname)
  const range = request.headers.range ?? null
  const entry = { method: request.method, path, range, status: 0, bytes: 0, fault: null }
  requests.push(entry)
  const reply = (status, headers = {}) => {
    entry.status = status
    response.writeHead(status, headers)
  }
  const refuse = (status, headers) => {
    reply(status, headers)
    response.end(`${status}\n`)
  }
  const fault = faultFor(path)
  entry.fault = fault?.kind ?? null
  if (fault?.kind === 'status') return refuse(fault.status)
  if (fault?.kind === 'hang') return
  if (fault?.kind === 'redirect') return refuse(302, { location: `/redirected${request.url}` })
  if (path === '/v2/') {
    reply(200)
    return response.end('{}') // how a registry says that it is one
  }
  const found = await find(path.replace(/^\/redirected\//, '/'))
  if (found === null) return refuse(404)
  if (request.method !== 'GET' && request.method !== 'HEAD') return refuse(405)
  const { file, size } = found
  const [, from, to] = /^bytes=(\d+)-(\d*)$/.exec(range ?? '') ?? []
  const start = from === undefined ? 0 : Number(from)
  const end = Math.min(to === undefined || to === '' ? size - 1 : Number(to), size - 1)
  if (from !== undefined && start > end) return refuse(416, { 'content-range': `bytes */${size}` })
  const manifest = /^\/v2\/.*\/manifests\/[^/]*$/.test(path)
  reply(from === undefined ? 200 : 206, {
    'content-type': manifest ? 'application/vnd.oci.image.manifest.v1+json' : 'application/octet-stream',
    ...(manifest
      ? {
          'docker-content-digest': `sha256:${createHash('sha256')
            .update(await readFile(file))
            .digest('hex')}`,
        }
      : {}),
    'content-length': end - start + 1,
    'accept-ranges': 'bytes',
    ...(from === undefined ? {} : { 'content-range': `bytes ${start}-${end}/${size}` }),
  })
  if (request.method === 'HEAD' || size === 0) return response.end()
  const chunk = Math.ceil(Math.min(262144, (fault?.bytesPerSecond ?? Number.POSITIVE_INFINITY) / 10))
  const body = createReadStream(file, { start, end, highWaterMark: chunk })
  const count = new Transform({
    transform(part, _encoding, done) {
      entry.bytes += part.length
      done(null, part)
    },
  })
  await pipeline(fault === undefined ? [body, count, response] : [body, spoil(fault, response), count, response])
}

const handle = (request, response) => {
  answer(request, response).catch(() => response.destroy()) // most of the time: the other side is gone
}
const pem = values.tls === undefined ? null : readFileSync(values.tls)
const server = pem === null ? createServer(handle) : createSecureServer({ cert: pem, key: pem }, handle)
const [host, wanted] = values.listen.split(':')
process.on('message', async ({ id, call, argument }) =>
  process.send({ id, result: (await calls[call](argument)) ?? null }),
)
process.on('disconnect', () => process.exit(0))
await once(server.listen(Number(wanted), host), 'listening')
const { port } = server.address()
const url = `${pem === null ? 'http' : 'https'}://${host}:${port}`
process.send?.({ url })
if (values.state !== undefined) {
  await writeFile(`${values.state}.new`, JSON.stringify({ pid: process.pid, url }))
  await rename(`${values.state}.new`, values.state)
}
