// Rehearsing renewals: what is ordered from staging, that nothing of it is left, and what stops the real order.

import { expect, test } from 'vitest'
import { noRehearsal, rehearsal } from '../../src/cluster/kinds/rehearsal.ts'
import type { Live } from '../../src/cluster/object.ts'
import { FakeCluster } from './fake.ts'
import { look, made, planned } from './kit.ts'

const API = 'cert-manager.io/v1'
const PRODUCTION = 'https://acme-v02.api.letsencrypt.org/directory'
const issuer = (acme: object | undefined, kind = 'ClusterIssuer') => ({
  apiVersion: API,
  kind,
  metadata: { name: 'le', ...(kind === 'Issuer' && { namespace: 'shop' }) },
  spec: acme === undefined ? { selfSigned: {} } : { acme },
})
const ACME = {
  server: PRODUCTION,
  email: 'ops@example.com',
  profile: 'tlsserver',
  preferredChain: 'ISRG Root X1',
  caBundle: 'UEVN',
  externalAccountBinding: { keyID: 'x' },
  privateKeySecretRef: { name: 'le-account-key' },
  solvers: [{ http01: { ingress: { ingressClassName: 'caddy' } } }],
}
const certificate = (name: string, kind = 'ClusterIssuer') => ({
  apiVersion: API,
  kind: 'Certificate',
  metadata: { name, namespace: 'shop' },
  spec: {
    secretName: `${name}-secret`,
    dnsNames: [`${name}.example.com`],
    privateKey: { algorithm: 'ECDSA', size: 256 },
    renewBefore: '720h0m0s',
    issuerRef: { kind, name: 'le' },
  },
})
const tellers = (...names: string[]) => names.map((name) => ({ namespace: 'shop', name }))

/** What was written, and what is left of it. */
async function rehearse(cluster: FakeCluster, ...[certificates, server = null]: [string[], (string | null)?]) {
  const written: Live[] = []
  cluster.admit = (object) => {
    written.push(object)
    return object
  }
  const resource = rehearsal({ certificates: tellers(...certificates), server })
  const { problem } = await made(resource, cluster, { boundSeconds: 0 })
  return { resource, problem, written, after: await look(noRehearsal(), cluster) }
}

test('the same names are ordered from staging by the same solvers, with one account for each issuer', async () => {
  const cluster = new FakeCluster('shop')
  for (const one of [issuer(ACME), certificate('a'), certificate('b')]) cluster.put(one)
  const { problem, written, after } = await rehearse(cluster, ['a', 'b'])
  const [staged, ...certificates] = written.filter(({ kind }) => kind !== 'Secret')
  const name = expect.stringMatching(/^k3s-platform-rehearsal-[0-9a-f]{12}$/)
  expect(staged).toMatchObject({ kind: 'ClusterIssuer', metadata: { name } })
  expect(Object(staged).spec).toEqual({
    acme: {
      server: 'https://acme-staging-v02.api.letsencrypt.org/directory',
      email: ACME.email,
      profile: ACME.profile,
      privateKeySecretRef: { name: `${staged?.metadata.name}-account` },
      solvers: ACME.solvers,
    },
  })
  expect(certificates.map((one) => Object(one).spec)).toMatchObject(
    ['a', 'b'].map((one) => ({
      secretName: name,
      dnsNames: [`${one}.example.com`],
      privateKey: { algorithm: 'ECDSA', size: 256 },
      issuerRef: { kind: 'ClusterIssuer', name: staged?.metadata.name },
    })),
  )
  expect(JSON.stringify(certificates)).not.toContain('renewBefore')
  // Nobody has issued them.
  expect(problem).toContain(
    'edge-1 Certificate shop/a: The rehearsal failed: nothing was ordered from the production server',
  )
  expect(problem).toContain('edge-1 Certificate shop/b: ')
  expect(after).toEqual({ actual: null, desired: null })
})

test('an Issuer stays one of its namespace; another directory keeps its CA', async () => {
  const cluster = new FakeCluster('shop')
  for (const one of [issuer({ ...ACME, server: 'https://ca.example/dir' }, 'Issuer'), certificate('a', 'Issuer')])
    cluster.put(one)
  const { written } = await rehearse(cluster, ['a'], 'https://ca.example/staging')
  expect(written[0]).toMatchObject({
    kind: 'Issuer',
    metadata: { namespace: 'shop' },
    spec: { acme: { server: 'https://ca.example/staging', caBundle: 'UEVN' } },
  })
})

test('a server without a known staging is refused before anything is written; what orders nothing needs no rehearsal', async () => {
  const cluster = new FakeCluster('shop')
  for (const one of [issuer({ ...ACME, server: 'https://ca.example/dir' }), certificate('a')]) cluster.put(one)
  const resource = rehearsal({ certificates: tellers('a'), server: null })
  expect(await planned(resource, cluster)).toBe(
    'edge-1 ClusterIssuer le: No staging server is known for https://ca.example/dir\nhint: name the ACME directory to rehearse at: --staging-server URL',
  )
  for (const acme of [undefined, { ...ACME, server: 'https://acme-staging-v02.api.letsencrypt.org/directory' }]) {
    cluster.put(issuer(acme))
    cluster.remove({ apiVersion: API, kind: 'ClusterIssuer', name: 'le' })
    cluster.put(issuer(acme))
    expect(await look(resource, cluster)).toMatchObject({ actual: { rehearsed: true } })
  }
})

test('what an interrupted rehearsal has left is removed by the next run; what has another name or maker stays', async () => {
  const cluster = new FakeCluster('shop', 'cert-manager')
  const id = 'k3s-platform-rehearsal-0123456789ab'
  const meta = (name: string, namespace?: string) => ({ name, ...(namespace && { namespace }) })
  const own = 'kubectl-k3s-platform'
  cluster.put(
    {
      apiVersion: API,
      kind: 'Certificate',
      metadata: { ...meta(id, 'shop'), managedFields: [{ manager: own, operation: 'Apply' }] },
    },
    own,
  )
  cluster.put(
    {
      apiVersion: API,
      kind: 'ClusterIssuer',
      metadata: { ...meta(id), managedFields: [{ manager: own, operation: 'Apply' }] },
    },
    own,
  )
  cluster.put({ apiVersion: 'v1', kind: 'Secret', metadata: meta(`${id}-account`, 'cert-manager') })
  cluster.put({ apiVersion: 'v1', kind: 'Secret', metadata: meta(id, 'shop') })
  const others = [
    { apiVersion: 'v1', kind: 'Secret', metadata: meta('k3s-platform-rehearsal-mine', 'shop') },
    { apiVersion: API, kind: 'Issuer', metadata: meta('k3s-platform-rehearsal-ba9876543210', 'shop') },
  ]
  for (const one of others) cluster.put(one)
  expect(await planned(noRehearsal(), cluster)).toContain('delete')
  expect((await made(noRehearsal(), cluster)).problem).toBe('')
  expect(await look(noRehearsal(), cluster)).toEqual({ actual: null, desired: null })
  for (const { apiVersion, kind, metadata } of others)
    expect(cluster.peek({ apiVersion, kind, ...metadata })).not.toBeNull()
})
