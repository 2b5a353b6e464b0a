// How a host is reached: Ansible's connection variables, and what Ansible has no word for.

import { join, resolve } from 'node:path'
import { z } from 'zod'
import { Secret } from '../engine/secret.ts'
import { type Bound, bindVars } from './bind.ts'
import type { Host } from './host.ts'
import { isAddress } from './hosts.ts'
import type { TemplateEnv } from './template.ts'
import { usage } from './value.ts'
import { splitWords } from './words.ts'

const secret = z.instanceof(Secret)

/** What is undefined is for ssh's own configuration to decide. */
export const Connection = z.object({
  connection: z.enum(['ssh', 'local']),
  /** Name or address, IPv6 without brackets. */
  host: z.string(),
  port: z.int().min(1).max(65535).optional(),
  user: z.string().optional(),
  /** Absolute path. */
  privateKeyFile: z.string().optional(),
  password: secret.optional(),
  /** Arguments for ssh, split. */
  sshCommonArgs: z.array(z.string()).readonly(),
  /** Undefined: become root when the login is not root. */
  become: z.boolean().optional(),
  becomePassword: secret.optional(),
  /** Seconds until a connection attempt is given up. */
  timeout: z.number(),
  /** Pinned keys: `SHA256:...` or `ssh-ed25519 AAAA...`. Empty: known_hosts decides. */
  hostKeys: z.array(z.string()).readonly(),
  hostKeyPolicy: z.enum(['strict', 'accept-new']),
  transport: z.enum(['auto', 'node-ssh', 'openssh']),
})
export type Connection = z.output<typeof Connection>

/** What the command line says; as in Ansible the inventory wins over it. */
export type ConnectionDefaults = Partial<
  Pick<Connection, 'user' | 'privateKeyFile' | 'password' | 'become' | 'becomePassword' | 'timeout' | 'connection'>
> & { readonly sshCommonArgs?: string | undefined }

const text = z
  .string()
  .regex(/^\P{Cc}*$/u, 'expected one line without control characters')
  .optional()
const UNSAFE = 'it must not start with a dash or contain spaces, quotes, control characters or shell metacharacters'
/** As OpenSSH: what could be an option of ssh, or mean something to the shell of a ProxyCommand, is no name. */
const safe = (what: string, pattern: RegExp) =>
  z
    .string()
    .regex(pattern, { error: `is not ${what}` })
    .optional()
    .meta({ hint: UNSAFE })
