// Waits for a Vault, and unseals it.

import type { Cluster } from '../cluster/cluster.ts'
import type { Making } from '../cluster/resource.ts'
import { until } from '../cluster/wait.ts'
import { type Problem, ProblemError } from '../engine/problem.ts'
import type { Secret } from '../engine/secret.ts'
import { type SealStatus, type Vault, VaultRefusal, VaultSilent } from './api.ts'
import { BOOTSTRAP } from './key-secret.ts'

const WORKS_SECONDS = 60

/** null: the user asked to end. Throws a problem when it has not answered within the bound. */
export async function answering(
  vault: Vault,
  cluster: Cluster,
  where: string,
  how: Making,
  bound: number,
): Promise<SealStatus | null> {
  let status: SealStatus | null = null
  let hint: string | undefined
  const waited = await until(
    async () => {
      try {
        status = await vault.status()
        return null
      } catch (error) {
        if (!(error instanceof VaultSilent || error instanceof VaultRefusal)) throw error
        // Of a connection that is lost the API knows, too: then this throws.
        await cluster.get(BOOTSTRAP)
        hint = error instanceof VaultSilent ? error.hint : undefined
        return error.message
      }
    },
    how,
    { bound },
  )
  if (waited.is === 'late') {
    const { seconds, why } = waited
    throw failed(where, `it did not answer within ${seconds} s`, why, hint ?? 'to wait longer: --timeout')
  }
  return waited.is === 'stopped' ? null : status
}

/** Returns when it does its work. `from` says whose keys these are: `of Secret extsvc/vault-bootstrap`. */
export async function open(
  vault: Vault,
  keys: readonly Secret[],
  from: string,
  where: string,
  how: Making,
): Promise<void> {
  let status = await vault.status()
  if (status.sealed && status.type !== 'shamir') throw opensItself(where, status.type)
  try {
    // What somebody else gave is of another turn, and does not go with ours.
    if (status.sealed && status.progress > 0) await vault.forget()
    for (const key of keys) {
      if (!status.sealed) break
      status = await vault.unseal(key)
    }
  } catch (error) {
    if (!(error instanceof VaultRefusal)) throw error
    const hint = 'they belong to another Vault, or were replaced by vault operator rekey'
    throw failed(where, `it does not unseal with the key shares ${from}`, error.message, hint)
  }
  if (status.sealed) {
    const why = `${keys.length} key shares, but ${status.threshold} different ones are required`
    throw failed(
      where,
      `it does not unseal with the key shares ${from}`,
      why,
      `enter the others: vault operator unseal`,
    )
  }
  const waited = await until(async () => ((await vault.works()) ? null : 'it is unsealed, but not active yet'), how, {
    bound: WORKS_SECONDS,
  })
  if (waited.is === 'late')
    throw failed(where, `it did not become active within ${waited.seconds} s`, waited.why, 'see its log')
}

export function opensItself(where: string, type: string): ProblemError {
  const hint = 'check that it can reach its seal key, and read its log'
  return failed(where, `it is sealed and cannot be unsealed with key shares: its seal type is ${type}`, undefined, hint)
}

export function failed(where: string, what: string, why: string | undefined, hint: string): ProblemError {
  const problem: Problem = { kind: 'failed', where, what, hint, ...(why === undefined ? {} : { why }) }
  return new ProblemError(problem)
}
