// The gates of external-secrets over the conditions and events that it writes.

import { describe, expect, test } from 'vitest'
import { secretSynced, storeReady } from '../../src/cluster/kinds/synced.ts'
import { FakeCluster } from './fake.ts'
import { made } from './kit.ts'

const API = 'external-secrets.io/v1'
const condition = (status: string, reason: string, message: string) => ({
  conditions: [{ type: 'Ready', status, reason, message }],
})
const event = (kind: string, name: string, message: string, namespace = 'platform') => ({
  apiVersion: 'v1',
  kind: 'Event',
  metadata: { name: 'e1', namespace },
  ...{ type: 'Warning', reason: 'UpdateFailed', message, involvedObject: { kind, name } },
})

describe('a store', () => {
  const store = (status: object) => ({
    apiVersion: API,
    kind: 'ClusterSecretStore',
    metadata: { name: 'vault' },
    status,
  })
  const gate = () => storeReady({ kind: 'ClusterSecretStore', name: 'vault' })

  test('that is valid is ready, and hangs on the store itself', async () => {
    const cluster = new FakeCluster()
    cluster.put(store(condition('True', 'Valid', 'store validated')))
    expect(await made(gate(), cluster)).toEqual({ waits: [], problem: '' })
    expect(gate().inputs).toEqual(['ClusterSecretStore.external-secrets.io/vault'])
  })

  test.each([
    [
      'InvalidProviderConfig',
      'unable to log in with Kubernetes auth: Error making API request. Code: 403. Errors: * permission denied',
    ],
    [
      'InvalidProviderConfig',
      'unable to create client: cannot get Kubernetes service account "vault": serviceaccounts "vault" not found',
    ],
    ['ValidationFailed', 'Get "https://vault:8200/v1/sys/health": dial tcp 10.0.0.1:8200: connect: connection refused'],
    [
      'ValidationFailed',
      'Get "https://vault:8200/v1/sys/health": tls: failed to verify certificate: x509: certificate signed by unknown authority',
    ],
    ['ValidationFailed', 'Error making API request. Code: 503. Errors: * Vault is sealed'],
    ['ValidationFailed', 'the moon is in the wrong quarter'],
  ])('that says %s: %s', async (reason, message) => {
    const cluster = new FakeCluster()
    cluster.put(store(condition('False', reason, message)))
    expect((await made(gate(), cluster, { boundSeconds: 0.1 })).problem).toMatchSnapshot()
  })
})

describe('an ExternalSecret', () => {
  const external = (status: object, spec: object = {}) => ({
    apiVersion: API,
    kind: 'ExternalSecret',
    metadata: { name: 'token', namespace: 'platform', generation: 2 },
    ...{ spec, status },
  })
  const gate = () => secretSynced({ namespace: 'platform', name: 'token', inputs: [] })
  const synced = condition('True', 'SecretSynced', 'secret synced')
  const waits = async (cluster: FakeCluster) => (await made(gate(), cluster, { boundSeconds: 0.1 })).waits

  test('that is synced in its newest version is ready when its Secret is there', async () => {
    const cluster = new FakeCluster('platform')
    cluster.put(external({ ...synced, syncedResourceVersion: '1-abc' }, { target: { name: 'cloudflare' } }))
    expect(await waits(cluster)).toEqual(['external-secrets has not processed its newest version yet (0.1 s)'])
    cluster.put(external({ ...synced, syncedResourceVersion: '2-abc' }, { target: { name: 'cloudflare' } }))
    expect(await waits(cluster)).toEqual(['Secret platform/cloudflare does not exist (0.1 s)'])
    cluster.put({ apiVersion: 'v1', kind: 'Secret', metadata: { name: 'cloudflare', namespace: 'platform' } })
    expect(await made(gate(), cluster)).toEqual({ waits: [], problem: '' })
  })

  test('that nobody has looked at', async () => {
    const cluster = new FakeCluster('platform')
    expect(await waits(cluster)).toEqual(['ExternalSecret platform/token does not exist (0.1 s)'])
    cluster.put(external({}))
    expect(await waits(cluster)).toEqual(['external-secrets has not looked at it yet (0.1 s)'])
  })

  test.each([
    'error processing spec.data[0] (key: platform/cloudflare), err: Secret does not exist',
    'error processing spec.data[0] (key: platform/cloudflare), err: cannot find secret data for key: "api-token"',
    'error processing spec.data[0] (key: x), err: cannot read secret data from Vault: Error making API request. Code: 403. Errors: * permission denied',
    'could not get secret store: ClusterSecretStore "vault" is not ready',
    'error processing spec.data[0], err: Put "https://vault:8200/v1/auth/kubernetes/login": dial tcp: lookup vault: no such host',
  ])('that could not be synced, with the event %s', async (message) => {
    const cluster = new FakeCluster('platform')
    cluster.put(external(condition('False', 'SecretSyncedError', 'could not get secret data from provider')))
    cluster.put(event('ExternalSecret', 'token', message))
    cluster.put(
      event('ExternalSecret', 'other', 'not of this one, and longer than anything that is said of this one', 'default'),
    )
    expect((await made(gate(), cluster, { boundSeconds: 0.1 })).problem).toMatchSnapshot()
  })
})
