// A real sshd of its own for a test: free loopback port, generated keys, all in one temporary directory.

import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'

export interface Sshd {
  readonly port: number
  readonly dir: string
  /** A home directory with an empty .ssh for the client's side. */
  readonly home: string
  readonly user: string
  /** `type base64` by short name. */
  readonly hostKeys: Readonly<Record<'ed25519' | 'ecdsa' | 'rsa', string>>
  /** Path of a private key that may log in. */
  readonly clientKey: string
  /** Process ids of the connections' sshd and everything below them. */
  children(): number[]
  signalChildren(signal: NodeJS.Signals): void
  /** Everything that sshd has logged. */
  log(): string
  stop(): Promise<void>
}

const sshdPath = '/usr/sbin/sshd'
/** OpenSSH 9.8 and newer turn away whoever failed, and all tests come from one address. */
const NO_PENALTIES = 'PerSourcePenalties no'

export function keygen(...args: string[]): string {
  return execFileSync('ssh-keygen', ['-q', ...args], { encoding: 'utf8' })
}

/** Starts sshd; `lines` are added to its configuration. */
export async function startSshd(
  options: { lines?: string[]; keys?: ('ed25519' | 'ecdsa' | 'rsa')[]; prepare?: (dir: string) => string[] } = {},
): Promise<Sshd> {
  const dir = mkdtempSync(join(tmpdir(), 'k3sp-sshd-'))
  const home = join(dir, 'home')
  mkdirSync(join(home, '.ssh'), { recursive: true, mode: 0o700 })
  if (userInfo().uid === 0) mkdirSync('/run/sshd', { recursive: true, mode: 0o755 })
  for (const type of ['ed25519', 'ecdsa', 'rsa'] as const) {
    keygen('-t', type, ...(type === 'rsa' ? ['-b', '2048'] : []), '-N', '', '-f', join(dir, type))
  }
  const clientKey = join(dir, 'client')
  keygen('-t', 'ed25519', '-N', '', '-C', 'client', '-f', clientKey)
  writeFileSync(join(dir, 'authorized_keys'), readFileSync(`${clientKey}.pub`))
  const port = await freePort()
  const lines = [
    ...(options.prepare?.(dir) ?? []),
    ...(options.lines ?? []),
    ...(options.keys ?? ['ed25519', 'ecdsa', 'rsa']).map((type) => `HostKey ${join(dir, type)}`),
    `Port ${port}`,
    'ListenAddress 127.0.0.1',
    `AuthorizedKeysFile ${join(dir, 'authorized_keys')}`,
    `PidFile ${join(dir, 'pid')}`,
    'StrictModes no',
    'UsePAM no',
    'PermitRootLogin yes',
    'PasswordAuthentication no',
    'KbdInteractiveAuthentication no',
    // Of this one sshd takes the last.
    ...(options.lines?.some((line) => line.startsWith('MaxStartups')) ? [] : ['MaxStartups 100']),
    'LogLevel VERBOSE',
    // The default exchange costs OpenSSH 0.15 s more.
    'KexAlgorithms curve25519-sha256',
  ]
  const config = join(dir, 'sshd_config')
  writeFileSync(config, `${[...lines, NO_PENALTIES].join('\n')}\n`)
  if (spawnSync(sshdPath, ['-t', '-f', config]).status !== 0) writeFileSync(config, `${lines.join('\n')}\n`)
  const child = spawn(sshdPath, ['-D', '-e', '-f', config], { stdio: ['ignore', 'ignore', 'pipe'] })
  let log = ''
  await new Promise<void>((resolve, reject) => {
    child.once('exit', () => reject(new Error(`sshd: ${log}`)))
    child.stderr.on('data', (chunk) => {
      log += chunk
      if (/Server listening/.test(log)) resolve()
    })
  })
  const hostKey = (type: string) =>
    readFileSync(join(dir, `${type}.pub`), 'utf8')
      .split(' ')
      .slice(0, 2)
      .join(' ')
      .trim()
  const children = () => descendants(child.pid ?? -1)
  const signalChildren = (signal: NodeJS.Signals) => {
    for (const pid of children()) kill(pid, signal)
  }
  return {
    port,
    dir,
    home,
    user: userInfo().username,
    hostKeys: { ed25519: hostKey('ed25519'), ecdsa: hostKey('ecdsa'), rsa: hostKey('rsa') },
    clientKey,
    children,
    signalChildren,
    log: () => log,
    stop: async () => {
      signalChildren('SIGKILL')
      await ended(child)
      rmSync(dir, { recursive: true, force: true })
    },
  }
}

function ended(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) return resolve()
    child.once('exit', () => resolve())
    child.kill('SIGKILL')
  })
}

function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch {
    // It has ended by itself.
  }
}

/** All processes below `pid`, itself not among them. */
export function descendants(pid: number): number[] {
  const parents = new Map<number, number[]>()
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue
    try {
      const stat = readFileSync(`/proc/${name}/stat`, 'latin1')
      const [state, parent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
      if (state !== 'Z') parents.set(Number(parent), [...(parents.get(Number(parent)) ?? []), Number(name)])
    } catch {
      // It ended while we looked.
    }
  }
  const below = (id: number): number[] => (parents.get(id) ?? []).flatMap((child) => [child, ...below(child)])
  return below(pid)
}

export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => resolve(typeof address === 'object' && address ? address.port : 0))
    })
  })
}
