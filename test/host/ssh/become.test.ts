// Becoming root: the script arrives whole behind sudo, under every login shell, and sudo's refusals have names.

import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Secret } from '../../../src/engine/secret.ts'
import { localTransport } from '../../../src/host/local.ts'
import { type Become, becomeProblem, launch } from '../../../src/host/ssh/become.ts'
import { gather } from './client.ts'

const dir = mkdtempSync(join(tmpdir(), 'k3sp-become-'))
afterAll(() => rmSync(dir, { recursive: true }))

/**
 * Stands for sudo where the machine's users must not be touched: reads passwords as sudo -S does (a line each, three
 * tries, an end of input gives up) and logs what it was given. The real one is proven on the testbed's nodes.
 */
const fakeSudo = `#!/bin/sh
log=${dir}/log
printf '%s\\n' "argv: $*" >>$log
ask=yes; stdin=no
while :; do case $1 in -S) stdin=yes; shift ;; -n) shift ;; -p) shift 2 ;; *) break ;; esac; done
[ -e ${dir}/nopasswd ] && ask=no
[ -e ${dir}/timestamp ] && ask=no
if [ $ask = yes ]; then
  [ $stdin = no ] && { echo 'sudo: a password is required' >&2; exit 1; }
  tries=0
  while :; do
    IFS= read -r line || { echo 'sudo: no password was provided' >&2; exit 1; }
    printf '%s\\n' "tried: $line" >>$log
    [ "$line" = 'it'"'"'s \\ $a "secret"' ] && break
    tries=$((tries + 1))
    echo 'Sorry, try again.' >&2
    [ $tries = 3 ] && exit 1
  done
  [ -e ${dir}/keeps ] && : >${dir}/timestamp
fi
FAKE_ROOT=yes exec "$@"
`
const password = new Secret(`it's \\ $a "secret"`)

beforeAll(() => {
  writeFileSync(join(dir, 'sudo'), fakeSudo, { mode: 0o755 })
  // Not root, wherever the test runs.
  writeFileSync(join(dir, 'id'), '#!/bin/sh\necho 1000\n')
  chmodSync(join(dir, 'id'), 0o755)
})

const world = (flags: string[]) => {
  for (const name of ['log', 'nopasswd', 'timestamp', 'keeps']) rmSync(join(dir, name), { force: true })
  for (const name of flags) writeFileSync(join(dir, name), '')
}
const log = () => (existsSync(join(dir, 'log')) ? readFileSync(join(dir, 'log'), 'utf8') : '')
// bash may read the .bashrc of its home here: it takes a socket on stdin for a login over the network.
const fakePath = { PATH: `${dir}:${process.env.PATH}`, HOME: dir }

function sh(
  shell: string[],
  how: Become,
  mode: 'whole' | 'open' | 'feed',
  script: string,
  input: Buffer | string = '',
) {
  const { command, preamble } = launch({ ...how, mode, script })
  const [program = '/bin/sh', ...args] = shell
  const stdin = Buffer.concat([Buffer.from(preamble), Buffer.from(input)])
  const result = spawnSync(program, [...args, '-c', command], { input: stdin, env: fakePath, maxBuffer: 1e8 })
  if (result.error) throw result.error
  return result
}

const script = `printf '%s\\n' 'a\\nb' "c  d" '$x' "it's \\\\ $0" # 'é'
cat <<'END'
\\here	$doc
END
printf '%s ' "$FAKE_ROOT" "$LC_ALL"; printf 'err' >&2
exit 7`
const printed = `a\\nb\nc  d\n$x\nit's \\ /bin/sh\n\\here\t$doc\n`

const shells = [['sh'], ['bash'], ['dash'], ['fish'], ['tcsh'], ['csh'], ['busybox', 'sh']].filter(
  ([name]) => spawnSync('which', [name ?? '']).status === 0,
)

test('the shells of this machine include one that is not of the Bourne family', () => {
  expect(shells.flat()).toEqual(expect.arrayContaining(['bash', 'dash', 'fish']))
})

