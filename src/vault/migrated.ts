// Takes over an existing Vault with its key shares and root token; never initializes it.

import type { ClusterResource } from '../cluster/resource.ts'
import type { ProblemError } from '../engine/problem.ts'
import type { Secret } from '../engine/secret.ts'
import { type Vault, type VaultAt, vaultAt } from './api.ts'
import { lookAt, OPEN, orExplained } from './initialised.ts'
import type { VaultKeys } from './keys.ts'
import { answering, failed, open, opensItself } from './opening.ts'

export interface MigrateSpec extends VaultAt {
  readonly root: Secret
  readonly keys: VaultKeys
  /** How long it is waited for, seconds. */
  readonly boundSeconds: number
}

export function vaultMigrated(spec: MigrateSpec): ClusterResource {
  const { server, root, keys } = spec
  const title = `Vault ${server}`
  return {
    id: `vault:${server}`,
    title,
    before: { actual: null, desired: OPEN },
    action: (actual) =>
      actual === null || typeof actual.silent === 'string'
        ? `wait for ${title}${actual === null ? '' : ` (${String(actual.silent)})`}, unseal it if necessary, verify the root token`
        : `unseal ${title}`,

    look: async (cluster, at) => {
      const where = `${at.host} ${title}`
      const vault = vaultAt(spec, cluster)
      return lookAt(vault, OPEN, async (status) => {
        if (!status.initialized) throw nothingThere(where)
        if (status.sealed && status.type !== 'shamir') throw opensItself(where, status.type)
        if (!status.sealed) await verify(vault, root, where)
        return { initialized: true, sealed: status.sealed }
      })
    },

    make: async (_, cluster, how) => {
      const where = `${how.host} ${title}`
      const vault = vaultAt(spec, cluster)
      const status = await answering(vault, cluster, where, how, spec.boundSeconds)
      if (status === null) return
      if (!status.initialized) throw nothingThere(where)
      await orExplained(where, async () => {
        if (status.sealed) await open(vault, keys.unseal, 'of VAULT_INIT_JSON', where, how)
        await verify(vault, root, where)
      })
    },
  }
}

function nothingThere(where: string): ProblemError {
  const hint = 'check k3s_platform_vault_server; for a new Vault: k3s_platform_vault_bootstrap_mode: init'
  return failed(where, 'it is not initialized: there is no Vault to migrate', undefined, hint)
}

async function verify(vault: Vault, root: Secret, where: string): Promise<void> {
  const policies = await vault.policies(root)
  if (policies?.includes('root')) return
  const what = policies === null ? 'it rejects the root token' : 'the token is valid, but not a root token'
  const why = policies === null ? undefined : `its policies: ${policies.join(', ') || 'none'}`
  throw failed(
    where,
    what,
    why,
    'check VAULT_ROOT_TOKEN; to create a new one from the key shares: vault operator generate-root',
  )
}
