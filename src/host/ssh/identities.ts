// What a login is tried with: key files, the agent's keys, a password; each as late and as rarely as possible.

import { join } from 'node:path'
import type { AnyAuthMethod, BaseAgent, ParsedKey } from 'ssh2'
import type { ProblemError } from '../../engine/problem.ts'
import type { Secret } from '../../engine/secret.ts'
import { readRegularFile, TEXT_BYTES, UnreadableFile } from '../../files/read-file.ts'
import { keyHeader } from './key-header.ts'
import { refusal } from './refusals.ts'

export type AskSecret = (prompt: string) => Promise<Secret | undefined>

export interface IdentityOptions {
  /** For problems. */
  readonly name: string
  readonly user: string
  readonly home: string
  /** From the inventory: must be there and be readable. */
  readonly privateKeyFile?: string | undefined
  /** From ssh_config instead of the default names; missing ones are left out. */
  readonly configured?: readonly string[] | undefined
  /** SSH_AUTH_SOCK. */
  readonly agentSocket?: string | undefined
  readonly identitiesOnly?: boolean | undefined
  /** K3S_PLATFORM_SSH_KEY_PASSPHRASE. */
  readonly passphrase?: Secret | undefined
  readonly password?: Secret | undefined
  readonly askSecret?: AskSecret | undefined
}

/** One way to log in. `prepare` may ask for a passphrase; undefined means that it cannot be used. */
export interface Attempt {
  readonly title: string
  readonly method: 'publickey' | 'password' | 'keyboard-interactive'
  prepare(): Promise<AnyAuthMethod | undefined>
}

const defaultNames = ['id_ed25519', 'id_ecdsa', 'id_rsa']

/** The attempts in order: the explicit key, the agent's keys, the default files, the password. */
export async function attempts(options: IdentityOptions): Promise<Attempt[]> {
  const { default: ssh2 } = await import('ssh2')
  const { user, privateKeyFile } = options
  const known = await keyFiles(options)
  const socket = options.agentSocket
  const held = socket ? await identitiesOf(ssh2.createAgent(socket)) : []

  const byAgent = (keys: ParsedKey[], title: string): Attempt[] =>
    socket && keys.length > 0
      ? [
          {
            title,
            method: 'publickey',
            prepare: async () => ({ type: 'agent', username: user, agent: only(ssh2.createAgent(socket), keys) }),
          },
        ]
      : []
  const isHeld = (file: KeyFile) => held.filter((key) => file.publicKey && key.getPublicSSH().equals(file.publicKey))
  const byFile = (file: KeyFile): Attempt => ({
    title: `key ${file.path}`,
    method: 'publickey',
    prepare: async () => {
      const key = await unlock(options, file, ssh2.utils.parseKey)
      return key && { type: 'publickey', username: user, key }
    },
  })

  const viaAgent = known.flatMap(isHeld)
  const rest = options.identitiesOnly ? [] : held.filter((key) => !viaAgent.includes(key))
  const first = known.flatMap((file) => byAgent(isHeld(file), `key ${file.path} (agent)`))
  const fromFiles = known.filter((file) => isHeld(file).length === 0).map(byFile)
  const fromAgent = byAgent(rest, `${rest.length} ${rest.length === 1 ? 'key' : 'keys'} of the agent`)
  const keys = privateKeyFile ? [...first, ...fromFiles, ...fromAgent] : [...first, ...fromAgent, ...fromFiles]
  return [...keys, ...byPassword(options)]
}

function byPassword({ password, user }: IdentityOptions): Attempt[] {
  if (!password) return []
  const answer = () => password.reveal()
  return [
    {
      title: 'password',
      method: 'password',
      prepare: async () => ({ type: 'password', username: user, password: answer() }),
    },
    {
      title: 'password (keyboard-interactive)',
      method: 'keyboard-interactive',
      prepare: async () => {
        let answered = false
        return {
          type: 'keyboard-interactive',
          username: user,
          prompt: (_name, _instructions, _lang, prompts, finish) =>
            finish(
              prompts.map(({ prompt, echo }) => {
                if (echo || answered || !asksForPassword(prompt, user)) return ''
                answered = true
                return answer()
              }),
            ),
        }
      },
    },
  ]
}

/** Whether a server's question is the usual one for this login's password, and not for a code, a PIN or a passphrase. */
function asksForPassword(prompt: string, user: string): boolean {
  const who = `${user.replace(/[^\w]/g, '\\$&')}(?:@\\S+)?`
  return new RegExp(`^(?:password(?: for ${who})?|${who}'s password): ?$`, 'i').test(prompt)
}

/** An agent that does not answer is as good as none: ssh2 would end the login with its error. */
function identitiesOf(agent: BaseAgent): Promise<ParsedKey[]> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve([]), 2000)
    agent.getIdentities((error, keys) => {
      clearTimeout(timer)
      resolve(error ? [] : (keys ?? []).flatMap((key) => (isParsed(key) ? [key] : [])))
    })
  })
}

