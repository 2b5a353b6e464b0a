// What is read of keys that are given, and what is said of a Vault that does not answer as one.

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { z } from 'zod'
import { VaultSilent, vaultAt } from '../../src/vault/api.ts'
import { keysOf, keysOfAnswer } from '../../src/vault/keys.ts'
import { FakeCluster } from '../cluster/fake.ts'

const table = (name: string): unknown => parse(readFileSync(join(import.meta.dirname, name), 'utf8'))
const keyCase = z.strictObject({ given: z.string(), read: z.record(z.string(), z.unknown()).nullable() })

describe('the keys of a Vault', () => {
  test.each(Object.entries(z.record(z.string(), keyCase).parse(table('keys.yaml'))))(
    'are read: %s',
    (_, { given, read }) => {
      const keys = keysOf(given)
      const { unseal, threshold, root } = keys ?? {}
      const found = { unseal: unseal?.map((key) => key.reveal()), threshold, root: root?.reveal() }
      expect(keys && JSON.parse(JSON.stringify(found))).toEqual(read)
      expect(JSON.stringify(keys)).not.toContain('hvs.')
    },
  )

  test('that the API told are kept as the CLI prints them', () => {
    const keys = keysOfAnswer('{"keys":["61","62"],"keys_base64":["YQ==","Yg=="],"root_token":"hvs.x"}', 2)
    expect(JSON.parse(keys?.json.reveal() ?? '')).toMatchObject({
      unseal_keys_b64: ['YQ==', 'Yg=='],
      unseal_keys_hex: ['61', '62'],
      unseal_shares: 2,
      unseal_threshold: 2,
      root_token: 'hvs.x',
    })
  })
})

describe('a Vault that does not answer', () => {
  test.each(Object.entries(z.record(z.string(), z.string()).parse(table('connection-errors.yaml'))))(
    'is explained: %s',
    async (came, told) => {
      const cluster = new FakeCluster()
      const [, status, body = ''] = /^(\d{3}) (.*)$/.exec(came) ?? []
      cluster.answer = async () => {
        if (status === undefined) throw new Error(came)
        return { status: Number(status), headers: {}, body }
      }
      const error = await vaultAt({ server: 'https://vault.svc.plus:8200' }, cluster)
        .status()
        .catch((one: unknown) => one)
      if (!(error instanceof VaultSilent)) throw error
      expect(`${error.message} (${error.hint ?? ''})`.slice(0, told.length)).toBe(told)
    },
  )
})

describe('the way to a Vault', () => {
  const asked = async (server: string, service?: object) => {
    const cluster = new FakeCluster('extsvc')
    if (service) {
      const metadata = { namespace: 'extsvc', name: 'vault' }
      cluster.put({ apiVersion: 'v1', kind: 'Service', metadata, spec: service })
    }
    const seen: unknown[] = []
    cluster.answer = async ({ host, address, port, tls }) => {
      seen.push({ host, address, port, tls })
      return { status: 200, headers: {}, body: '{"initialized":false,"sealed":true}' }
    }
    await vaultAt({ server, ca: 'PEM' }, cluster).status()
    return seen[0]
  }

  test('is the URL, with the port of its scheme', async () => {
    expect(await asked('https://vault.svc.plus')).toEqual({ host: 'vault.svc.plus', port: 443, tls: { ca: 'PEM' } })
    expect(await asked('http://vault.core.svc.plus')).toEqual({ host: 'vault.core.svc.plus', port: 80 })
    expect(await asked('http://[::1]:8200')).toEqual({ host: '::1', port: 8200 })
  })

  test.each(['vault.extsvc.svc', 'vault.extsvc.svc.cluster.local'])('to a Service is its address: %s', async (host) => {
    const seen = await asked(`http://${host}:8200`, { type: 'ClusterIP', clusterIP: '10.43.0.9' })
    expect(seen).toEqual({ host, address: '10.43.0.9', port: 8200 })
  })

  test('to a Service that is elsewhere is that name', async () => {
    const seen = await asked('http://vault.extsvc.svc', { type: 'ExternalName', externalName: 'vault.svc.plus' })
    expect(seen).toEqual({ host: 'vault.extsvc.svc', address: 'vault.svc.plus', port: 80 })
  })

  test.each([undefined, { clusterIP: 'None' }])('to a Service without an address is none: %j', async (service) => {
    await expect(asked('http://vault.extsvc.svc:8200', service)).rejects.toThrow(
      'the Service extsvc/vault does not exist or has no address',
    )
  })
})
