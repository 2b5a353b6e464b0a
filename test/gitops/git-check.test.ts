// The check of a repository against a real sshd and a real git behind https: what it says, and that it leaves nothing behind.

import { spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { Secret } from '../../src/engine/secret.ts'
import { checkGit, type Repository } from '../../src/gitops/git-check.ts'
import type { Login } from '../../src/gitops/login.ts'
import { descendants, freePort, keygen, type Sshd, startSshd } from '../host/ssh/sshd.ts'
import { CA, type GitServer, gitServer, repositories } from './git-server.ts'

const PASSWORD = 'never-to-be-seen-password'
const TOKEN = 'never-to-be-seen-token'
const PASSPHRASE = 'never-to-be-seen-passphrase'
const BASIC = Buffer.from(`me:${PASSWORD}`).toString('base64')

let sshd: Sshd
let server: GitServer
let repos: ReturnType<typeof repositories>
const open = new AbortController().signal
/** Programs that write down what they were called with, and whether a secret lies in a file; and the directory for those. */
let [seen, temporary]: [string, string] = ['', '']
let keys: { readonly plain: string; readonly locked: string; readonly other: string }

beforeAll(async () => {
  repos = repositories()
  seen = mkdtempSync(join(tmpdir(), 'git-seen-'))
  temporary = mkdtempSync(join(tmpdir(), 'git-tmp-'))
  sshd = await startSshd()
  server = await gitServer(repos.root, (header) => {
    if (header === undefined) return 401
    return [`Basic ${BASIC}`, `Bearer ${TOKEN}`].includes(header) ? 200 : 401
  })
  const made = (name: string, passphrase: string) => {
    keygen('-t', 'ed25519', '-N', passphrase, '-f', join(sshd.dir, name))
    return readFileSync(join(sshd.dir, name), 'utf8')
  }
  keys = { plain: readFileSync(sshd.clientKey, 'utf8'), locked: made('locked', PASSPHRASE), other: made('other', '') }
  const pubs = ['client', 'locked'].map((name) => readFileSync(join(sshd.dir, `${name}.pub`), 'utf8'))
  writeFileSync(join(sshd.dir, 'authorized_keys'), pubs.join(''))
  const body = (key: string) => key.split('\n')[3] ?? ''
  const secrets = [PASSWORD, TOKEN, PASSPHRASE, BASIC, ...Object.values(keys).map(body)]
  writeFileSync(join(seen, 'secrets'), `${secrets.join('\n')}\n`)
  mkdirSync(join(seen, 'bin'))
  for (const name of ['git', 'ssh', 'ssh-add', 'ssh-agent', 'ssh-keyscan']) {
    const script = `#!/bin/sh
printf '%s\\n' "$0 $*" >>${seen}/argv
{ cat /proc/[0-9]*/cmdline | grep -aF -f ${seen}/secrets; grep -raF -f ${seen}/secrets ${temporary}; } >>${seen}/found 2>/dev/null
exec /usr/bin/${name} "$@"
`
    writeFileSync(join(seen, 'bin', name), script, { mode: 0o755 })
  }
  chmodSync(join(seen, 'bin'), 0o755)
})

afterAll(async () => {
  await Promise.all([sshd.stop(), server.stop()])
  for (const one of [seen, temporary]) rmSync(one, { recursive: true, force: true })
  repos.remove()
})

beforeEach(() => {
  for (const name of ['argv', 'found']) writeFileSync(join(seen, name), '')
})

const env = () => ({ PATH: `${join(seen, 'bin')}:${process.env.PATH}`, TMPDIR: temporary, HOME: '/nonexistent' })

const check = (repository: Partial<Repository>, how: { boundMs?: number; signal?: AbortSignal; path?: string } = {}) =>
  checkGit(
    { url: `${server.url}/tree.git`, branch: 'main', path: 'clusters/edge-1', login: basic(), ...repository },
    {
      env: { ...env(), ...(how.path !== undefined && { PATH: how.path }) },
      signal: how.signal ?? open,
      boundMs: how.boundMs ?? 10_000,
    },
  )

const basic = (password = PASSWORD, ca: { ca?: string } = { ca: CA }): Login => ({
  ...{ mode: 'https-basic', username: 'me', password: new Secret(password), ca: ca.ca },
})
const known = () => Object.values(sshd.hostKeys).map((key) => `[127.0.0.1]:${sshd.port} ${key}\n`)
const ssh = (some: Partial<Extract<Login, { mode: 'ssh' }>> = {}): Login => ({
  mode: 'ssh',
  identity: new Secret(keys.plain),
  publicKey: 'ssh-ed25519 AAAAtheKey',
  passphrase: undefined,
  knownHosts: known().join(''),
  ...some,
})
const overSsh = (some: Partial<Extract<Login, { mode: 'ssh' }>> = {}, name = 'tree.git'): Partial<Repository> => ({
  url: `ssh://${sshd.user}@127.0.0.1:${sshd.port}${repos.root}/${name}`,
  login: ssh(some),
})

/** As people read it; ports and directories differ from run to run. */
async function said(...asked: Parameters<typeof check>): Promise<string> {
  const faults = await check(...asked)
  const lines = faults.flatMap(({ about, what, why, hint }) => [
    `${about}: ${what}`,
    ...(why === undefined ? [] : [`why: ${why}`]),
    ...(hint === undefined ? [] : [`hint: ${hint}`]),
  ])
  const text = lines.join('\n')
  for (const secret of readFileSync(join(seen, 'secrets'), 'utf8').trim().split('\n'))
    expect(text).not.toContain(secret)
  return (
    text
      .replaceAll(repos.root, '/srv/git')
      .replaceAll(String(sshd.port), '2222')
      .replaceAll(`${sshd.user}@`, 'root@')
      .replaceAll(server.url, 'https://127.0.0.1:8443')
      .replaceAll(new URL(server.url).host, '127.0.0.1:8443')
      .replace(/SHA256:[\w+/]{43}/g, 'SHA256:…')
      .replace(/after \d+ ms/, 'after 0 ms')
      // As older releases of curl and GnuTLS say it.
      .replace('Could not connect', "Couldn't connect")
      .replace(/server verification failed: .*/, 'server certificate verification failed.')
  )
}

/** Neither a file, nor a process, nor a word in an argument. */
function nothingLeft() {
  expect(readdirSync(temporary)).toEqual([])
  const left = descendants(process.pid).filter((pid) => {
    try {
      return /ssh-agent|cat/.test(readFileSync(`/proc/${pid}/cmdline`, 'latin1').split('\0')[0] ?? '')
    } catch {
      return false
    }
  })
  expect(left).toEqual([])
  const argv = readFileSync(join(seen, 'argv'), 'utf8')
  for (const secret of readFileSync(join(seen, 'secrets'), 'utf8').trim().split('\n'))
    expect(argv).not.toContain(secret)
  expect(readFileSync(join(seen, 'found'), 'utf8')).toBe('')
  return argv
}

test('a secret in an argument or in a file would be found', () => {
  const git = join(seen, 'bin/git')
  writeFileSync(join(temporary, 'leak'), PASSPHRASE)
  spawnSync(git, ['--version', TOKEN])
  rmSync(join(temporary, 'leak'))
  expect(() => nothingLeft()).toThrow(TOKEN)
  expect(readFileSync(join(seen, 'found'), 'utf8')).toMatch(new RegExp(`${TOKEN}[\\s\\S]*leak:${PASSPHRASE}`))
})

describe('a repository that can be read is well, and nothing is left behind', () => {
  test.each<[string, () => Partial<Repository>, RegExp]>([
    ['by user and password', () => ({}), /git .*fetch/],
    ['by a token', () => ({ login: { mode: 'https-bearer', token: new Secret(TOKEN), ca: CA } }), /git .*fetch/],
    ['by a key', () => overSsh(), /ssh-add/],
    [
      'by a key with a passphrase',
      () => overSsh({ identity: new Secret(keys.locked), passphrase: new Secret(PASSPHRASE) }),
      /ssh-add/,
    ],
    ['by the host keys that the server shows', () => overSsh({ knownHosts: undefined }), /ssh-keyscan/],
    ['where the key is still to be made in the cluster', () => overSsh({ identity: undefined }), /ls-remote/],
  ])('%s', async (_, repository, called) => {
    expect(await said(repository())).toBe('')
    expect(nothingLeft()).toMatch(called)
  })
})

describe('what keeps a repository from being read is told', () => {
  test.each<[string, () => Parameters<typeof check>]>([
    ['a host that is not found', () => [{ url: 'https://nowhere.invalid/tree.git' }]],
    ['a host that is not found by ssh', () => [{ url: 'ssh://git@nowhere.invalid/tree.git', login: ssh() }]],
    ['a port where nobody listens', () => [{ url: 'https://127.0.0.1:1/tree.git' }]],
    ['a port where nobody listens by ssh', () => [{ url: 'ssh://git@127.0.0.1:1/tree.git', login: ssh() }]],
    ['a CA that is not known', () => [{ login: basic(PASSWORD, {}) }]],
    ['a wrong password', () => [{ login: basic('wrong') }]],
    ['a wrong token', () => [{ login: { mode: 'https-bearer', token: new Secret('wrong'), ca: CA } }]],
    ['a repository that wants a login', () => [{ login: { mode: 'public', ca: CA } }]],
    ['a key that nobody has let in', () => [overSsh({ identity: new Secret(keys.other) })]],
    ['no such repository', () => [{ url: `${server.url}/three.git` }]],
    ['no such repository by ssh', () => [overSsh({}, 'three.git')]],
    ['an empty repository', () => [{ url: `${server.url}/empty.git` }]],
    ['a branch that is called otherwise', () => [{ branch: 'mian' }]],
    ['a branch like no other', () => [{ branch: 'production' }]],
    ['a folder that is called otherwise', () => [{ path: 'clusters/edge-2' }]],
    ['a tree that was never pushed', () => [{ url: `${server.url}/bare.git` }]],
    ['a host key that is not known', () => [overSsh({ knownHosts: 'github.com ssh-ed25519 AAAA\n' })]],
    [
      'another host key than the known one',
      () => [overSsh({ knownHosts: `[127.0.0.1]:${sshd.port} ${readFileSync(join(sshd.dir, 'other.pub'), 'utf8')}` })],
    ],
    ['a workstation without git', () => [{}, { path: '/nonexistent' }]],
  ])('%s', async (_, asked) => {
    expect(await said(...asked())).toMatchSnapshot()
    nothingLeft()
  })

  test('a workstation without ssh', async () => {
    const path = mkdtempSync(join(tmpdir(), 'git-only-'))
    writeFileSync(join(path, 'git'), '#!/bin/sh\nexec /usr/bin/git "$@"\n', { mode: 0o755 })
    expect(await said(overSsh(), { path })).toMatch(/^program: ssh is not installed on this workstation/)
    rmSync(path, { recursive: true })
  })

  test('a server that refuses a login with 403', async () => {
    const forbidding = await gitServer(repos.root, () => 403)
    expect(await said({ url: `${forbidding.url}/tree.git` })).toMatch(/^login: 127.0.0.1:\d+ refuses the login\n/)
    await forbidding.stop()
  })

  test.each(['https://', 'ssh://'])('a server by %s that says nothing, within the bound', async (scheme) => {
    const mute = createServer((socket) => socket.on('error', () => {}))
    const port = await freePort()
    await new Promise<void>((resolve) => mute.listen(port, '127.0.0.1', resolve))
    const login = scheme === 'ssh://' ? ssh() : basic()
    expect(await said({ url: `${scheme}127.0.0.1:${port}/x.git`, login }, { boundMs: 1000 })).toMatch(
      /^url: .* did not answer in time\nwhy: timed out: no answer within 1 s/,
    )
    nothingLeft()
    mute.close()
  })
})

test('a check that is aborted leaves no agent and no file behind', async () => {
  const abort = new AbortController()
  const mute = createServer((socket) => socket.on('error', () => {}))
  const port = await freePort()
  await new Promise<void>((resolve) => mute.listen(port, '127.0.0.1', resolve))
  const asked = check({ url: `ssh://127.0.0.1:${port}/x.git`, login: ssh() }, { signal: abort.signal })
  await expect.poll(() => readFileSync(join(seen, 'argv'), 'utf8'), { timeout: 8000 }).toMatch(/ls-remote/)
  abort.abort(new Error('that is enough'))
  await expect(asked).rejects.toThrow('that is enough')
  nothingLeft()
  mute.close()
})
