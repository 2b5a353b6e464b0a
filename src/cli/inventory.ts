// Loads the inventory of a command line, and asks for passwords only if something in it is encrypted.

import { createReadStream, existsSync, statSync } from 'node:fs'
import { stat } from 'node:fs/promises'
import { basename, parse } from 'node:path'
import { text } from 'node:stream/consumers'
import { type Problem, ProblemError } from '../engine/problem.ts'
import { Secret } from '../engine/secret.ts'
import { headOf, readRegularFile, reason, TEXT_BYTES } from '../files/read-file.ts'
import {
  type AgeKeys,
  ageOpener,
  type Decrypt,
  type Inventory,
  loadInventory,
  secretsIn,
  type VaultPassword,
  vaultOpener,
} from '../inventory/index.ts'
import type { Io } from './io.ts'
import type { CliOptions } from './options.ts'
import { askSecret, Interrupted } from './prompt.ts'
import { locate } from './workstation.ts'

/** `decrypt` of an earlier call asks nobody twice. Never throws for what a user wrote: look at `problems`. */
export async function inventoryOf(
  options: CliOptions,
  io: Io,
  decrypt: Decrypt = decrypter(options, io),
): Promise<Inventory> {
  const { inventory: sources, extraVars } = options
  const inventory = await loadInventory({ sources, extraVars, cwd: io.cwd, env: io.env, decrypt })
  io.learn(secretsIn(inventory.hosts))
  return inventory
}

type Here = Pick<Io, 'cwd' | 'env' | 'learn'>

/** What a flag names has to be there, whether something is encrypted or not. Throws ProblemError. */
export function requirePasswordFiles({ vault }: Pick<CliOptions, 'vault'>, here: Here): void {
  const named = [
    ...vault.passwordFiles.map((name) => ({ flag: '--vault-password-file', name })),
    ...vault.ids.map((id) => ({ flag: '--vault-id', name: vaultId(id).what })),
  ]
  const problems = named.flatMap(({ flag, name }) => {
    const fault = name === 'prompt' && flag === '--vault-id' ? undefined : passwordFileFault(here, name)
    return fault === undefined ? [] : refused(flag, fault).problems
  })
  if (problems.length > 0) throw new ProblemError(problems)
}

/** Where a shell puts `<(pass show vault)`, and a pipe to this program. Any other pipe or device could be waited for without end. */
const OPEN_FILES = /^\/(?:dev\/fd|dev\/stdin|proc\/self\/fd)\b/

function passwordFileFault(here: Here, name: string): string | undefined {
  if (name.trim() === '') return 'it does not name a file'
  try {
    const path = locate(here, name)
    const found = statSync(path)
    if (found.isDirectory()) return `${name} cannot be read: it is a directory`
    return found.isFile() || OPEN_FILES.test(path) ? undefined : `${name} cannot be read: it is not a regular file`
  } catch (error) {
    return `${name} cannot be read: ${reason(error)}`
  }
}

function vaultId(id: string): { readonly label: string; readonly what: string } {
  const [, label = 'default', what = ''] = /^(?:([^@]*)@)?(.*)$/s.exec(id.trim()) ?? []
  return { label, what }
}

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
      const { label, what } = vaultId(id)
      return what === 'prompt' ? byPrompt(from, label, `Vault password (${label}): `) : byFile(here, from, label, what)
    })
  const list = (text: string | undefined, separator: string) =>
    (text ?? '').split(separator).filter((one) => one.trim() !== '')
  const vaults = vaultOpener(
    [
      ...ids('ANSIBLE_VAULT_IDENTITY_LIST', list(env.ANSIBLE_VAULT_IDENTITY_LIST, ',')),
      ...ids('--vault-id', vault.ids),
      ...files('--vault-password-file', vault.passwordFiles),
      ...files('ANSIBLE_VAULT_PASSWORD_FILE', list(env.ANSIBLE_VAULT_PASSWORD_FILE, '\n')),
      ...(vault.ask ? [byPrompt('--ask-vault-pass', 'default', 'Vault password: ')] : []),
    ].map((one) => ({ ...one, read: async () => learned(here, await one.read()) })),
  )
  const ages = ageOpener(() => ageKeys(here))
  return (encrypted) => (encrypted.format === 'age' ? ages : vaults)(encrypted)
}