describe.each(shells.map((shell) => [shell.join(' '), shell] as const))('under the login shell %s', (_, shell) => {
  test.each([
    ['with a password that sudo wants each time', [], { password }],
    ['with a password that sudo remembers', ['keeps'], { password }],
    ['with a password that sudo does not want', ['nopasswd'], { password }],
    ['without a password', ['nopasswd'], {}],
    ['for a login that is to stay what it is', [], { become: false, password }],
  ] satisfies [string, string[], Become][])('a script arrives %s', (_title, flags, how: Become) => {
    for (const mode of ['whole', 'open'] as const) {
      world(flags)
      const { status, stdout, stderr } = sh(shell, how, mode, script)
      const root = how.become === false ? '' : 'yes'
      expect([mode, status, String(stdout), String(stderr)]).toEqual([mode, 7, `${printed}${root} C `, 'err'])
      expect(log()).not.toMatch(/^argv:.*(secret|printf '%s)/m)
    }
  })

  test('a script is fed with raw bytes', () => {
    world([])
    const input = randomBytes(1_000_000)
    const { status, stdout } = sh(shell, { password }, 'feed', 'printf start\ncat', input)
    expect([status, stdout.subarray(0, 5).toString(), stdout.subarray(5).equals(input)]).toEqual([0, 'start', true])
  })
})

test('a root login uses no sudo, and its sudo password is thrown away', () => {
  if (process.getuid?.() !== 0) return
  world([])
  const { command, preamble } = launch({ password, mode: 'whole', script: 'id -u' })
  const result = spawnSync('/bin/sh', ['-c', command], { input: preamble, env: { PATH: process.env.PATH } })
  expect([String(result.stdout), String(result.stderr), log()]).toEqual(['0\n', '', ''])
})

test('nothing of the password or the script is in the command line', () => {
  const { command } = launch({ password, mode: 'whole', script: 'touch /marked' })
  expect(command).toBe(`/bin/sh -c 'IFS= read -r l; eval "$l"'`)
})

test('the password of a login that is known as root is not even sent', () => {
  expect(launch({ user: 'root', password, mode: 'whole', script: '' }).preamble).not.toContain('secret')
})

test('a wrong password is tried once, and no line of the script is taken for one', () => {
  world([])
  const { status, stdout, stderr } = sh(['sh'], { password: new Secret('wrong') }, 'whole', 'echo ran')
  expect([status, String(stdout)]).toEqual([1, ''])
  expect(log().match(/^tried: .*/gm)).toEqual(['tried: wrong'])
  const become = { user: 'deploy', password }
  expect(becomeProblem({ host: 'edge-1', stderr: String(stderr), code: status, become })).toMatchObject({
    kind: 'failed',
    where: 'edge-1',
    what: 'sudo refused the password for deploy',
  })
})

test('a password that is wanted and not given ends at once', () => {
  world([])
  const { status, stdout, stderr } = sh(['sh'], {}, 'whole', 'echo ran')
  expect([status, String(stdout), log().match(/^tried/gm)]).toEqual([1, '', null])
  const problem = becomeProblem({ host: 'edge-1', stderr: String(stderr), code: status, become: { user: 'deploy' } })
  expect(problem).toMatchObject({
    what: 'sudo requires a password for deploy',
    hint: 'set it: -K, or ansible_become_password',
  })
})

test('a missing sudo is told', () => {
  for (const how of [{}, { password }]) {
    const only = mkdtempSync(join(dir, 'bin-'))
    writeFileSync(join(only, 'id'), '#!/bin/sh\necho 1000\n', { mode: 0o755 })
    const { command, preamble } = launch({ ...how, mode: 'whole', script: 'echo ran' })
    const result = spawnSync('/bin/sh', ['-c', command], { input: preamble, env: { PATH: only } })
    const end = {
      host: 'edge-1',
      stderr: String(result.stderr),
      code: result.status,
      become: { user: 'deploy', ...how },
    }
    expect(becomeProblem(end)?.what).toBe('deploy is not root, and sudo is not installed')
  }
})

test('an open script starts when it has come, and ends when its input does', async () => {
  world(['nopasswd'])
  const transport = await localTransport(fakePath)
  const { command, preamble } = launch({ mode: 'open', script: 'echo up\nread -r word\necho "$word"\ncat\necho down' })
  const channel = await transport.exec(command)
  const seen: string[] = []
  channel.stdout.on('data', (chunk: Buffer) => seen.push(String(chunk)))
  channel.stdin.write(preamble)
  await expect.poll(() => seen.join('')).toBe('up\n')
  channel.stdin.write('alive\n')
  await expect.poll(() => seen.join('')).toBe('up\nalive\n')
  channel.stdin.end('rest\n')
  const { code } = await gather(channel)
  expect([code, seen.join('')]).toEqual([0, 'up\nalive\nrest\ndown\n'])
})

/** As printed in the C locale by sudo 1.8 to 1.9, sudo-rs 0.2 and nologin. */
const messages: readonly [string, string][] = [
  ['sudo: a password is required', 'sudo requires a password for deploy'],
  [
    'sudo: a terminal is required to read the password; either use the -S option',
    'sudo requires a password for deploy',
  ],
  ['sudo: interactive authentication is required', 'sudo requires a password for deploy'],
  ['sudo: sorry, you must have a tty to run sudo', 'sudo requires a terminal for deploy'],
  ['deploy is not in the sudoers file.', 'sudo does not let deploy become root'],
  ["Sorry, user deploy is not allowed to execute '/bin/sh' as root on edge-1.", 'sudo does not let deploy become root'],
  ["sudo: I'm sorry deploy. I'm afraid I can't do that", 'sudo does not let deploy become root'],
  [
    'sudo: account validation failure, is your account locked?',
    'sudo refuses deploy: the account or its password has expired',
  ],
  [
    'sudo: Account expired or PAM config lacks an "account" section for sudo',
    'sudo refuses deploy: the account or its password has expired',
  ],
  ['sudo: /usr/bin/sudo must be owned by uid 0 and have the setuid bit set', 'sudo does not work on the host'],
  ['/etc/sudoers:28:11: syntax error', 'sudo does not work on the host'],
  ['This account is currently not available.', 'the login shell of deploy does not run commands'],
]

test.each(messages)('"%s" means: %s', (stderr, what) => {
  expect(becomeProblem({ host: 'edge-1', stderr, code: 1, become: { user: 'deploy' } })?.what).toBe(what)
})

test('what is not sudo’s doing is no problem of sudo', () => {
  expect(becomeProblem({ host: 'edge-1', stderr: 'sh: out of memory', code: 2, become: {} })).toBeUndefined()
})
