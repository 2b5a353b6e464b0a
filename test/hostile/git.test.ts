// A repository cannot make render --commit run its programs, and a git server cannot have a login sent elsewhere.

import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { createServer as createHttp, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createServer as createHttps } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { z } from 'zod'
import { Secret } from '../../src/engine/secret.ts'
import { checkGit } from '../../src/gitops/git-check.ts'
import type { Login } from '../../src/gitops/login.ts'
import { CA, type GitServer, gitServer, repositories } from '../gitops/git-server.ts'
import { folder, inventory, put, render } from '../gitops/kit.ts'

const TOKEN = 'never-to-be-seen-token'
const IDENTITY = { GIT_AUTHOR_NAME: 'a', GIT_AUTHOR_EMAIL: 'a@b', GIT_COMMITTER_NAME: 'a', GIT_COMMITTER_EMAIL: 'a@b' }
const HOOKS = [
  'pre-commit',
  'prepare-commit-msg',
  'commit-msg',
  'post-commit',
  'reference-transaction',
  'post-index-change',
  'pre-auto-gc',
  'post-rewrite',
  'post-checkout',
  'fsmonitor-watchman',
]

describe('render --commit into a hostile repository', () => {
  let dir: string
  let tree: string
  let canary: string
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'hostile-git-'))
    canary = join(dir, 'canary')
    writeFileSync(canary, `#!/bin/sh\necho "$0 $*" >>${dir}/ran\nenv >>${dir}/ran\ncat 2>/dev/null\nexit 0\n`, {
      mode: 0o755,
    })
    tree = folder()
    plain('init', '-q', '-b', 'main')
    put(tree, 'README.md', 'mine\n')
    plain('add', '.')
    plain('commit', '-q', '-m', 'first')
  })
  afterEach(() => rmSync(dir, { recursive: true, force: true }))

  const plain = (...args: string[]) =>
    execFileSync('git', ['-C', tree, ...args], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
      env: { PATH: process.env.PATH, HOME: '/nonexistent', ...IDENTITY },
    })
  const safely = (...args: string[]) => {
    const config = join(tree, '.git/config')
    writeFileSync(config, '[core]\n\trepositoryformatversion = 0\n\tbare = false\n')
    return plain('-c', 'core.hooksPath=/dev/null', ...args)
  }
  const commit = (env: Readonly<Record<string, string>> = {}) =>
    render(['-i', inventory({}), '--tree', tree, '--commit'], { ...IDENTITY, CLOUDFLARE_API_TOKEN: TOKEN, ...env })
  const ran = () => (existsSync(join(dir, 'ran')) ? readFileSync(join(dir, 'ran'), 'utf8') : '')

  /** Each key of git's configuration that names a program, or leads to one. */
  function hostile(): void {
    for (const place of ['.git/hooks', 'hooks']) {
      mkdirSync(join(tree, place), { recursive: true })
      for (const hook of HOOKS) cpSync(canary, join(tree, place, hook))
    }
    const [attributes, config] = ['* filter=x diff=x merge=x ident\n', join(tree, '.git/config')]
    for (const path of ['.gitattributes', '.git/info/attributes', 'attributes']) put(tree, path, attributes)
    const filter = `[filter "x"]\n\tclean = ${canary} clean\n\tsmudge = ${canary} smudge\n\tprocess = ${canary} process\n\trequired = true\n`
    const programs = ['fsmonitor', 'pager', 'editor', 'sshCommand', 'gitProxy', 'askPass', 'alternateRefsCommand']
    const text = `[core]
\trepositoryformatversion = 1
\thooksPath = ${join(tree, 'hooks')}
\tattributesFile = ${join(tree, 'attributes')}
\tfsmonitorHookVersion = 2
${programs.map((key) => `\t${key} = ${canary} ${key}\n`).join('')}[extensions]
\tpartialClone = origin
[remote "origin"]
\turl = ext::${canary} fetch
\tpromisor = true
\tpartialCloneFilter = blob:none
\tuploadpack = ${canary} uploadpack
\tvcs = canary
[protocol]
\tallow = always
[protocol "ext"]
\tallow = always
[url "ext::${canary} instead "]
\tinsteadOf = https://
[diff]
\texternal = ${canary} diff
[diff "x"]
\tcommand = ${canary} command
\ttextconv = ${canary} textconv
[merge "x"]
\tdriver = ${canary} merge
[gpg]
\tprogram = ${canary} gpg
\tformat = ssh
[gpg "ssh"]
\tprogram = ${canary} gpg-ssh
\tdefaultKeyCommand = ${canary} key
[commit]
\tgpgSign = true
\ttemplate = /etc/shadow
[credential]
\thelper = !${canary} helper
[interactive]
\tdiffFilter = ${canary} filter
[sequence]
\teditor = ${canary} sequence
[trailer "x"]
\tcommand = ${canary} trailer
[uploadpack]
\tpackObjectsHook = ${canary} pack
[submodule]
\trecurse = true
[gc]
\tauto = 1
\trecentObjectsHook = ${canary} recent
[include]
\tpath = more
[alias]
${['rev-parse', 'commit-tree', 'write-tree', 'hash-object'].map((name) => `\t${name} = !${canary} alias\n`).join('')}`
    writeFileSync(config, text)
    writeFileSync(join(tree, '.git/more'), filter)
  }

  test('the attack is real: git add and git commit run the programs', () => {
    hostile()
    try {
      plain('add', '.')
    } catch {
      // Whether a canary is a good filter does not matter.
    }
    for (const word of ['fsmonitor', 'process']) expect(ran()).toContain(word)
  })

  test('no program of the repository is run, and the commit is made', async () => {
    hostile()
    expect(await commit()).toMatchObject({ code: 0, text: expect.stringMatching(/\nCommit: [0-9a-f]{7,}\n$/) })
    expect(ran()).toBe('')
    expect(safely('log', '--format=%an %s')).toBe('a Render the platform of edge-1\na first\n')
    const path = 'clusters/edge-1/kustomization.yaml'
    expect(safely('show', `HEAD:${path}`)).toBe(readFileSync(join(tree, path), 'utf8'))
    expect(safely('ls-tree', '--name-only', 'HEAD')).toContain('README.md')
  })

  test('an object that is missing is not fetched by a program of the repository', async () => {
    const blob = plain('rev-parse', 'HEAD:README.md').trim()
    hostile()
    rmSync(join(tree, '.git/objects', blob.slice(0, 2), blob.slice(2)))
    expect(await commit()).toMatchObject({ code: 0 })
    expect(ran()).toBe('')
  })

  test('a first commit runs no program either', async () => {
    rmSync(join(tree, '.git'), { recursive: true })
    plain('init', '-q', '-b', 'main')
    hostile()
    expect(await commit()).toMatchObject({ code: 0, text: expect.stringContaining('Commit:') })
    expect(ran()).toBe('')
  })

  test('git gets no secret of the environment', async () => {
    const bin = join(dir, 'bin')
    mkdirSync(bin)
    const git = execFileSync('sh', ['-c', 'command -v git'], { encoding: 'utf8' }).trim()
    writeFileSync(join(bin, 'git'), `#!/bin/sh\nenv >>${dir}/env\nexec ${git} "$@"\n`, { mode: 0o755 })
    const secrets = { GITHUB_TOKEN: TOKEN, GIT_ASKPASS: canary, GIT_EXTERNAL_DIFF: canary, GIT_SSH_COMMAND: canary }
    expect(await commit({ PATH: `${bin}:${process.env.PATH}`, ...secrets })).toMatchObject({ code: 0 })
    const env = readFileSync(join(dir, 'env'), 'utf8')
    expect(env).toContain('GIT_AUTHOR_NAME=a')
    expect(env).not.toContain(TOKEN)
    expect(env).not.toContain(canary)
  })

  test('a relative entry of PATH does not find a git in the repository', async () => {
    cpSync(canary, join(tree, 'git'))
    chmodSync(join(tree, 'git'), 0o755)
    expect(await commit({ PATH: `.:${process.env.PATH}` })).toMatchObject({ code: 0 })
    expect(ran()).toBe('')
  })

  test('a folder that is made to look like a bare repository is none', async () => {
    const inside = join(tree, 'inside')
    cpSync(join(tree, '.git'), inside, { recursive: true })
    writeFileSync(join(inside, 'config'), `[core]\n\tbare = false\n\tworktree = ${inside}\n\tfsmonitor = ${canary}\n`)
    const told = await render(['-i', inventory({}), '--tree', inside, '--commit'], IDENTITY)
    expect(told).toMatchObject({ code: 64, text: expect.stringContaining('is not in a Git work tree') })
    expect(ran()).toBe('')
  })

  test('a list of files does not lead out of the tree, nor into .git', async () => {
    expect(await commit()).toMatchObject({ code: 0 })
    const victim = join(tree, '../victim')
    for (const path of ['../victim', '.git/HEAD', '.GIT/HEAD', 'clusters/../../victim', '/etc/hostname', './x']) {
      put(tree, '.k3s-platform/edge-1.sha256', `${'0'.repeat(64)}  ${path}\n`)
      const told = await render(['-i', inventory({}), '--tree', tree, '--overwrite'])
      expect([path, told.code]).toEqual([path, 64])
    }
    expect([existsSync(victim), existsSync(join(tree, '.git/HEAD'))]).toEqual([false, true])
  })

  test('a shared file that would keep the parser busy is refused', async () => {
    const keys = Array.from({ length: 40_000 }, (_, i) => `k${i}: x\n`).join('')
    for (const bomb of [`a: ${'&a '.repeat(80_000)}x`, `a: ${'!!str '.repeat(40_000)}x`, keys, '['.repeat(20_000)]) {
      put(tree, 'clusters/edge-1/kustomization.yaml', bomb)
      const before = process.cpuUsage().user
      expect(await render(['-i', inventory({}), '--tree', tree])).toMatchObject({ code: 64 })
      expect((process.cpuUsage().user - before) / 1e6).toBeLessThan(15)
    }
  })

  test('a folder that is a link is not written through', async () => {
    const elsewhere = join(dir, 'elsewhere')
    mkdirSync(elsewhere)
    symlinkSync(elsewhere, join(tree, 'clusters'))
    expect((await commit()).code).toBe(64)
    expect(readdirSync(elsewhere)).toEqual([])
  })
})

