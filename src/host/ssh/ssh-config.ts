// What ssh_config says for a host, asked from ssh itself; and whether that needs OpenSSH to do the work.

import { existsSync, readdirSync } from 'node:fs'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import { refusal } from './refusals.ts'

export interface SshConfig {
  readonly host: string
  readonly port: number
  readonly user: string
  /** Undefined when they are the default names. */
  readonly identityFiles: readonly string[] | undefined
  readonly identitiesOnly: boolean
  /** `none`, `SSH_AUTH_SOCK`, a path; undefined: nothing is said. */
  readonly identityAgent: string | undefined
  /** The name that ssh shows and looks up in place of the host's. */
  readonly hostKeyAlias: string | undefined
  readonly userKnownHosts: readonly string[]
  /** The first setting that node-ssh cannot do, as ssh prints it. */
  readonly needsOpenSsh: string | undefined
}

const SYSTEM = '/etc/ssh/ssh_config.d'

/** Settings that mean nothing to node-ssh, with the values (as `ssh -G` prints them) at which they do nothing. */
const beyondNodeSsh: Readonly<Record<string, RegExp>> = {
  proxyjump: /^none$/,
  proxycommand: /^none$/,
  certificatefile: /^none$/,
  hostkeyalias: /^none$/,
  userknownhostsfile: /\/\.ssh\/known_hosts \S*\/\.ssh\/known_hosts2$/,
  globalknownhostsfile: /^\/etc\/ssh\/ssh_known_hosts \/etc\/ssh\/ssh_known_hosts2$/,
  knownhostscommand: /^none$/,
  revokedhostkeys: /^none$/,
  verifyhostkeydns: /^(false|no)$/,
  pkcs11provider: /^none$/,
  bindaddress: /^none$/,
  bindinterface: /^none$/,
  addressfamily: /^any$/,
  canonicalizehostname: /^(false|no)$/,
}

const defaultIdentity = /^~\/\.ssh\/id_(rsa|dsa|ecdsa|ecdsa_sk|ed25519|ed25519_sk|xmss)$/

/** Reads the output of `ssh -G`. */
function parseSshConfig(output: string): SshConfig {
  const all = new Map<string, string[]>()
  for (const line of output.split('\n')) {
    const at = line.indexOf(' ')
    if (at <= 0) continue
    const name = line.slice(0, at).toLowerCase()
    all.set(name, [...(all.get(name) ?? []), line.slice(at + 1).trim()])
  }
  const one = (name: string) => all.get(name)?.[0]
  const files = all.get('identityfile') ?? []
  const special = Object.entries(beyondNodeSsh).find(([name, idle]) => {
    const value = one(name)
    return value !== undefined && !idle.test(value)
  })
  const odd = files.find((file) => /%[^%]|\$\{/.test(file))
  return {
    host: one('hostname') ?? '',
    port: Number(one('port') ?? 22),
    user: one('user') ?? '',
    identityFiles: files.every((file) => defaultIdentity.test(file)) ? undefined : files,
    identitiesOnly: one('identitiesonly') === 'yes',
    identityAgent: one('identityagent'),
    hostKeyAlias: one('hostkeyalias') === 'none' ? undefined : one('hostkeyalias'),
    userKnownHosts: (one('userknownhostsfile') ?? '').split(' ').filter(Boolean),
    needsOpenSsh: special ? `${special[0]} ${one(special[0])}` : odd ? `identityfile ${odd}` : undefined,
  }
}

/** Options that make ssh read the files of `home`, when that is not the home that it would take itself. */
export function configArguments(home: string): string[] {
  if (home === userInfo().homedir) return []
  const file = join(home, '.ssh', 'config')
  return ['-F', existsSync(file) ? file : '/dev/null']
}

/** The environment of other programs: a ProxyCommand may need much of it, but not what is meant for this program. */
export function childEnvironment(
  env: Readonly<Record<string, string | undefined>>,
): Record<string, string | undefined> {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !name.startsWith('K3S_PLATFORM_')))
}

/**
 * Asks `ssh -G` (nothing is connected) when this machine has any ssh_config of a user's making or ssh will do the work
 * (`always`), else undefined without starting a process. Throws a problem when ssh refuses the configuration.
 */
export async function readSshConfig(at: {
  readonly name: string
  readonly host: string
  readonly port: number | undefined
  readonly user: string | undefined
  readonly sshCommonArgs: readonly string[]
  readonly always: boolean
  readonly home: string
  readonly env: Readonly<Record<string, string | undefined>>
}): Promise<SshConfig | undefined> {
  const system = existsSync(SYSTEM) ? readdirSync(SYSTEM) : []
  if (!at.always && system.length === 0 && !existsSync(join(at.home, '.ssh', 'config'))) return undefined
  const { execa } = await import('execa')
  // In the order in which the connection gets them: ssh takes the first value that it meets.
  const options = [
    ...(at.port === undefined ? [] : ['-p', String(at.port)]),
    ...(at.user === undefined ? [] : ['-l', at.user]),
    ...at.sshCommonArgs,
    ...configArguments(at.home),
  ]
  const result = await execa('ssh', ['-G', ...options, '--', at.host], {
    reject: false,
    stdin: 'ignore',
    timeout: 5000,
    env: childEnvironment(at.env),
    extendEnv: false,
  })
  if (result.exitCode === 0) return parseSshConfig(result.stdout)
  // Without an ssh on this machine its configuration is nobody's wish.
  if (result.exitCode === undefined && result.code === 'ENOENT') return undefined
  throw refusal(at.name, {
    what: 'ssh does not accept its configuration',
    why: result.stderr || (result.shortMessage ?? ''),
  })
}
