// The transport over the system's ssh: one master connection per host, every channel a client of it.

import { constants } from 'node:fs'
import { access, type FileHandle, mkdir, mkdtemp, open, rm, writeFile } from 'node:fs/promises'
import { tmpdir, userInfo } from 'node:os'
import { dirname, join } from 'node:path'
import { PassThrough } from 'node:stream'
import { ProblemError } from '../../engine/problem.ts'
import type { Secret } from '../../engine/secret.ts'
import { childChannel, childOptions } from '../local.ts'
import type { Transport } from '../transport.ts'
import { Deadline } from './deadline.ts'
import { hostKeyProblem, knownName } from './hostkeys.ts'
import { passphraseForSsh, wrongPassphrase } from './identities.ts'
import { userKnownHosts } from './known-hosts.ts'
import { addressed, causeOf, greeted, unreachable } from './refusals.ts'
import { configArguments } from './ssh-config.ts'
import { brief, lost } from './ssh2-channels.ts'
import type { Target } from './target.ts'

/**
 * The master lives as long as the tool: a shell beside it waits for the end of stdin, which comes even when the tool
 * is killed, then ends ssh (which can miss a SIGTERM that comes while it is busy) and removes the directory of its socket.
 */
const guard = `exec 3<&0 </dev/null
d=$1; shift
"$@" 3<&- & s=$!
( IFS= read -r _ <&3; kill "$s"; sleep 0.2 || sleep 1; kill -9 "$s" ) >/dev/null 2>&1 & w=$!
wait "$s"; c=$?
kill "$w" 2>/dev/null
rm -rf "$d"
exit "$c"`

/** Secrets go through named pipes: they are in no argument, no environment and no file. */
const askpass = `#!/bin/sh
case $1 in
*assphrase*) f=passphrase ;;
*assword*) f=password ;;
*) exit 1 ;;
esac
f=\${0%/*}/$f
[ -p "$f" ] && IFS= read -r s <"$f" && printf '%s\\n' "$s"
`

/** Connects and logs in within `timeoutMs`. Throws ProblemError (unreachable), or the signal's reason. */
export async function connectOpenSsh(target: Target): Promise<Transport> {
  const { execa } = await import('execa')
  const passphrase = await passphraseForSsh(target)
  const deadline = new Deadline(target.timeoutMs, target.signal)
  const dir = await privateDirectory(target.env)
  const control = join(dir, 'c')
  const pipes: FileHandle[] = []
  try {
    pipes.push(...(await secretPipes(dir, { password: target.password, passphrase })))
    const args = await masterArguments(target, dir, control, pipes.length > 0)
    const asking = {
      SSH_ASKPASS: join(dir, 'askpass'),
      SSH_ASKPASS_REQUIRE: 'force',
      DISPLAY: target.env.DISPLAY ?? ':',
    }
    const env = pipes.length > 0 ? { ...target.env, ...asking } : target.env
    const master = execa('/bin/sh', ['-c', guard, 'sh', dir, 'ssh', ...args], {
      ...childOptions,
      stdout: 'ignore',
      env,
    })
    let said = ''
    master.stderr.on('data', (chunk: Buffer) => {
      said = (said + chunk.toString('utf8')).slice(-65536)
    })
    master.stdin.on('error', () => {})
    let ended = false
    const end = Promise.resolve(master).then(() => {
      ended = true
    })
    const kill = () => {
      if (master.pid !== undefined) process.kill(-master.pid, 'SIGKILL')
    }
    const over = new Promise<void>((resolve) => deadline.onOver(resolve))
    while (!(await exists(control))) {
      await Promise.race([end, over, new Promise((resolve) => setTimeout(resolve, 10))])
      if (!ended && !deadline.over) continue
      master.stdin.end()
      // A ProxyJump's own ssh survives the master and keeps its stderr, until its TCP gives up after minutes.
      const timer = setTimeout(kill, 1000)
      await end
      clearTimeout(timer)
      if (deadline.over === 'aborted') throw target.signal?.reason
      throw deadline.over ? expired(target, said) : await explain(target, said, passphrase !== undefined)
    }
    return overMaster(target, env, control, {
      end,
      why: () => (ended ? lastLine(said) : undefined),
      stop: () => master.stdin.end(),
      kill,
    })
  } catch (error) {
    await rm(dir, { recursive: true, force: true })
    throw error
  } finally {
    deadline.clear()
    await Promise.all(pipes.map((pipe) => pipe.close()))
  }
}

