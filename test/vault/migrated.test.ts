// A Vault that is taken over is opened and its root token tried; it is never initialised, whatever is found.

import { describe, expect, test } from 'vitest'
import { Secret } from '../../src/engine/secret.ts'
import { bootstrapSecret, keptKeys } from '../../src/vault/key-secret.ts'
import { keysOf } from '../../src/vault/keys.ts'
import { vaultMigrated } from '../../src/vault/migrated.ts'
import { made, planned } from '../cluster/kit.ts'
import { clusterWith, FakeVault, refused } from './fake.ts'
import { SERVER } from './kit.ts'

const WHERE = `edge-1 Vault ${SERVER}`
const DONE = { waits: [], problem: '' }

function start({ root, of }: { root?: string; of?: FakeVault } = {}) {
  const vault = new FakeVault()
  const text = vault.init()
  const keys = keysOf(of?.init() ?? text)
  if (keys === null) throw new Error('no keys')
  const cluster = clusterWith(vault, 'extsvc')
  const token = new Secret(root ?? vault.root)
  const resource = vaultMigrated({ server: SERVER, root: token, keys, boundSeconds: 1 })
  return { vault, cluster, resource, secret: bootstrapSecret(token, keys.json) }
}

describe('a Vault that is taken over', () => {
  test('is opened, and both inputs are kept in the Secret', async () => {
    const { vault, cluster, resource, secret } = start()
    expect(await planned(resource, cluster)).toBe(`action: unseal Vault ${SERVER}`)
    expect(await made(resource, cluster)).toEqual(DONE)
    expect(await made(secret, cluster)).toEqual(DONE)
    expect(vault.sealed).toBe(false)
    expect((await keptKeys(cluster))?.root?.reveal()).toBe(vault.root)
    expect([await planned(resource, cluster), await planned(secret, cluster)]).toEqual(['none', 'none'])
    expect(vault.calls).not.toContain('PUT sys/init')
  })

  test('is never initialised', async () => {
    const { vault, cluster, resource } = start()
    vault.initialized = false
    const words = `${WHERE}: it is not initialized: there is no Vault to migrate`
    expect(await planned(resource, cluster)).toContain(words)
    // It comes up only after the plan.
    vault.fault = () => (vault.calls.length === 2 ? refused() : undefined)
    expect((await made(resource, cluster)).problem).toContain(words)
    expect(vault.calls.filter((call) => call.startsWith('PUT'))).toEqual([])
  })

  test.each([
    ['unknown to it', 'hvs.of-another', 'it rejects the root token'],
    ['that may less', 'hvs.of-me', 'the token is valid, but not a root token\nwhy: its policies: default'],
  ])('is refused with a token %s', async (_, root, words) => {
    const { vault, cluster, resource } = start({ root })
    vault.sealed = false
    expect(await planned(resource, cluster)).toContain(`${WHERE}: ${words}`)
  })

  test('is refused when the token is found wrong only after it is open', async () => {
    const { cluster, resource } = start({ root: 'hvs.of-another' })
    expect((await made(resource, cluster)).problem).toContain('it rejects the root token')
  })

  test('stays sealed with the keys of another', async () => {
    const { vault, cluster, resource } = start({ of: new FakeVault() })
    expect((await made(resource, cluster)).problem).toContain(
      'it does not unseal with the key shares of VAULT_INIT_JSON',
    )
    expect(vault.sealed).toBe(true)
  })

  test('that opens itself and is sealed is explained', async () => {
    const { vault, cluster, resource } = start()
    vault.type = 'transit'
    expect(await planned(resource, cluster)).toContain(
      'it is sealed and cannot be unsealed with key shares: its seal type is transit',
    )
  })

  test('that does not answer is waited for', async () => {
    const { vault, cluster, resource } = start()
    vault.fault = refused
    expect(await planned(resource, cluster)).toContain(
      `action: wait for Vault ${SERVER} (vault.svc.plus:8200 refused the connection: Connection refused`,
    )
    expect((await made(resource, cluster)).problem).toContain('it did not answer within 1 s')
  })
})
