// What a login is tried with: key files, the agent's keys, a password; each as late and as rarely as possible.

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { AnyAuthMethod, BaseAgent, ParsedKey } from 'ssh2'
import type { ProblemError } from '../../engine/problem.ts'
import type { Secret } from '../../engine/secret.ts'
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
  const { user, privateKeyFile, home } = options
  const paths = privateKeyFile
    ? [privateKeyFile]
    : (options.configured ?? defaultNames.map((name) => join(home, '.ssh', name)))
  const files = await Promise.all(paths.map((path) => readKeyFile(options.name, path, privateKeyFile !== undefined)))
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

  const known = files.filter((file) => file !== undefined)
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
      prepare: async () => ({
        type: 'keyboard-interactive',
        username: user,
        prompt: (_name, _instructions, _lang, prompts, finish) =>
          finish(prompts.map((prompt) => (prompt.echo ? '' : answer()))),
      }),
    },
  ]
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

/** A private key file; undefined when it cannot be read and need not be. Throws when it must be there. */
export async function readKeyFile(where: string, path: string, required: boolean): Promise<KeyFile | undefined> {
  try {
    const text = readFileSync(path, 'utf8')
    return { path, text, required, ...keyHeader(text) }
  } catch (error) {
    if (!required) return undefined
    const missing = error instanceof Error && 'code' in error && error.code === 'ENOENT'
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
  const what = `${file.path} is not a private key that can be used`
  const why = key instanceof Error ? key.message : 'it has no private part'
  return fail(refusal(options.name, { what, why, hint: `convert it with: ssh-keygen -p -f ${file.path}` }))
}

async function askedPassphrase(options: IdentityOptions, file: KeyFile): Promise<Secret | undefined> {
  return options.passphrase ?? (await options.askSecret?.(`Passphrase for ${file.path}: `))
}

/** For the system's ssh: the passphrase that its explicit key needs; undefined when none or the agent does it. */
export async function passphraseForSsh(options: IdentityOptions): Promise<Secret | undefined> {
  if (!options.privateKeyFile) return options.passphrase
  const file = await readKeyFile(options.name, options.privateKeyFile, true)
  if (!file?.encrypted || options.passphrase) return options.passphrase
  const { publicKey } = file
  if (options.agentSocket && publicKey) {
    const { default: ssh2 } = await import('ssh2')
    const held = await identitiesOf(ssh2.createAgent(options.agentSocket))
    if (held.some((key) => key.getPublicSSH().equals(publicKey))) return undefined
  }
  const passphrase = await askedPassphrase(options, file)
  if (!passphrase) throw lockedKey(options.name, file.path)
  return passphrase
}

function lockedKey(where: string, path: string): ProblemError {
  return refusal(where, {
    what: `the private key ${path} has a passphrase`,
    hint: `ssh-add ${path}, or set K3S_PLATFORM_SSH_KEY_PASSPHRASE, or run on a terminal`,
  })
}

export function wrongPassphrase(where: string, path: string): ProblemError {
  return refusal(where, {
    what: `the passphrase does not open the private key ${path}`,
    hint: `try it with: ssh-keygen -yf ${path}`,
  })
}

export function expandHome(path: string, home: string): string {
  return path === '~' || path.startsWith('~/') ? join(home, path.slice(2)) : path
}
