// The three shells that remote script must work under, each in a mount namespace of its own: what a script writes there
// touches neither this machine nor another test, and it finds only the tools that a small host has.

import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Channel, Transport } from '../../src/host/transport.ts'

export const SHELLS = ['dash', 'bash', 'busybox'] as const
export type Shell = (typeof SHELLS)[number]

/** Directories that are empty and its own in every sandbox; what a test compares. */
export const OWN = ['/etc', '/run', '/var/lib', '/usr/local', '/opt', '/tmp', '/root'] as const
/** Commands that a test makes up lie here, first in PATH, and what they remember beside it. */
export const FAKE = '/mnt/fake'

/** What a minimal Debian or Fedora has and the scripts may use. */
const TOOLS =
  'cat chgrp chmod chown cp cut date df dirname env flock grep head id ip ln ls mkdir mktemp mv openssl readlink rm rmdir sed sha256sum sleep sort stat sync tail timeout touch tr uname wc'
const APPLETS =
  'cat chgrp chmod chown cp cut date df dirname env grep head id ip ln ls mkdir mktemp mv readlink rm rmdir sed sha256sum sleep sort stat sync tail timeout touch tr uname wc wget'

export interface Sandbox {
  readonly shell: Shell
  /** Where this process sees the sandbox's file tree. */
  readonly root: string
  readonly transport: Transport
  /** Runs a script as a login would run a command. */
  sh(script: string): { readonly status: number | null; readonly stdout: Buffer; readonly stderr: Buffer }
  /** Empties all but /run, and hides the tools that are named. */
  reset(without?: readonly string[]): void
  close(): void
}

const asRoot = process.getuid?.() === 0
const unshare = ['--mount', '--propagation', 'private', ...(asRoot ? [] : ['--map-root-user'])]

/** Why there can be no sandbox here; undefined where there can. */
export function noSandbox(): string | undefined {
  const missing = ['unshare', 'nsenter', ...SHELLS].filter((name) => !existsSync(`/usr/bin/${name}`))
  if (missing.length > 0) return `missing: ${missing.join(', ')}`
  const tried = spawnSync('unshare', [...unshare, 'mount', '-t', 'tmpfs', 'tmpfs', '/mnt'], { encoding: 'utf8' })
  if (tried.status === 0) return undefined
  return `this user may not make a mount namespace: ${tried.stderr?.trim() || tried.error?.message}`
}

/** Owners other than root exist only where the tests run as root. */
export const hasOwners = asRoot

