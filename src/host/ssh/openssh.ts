// The transport over the system's ssh: one master connection per host, every channel a client of it.

import { access, type FileHandle, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import type { Server } from 'node:net'
import { tmpdir, userInfo } from 'node:os'
import { dirname, join } from 'node:path'
import { PassThrough } from 'node:stream'
import type { ParsedKey } from 'ssh2'
import { childChannel, childOptions } from '../local.ts'
import guard from '../shell/openssh-guard.sh'
import type { Transport } from '../transport.ts'
import { askpassEnvironment, offerPassword } from './askpass.ts'
import { Deadline } from './deadline.ts'
import { retryEarlyCloses } from './early-close.ts'
import { knownName } from './hostkeys.ts'
import { unlockForSsh } from './identities.ts'
import { userKnownHosts } from './known-hosts.ts'
import { expired, explain, lastLine } from './openssh-failure.ts'
import { servePrivateAgent } from './private-agent.ts'
import { addressed } from './refusals.ts'
import { childEnvironment, configArguments } from './ssh-config.ts'
import { brief, lost } from './ssh2-channels.ts'
import type { SshTarget } from './target.ts'

/** Connects and logs in within `timeoutMs`. Throws ProblemError (unreachable), or the signal's reason. */
export async function connectOpenSsh(target: SshTarget): Promise<Transport> {
  const keys = await unlockForSsh({ ...target, configured: target.configuredKeys })
  const deadline = new Deadline(target.timeoutMs, target.signal)
  try {
    return await retryEarlyCloses(target, deadline, () => login(target, keys, deadline))
  } finally {
    deadline.clear()
  }
}

async function login(target: SshTarget, keys: readonly ParsedKey[], deadline: Deadline): Promise<Transport> {
  const { execa } = await import('execa')
  const dir = await privateDirectory(target.env)
  const control = join(dir, 'c')
  const { password } = target
  const shell = childEnvironment(target.env)
  const agent = keys.length > 0 ? join(dir, 'agent') : undefined
  let pipe: FileHandle | undefined
  let server: Server | undefined
  try {
    if (password) pipe = await offerPassword(dir, target, shownName(target), password, shell)
    if (agent) server = await servePrivateAgent(agent, keys, target.agentSocket)
    const args = await masterArguments(target, dir, control, agent, keys)
    const master = execa('/bin/sh', ['-c', guard, 'sh', dir, 'ssh', ...args], {
      ...childOptions,
      stdout: 'ignore',
      env: password ? { ...shell, ...askpassEnvironment(dir, shell) } : shell,
    })
    let said = ''
    master.stderr.on('data', (chunk: Buffer) => {
      said += chunk.toString('utf8')
      // A banner may be long: it drives out neither how the login began nor how it ended.
      if (said.length > 65536) said = said.slice(0, 16384) + said.slice(-32768)
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
      throw deadline.over ? expired(target, said) : explain(target, said)
    }
    return overMaster(target, shell, control, {
      end,
      why: () => (ended ? lastLine(said) : undefined),
      stop: () => master.stdin.end(),
      kill,
    })
  } catch (error) {
    await rm(dir, { recursive: true, force: true })
    throw error
  } finally {
    // The login is over: nobody needs keys and password any more.
    server?.close()
    await pipe?.close()
  }
}

/** The host as ssh's own prompts name it. */
function shownName({ trust, hostKeyAlias, host }: SshTarget): string {
  return trust.pins.keys.length > 0 ? knownName(trust.host, trust.port) : (hostKeyAlias ?? host.toLowerCase())
}

/** The socket's path may have 104 bytes, of which ssh needs 17 for a name of its own; and ssh gives a meaning to `%` and spaces. */
async function privateDirectory(env: SshTarget['env']): Promise<string> {
  const base = env.TMPDIR ?? tmpdir()
  return mkdtemp(join(/^[\w/.+-]{1,60}$/.test(base) ? base : '/tmp', 'k3sp-'))
}

async function masterArguments(
  target: SshTarget,
  dir: string,
  control: string,
  agent: string | undefined,
  keys: readonly ParsedKey[],
): Promise<string[]> {
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
    // A node could sign with the keys of a forwarded agent, and type into a forwarded display.
    ForwardAgent: 'no',
    ForwardX11: 'no',
    RequestTTY: 'no',
    RemoteCommand: 'none',
    ...(target.password ? { NumberOfPasswordPrompts: 1 } : { BatchMode: 'yes' }),
    // Of this ssh only: a jump host is reached by another process, with the user's own agent.
    ...(agent === undefined ? {} : { IdentityAgent: agent }),
    ...(await knownHostsOptions(target, dir)),
  }
  if (trust.policy === 'accept-new' && target.learnInto !== undefined) {
    // ssh makes this directory only in the home that it would take itself.
    await mkdir(dirname(target.learnInto), { recursive: true, mode: 0o700 })
  }
  const otherHome =
    target.home === userInfo().homedir ? [] : ['-o', `UserKnownHostsFile=${quoted(userKnownHosts(target.home))}`]
  return [
    ...['-v', '-M', '-N', '-T', '-S', control],
    ...Object.entries(must).flatMap(([option, value]) => ['-o', `${option}=${value}`]),
    ...(given.port === undefined ? [] : ['-p', String(given.port)]),
    ...(given.user === undefined ? [] : ['-l', given.user]),
    ...(target.privateKeyFile === undefined ? [] : ['-i', target.privateKeyFile.replaceAll('%', '%%')]),
    ...(await publicKeyFiles(target, dir, keys)),
    ...target.sshCommonArgs,
    ...configArguments(target.home),
    ...otherHome,
    '--',
    given.host,
  ]
}

/**
 * Files of the host keys that this connection goes by: the pinned keys, or the text in place of the files, or the files
 * of ssh's own. A key that is revoked for the host is revoked at each of its ports, which ssh does not see by itself.
 */
async function knownHostsOptions(target: SshTarget, dir: string): Promise<Record<string, string>> {
  const { pins, known, host, port } = target.trust
  const name = knownName(host, port)
  const revoked = known.revoked.map((key) => `@revoked * ${key.type} ${key.blob.toString('base64')}\n`)
  const pinned = pins.keys.map((key) => `${name} ${key.type} ${key.blob.toString('base64')}\n`)
  const text = pinned.length > 0 ? pinned.join('') : target.knownHostsText
  if (text === undefined && revoked.length === 0) return {}
  const file = join(dir, 'known_hosts')
  await writeFile(file, [text?.replace(/\n?$/, '\n'), ...revoked].join(''), { mode: 0o600 })
  if (text === undefined) {
    const files = target.configuredKnownHosts ?? [userKnownHosts(target.home)]
    return { UserKnownHostsFile: [...files, file].map(quoted).join(' ') }
  }
  const only = { UserKnownHostsFile: quoted(file), GlobalKnownHostsFile: '/dev/null' }
  return pinned.length > 0 ? { ...only, StrictHostKeyChecking: 'yes', HostKeyAlias: name } : only
}

/** ssh finds a key in the agent by its public part, which not every format of private keys shows. */
async function publicKeyFiles(target: SshTarget, dir: string, keys: readonly ParsedKey[]): Promise<string[]> {
  // With any file that is named, ssh looks no more for those with the default names.
  if (target.privateKeyFile === undefined && target.configuredKeys === undefined) return []
  const files = keys.map((key, i) => ({ key, file: join(dir, `${i}.pub`) }))
  for (const { key, file } of files) {
    await writeFile(file, `${key.type} ${key.getPublicSSH().toString('base64')}\n`, { mode: 0o600 })
  }
  return files.flatMap(({ file }) => ['-i', file])
}

/** A value that may have spaces. */
function quoted(value: string): string {
  return /\s/.test(value) ? `"${value}"` : value
}

interface Master {
  /** Settles when ssh has ended and its directory is gone. */
  readonly end: Promise<void>
  /** Why it ended; undefined while it lives. */
  why(): string | undefined
  stop(): void
  kill(): void
}

async function overMaster(
  target: SshTarget,
  env: SshTarget['env'],
  control: string,
  master: Master,
): Promise<Transport> {
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