/** The socket's path may have 104 bytes, of which ssh needs 17 for a name of its own. */
async function privateDirectory(env: Target['env']): Promise<string> {
  const base = env.TMPDIR ?? tmpdir()
  return mkdtemp(join(base.length > 60 ? '/tmp' : base, 'k3sp-'))
}

/** Named pipes that hold each secret once, for the askpass program; empty lines after it answer further questions. */
async function secretPipes(dir: string, given: Record<string, Secret | undefined>): Promise<FileHandle[]> {
  const secrets = Object.entries(given).flatMap(([name, secret]) => (secret ? [{ path: join(dir, name), secret }] : []))
  if (secrets.length === 0) return []
  const { execa } = await import('execa')
  await execa('mkfifo', ['-m', '600', ...secrets.map(({ path }) => path)])
  await writeFile(join(dir, 'askpass'), askpass, { mode: 0o700 })
  return Promise.all(
    secrets.map(async ({ path, secret }) => {
      // Opened for both, it never waits for a reader.
      const pipe = await open(path, constants.O_RDWR | constants.O_NONBLOCK)
      await pipe.write(`${secret.reveal()}\n\n\n\n`)
      return pipe
    }),
  )
}

async function masterArguments(target: Target, dir: string, control: string, asks: boolean): Promise<string[]> {
  const { trust, given, keepalive } = target
  const seconds = (ms: number) => Math.max(1, Math.round(ms / 1000))
  // ssh takes the first value that it meets: what must hold stands before the user's arguments, what may yield after.
  const must: Record<string, string | number> = {
    ControlPersist: 'no',
    StrictHostKeyChecking: trust.policy === 'accept-new' ? 'accept-new' : 'yes',
    ConnectTimeout: seconds(target.timeoutMs),
    ServerAliveInterval: seconds(keepalive.intervalMs),
    ServerAliveCountMax: keepalive.countMax,
    ClearAllForwardings: 'yes',
    RequestTTY: 'no',
    RemoteCommand: 'none',
    ...(asks ? { NumberOfPasswordPrompts: 1 } : { BatchMode: 'yes' }),
  }
  const name = knownName(target.host, target.port)
  const text =
    trust.pins.keys.length > 0
      ? trust.pins.keys.map((key) => `${name} ${key.type} ${key.blob.toString('base64')}\n`).join('')
      : target.knownHostsText
  if (text !== undefined) {
    const file = join(dir, 'known_hosts')
    await writeFile(file, text, { mode: 0o600 })
    Object.assign(must, { UserKnownHostsFile: file, GlobalKnownHostsFile: '/dev/null' })
    if (trust.pins.keys.length > 0) Object.assign(must, { StrictHostKeyChecking: 'yes', HostKeyAlias: name })
  }
  if (trust.policy === 'accept-new' && target.learnInto !== undefined) {
    // ssh makes this directory only in the home that it would take itself.
    await mkdir(dirname(target.learnInto), { recursive: true, mode: 0o700 })
  }
  const otherHome =
    target.home === userInfo().homedir ? [] : ['-o', `UserKnownHostsFile=${userKnownHosts(target.home)}`]
  return [
    ...['-v', '-M', '-N', '-T', '-S', control],
    ...Object.entries(must).flatMap(([option, value]) => ['-o', `${option}=${value}`]),
    ...(given.port === undefined ? [] : ['-p', String(given.port)]),
    ...(given.user === undefined ? [] : ['-l', given.user]),
    ...(target.privateKeyFile === undefined ? [] : ['-i', target.privateKeyFile]),
    ...target.sshCommonArgs,
    ...configArguments(target.home),
    ...otherHome,
    '--',
    given.host,
  ]
}

