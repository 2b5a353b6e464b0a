// The doors of a git server for the testbed's network: https (public, with a password, with a token), plain http, and ssh.
//
//   node git.mjs --dir DIR [--listen 10.88.0.1]
//
// DIR has platform.git, server.pem, sshd_config and passwd, all made by git.ts. Started with an IPC channel it takes that
// module's calls. `/public/platform.git`, `/basic/...` and `/bearer/...` are the same repository, by `git http-backend`; every
// ssh connection gets a sshd of its own, with DIR/passwd in the place of the machine's.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import { createServer as createSocketServer } from 'node:net'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { parseArgs } from 'node:util'

const { values } = parseArgs({
  options: { dir: { type: 'string' }, listen: { type: 'string', default: '10.88.0.1' } },
})
const REPOSITORY = '/platform.git'
/** By way of entry, the Authorization header that opens it. */
const wanted = new Map([['public', null]])
const sshds = new Set()
let faults = []
let requests = []

const calls = {
  requests: () => requests,
  login: ({ username, password, token }) => {
    wanted.set('basic', `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`)
    wanted.set('bearer', `Bearer ${token}`)
  },
  fault: (fault) => {
    faults.push({ times: Number.POSITIVE_INFINITY, ...fault })
  },
  clear: () => {
    faults = []
    requests = []
  },
  ports: () => Object.fromEntries(doors.map(({ name, port }) => [name, port])),
  down: () => {
    for (const { server } of doors) {
      server.close()
      server.closeAllConnections?.()
    }
    endSessions()
  },
  up: async () => {
    for (const { server, port } of doors) {
      if (!server.listening) await once(server.listen(port, values.listen), 'listening')
    }
  },
}

/** The fault that is next for a way, if one is not used up. */
function faultFor(way) {
  const fault = faults.find((one) => one.way === way && one.times > 0)
  if (fault !== undefined) fault.times -= 1
  return fault
}

async function answer(request, response, ways) {
  const { pathname, searchParams } = new URL(request.url, 'http://git')
  const [, way, path] = /^\/([a-z]+)(\/.*)$/.exec(pathname) ?? []
  const entry = { way: way ?? '', method: request.method, path: path ?? pathname, status: 0 }
  requests.push(entry)
  const refuse = (status, headers = {}) => {
    entry.status = status
    response.writeHead(status, headers).end(`${status}\n`)
  }
  if (!ways.includes(way) || !path.startsWith(`${REPOSITORY}/`)) return refuse(404)
  const fault = faultFor(way)
  if (fault?.kind === 'hang') return
  if (fault !== undefined) return refuse(fault.status)
  const key = wanted.get(way)
  if (key !== null && request.headers.authorization !== key) {
    return refuse(401, { 'www-authenticate': way === 'basic' ? 'Basic realm="git"' : 'Bearer realm="git"' })
  }
  await backend(request, response, entry, searchParams.toString())
}

/** Answers with git's own CGI program, which gives and never takes. */
async function backend(request, response, entry, query) {
  const variables = {
    PATH: process.env.PATH,
    GIT_PROJECT_ROOT: values.dir,
    GIT_HTTP_EXPORT_ALL: '1',
    REQUEST_METHOD: request.method,
    PATH_INFO: entry.path,
    QUERY_STRING: query,
    CONTENT_TYPE: request.headers['content-type'],
    CONTENT_LENGTH: request.headers['content-length'],
    HTTP_CONTENT_ENCODING: request.headers['content-encoding'],
    GIT_PROTOCOL: request.headers['git-protocol'],
  }
  const env = Object.fromEntries(Object.entries(variables).filter(([, value]) => value !== undefined))
  const git = spawn('git', ['http-backend'], { env, stdio: ['pipe', 'pipe', 'inherit'] })
  pipeline(request, git.stdin).catch(() => {}) // git may have read enough
  response.on('close', () => git.kill())
  let head = Buffer.alloc(0)
  for await (const chunk of git.stdout) {
    if (response.headersSent) {
      if (!response.write(chunk)) await once(response, 'drain')
      continue
    }
    head = Buffer.concat([head, chunk])
    const end = head.indexOf('\r\n\r\n')
    if (end < 0) continue
    const headers = head.subarray(0, end).toString().split('\r\n')
    const pairs = headers.map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1).trim()])
    const { Status: status = '200', ...others } = Object.fromEntries(pairs)
    entry.status = Number.parseInt(status, 10)
    response.writeHead(entry.status, others)
    response.write(head.subarray(end + 4))
  }
  response.end()
}

/** One ssh connection: the socket itself becomes a sshd's stdin and stdout; what that logs says how the login went. */
function session(socket) {
  const entry = { way: 'ssh', method: '', path: '', status: 0 }
  requests.push(entry)
  socket.on('error', () => {})
  const fault = faultFor('ssh')
  if (fault?.kind === 'hang') return
  if (fault !== undefined) return void socket.destroy()
  const start = 'mount --bind "$0/passwd" /etc/passwd && exec /usr/sbin/sshd -i -e -f "$0/sshd_config"'
  const sshd = spawn('unshare', ['--mount', 'sh', '-c', start, values.dir], { stdio: [socket, socket, 'pipe'] })
  sshds.add(sshd)
  sshd.on('exit', () => sshds.delete(sshd))
  socket.destroy() // this process's copy of it
  let log = ''
  sshd.stderr.on('data', (chunk) => {
    log += chunk
    if (/Accepted publickey/.test(log)) entry.status = 200
    else if (/Failed publickey|by authenticating user/.test(log)) entry.status = 401
  })
}

function endSessions() {
  for (const sshd of sshds) sshd.kill()
}

const pem = readFileSync(join(values.dir, 'server.pem'))
const handle = (ways) => (request, response) => {
  answer(request, response, ways).catch(() => response.destroy()) // most of the time: the other side is gone
}
const doors = [
  { name: 'https', server: createSecureServer({ cert: pem, key: pem }, handle(['public', 'basic', 'bearer'])) },
  { name: 'http', server: createServer(handle(['public'])) },
  { name: 'ssh', server: createSocketServer({ pauseOnConnect: true, noDelay: true }, session) },
]
process.on('message', async ({ id, call, argument }) =>
  process.send({ id, result: (await calls[call](argument)) ?? null }),
)
process.on('disconnect', () => {
  endSessions()
  process.exit(0)
})
for (const door of doors) {
  await once(door.server.listen(0, values.listen), 'listening')
  door.port = door.server.address().port
}
process.send({ url: `https://${values.listen}:${doors[0].port}` })