const address = safe('the name or address of a host', /^(?:(?!-)[^\s\p{C}'"`$&|;<>(){}\\]+)?$/u)
const login = safe('the name of a user', /^(?:(?!-)[^\s\p{C}'"`$&|;<>(){}]*[^\s\p{C}'"`$&|;<>(){}\\])?$/u)
/** What is wrong with the name of a login that the command line gives. */
export function userFault(name: string): { readonly what: string; readonly hint: string } | undefined {
  const what = login.safeParse(name).error?.issues[0]?.message
  return what === undefined ? undefined : { what, hint: UNSAFE }
}
const hidden = z.string().optional().meta({ secret: true })
const number = (low: number, high: number, hint: string) => z.int().min(low).max(high).optional().meta({ hint })
const port = number(1, 65535, 'ports are 1-65535; remove the line to let ssh decide')
const seconds = number(1, 3600, 'seconds')
const only = (value: string, hint: string) => z.literal(value).optional().meta({ hint })
const checked = z
  .boolean()
  .refine((on) => on, 'host keys are always checked')
  .optional()
  .meta({ hint: 'set k3s_platform_ssh_host_key_policy: accept-new, or pin the key with k3s_platform_ssh_host_key' })
const key = z.string().regex(/^(?:SHA256:[A-Za-z0-9+/]{43}=?|(?:ssh|ecdsa|sk)-\S+ [A-Za-z0-9+/]+=*(?: .*)?)$/, {
  error: 'expected SHA256:... or the line of a public key',
})
const escalate = 'root is required, and sudo is the only supported become method'

/** Of names on one line in Ansible's documentation the last one that is set wins. */
export const connectionVariables = z.object({
  ansible_connection: z
    .enum([
      'ssh',
      'smart',
      'paramiko',
      'paramiko_ssh',
      'openssh',
      'local',
      'ansible.builtin.ssh',
      'ansible.builtin.local',
    ])
    .optional()
    .describe('How the host is reached: `ssh`, or `local` for this machine; default `ssh`.'),
  ansible_host: address.describe('Name or address that SSH connects to; default: the name in the inventory.'),
  ansible_ssh_host: address.describe('Older name of `ansible_host`.'),
  ansible_port: port.describe('Port of the SSH server; default: what ssh decides.'),
  ansible_ssh_port: port.describe('Older name of `ansible_port`.'),
  ansible_user: login.describe('User that logs in; default: what ssh decides.'),
  ansible_ssh_user: login.describe('Older name of `ansible_user`.'),
  ansible_private_key_file: text.describe('Another name of `ansible_ssh_private_key_file`.'),
  ansible_ssh_private_key_file: text.describe('Private key that logs in; `~` or relative to the working directory.'),
  ansible_password: hidden.describe('Password that logs in.'),
  ansible_ssh_pass: hidden.describe('Another name of `ansible_password`.'),
  ansible_ssh_password: hidden.describe('Another name of `ansible_password`.'),
  ansible_ssh_common_args: text.describe("More arguments for the system's ssh, such as `-o ProxyJump=bastion`."),
  ansible_ssh_extra_args: text.describe('Further arguments for ssh, after `ansible_ssh_common_args`.'),
  ansible_become: z
    .boolean()
    .optional()
    .describe('Whether to become root with sudo; default: if the login user is not root.'),
  ansible_become_method: only('sudo', escalate).describe('How to become root; only `sudo` is supported.'),
  ansible_become_user: only('root', escalate).describe('User to become; only `root` is supported.'),
  ansible_become_pass: hidden.describe('Another name of `ansible_become_password`.'),
  ansible_become_password: hidden.describe('Password for sudo.'),
  ansible_timeout: seconds.describe('Seconds until a connection attempt is given up.'),
  ansible_ssh_timeout: seconds.describe('Another name of `ansible_timeout`.'),
  ansible_host_key_checking: checked.describe('Host keys are always checked; `false` is refused.'),
  ansible_ssh_host_key_checking: checked.describe('Another name of `ansible_host_key_checking`.'),
  k3s_platform_ssh_host_key: z
    .union([key, z.array(key)])
    .optional()
    .describe('Pinned host keys: `SHA256:...`, or the line of a public key.'),
  k3s_platform_ssh_host_key_policy: z
    .enum(['strict', 'accept-new'])
    .optional()
    .describe('What to do with an unknown host key; default `strict`.'),
  k3s_platform_ssh_transport: z
    .enum(['auto', 'node-ssh', 'openssh'])
    .optional()
    .describe('SSH implementation: the built-in one, or the ssh program; default `auto`.'),
})

/** The first that is set counts. */
export const PRIVATE_KEY_VARIABLES = ['ansible_ssh_private_key_file', 'ansible_private_key_file'] as const

/** The names of all variables that decide a connection. */
export const connectionNames: readonly string[] = Object.keys(connectionVariables.shape)

/** The connection of a host. An empty variable counts as one that is not set. `~` and relative paths are resolved. */
export function connectionOf(
  host: Host,
  context: { readonly cwd: string; readonly env: TemplateEnv; readonly defaults?: ConnectionDefaults },
): Bound<Connection> {
  const { defaults = {} } = context
  const { value: v, problems } = bindVars(host, connectionVariables, { emptyIsUnset: true })
  if (v === undefined) return { value: undefined, problems }
  const args = [v.ansible_ssh_common_args ?? defaults.sshCommonArgs, v.ansible_ssh_extra_args].map((t) =>
    splitWords(t ?? ''),
  )
  if (args.includes(undefined)) {
    const name = args[0] === undefined ? 'ansible_ssh_common_args' : 'ansible_ssh_extra_args'
    const where = host.get(name).value === undefined ? '--ssh-common-args' : host.where(name)
    return { value: undefined, problems: [usage(where, 'a quote is not closed')] }
  }
  const keyFile = v.ansible_ssh_private_key_file ?? v.ansible_private_key_file ?? defaults.privateKeyFile
  const password = v.ansible_ssh_password ?? v.ansible_ssh_pass ?? v.ansible_password
  const becomePassword = v.ansible_become_pass ?? v.ansible_become_password
  const keys = v.k3s_platform_ssh_host_key ?? []
  const kind = v.ansible_connection ?? defaults.connection ?? 'ssh'
  const connection: Connection = {
    connection: kind.endsWith('local') ? 'local' : 'ssh',
    host: unbracketed(v.ansible_ssh_host ?? v.ansible_host ?? host.name),
    port: v.ansible_ssh_port ?? v.ansible_port,
    user: v.ansible_ssh_user ?? v.ansible_user ?? defaults.user,
    privateKeyFile: keyFile === undefined ? undefined : expand(keyFile, context),
    password: password === undefined ? defaults.password : new Secret(password),
    sshCommonArgs: args.flatMap((words) => (words ?? []).map((word) => word.text)),
    become: v.ansible_become ?? defaults.become,
    becomePassword: becomePassword === undefined ? defaults.becomePassword : new Secret(becomePassword),
    timeout: v.ansible_ssh_timeout ?? v.ansible_timeout ?? defaults.timeout ?? 10,
    hostKeys: typeof keys === 'string' ? [keys] : keys,
    hostKeyPolicy: v.k3s_platform_ssh_host_key_policy ?? 'strict',
    transport: v.k3s_platform_ssh_transport ?? 'auto',
  }
  return { value: connection, problems }
}

function unbracketed(host: string): string {
  const [, inner = host] = /^\[(.*)\]$/.exec(host) ?? []
  return isAddress(inner) ? inner : host
}

function expand(path: string, { cwd, env }: { readonly cwd: string; readonly env: TemplateEnv }): string {
  return path === '~' || path.startsWith('~/') ? join(env.HOME ?? '', path.slice(1)) : resolve(cwd, path)
}