describe('a git server that redirects', () => {
  const tls = z
    .object({ cert: z.string(), key: z.string() })
    .parse(parse(readFileSync(join(import.meta.dirname, '../supply/tls.yaml'), 'utf8')))
  let repos: ReturnType<typeof repositories>
  let target: GitServer
  let seen: string[] = []
  const servers: Server[] = []

  beforeAll(async () => {
    repos = repositories()
    target = await gitServer(repos.root, (header) => {
      seen.push(header ?? 'nothing')
      return 200
    })
  })
  beforeEach(() => {
    seen = []
  })
  afterAll(async () => {
    await target.stop()
    for (const server of servers) {
      server.closeAllConnections()
      server.close()
    }
    repos.remove()
  })

  async function serve(scheme: 'http' | 'https', answer: (request: IncomingMessage, response: ServerResponse) => void) {
    const server = scheme === 'http' ? createHttp(answer) : createHttps(tls, answer)
    servers.push(server)
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const address = server.address()
    return `${scheme}://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`
  }
  const redirectTo = (scheme: 'http' | 'https', place: string, status: number) =>
    serve(scheme, (request, response) => response.writeHead(status, { location: `${place}${request.url}` }).end())

  const check = async (url: string, login: Login) => {
    const [fault] = await checkGit(
      { url: `${url}/tree.git`, branch: 'main', path: 'clusters/edge-1', login },
      { env: { PATH: process.env.PATH }, signal: new AbortController().signal, boundMs: 10_000 },
    )
    return fault
  }
  const LOGINS: Readonly<Record<string, Login>> = {
    'a password': { mode: 'https-basic', username: 'me', password: new Secret('never-to-be-seen'), ca: CA },
    'a token': { mode: 'https-bearer', token: new Secret(TOKEN), ca: CA },
  }
  const PLACES: Readonly<Record<string, () => Promise<string>>> = {
    'another port of the same host': async () => target.url,
    'another name of the same host': async () => target.url.replace('127.0.0.1', 'localhost'),
    'plain http': () =>
      serve('http', (request, response) => {
        seen.push(request.headers.authorization ?? 'nothing')
        response.end()
      }),
  }
  const cases = Object.entries(LOGINS).flatMap(([login, how]) =>
    Object.entries(PLACES).flatMap(([place, where]) =>
      [301, 302, 307, 308].map((status) => ({ login, how, place, where, status })),
    ),
  )
  test.each(cases)('$login is not sent to $place by a $status', async ({ how, where, status }) => {
    const fault = await check(await redirectTo('https', await where(), status), how)
    expect(seen).toEqual([])
    expect(fault).toMatchObject({ about: 'url', what: expect.stringContaining('redirects to another address') })
    expect(fault?.hint).toContain("/tree.git/info/refs?service=git-upload-pack'")
  })

  test('without a login a redirect is followed, but not from https to http', async () => {
    const open: Login = { mode: 'public', ca: CA }
    expect(await check(await redirectTo('https', target.url, 301), open)).toBeUndefined()
    expect(seen.length).toBeGreaterThan(0)
    seen = []
    const plain = await PLACES['plain http']?.()
    expect(await check(await redirectTo('https', plain ?? '', 301), open)).toMatchObject({ about: 'url' })
    expect(seen).toEqual([])
  })
})