function isParsed(key: unknown): key is ParsedKey {
  return typeof key === 'object' && key !== null && 'getPublicSSH' in key
}

/** The same agent, showing only some of its keys. */
function only(agent: BaseAgent, keys: ParsedKey[]): BaseAgent {
  agent.getIdentities = (done) => done(undefined, keys)
  return agent
}

export interface KeyFile {
  readonly path: string
  readonly text: string
  /** '' when the format does not tell it without the passphrase. */
  readonly type: string
  readonly publicKey: Buffer | undefined
  readonly encrypted: boolean
  readonly required: boolean
}

/** The files of the keys to try, as far as they can be read: the explicit one, or those of ssh_config or the default names. */
async function keyFiles({ name, privateKeyFile, configured, home }: IdentityOptions): Promise<KeyFile[]> {
  const defaults = () => defaultNames.map((file) => join(home, '.ssh', file))
  const paths = privateKeyFile ? [privateKeyFile] : (configured ?? defaults())
  const files = await Promise.all(paths.map((path) => readKeyFile(name, path, privateKeyFile !== undefined)))
  return files.filter((file) => file !== undefined)
}

/** A private key file; undefined when it cannot be read and need not be. Throws when it must be there. */
export async function readKeyFile(where: string, path: string, required: boolean): Promise<KeyFile | undefined> {
  try {
    const text = readRegularFile(path, TEXT_BYTES).toString('utf8')
    return { path, text, required, ...keyHeader(text) }
  } catch (error) {
    if (!required) return undefined
    const missing = error instanceof UnreadableFile && error.missing
    throw refusal(where, {
      what: missing ? `the private key ${path} does not exist` : `the private key ${path} cannot be read`,
      ...(missing || !(error instanceof Error) ? {} : { why: error.message }),
      hint: 'correct ansible_ssh_private_key_file or --private-key',
    })
  }
}

type ParseKey = typeof import('ssh2').utils.parseKey

/** The usable key; a default file that cannot be used is left out, the explicit one is a problem. */
async function unlock(options: IdentityOptions, file: KeyFile, parse: ParseKey): Promise<ParsedKey | undefined> {
  const fail = (problem: ProblemError): undefined => {
    if (file.required) throw problem
  }
  const passphrase = file.encrypted ? await askedPassphrase(options, file) : undefined
  if (file.encrypted && !passphrase) return fail(lockedKey(options.name, file.path))
  const parsed = parse(file.text, passphrase?.reveal())
  const key = Array.isArray(parsed) ? parsed[0] : parsed
  if (key && !(key instanceof Error) && key.isPrivateKey()) return key
  if (passphrase) return fail(wrongPassphrase(options.name, file.path))
  const what = `${file.path} is not a usable private key`
  const why = key instanceof Error ? key.message : 'it has no private key'
  return fail(refusal(options.name, { what, why, hint: `convert it with: ssh-keygen -p -f ${file.path}` }))
}

async function askedPassphrase(options: IdentityOptions, file: KeyFile): Promise<Secret | undefined> {
  return options.passphrase ?? (await options.askSecret?.(`Passphrase for ${file.path}: `))
}

/**
 * For the system's ssh, which must never ask for a passphrase: the encrypted keys that this login may need, opened. Those
 * that the agent holds are not among them. Without an explicit key nobody is asked for a passphrase.
 */
export async function unlockForSsh(options: IdentityOptions): Promise<ParsedKey[]> {
  const { privateKeyFile, agentSocket } = options
  if (!privateKeyFile && !options.passphrase) return []
  const files = (await keyFiles(options)).filter((file) => file.encrypted)
  if (files.length === 0) return []
  const { default: ssh2 } = await import('ssh2')
  const held = agentSocket ? await identitiesOf(ssh2.createAgent(agentSocket)) : []
  const opened: ParsedKey[] = []
  for (const file of files) {
    if (held.some((key) => file.publicKey && key.getPublicSSH().equals(file.publicKey))) continue
    const key = await unlock(options, file, ssh2.utils.parseKey)
    if (key) opened.push(key)
  }
  return opened
}

function lockedKey(where: string, path: string): ProblemError {
  return refusal(where, {
    what: `the private key ${path} has a passphrase`,
    hint: `ssh-add ${path}, or set K3S_PLATFORM_SSH_KEY_PASSPHRASE, or run on a terminal`,
  })
}

function wrongPassphrase(where: string, path: string): ProblemError {
  return refusal(where, {
    what: `the passphrase does not decrypt the private key ${path}`,
    hint: `check it with: ssh-keygen -yf ${path}`,
  })
}

export function expandHome(path: string, home: string): string {
  return path === '~' || path.startsWith('~/') ? join(home, path.slice(2)) : path
}