export async function sandbox(shell: Shell): Promise<Sandbox> {
  const setup = [
    'mount -t tmpfs tmpfs /mnt',
    'mkdir -p /mnt/bin',
    'mount --rbind /usr/bin /mnt/bin',
    ...[...OWN, '/usr/sbin', '/usr/bin'].map((path) => `mount -t tmpfs tmpfs ${path}`),
    'printf ready; read -r end',
  ].join(' && ')
  const holder = spawn('unshare', [...unshare, '/bin/sh', '-c', setup], { stdio: ['pipe', 'pipe', 'pipe'] })
  await ready(holder)
  const root = `/proc/${holder.pid}/root`
  const env = { PATH: `${FAKE}/bin:/usr/bin:/bin`, HOME: '/root', LANG: 'C.UTF-8' }
  const inside = ['-t', String(holder.pid), ...(asRoot ? ['-m'] : ['-U', '--preserve-credentials', '-m']), '/bin/sh']
  const tools = () => {
    const bin = join(root, 'usr/bin')
    for (const name of readdirSync(bin)) rmSync(join(bin, name))
    const link = (name: string, to: string) => symlinkSync(`/mnt/bin/${to}`, join(bin, name))
    for (const name of (shell === 'busybox' ? APPLETS : TOOLS).split(' ')) {
      link(name, shell === 'busybox' ? 'busybox' : name)
    }
    link('sh', shell)
    link('curl', 'curl')
    if (shell === 'busybox') {
      for (const [name, script] of Object.entries(LIKE_ALPINE)) {
        rmSync(join(bin, name), { force: true })
        writeFileSync(join(bin, name), `#!/bin/sh\n${script}`, { mode: 0o755 })
      }
    } else link('wget', 'wget')
  }
  let made = false
  let hidden: readonly string[] = []
  const it: Sandbox = {
    shell,
    root,
    sh: (script) => spawnSync('nsenter', [...inside, '-c', script], { env, maxBuffer: 1 << 26 }),
    transport: {
      title: `${shell} in a sandbox`,
      exec: async (command) => channelOf(spawn('nsenter', [...inside, '-c', command], { env })),
      forward: () => Promise.reject(new Error('no ports in a sandbox')),
      close: async () => undefined,
    },
    reset: (without = []) => {
      const base = [...OWN, '/mnt', '/usr/bin', '/usr/sbin'].map(String)
      const mounted = readFileSync(`/proc/${holder.pid}/mounts`, 'utf8')
        .split('\n')
        .map((line) => line.split(' ')[1] ?? '')
      for (const path of mounted.filter((p) => !base.includes(p) && /^\/(etc|opt|sys\/module|proc\/sys)\/?/.test(p))) {
        it.sh(`/mnt/bin/umount ${path}`)
      }
      for (const path of OWN.filter((p) => p !== '/run')) {
        for (const name of readdirSync(join(root, path))) rmSync(join(root, path, name), { recursive: true })
      }
      rmSync(join(root, FAKE), { recursive: true, force: true })
      // Making all the links takes longer than most cases.
      if (hidden.length > 0 || !made) tools()
      made = true
      hidden = without
      for (const name of without) rmSync(join(root, 'usr/bin', name))
      mkdirSync(join(root, FAKE, 'bin'), { recursive: true })
      mkdirSync(join(root, 'usr/local/bin'))
      for (const [name, id] of [
        ['root', 0],
        ['daemon', 1],
      ] as const) {
        writeFileSync(join(root, 'etc/passwd'), `${name}:x:${id}:${id}::/root:/bin/sh\n`, { flag: 'a' })
        writeFileSync(join(root, 'etc/group'), `${name}:x:${id}:\n`, { flag: 'a' })
      }
    },
    close: () => {
      holder.stdin?.end()
    },
  }
  it.reset()
  return it
}

/** Copies a made-up command into PATH. */
export function fake(at: Sandbox, name: string, from: string | { readonly script: string }): void {
  const to = join(at.root, FAKE, 'bin', name)
  if (typeof from === 'string') cpSync(from, to)
  else writeFileSync(to, `#!/bin/sh\n${from.script}\n`)
  spawnSync('chmod', ['755', to])
}

/** busybox of Alpine has a flock, but without -w; that of Debian has none, and its wget crashes at -T. */
const LIKE_ALPINE = {
  flock: `for a; do case $a in -w*) echo "flock: invalid option -- 'w'" >&2; exit 1 ;; esac; done
exec /mnt/bin/flock "$@"
`,
  wget: `[ "$1 $2" != '-q -T' ] || { shift 3; set -- -q "$@"; }
exec /mnt/bin/busybox wget "$@"
`,
} as const

async function ready(holder: ChildProcess): Promise<void> {
  let told = ''
  holder.stderr?.on('data', (chunk) => {
    told += chunk
  })
  await new Promise<void>((resolve, reject) => {
    holder.stdout?.once('data', () => resolve())
    holder.once('close', () => reject(new Error(`no sandbox: ${told}`)))
  })
}

function channelOf(child: ReturnType<typeof spawn>): Channel {
  const { stdin, stdout, stderr } = child
  if (stdin === null || stdout === null || stderr === null) throw new Error('a child without pipes')
  return {
    stdin,
    stdout,
    stderr,
    exit: new Promise((resolve, reject) => {
      child.once('error', reject)
      child.once('close', (code, signal) => resolve({ code, signal }))
    }),
    close: () => {
      for (const stream of [stdin, stdout, stderr]) stream.destroy()
      child.kill('SIGHUP')
    },
  }
}
