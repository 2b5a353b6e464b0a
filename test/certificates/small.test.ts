// The small parts: what to fetch, rows of a list, duplicates, words for times, and tolerance of odd objects.

import { expect, test } from 'vitest'
import { asks } from '../../src/certificates/asks.ts'
import { readBundle } from '../../src/certificates/bundle.ts'
import { readiness } from '../../src/certificates/explain.ts'
import { duplicates } from '../../src/certificates/limits.ts'
import { row } from '../../src/certificates/row.ts'
import { span } from '../../src/engine/duration.ts'

const now = new Date('2026-11-23T01:24:12Z')

test('what is read for a Certificate: its namespace, the issuers, its Secret alone, the lease', () => {
  const told = asks('database', 'tls', 'tls-secret').map(({ kind, namespace = '-', name = '*', labels }) =>
    [kind, namespace, name, labels].filter(Boolean).join(' '),
  )
  expect(told).toMatchInlineSnapshot(`
    [
      "Namespace - database",
      "Certificate database *",
      "ClusterIssuer - *",
      "Issuer database *",
      "CertificateRequest database *",
      "Order database *",
      "Challenge database *",
      "Ingress - *",
      "Pod database * acme.cert-manager.io/http01-solver=true",
      "Service database * acme.cert-manager.io/http01-solver=true",
      "Secret database tls-secret",
      "Event database *",
      "Lease kube-system cert-manager-controller",
    ]
  `)
})

test('names are a set: order, case and repetition do not make them another one; servers count apart', () => {
  const wanted = [
    { dnsNames: ['b.svc.plus', 'a.svc.plus'], issuer: 'production' },
    { dnsNames: ['A.svc.plus', 'b.svc.plus', 'b.svc.plus'], issuer: 'production' },
    { dnsNames: ['a.svc.plus'], issuer: 'production' },
    { dnsNames: ['a.svc.plus', 'b.svc.plus'], issuer: 'staging' },
    ...Array.from({ length: 6 }, () => ({ dnsNames: ['c.svc.plus'], issuer: 'production' })),
  ]
  expect(duplicates(wanted)).toEqual([
    { issuer: 'production', dnsNames: ['c.svc.plus'], count: 6 },
    { issuer: 'production', dnsNames: ['a.svc.plus', 'b.svc.plus'], count: 2 },
  ])
})

const certificate = (status: unknown) => ({
  kind: 'Certificate',
  metadata: { name: 'tls', namespace: 'database' },
  spec: { secretName: 'tls', dnsNames: ['a.svc.plus'], issuerRef: { name: 'svc-plus-acme-http01' } },
  status,
})

test('a row has the names of every kind, the state, and times as words and as they are', () => {
  const live = certificate({
    conditions: [{ type: 'Ready', status: 'True' }],
    notBefore: '2026-10-23T01:24:12Z',
    notAfter: '2027-01-23T01:24:12Z',
    renewalTime: '2026-11-25T01:24:12Z',
  })
  const metadata = { ...live.metadata, creationTimestamp: '2026-11-21T01:24:12Z' }
  const spec = { ...live.spec, ipAddresses: ['203.0.113.7'], commonName: 'a.svc.plus' }
  expect(row({ ...live, metadata, spec }, now)).toEqual({
    namespace: 'database',
    name: 'tls',
    state: 'Ready',
    status: 'issued',
    issuer: 'svc-plus-acme-http01',
    issuerKind: 'Issuer',
    names: ['a.svc.plus', '203.0.113.7'],
    secretName: 'tls',
    age: '2 d',
    expires: 'in 61 d',
    renews: 'in 2 d',
    createdAt: '2026-11-21T01:24:12Z',
    notBefore: '2026-10-23T01:24:12Z',
    notAfter: '2027-01-23T01:24:12Z',
    renewalTime: '2026-11-25T01:24:12Z',
  })
})

test('what is no Certificate has no row', () => {
  expect([null, 7, {}, { metadata: { name: 'tls' } }].map((live) => row(live, now))).toEqual(Array(4).fill(undefined))
})

test('odd objects are left out', () => {
  const odd = [null, 'text', [], { kind: 'Certificate' }, { kind: 'Secret', metadata: { name: 'tls' }, data: null }]
  const objects = [...odd, certificate({ conditions: 'none', notAfter: 7 })]
  const bundle = readBundle({ now, namespace: 'database', name: 'tls', objects })
  expect([bundle.certificates.length, bundle.secrets.map(({ keys }) => keys)]).toEqual([1, [[]]])
  expect(readiness(bundle)).toMatchObject({
    is: 'failed',
    why: expect.stringContaining('Issuer svc-plus-acme-http01 does not'),
  })
})

test.each([
  [0, '0 s'],
  [59.6, '1 m'],
  [252, '4 m 12 s'],
  [3600, '1 h'],
  [5400, '1 h 30 m'],
  [90_000, '25 h'],
  [61.4 * 86_400, '61 d'],
])('%d seconds are %s', (seconds, words) => {
  expect(span(seconds)).toBe(words)
})
