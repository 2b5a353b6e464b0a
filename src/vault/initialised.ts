// Initializes a new Vault once, stores its key shares first, and unseals it.

import type { Cluster } from '../cluster/cluster.ts'
import type { ClusterResource, Making } from '../cluster/resource.ts'
import { ProblemError } from '../engine/problem.ts'
import type { Observation } from '../engine/resource.ts'
import type { Secret } from '../engine/secret.ts'
import type { State } from '../engine/state.ts'
import { type SealStatus, type Vault, type VaultAt, VaultRefusal, VaultSilent, vaultAt } from './api.ts'
import { BOOTSTRAP_TITLE, keptKeys } from './key-secret.ts'
import {
  canBeKept,
  freePath,
  type KeepSpec,
  keep,
  keepInFile,
  messageOf,
  proveKeeping,
  type StoredKeys,
} from './key-storage.ts'
import type { VaultKeys } from './keys.ts'
import { answering, failed, open, opensItself } from './opening.ts'

export interface InitSpec extends VaultAt, KeepSpec {
  readonly shares: number
  readonly threshold: number
  /** Keys from the input: they open what was initialised elsewhere. */
  readonly given: VaultKeys | undefined
  /** How long it is waited for, seconds. */
  readonly boundSeconds: number
}

export const OPEN = { initialized: true, sealed: false } as const satisfies State
const MIGRATE =
  'to take over an existing one: k3s_platform_vault_bootstrap_mode: migrate, with VAULT_ROOT_TOKEN and VAULT_INIT_JSON'
/** What to do with keys that are lost. */
const EMPTY = 'it is new and empty: remove its storage, start it, and run apply again'

export function vaultInitialised(spec: InitSpec): ClusterResource {
  const { server, shares, threshold, age, files } = spec
  const title = `Vault ${server}`
  const desired: State = { ...OPEN, ...(age && { file: true }) }
  const anew = () => {
    const places = [BOOTSTRAP_TITLE, ...(age ? [freePath(age, files)] : [])].join(' and ')
    return `initialize Vault (${shares} key shares, threshold ${threshold}), store them in ${places}`
  }
  return {
    id: `vault:${server}`,
    title,
    before: { actual: null, desired },
    action: (actual) => {
      if (actual === null) return `wait for ${title}; then ${anew()}`
      if (typeof actual.silent === 'string') return `wait for ${title} (${actual.silent}); if it is new, ${anew()}`
      if (actual.initialized !== true) return anew()
      const unseal = actual.sealed === true ? [`unseal ${title}`] : []
      const write = age && actual.file !== true ? [`write its key shares to ${freePath(age, files)}`] : []
      return [...unseal, ...write].join(', ')
    },

    look: async (cluster, at) => {
      const where = `${at.host} ${title}`
      return lookAt(vaultAt(spec, cluster), desired, async ({ initialized, sealed, type }) => {
        if (!initialized) {
          if (type !== 'shamir') throw notByKeys(where, type)
          await canBeKept(spec, cluster, where, at)
          return { initialized, sealed }
        }
        const kept = await keptKeys(cluster)
        if (sealed) keysFor(kept, spec, type, where)
        return { initialized, sealed, ...(age && { file: kept === null || kept.file !== undefined }) }
      })
    },

    make: async (_, cluster, how) => {
      const where = `${how.host} ${title}`
      const vault = vaultAt(spec, cluster)
      const status = await answering(vault, cluster, where, how, spec.boundSeconds)
      if (status === null) return
      const { initialized, sealed, type } = status
      if (initialized) {
        const kept = await keptKeys(cluster)
        const path = kept && (await keepInFile(kept, spec, cluster, where, how))
        if (path) how.output(`its key shares are also in ${path}`)
        if (!sealed) return
        const { keys, from } = keysFor(kept, spec, type, where)
        return orExplained(where, () => open(vault, keys, from, where, how))
      }
      if (type !== 'shamir') throw notByKeys(where, type)
      await canBeKept(spec, cluster, where, how)
      await proveKeeping(spec, cluster, where, how.host)
      const keys = await initialised(vault, spec, where)
      await keptAndOpen(vault, keys, spec, cluster, where, how)
    },
  }
}