function learned({ learn }: Here, password: Secret): Secret {
  learn([password])
  return password
}

/** Throws ProblemError. */
async function answered(ask: typeof askSecret, from: string, prompt: string): Promise<Secret> {
  try {
    const answer = trimmed((await ask(prompt, from, 'store it in a file: --vault-password-file FILE')).reveal(), WHITE)
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
    const fault = passwordFileFault(here, name)
    if (fault !== undefined) throw refused(from, fault)
    const password = (await isProgram(path))
      ? trimmed(await printed(here, from, name, path, label), '\r\n')
      : trimmed(await textIn(from, name, path), WHITE)
    if (password === '') throw refused(from, `${name} contains an empty password`)
    return new Secret(password)
  }
  return { label, from: `${from} ${name}`, read }
}

async function isProgram(path: string): Promise<boolean> {
  const found = await stat(path).catch(() => undefined)
  return found?.isFile() === true && (found.mode & 0o111) !== 0
}

/** A person may have to answer it, or to touch a token. */
const PROGRAM_MS = 120_000

async function printed(here: Here, from: string, name: string, path: string, label: string): Promise<string> {
  const gone = (why: string) =>
    refused(from, `${name} is executable and ${why}`, `if it is not a program: chmod -x ${name}`)
  // The system gives what it does not know to a shell, which would run the words of a password.
  const head = headOf(path, 512)
  if (!head.toString('latin1').startsWith('#!') && !head.includes(0)) throw gone('is neither a script nor a program')
  const { execa } = await import('execa')
  const client = parse(basename(path)).name.endsWith('-client')
  const { cwd, env } = here
  const result = await execa(path, client ? ['--vault-id', label] : [], {
    ...{ cwd, env, extendEnv: false, stdin: 'inherit', stderr: 'inherit', reject: false, stripFinalNewline: false },
    ...{ timeout: PROGRAM_MS, maxBuffer: TEXT_BYTES },
  })
  if (result.timedOut) throw gone(`did not end within ${PROGRAM_MS / 1000} s`)
  if (result.isMaxBuffer) throw gone(`wrote more than ${TEXT_BYTES.toLocaleString('en-US')} bytes`)
  if (result.exitCode === 0) return result.stdout
  const ended = result.exitCode === undefined ? (result.signal ?? result.code) : `exit code ${result.exitCode}`
  throw gone(`printed no password: ${ended}`)
}

async function textIn(from: string, name: string, path: string): Promise<string> {
  try {
    if (!OPEN_FILES.test(path)) return readRegularFile(path, TEXT_BYTES).toString('utf8')
    return await text(createReadStream(path, { end: TEXT_BYTES }))
  } catch (error) {
    throw refused(from, `${name} cannot be read: ${reason(error)}`)
  }
}

const DEFAULT_KEYS = '~/.config/k3s-platform/age.txt'

async function ageKeys(here: Here): Promise<AgeKeys | undefined> {
  const variable = ['K3S_PLATFORM_AGE_KEY_FILE', 'SOPS_AGE_KEY_FILE'].find((one) => here.env[one])
  const name = (variable && here.env[variable]) ?? DEFAULT_KEYS
  const path = locate(here, name)
  if (variable === undefined && !existsSync(path)) return undefined
  const from = variable === undefined ? name : `${variable} ${name}`
  return { from, text: new Secret(await textIn(variable ?? 'age', name, path)) }
}

/** What Ansible cuts off. */
const WHITE = ' \t\n\v\f\r'

/** Not by a regular expression: that looks at white space inside once from each of its characters. */
function trimmed(text: string, white: string): string {
  let [start, end] = [0, text.length]
  while (start < end && white.includes(text.charAt(start))) start++
  while (end > start && white.includes(text.charAt(end - 1))) end--
  return text.slice(start, end)
}

function refused(where: string, what: string, hint?: string): ProblemError {
  const problem: Problem = { kind: 'usage', where, what, ...(hint === undefined ? {} : { hint }) }
  return new ProblemError(problem)
}
