// The gates of issuance: what is read for them, and what is said when they stay closed.

import { readFileSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { parse } from 'yaml'
import { z } from 'zod'
import { certificateReady, issuerReady } from '../../src/cluster/kinds/issuance.ts'
import { FakeCluster } from './fake.ts'
import { made, planned } from './kit.ts'

const { objects, stages, overlays } = z
  .object({
    stages: z.record(z.string(), z.array(z.string())),
    overlays: z.record(z.string(), z.record(z.string(), z.record(z.string(), z.unknown()))),
    objects: z.record(z.string(), z.looseObject({})),
  })
  .parse(parse(readFileSync(new URL('../certificates/base.yaml', import.meta.url), 'utf8')))
const pairs = z
  .record(z.string(), z.string())
  .parse(parse(readFileSync(new URL('../certificates/pairs.yaml', import.meta.url), 'utf8')))

let cluster: FakeCluster
beforeEach(() => {
  // The moment of the objects; it goes on, so that waits end.
  vi.useFakeTimers({ now: new Date('2026-11-23T01:24:12Z'), toFake: ['Date'], shouldAdvanceTime: true })
  cluster = new FakeCluster('database', 'cert-manager')
})

afterEach(() => {
  vi.useRealTimers()
})

const put = (stage: string) => {
  for (const name of stages[stage] ?? []) {
    const whole = { ...objects[name], ...overlays[stage]?.[name] }
    cluster.put(name === 'secret' ? { ...whole, data: data() } : whole)
  }
}
const data = () => {
  const encoded = (name: string) => Buffer.from(pairs[name] ?? '').toString('base64')
  return { 'tls.crt': encoded('acme.crt'), 'tls.key': encoded('acme.key') }
}

describe('a Certificate', () => {
  const gate = (resolve = async (_: string): Promise<string[]> => ['203.0.113.10']) =>
    certificateReady({
      ...{ namespace: 'database', name: 'postgresql-tls', inputs: [], boundSeconds: 0.2 },
      ...{ nodeAddresses: ['203.0.113.10'], resolve },
    })

  test('that is not there', async () => {
    const { problem } = await made(gate(), cluster)
    expect(problem).toContain('edge-1 Certificate database/postgresql-tls: it is not ready')
    expect(problem).toContain('why: the Certificate does not exist')
  })

  test('whose challenge is answered with a redirect, as a request from the node sees it', async () => {
    put('challenge')
    cluster.answer = async () => ({
      status: 308,
      headers: { location: 'https://postgresql-prod.svc.plus/' },
      body: '',
    })
    expect((await made(gate(), cluster)).problem).toMatchSnapshot()
    const asked = cluster.calls.filter(({ verb }) => verb === 'http').map(({ id }) => id)
    expect(asked[0]).toMatch(/^postgresql-prod\.svc\.plus:80\/\.well-known\/acme-challenge\/.+/)
  })

  test('whose name leads elsewhere', async () => {
    put('challenge')
    const { problem } = await made(
      gate(async () => ['198.51.100.7']),
      cluster,
    )
    expect(problem).toContain(
      'DNS does not point to this node: postgresql-prod.svc.plus is 198.51.100.7, this node is 203.0.113.10',
    )
  })

  test('whose name has the address of another machine for IPv6', async () => {
    put('challenge')
    cluster.answer = async () => ({ status: 404, headers: {}, body: '' })
    const { problem } = await made(
      gate(async () => ['203.0.113.10', '2001:db8::1']),
      cluster,
    )
    expect(problem).toContain("has an IPv6 address that is not known as this node's: 2001:db8::1")
  })

  test('whose name this machine cannot resolve is not said to be nowhere', async () => {
    put('challenge')
    const { problem } = await made(
      gate(() => Promise.reject(new Error('ENOTFOUND'))),
      cluster,
    )
    expect(problem).not.toContain('DNS points elsewhere')
  })

  test('that is well takes three reads to know', async () => {
    put('issued')
    expect(await planned(gate(), cluster)).toBe('none')
    expect(cluster.calls.length).toBe(3)
  })
})

describe('a ClusterIssuer', () => {
  const issuer = (status: object, generation = 2) =>
    cluster.put({
      apiVersion: 'cert-manager.io/v1',
      kind: 'ClusterIssuer',
      metadata: { name: 'dns01', generation },
      spec: {
        acme: {
          server: 'https://acme.example/directory',
          solvers: [
            { dns01: { cloudflare: { apiTokenSecretRef: { name: 'cloudflare-api-token', key: 'api-token' } } } },
          ],
        },
      },
      status,
    })
  const ready = (status: string, message: string, observedGeneration = 2) => ({
    conditions: [
      { type: 'Ready', status, reason: 'X', message, observedGeneration, lastTransitionTime: '2026-01-01T00:00:00Z' },
    ],
  })
  const gate = () => issuerReady({ name: 'dns01', inputs: [], boundSeconds: 0.2 })

  test('that is ready takes one read to know', async () => {
    issuer(ready('True', 'The ACME account was registered'))
    expect(await planned(gate(), cluster)).toBe('none')
    expect(cluster.calls.length).toBe(1)
  })

  test('without its Secret names the Secret', async () => {
    issuer(ready('False', ''))
    expect((await made(gate(), cluster)).problem).toContain(
      'the Secret cloudflare-api-token of the DNS-01 solver is missing',
    )
  })

  test('whose condition is of before is waited for', async () => {
    cluster.put({
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: 'cloudflare-api-token', namespace: 'cert-manager' },
      data: { 'api-token': 'eA==' },
    })
    issuer(ready('False', 'urn:ietf:params:acme:error:invalidContact: no', 1))
    const seen = await gate().look(cluster, { host: 'h', now: Date.now, signal: new AbortController().signal })
    expect(JSON.stringify(seen.actual)).toMatch(/waiting: /)
    issuer(ready('False', 'urn:ietf:params:acme:error:invalidContact: no', 2))
    const later = await gate().look(cluster, { host: 'h', now: Date.now, signal: new AbortController().signal })
    expect(JSON.stringify(later.actual)).toMatch(/failed: /)
  })
})
