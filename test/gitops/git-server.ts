// A repository behind a real git: by https with a CA of the tests, and for an sshd by its path.

import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { parse } from 'yaml'
import { z } from 'zod'

const tls = z
  .object({ ca: z.string(), cert: z.string(), key: z.string() })
  .parse(parse(readFileSync(join(import.meta.dirname, '../supply/tls.yaml'), 'utf8')))

export const CA = tls.ca

/** Branch main with a tree, `bare.git` without one, `empty.git` without a commit. */
export function repositories(): { readonly root: string; readonly remove: () => void } {
  const root = mkdtempSync(join(tmpdir(), 'git-root-'))
  const git = (...args: string[]) => execFileSync('git', ['-C', root, ...args], { env: quiet, stdio: 'pipe' })
  const made = (name: string, files: readonly string[]) => {
    git('init', '--quiet', '--initial-branch=main', `${name}-work`)
    for (const path of files) {
      const file = join(root, `${name}-work`, path)
      mkdirSync(dirname(file), { recursive: true })
      writeFileSync(file, path)
    }
    git('-C', `${name}-work`, 'add', '.')
    git('-C', `${name}-work`, 'commit', '--quiet', '--message=first')
    git('-C', `${name}-work`, 'branch', 'stable')
    git('clone', '--quiet', '--bare', `${name}-work`, `${name}.git`)
    git('-C', `${name}.git`, 'config', 'uploadpack.allowFilter', 'true')
  }
  made('tree', ['clusters/edge-1/kustomization.yaml', '.k3s-platform/edge-1.sha256', 'README.md'])
  made('bare', ['README.md'])
  git('init', '--quiet', '--bare', 'empty.git')
  return { root, remove: () => rmSync(root, { recursive: true, force: true }) }
}

const quiet = {
  PATH: process.env.PATH,
  HOME: '/nonexistent',
  ...{ GIT_AUTHOR_NAME: 'a', GIT_AUTHOR_EMAIL: 'a@b', GIT_COMMITTER_NAME: 'a', GIT_COMMITTER_EMAIL: 'a@b' },
}

export interface GitServer {
  readonly url: string
  /** Of the requests. */
  readonly count: () => number
  stop(): Promise<void>
}

/** `lets` judges the Authorization header: a status other than 200 is the answer. */
export async function gitServer(root: string, lets: (header: string | undefined) => number): Promise<GitServer> {
  let count = 0
  const running = new Set<ChildProcess>()
  const server = createServer({ cert: tls.cert, key: tls.key }, (request, response) => {
    count++
    const status = lets(request.headers.authorization)
    if (status === 0) return
    if (status !== 200) {
      response.writeHead(status, status === 401 ? { 'WWW-Authenticate': 'Basic realm="git"' } : {}).end('no')
      return
    }
    running.add(backend(root, request, response))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `https://127.0.0.1:${portOf(server.address())}`,
    count: () => count,
    stop: async () => {
      for (const child of running) child.kill()
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

/** CGI, as a web server speaks it. */
function backend(root: string, request: IncomingMessage, response: ServerResponse): ChildProcess {
  const { pathname, search } = new URL(request.url ?? '/', 'https://x')
  const child = spawn('git', ['http-backend'], {
    env: {
      ...quiet,
      GIT_PROJECT_ROOT: root,
      GIT_HTTP_EXPORT_ALL: '1',
      GIT_CONFIG_COUNT: '1',
      ...{ GIT_CONFIG_KEY_0: 'safe.directory', GIT_CONFIG_VALUE_0: '*' },
      PATH_INFO: pathname,
      QUERY_STRING: search.slice(1),
      REQUEST_METHOD: request.method,
      CONTENT_TYPE: request.headers['content-type'],
      HTTP_CONTENT_ENCODING: request.headers['content-encoding'],
      GIT_PROTOCOL: String(request.headers['git-protocol'] ?? ''),
    },
    stdio: ['pipe', 'pipe', 'ignore'],
  })
  request.pipe(child.stdin)
  const parts: Buffer[] = []
  child.stdout.on('data', (part: Buffer) => parts.push(part))
  child.on('close', () => {
    const all = Buffer.concat(parts)
    const end = all.indexOf('\r\n\r\n')
    const headers = all
      .toString('latin1', 0, end)
      .split('\r\n')
      .map((line) => line.split(': '))
    const status = headers.find(([name]) => name === 'Status')?.[1]
    response.writeHead(
      Number.parseInt(status ?? '200', 10),
      Object.fromEntries(headers.filter(([name]) => name !== 'Status').map(([name = '', value = '']) => [name, value])),
    )
    response.end(all.subarray(end + 4))
  })
  return child
}

const portOf = (address: string | AddressInfo | null) => (typeof address === 'object' ? (address?.port ?? 0) : 0)