/** What is seen of a Vault, and of one that says nothing, why. */
export async function lookAt(
  vault: Vault,
  desired: State,
  stateOf: (status: SealStatus) => Promise<State>,
): Promise<Observation> {
  try {
    return { actual: await stateOf(await vault.status()), desired }
  } catch (error) {
    if (!(error instanceof VaultSilent || error instanceof VaultRefusal)) throw error
    return { actual: { silent: error.message }, desired }
  }
}

/** What Vault answers in place of what was asked is a problem now. */
export async function orExplained<T>(where: string, ask: () => Promise<T>): Promise<T> {
  try {
    return await ask()
  } catch (error) {
    if (!(error instanceof VaultSilent || error instanceof VaultRefusal)) throw error
    const hint = (error instanceof VaultSilent ? error.hint : undefined) ?? "run apply again; see Vault's log"
    throw failed(where, 'it rejected the request', error.message, hint)
  }
}

interface Opener {
  readonly keys: readonly Secret[]
  /** Whose they are, for problems. */
  readonly from: string
}

function keysFor(kept: VaultKeys | null, { given }: InitSpec, type: string, where: string): Opener {
  if (type !== 'shamir') throw opensItself(where, type)
  if (kept !== null) return { keys: kept.unseal, from: `of ${BOOTSTRAP_TITLE}` }
  if (given !== undefined) return { keys: given.unseal, from: 'from the input' }
  const what = 'it is initialized and sealed, but its key shares are unknown'
  const why = `${BOOTSTRAP_TITLE} with the key shares does not exist: someone else initialized Vault, or a run was killed before they were stored`
  const hint = `${MIGRATE}; if a killed run initialized it, ${EMPTY}`
  throw failed(where, what, why, hint)
}

function notByKeys(where: string, type: string): ProblemError {
  const what = `it is not initialized, and would have no unseal keys: its seal type is ${type}`
  return failed(where, what, undefined, `vault operator init -format=json; then ${MIGRATE}`)
}

async function initialised(vault: Vault, { shares, threshold }: InitSpec, where: string): Promise<VaultKeys> {
  try {
    return await vault.init(shares, threshold)
  } catch (error) {
    const again = "run apply again: it checks the state first; see Vault's log"
    if (error instanceof VaultRefusal) throw failed(where, 'it refuses the initialization', error.message, again)
    if (!(error instanceof VaultSilent)) throw error
    const now = await vault.status().catch(() => null)
    if (now?.initialized === false) throw failed(where, 'it was not initialized', error.message, again)
    const what = 'the initialization was requested, but the response with its key shares was lost'
    throw failed(where, what, error.message, `${again}. If it is initialized, its key shares are lost: ${EMPTY}`)
  }
}

async function keptAndOpen(
  vault: Vault,
  keys: VaultKeys,
  spec: InitSpec,
  cluster: Cluster,
  where: string,
  how: Making,
): Promise<void> {
  const kept = await keep(keys, spec, cluster, where, how)
  if (kept.lost.length > 0) {
    const shown = show(keys, kept, spec, where)
    throw keptInPart(kept, shown, where)
  }
  how.output(`its key shares are in ${kept.places.join(' and ')}`)
  try {
    await orExplained(where, () => open(vault, keys.unseal, 'that it returned', where, how))
  } finally {
    show(keys, kept, spec, where)
  }
}

/** Whether a person saw them. */
function show(keys: VaultKeys, { places }: StoredKeys, { terminal }: InitSpec, where: string): boolean {
  if (terminal === undefined || 'refused' in terminal) return false
  terminal.show([
    `${where}: these are shown once; store them outside this cluster`,
    ...keys.unseal.map((key, i) => `  Unseal Key ${i + 1}: ${key.reveal()}`),
    `  Initial Root Token: ${keys.root?.reveal() ?? ''}`,
    ...(places.length > 0 ? [`  They are also in ${places.join(' and ')}.`] : []),
  ])
  return true
}

function keptInPart({ places, lost }: StoredKeys, shown: boolean, where: string): ProblemError {
  const whys = lost.flatMap((error) =>
    error instanceof ProblemError
      ? error.problems.map(({ what, why }) => [what, why].filter(Boolean).join(': '))
      : messageOf(error),
  )
  const safe = [...places, ...(shown ? ['the terminal output'] : [])].join(' and ')
  return failed(
    where,
    safe === ''
      ? 'it was initialized, but its key shares could not be stored'
      : `it was initialized, but its key shares are only in ${safe}`,
    whys.join('\n'),
    safe === '' ? EMPTY : MIGRATE,
  )
}