/** What ssh said about a login that failed, as a problem. */
function explain(target: Target, said: string, asked: boolean): ProblemError {
  const spoken = withoutDebug(said)
  if (/Host key verification failed|REMOTE HOST IDENTIFICATION HAS CHANGED|REVOKED HOST KEY/.test(said)) {
    const shown = [...said.matchAll(/Server host (?:key|certificate): (\S+) (SHA256:[^\s,]+)/g)].at(-1)
    const type = shown?.[1]?.replace('-cert-v01@openssh.com', '') ?? 'key'
    const offered = { type, print: shown?.[2] ?? '', host: target.host, port: target.port }
    const problem = hostKeyProblem(target.trust, offered)
    const other = / host key is known for (\S+) and/.exec(said)?.[1]
    const foreign = other !== undefined && other !== knownName(target.host, target.port)
    return new ProblemError(foreign ? { ...problem, why: `ssh: no key is known for ${other}` } : problem)
  }
  // ssh tells that it asked, and goes on in silence when the answer was wrong.
  if (target.privateKeyFile && asked && !target.password && /requested to askpass/.test(said)) {
    return wrongPassphrase(target.name, target.privateKeyFile)
  }
  const greeting = /banner line 0: (.+?)\r?$/m.exec(said)?.[1]
  if (greeting !== undefined) return greeted(target, greeting)
  const cause = causeOf(spoken)
  if (cause !== 'login') return unreachable(target, cause, spoken)
  const tried = [...said.matchAll(/Offering public key: (\S+)/g)].map((match) => `key ${match[1]}`)
  if (/Next authentication method: (password|keyboard)/.test(said) && target.password) tried.push('password')
  return unreachable(target, 'login', tried.length > 0 ? `tried: ${tried.join(', ')}; ${spoken}` : spoken)
}

function expired(target: Target, said: string): ProblemError {
  const other = /banner line \d+: (.*)/.exec(said)?.[1]
  if (other) return unreachable(target, 'notssh', `it says: ${other}`)
  const cause = /Connection established/.test(said) ? 'silent' : 'timeout'
  const proxy = /Executing proxy command: (?:exec )?(.*?)\r?$/m.exec(said)?.[1]
  return unreachable(
    target,
    cause,
    `waited ${target.timeoutMs / 1000} s${proxy ? `, on the way through: ${proxy}` : ''}`,
  )
}

function withoutDebug(said: string): string {
  const lines = said
    .split(/\r?\n/)
    .filter((line) => line.trim() && !/^(debug\d|OpenSSH_|Authenticated to|Transferred|Bytes per)/.test(line))
  return lines.slice(-5).join('\n')
}

function lastLine(said: string): string {
  return withoutDebug(said).split('\n').at(-1) || 'ssh ended'
}

interface Master {
  /** Settles when ssh has ended and its directory is gone. */
  readonly end: Promise<void>
  /** Why it ended; undefined while it lives. */
  why(): string | undefined
  stop(): void
  kill(): void
}

async function overMaster(target: Target, env: Target['env'], control: string, master: Master): Promise<Transport> {
  const { execa } = await import('execa')
  // Without the master such a client must fail, not log in by itself.
  const client = ['-F', '/dev/null', '-S', control, '-T', '-o', 'ControlMaster=no', '-o', 'ProxyCommand=false']
  const start = (doing: string, options: string[], command: string[]) => {
    const why = master.why()
    if (why !== undefined) throw lost(target, why, doing)
    const args = [...client, '-o', 'BatchMode=yes', '-o', 'LogLevel=ERROR', ...options, '--', target.host, ...command]
    return childChannel(execa('ssh', args, { ...childOptions, env }), async (exit) => {
      // 255 is the command's own status, a signal, or the loss of the link: the master's death tells.
      if (exit.code === 255) await Promise.race([master.end, new Promise((resolve) => setTimeout(resolve, 300))])
      const why = exit.code === 0 ? undefined : master.why()
      if (why !== undefined) throw lost(target, why, doing)
      return exit
    })
  }
  return {
    title: `${addressed(target)} (openssh)`,
    exec: async (command) => start(brief(command), [], [command]),
    forward: async (host, port) => {
      const name = host.includes(':') ? `[${host}]` : host
      const channel = start(`tunnel to ${host}:${port}`, ['-W', `${name}:${port}`], [])
      channel.stderr.resume()
      // Only the end of the process tells whether the end of its output is a success.
      const readable = channel.stdout.pipe(new PassThrough(), { end: false })
      readable.on('error', () => {})
      channel.exit.then(
        ({ code }) => (code === 0 ? readable.end() : readable.destroy(new Error(`no tunnel to ${host}:${port}`))),
        (error) => readable.destroy(error),
      )
      readable.once('close', () => channel.close())
      return { readable, writable: channel.stdin }
    },
    close: async () => {
      master.stop()
      const timer = setTimeout(() => master.kill(), 2000)
      await master.end
      clearTimeout(timer)
      await rm(dirname(control), { recursive: true, force: true })
    },
  }
}

async function exists(file: string): Promise<boolean> {
  return access(file).then(
    () => true,
    () => false,
  )
}
