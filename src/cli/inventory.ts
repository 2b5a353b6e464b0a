// The inventory that a command line names, and what opens the encrypted parts of it: asked for only when there are any.

import { access, constants, readFile, stat } from 'node:fs/promises'
import { basename, parse } from 'node:path'
import { type Problem, ProblemError } from '../engine/problem.ts'
import { Secret } from '../engine/secret.ts'
import {
  type AgeKeys,
  ageOpener,
  type Decrypt,
  type Inventory,
  loadInventory,
  reason,
  type VaultPassword,
  vaultOpener,
} from '../inventory/index.ts'
import type { Io } from './io.ts'
import type { CliOptions } from './options.ts'
import { askSecret, Interrupted } from './prompt.ts'
import { locate } from './workstation.ts'

/** `decrypt` of an earlier call asks nobody twice. Never throws for what a user wrote: look at `problems`. */
export function inventoryOf(
  options: CliOptions,
  io: Io,
  decrypt: Decrypt = decrypter(options, io),
): Promise<Inventory> {
  const { inventory: sources, extraVars } = options
  return loadInventory({ sources, extraVars, cwd: io.cwd, env: io.env, decrypt })
}

type Here = Pick<Io, 'cwd' | 'env'>

/** Passwords by `--vault-id`, `--vault-password-file`, `--ask-vault-pass` and Ansible's variables, in Ansible's order; age's keys by a file. */
export function decrypter(
  { vault }: Pick<CliOptions, 'vault'>,
  here: Here,
  ask: typeof askSecret = askSecret,
): Decrypt {
  const { env } = here
  const files = (from: string, names: readonly string[]) => names.map((name) => byFile(here, from, 'default', name))
  // One question at a time; after an answer that was refused nothing more is asked.
  let asked: Promise<unknown> = Promise.resolve()
  const byPrompt = (from: string, label: string, prompt: string): VaultPassword => ({
    ...{ label, from },
    read() {
      const answer = asked.then(() => answered(ask, from, prompt))
      asked = answer
      return answer
    },
  })
  const ids = (from: string, given: readonly string[]) =>
    given.map((id) => {
      const [, label = 'default', what = ''] = /^(?:([^@]*)@)?(.*)$/s.exec(id.trim()) ?? []
      return what === 'prompt' ? byPrompt(from, label, `Vault password (${label}): `) : byFile(here, from, label, what)
    })
  const list = (text: string | undefined, separator: string) =>
    (text ?? '').split(separator).filter((one) => one.trim() !== '')
  const vaults = vaultOpener([
    ...ids('ANSIBLE_VAULT_IDENTITY_LIST', list(env.ANSIBLE_VAULT_IDENTITY_LIST, ',')),
    ...ids('--vault-id', vault.ids),
    ...files('--vault-password-file', vault.passwordFiles),
    ...files('ANSIBLE_VAULT_PASSWORD_FILE', list(env.ANSIBLE_VAULT_PASSWORD_FILE, '\n')),
    ...(vault.ask ? [byPrompt('--ask-vault-pass', 'default', 'Vault password: ')] : []),
  ])
  const ages = ageOpener(() => ageKeys(here))
  return (encrypted) => (encrypted.format === 'age' ? ages : vaults)(encrypted)
}

/** Throws ProblemError. */
async function answered(ask: typeof askSecret, from: string, prompt: string): Promise<Secret> {
  try {
    const answer = trimmed((await ask(prompt, from, 'give it in a file: --vault-password-file FILE')).reveal())
    if (answer === '') throw refused(from, 'the password is empty')
    return new Secret(answer)
  } catch (error) {
    if (!(error instanceof Interrupted)) throw error
    throw new ProblemError({ kind: 'interrupted', where: '', what: 'interrupted before anything was touched' })
  }
}

/** The file's text, or what it prints when it is a program; one whose name ends in `-client` is told the label. */
function byFile(here: Here, from: string, label: string, name: string): VaultPassword {
  const path = locate(here, name)
  const read = async () => {
    const password = (await isProgram(path))
      ? (await printed(here, from, name, path, label)).replace(/^[\r\n]+|[\r\n]+$/g, '')
      : trimmed(await textIn(from, name, path))
    if (password === '') throw refused(from, `${name} gives an empty password`)
    return new Secret(password)
  }
  return { label, from: `${from} ${name}`, read }
}

async function isProgram(path: string): Promise<boolean> {
  const found = await stat(path).catch(() => undefined)
  return found?.isFile() === true && (found.mode & 0o111) !== 0
}

async function printed(here: Here, from: string, name: string, path: string, label: string): Promise<string> {
  const gone = (why: string) =>
    refused(from, `${name} is executable and ${why}`, `if it is no program: chmod -x ${name}`)
  // The system gives what it does not know to a shell, which would run the words of a password.
  const head = (await readFile(path).catch(() => Buffer.alloc(0))).subarray(0, 512)
  if (!head.toString('latin1').startsWith('#!') && !head.includes(0)) throw gone('is neither a script nor a program')
  const { execa } = await import('execa')
  const client = parse(basename(path)).name.endsWith('-client')
  const { cwd, env } = here
  const result = await execa(path, client ? ['--vault-id', label] : [], {
    ...{ cwd, env, extendEnv: false, stdin: 'inherit', stderr: 'inherit', reject: false, stripFinalNewline: false },
  })
  if (result.exitCode === 0) return result.stdout
  const ended = result.exitCode === undefined ? (result.signal ?? result.code) : `exit code ${result.exitCode}`
  throw gone(`gave no password: ${ended}`)
}

async function textIn(from: string, name: string, path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    throw refused(from, `${name} cannot be read: ${reason(error)}`)
  }
}

const DEFAULT_KEYS = '~/.config/k3s-platform/age.txt'

async function ageKeys(here: Here): Promise<AgeKeys | undefined> {
  const variable = ['K3S_PLATFORM_AGE_KEY_FILE', 'SOPS_AGE_KEY_FILE'].find((one) => here.env[one])
  const name = (variable && here.env[variable]) ?? DEFAULT_KEYS
  const path = locate(here, name)
  const there =
    variable !== undefined ||
    (await access(path, constants.F_OK).then(
      () => true,
      () => false,
    ))
  if (!there) return undefined
  const from = variable === undefined ? name : `${variable} ${name}`
  return { from, text: new Secret(await textIn(variable ?? 'age', name, path)) }
}

/** Without the white space that Ansible cuts off. */
const trimmed = (text: string) => text.replace(/^[ \t\n\v\f\r]+|[ \t\n\v\f\r]+$/g, '')

function refused(where: string, what: string, hint?: string): ProblemError {
  const problem: Problem = { kind: 'usage', where, what, ...(hint === undefined ? {} : { hint }) }
  return new ProblemError(problem)
}
