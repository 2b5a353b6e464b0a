// Stores the key shares of a new Vault in a Secret and an age-encrypted file; both are tested before.

import { ApiError, type Cluster } from '../cluster/cluster.ts'
import { ownerOf } from '../cluster/ownership.ts'
import type { Looking, Making } from '../cluster/resource.ts'
import { Secret } from '../engine/secret.ts'
import { isMap } from '../engine/state.ts'
import { fileName } from '../files/path-inside.ts'
import { BOOTSTRAP, BOOTSTRAP_TITLE, bootstrapSecret, type KeptKeys, placeholder } from './key-secret.ts'
import type { VaultKeys } from './keys.ts'
import { failed } from './opening.ts'

/** Files of the workstation that only its user reads. */
export interface PrivateFiles {
  read(path: string): object | null
  /** Atomic; false: there is something at that path, and it stays as it is. */
  create(path: string, content: string): Promise<boolean>
  remove(path: string): Promise<void>
}

/** The person at the terminal; `refused`: nobody is there who alone would see it, and why. */
export type Terminal = { show(lines: readonly string[]): void } | { readonly refused: string }

export interface Age {
  /** On the workstation. */
  readonly path: string
  /** Public keys: age1... */
  readonly recipients: readonly string[]
}

export interface KeepSpec {
  /** undefined: no file. */
  readonly age: Age | undefined
  readonly files: PrivateFiles
  /** undefined: they shall not be shown. */
  readonly terminal: Terminal | undefined
}

/** Room for the keys, as the file has to have it. */
const NOTE = 'A Vault is about to be initialized; its key shares are stored in a file like this one.\n'.repeat(60)
const PLACEHOLDER = new Secret('does not exist yet')

/** A file that is there is of another Vault: the next name that is free. */
export function freePath({ path }: Age, files: PrivateFiles): string {
  for (let n = 1; ; n++) {
    const candidate = n === 1 ? path : path.replace(/(\.age)?$/, `-${n}$1`)
    if (files.read(candidate) === null) return candidate
  }
}

/** Throws a problem when the keys would be lost; changes nothing. */
export async function canBeKept(spec: KeepSpec, cluster: Cluster, where: string, at: Looking): Promise<void> {
  const { age, terminal } = spec
  if (age !== undefined) await encrypted(age.recipients, NOTE, where)
  else if (terminal === undefined || 'refused' in terminal) {
    const why = terminal && `they are configured to be shown, but cannot be: ${terminal.refused}`
    throw failed(
      where,
      'it is not initialized: there is nowhere to store its key shares',
      why,
      'k3s_platform_vault_init_recipients',
    )
  }
  const found = await cluster.get(BOOTSTRAP)
  const owner = found && ownerOf(found)
  if (owner) {
    const hint = `remove ${BOOTSTRAP_TITLE} from the tree: this run creates its keys`
    throw failed(
      where,
      'it is not initialized: its key shares could not be stored',
      `${owner} contains ${BOOTSTRAP_TITLE}`,
      hint,
    )
  }
  // Whatever it is: it is not written over.
  if (isMap(found?.data) && Object.keys(found.data).length > 0) {
    const what = `it is not initialized, but ${BOOTSTRAP_TITLE} contains the key shares of a Vault`
    const why = 'this is another Vault, or its storage was lost; existing key shares are not overwritten'
    const hint = `if that Vault no longer exists: back up ${BOOTSTRAP_TITLE}, delete it, run again`
    throw failed(where, what, why, hint)
  }
  // A dry run tells what it is refused for.
  await bootstrapSecret(PLACEHOLDER, PLACEHOLDER).look(cluster, at)
}

/** Throws a problem when the Secret or the file cannot be written now: the one by a dry run, the other by one like it. */
export async function proveKeeping(
  { age, files }: KeepSpec,
  cluster: Cluster,
  where: string,
  host: string,
): Promise<void> {
  try {
    await cluster.apply(placeholder(), { dryRun: true })
  } catch (error) {
    if (!(error instanceof ApiError)) throw error
    const what = `it is not initialized: ${BOOTSTRAP_TITLE} for its key shares cannot be written`
    throw failed(where, what, error.message, 'fix that, then run apply again')
  }
  if (age === undefined) return
  const path = `${age.path}.${fileName(host)}.proof`
  const note = await encrypted(age.recipients, NOTE, where)
  try {
    // What a run that was killed has left.
    await files.remove(path)
    await files.create(path, note)
    await files.remove(path)
  } catch (error) {
    const what = 'it is not initialized: the file for its key shares cannot be written'
    throw failed(where, what, messageOf(error), `use another path than ${age.path} in k3s_platform_vault_init_file`)
  }
}

/** Where the keys are now. `lost`: what went wrong on the way. */
export interface StoredKeys {
  readonly places: readonly string[]
  readonly lost: readonly unknown[]
}

/** All places at once, and no wish to end stops it: the keys are told only once. */
export async function keep(
  keys: VaultKeys,
  spec: KeepSpec,
  cluster: Cluster,
  where: string,
  how: Making,
): Promise<StoredKeys> {
  const inCluster = async () => {
    await writeSecret(keys, undefined, cluster, how)
    return BOOTSTRAP_TITLE
  }
  const inFile = spec.age ? [writeFile(keys, spec.age, spec.files, where)] : []
  const done = await Promise.allSettled([inCluster(), ...inFile])
  const [secret, file] = done
  if (secret.status === 'fulfilled' && file?.status === 'fulfilled') await writeSecret(keys, file.value, cluster, how)
  return {
    places: done.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : [])),
    lost: done.flatMap((one): unknown[] => (one.status === 'rejected' ? [one.reason] : [])),
  }
}

/** What a run that was killed in between has not written. Returns its path. */
export async function keepInFile(
  keys: KeptKeys,
  { age, files }: KeepSpec,
  cluster: Cluster,
  where: string,
  how: Making,
): Promise<string | null> {
  if (age === undefined || keys.file !== undefined) return null
  const path = await writeFile(keys, age, files, where)
  await writeSecret(keys, path, cluster, how)
  return path
}

async function writeSecret(keys: VaultKeys, file: string | undefined, cluster: Cluster, how: Making): Promise<void> {
  const never = new AbortController().signal
  const resource = bootstrapSecret(keys.root ?? PLACEHOLDER, keys.json, file)
  const change = { resource, actual: null, desired: { present: true } }
  await resource.make(change, cluster, { ...how, stop: never, signal: never })
}

async function writeFile(keys: VaultKeys, age: Age, files: PrivateFiles, where: string): Promise<string> {
  const content = await encrypted(age.recipients, `${keys.json.reveal()}\n`, where)
  for (;;) {
    const path = freePath(age, files)
    if (await files.create(path, content)) return path
  }
}

async function encrypted(recipients: readonly string[], text: string, where: string): Promise<string> {
  const { armor, Encrypter } = await import('age-encryption')
  const encrypter = new Encrypter()
  for (const recipient of recipients) {
    try {
      encrypter.addRecipient(recipient)
    } catch (error) {
      const what = `its key shares cannot be encrypted to ${recipient}`
      throw failed(
        where,
        what,
        messageOf(error),
        'to show a public key for k3s_platform_vault_init_recipients: age-keygen -y FILE',
      )
    }
  }
  return armor.encode(await encrypter.encrypt(text))
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
