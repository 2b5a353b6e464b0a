// Chooses the transport to a host and its settings, from the inventory, ssh_config and the defaults.

import { existsSync } from 'node:fs'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import { ProblemError } from '../../engine/problem.ts'
import { Secret } from '../../engine/secret.ts'
import { localTransport } from '../local.ts'
import type { Transport } from '../transport.ts'
import { type HostKeyPolicy, knownFor, parsePins } from './hostkeys.ts'
import { type AskSecret, expandHome, readKeyFile } from './identities.ts'
import { readKnownHosts, userKnownHosts } from './known-hosts.ts'
import { connectNodeSsh } from './node-ssh.ts'
import { connectOpenSsh } from './openssh.ts'
import { childEnvironment, readSshConfig, type SshConfig } from './ssh-config.ts'
import type { SshTarget } from './target.ts'

export interface ConnectOptions {
  /** The inventory's name of the host: `where` of every problem. */
  readonly name: string
  readonly host: string
  /** Undefined: ssh_config's, else 22. */
  readonly port?: number | undefined
  /** Undefined: ssh_config's, else the user who runs the tool. */
  readonly user?: string | undefined
  readonly privateKeyFile?: string | undefined
  /** The login's password; the last thing that is tried. */
  readonly password?: Secret | undefined
  /** Arguments for ssh (`-J`, `-o ...`); with any, OpenSSH does the work. */
  readonly sshCommonArgs: readonly string[]
  readonly transport: 'auto' | 'node-ssh' | 'openssh'
  readonly connection: 'ssh' | 'local'
  /** Bound of the whole login. */
  readonly timeoutMs: number
  /** Pins: `SHA256:...` or a public key. */
  readonly hostKey: readonly string[]
  readonly hostKeyPolicy: HostKeyPolicy
  /** Replaces the known_hosts files (CI); nothing is written then. */
  readonly knownHostsText?: string | undefined
  readonly env: Readonly<Record<string, string | undefined>>
  readonly home: string
  /** Asks a person; absent where nobody can answer. */
  readonly askSecret?: AskSecret | undefined
  readonly signal?: AbortSignal | undefined
  /** Told what is waited for, in words for people. */
  readonly onWait?: ((why: string) => void) | undefined
  /** Bound of the server's answer to a request for a command or a tunnel; default: a minute. */
  readonly answerMs?: number
  /** Default: every 10 s, lost after 3 without an answer. */
  readonly keepalive?: { readonly intervalMs?: number; readonly countMax?: number }
}

/**
 * Logs in. Throws ProblemError (`unreachable`; `usage` for pins that cannot be read or checked) within `timeoutMs` and a
 * little, or the signal's reason.
 */
export async function connect(options: ConnectOptions): Promise<Transport> {
  options.signal?.throwIfAborted()
  if (options.connection === 'local') return localTransport(childEnvironment(options.env))
  const pins = parsePins(options.name, options.hostKey)
  const always = options.sshCommonArgs.length > 0 || options.transport === 'openssh'
  const [config, lines] = await Promise.all([
    readSshConfig({ ...options, port: options.port, user: options.user, always }),
    readKnownHosts(options.home, options.knownHostsText),
  ])
  const host = config?.host || options.host
  const port = options.port ?? config?.port ?? 22
  const alias = config?.hostKeyAlias
  const plain = knownFor(lines, host, port)
  const aliased = alias === undefined ? plain : knownFor(lines, alias, 22)
  const known = { ...aliased, revoked: [...new Set([...aliased.revoked, ...plain.revoked])] }
  const passphrase = options.env.K3S_PLATFORM_SSH_KEY_PASSPHRASE
  const target: SshTarget = {
    ...options,
    host,
    port,
    user: options.user ?? (config?.user || userInfo().username),
    given: { host: options.host, user: options.user, port: options.port },
    trust: { name: options.name, host, port, known, pins, policy: options.hostKeyPolicy },
    hostKeyAlias: alias,
    configuredKnownHosts: config?.userKnownHosts,
    learnInto: options.knownHostsText === undefined ? userKnownHosts(options.home) : undefined,
    knownHostsText: options.knownHostsText,
    privateKeyFile: options.privateKeyFile && expandHome(options.privateKeyFile, options.home),
    configuredKeys: config?.identityFiles?.map((file) => expandHome(file, options.home)),
    identitiesOnly: config?.identitiesOnly ?? false,
    agentSocket: agentSocket(config?.identityAgent, options),
    password: options.password,
    passphrase: passphrase ? new Secret(passphrase) : undefined,
    askSecret: options.askSecret,
    onWait: options.onWait ?? (() => {}),
    answerMs: options.answerMs ?? 60_000,
    keepalive: { intervalMs: options.keepalive?.intervalMs ?? 10_000, countMax: options.keepalive?.countMax ?? 3 },
    signal: options.signal,
  }
  const reason = options.transport === 'openssh' ? 'set in the inventory' : await needsOpenSsh(target, config)
  if (!reason || options.transport === 'node-ssh') return connectNodeSsh(target)
  if (pins.fingerprints.length > 0) {
    throw new ProblemError({
      kind: 'usage',
      where: options.name,
      what: 'a pinned fingerprint cannot be checked by the system ssh',
      why: `the system ssh is used because of: ${reason}`,
      hint: 'pin the public key itself: ssh-ed25519 AAAA...',
    })
  }
  return connectOpenSsh(target)
}

/** Why node-ssh cannot do it; undefined when it can. */
async function needsOpenSsh(target: SshTarget, config: SshConfig | undefined): Promise<string | undefined> {
  if (target.sshCommonArgs.length > 0) return `ssh arguments ${target.sshCommonArgs.join(' ')}`
  if (config?.needsOpenSsh) return `ssh_config: ${config.needsOpenSsh}`
  const { known, pins } = target.trust
  if (known.authorities.length > 0 && known.keys.length + pins.keys.length + pins.fingerprints.length === 0) {
    return `@cert-authority in ${known.authorities[0]?.source}`
  }
  const files = target.privateKeyFile ? [target.privateKeyFile] : (target.configuredKeys ?? defaultFiles(target.home))
  for (const file of files) {
    if (existsSync(`${file}-cert.pub`)) return `certificate ${file}-cert.pub`
    if (/_sk$/.test(file) && existsSync(file)) return `security key ${file}`
  }
  if (target.privateKeyFile) {
    const key = await readKeyFile(target.name, target.privateKeyFile, true)
    if (key?.type.startsWith('sk-')) return `security key ${target.privateKeyFile}`
  }
  return undefined
}

function defaultFiles(home: string): string[] {
  return ['id_ed25519', 'id_ecdsa', 'id_rsa', 'id_ed25519_sk', 'id_ecdsa_sk'].map((name) => join(home, '.ssh', name))
}

/** ssh_config's IdentityAgent: `none`, a path, `$VARIABLE`, or the usual variable. */
function agentSocket(identityAgent: string | undefined, { env, home }: ConnectOptions): string | undefined {
  if (identityAgent === 'none') return undefined
  if (!identityAgent || identityAgent === 'SSH_AUTH_SOCK') return env.SSH_AUTH_SOCK
  return identityAgent.startsWith('$') ? env[identityAgent.slice(1)] : expandHome(identityAgent, home)
}
