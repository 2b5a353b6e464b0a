// Renewing and removing by hand: what is planned, what is written, and how it ends.

import { readFileSync } from 'node:fs'
import { afterEach, expect, test, vi } from 'vitest'
import { parse } from 'yaml'
import { z } from 'zod'
import { ApiError } from '../../src/cluster/cluster.ts'
import { absent } from '../../src/cluster/kinds/absent.ts'
import { renewal } from '../../src/cluster/kinds/renewal.ts'
import { FakeCluster } from './fake.ts'
import { look, made, planned } from './kit.ts'

const ref = { apiVersion: 'cert-manager.io/v1', kind: 'Certificate', namespace: 'default', name: 'tls' }
const certificate = (status: object, labels = {}) => ({
  apiVersion: ref.apiVersion,
  kind: ref.kind,
  metadata: { name: 'tls', namespace: 'default', labels },
  spec: { secretName: 'tls', dnsNames: ['a.svc.plus'], issuerRef: { kind: 'ClusterIssuer', name: 'none' } },
  status,
})
const READY = { type: 'Ready', status: 'True' }
const conditions = (cluster: FakeCluster) => Object(cluster.peek(ref)).status.conditions

test('a Certificate is told to be issued anew, and what keeps it from that is told', async () => {
  const cluster = new FakeCluster()
  cluster.put(certificate({ revision: 3, conditions: [READY, { type: 'Issuing', status: 'False' }] }))
  const resource = renewal(ref)
  expect(await planned(resource, cluster)).toBe('action: renew Certificate default/tls')
  const { problem } = await made(resource, cluster, { boundSeconds: 0 })
  expect(problem).toContain('ClusterIssuer none does not exist')
  expect(conditions(cluster)).toMatchObject([
    READY,
    {
      type: 'Issuing',
      status: 'True',
      reason: 'ManuallyTriggered',
      lastTransitionTime: expect.stringMatching(/:\d\dZ$/),
    },
  ])
  cluster.put(certificate({ revision: 4, conditions: [READY] }))
  expect(await look(resource, cluster)).toEqual({ actual: { revision: 4 }, desired: { revision: 4 } })
})

test('a failure that is told at once may be the one of before, and is waited out', async () => {
  const cluster = new FakeCluster()
  const failed = { lastFailureTime: '2026-01-01T00:00:00Z', failedIssuanceAttempts: 1 }
  cluster.put(certificate({ revision: 3, conditions: [READY], ...failed }))
  const { waits, problem } = await made(renewal(ref), cluster, { boundSeconds: 1 })
  expect(waits).toHaveLength(1)
  expect(problem).not.toBe('')
})

test('an issuance that is under way is not started again, and a status that changed meanwhile is read again', async () => {
  const cluster = new FakeCluster()
  cluster.put(certificate({ conditions: [{ type: 'Issuing', status: 'True', reason: 'DoesNotExist' }] }))
  await made(renewal(ref), cluster, { boundSeconds: 0 })
  expect(cluster.calls.filter(({ verb }) => verb === 'patch')).toEqual([])

  cluster.put(certificate({ conditions: [READY] }))
  const conflict = { code: 409, reason: 'Conflict', message: 'changed', causes: [], retryAfterSeconds: null }
  let faults = 1
  cluster.fault = ({ verb }) => (verb === 'patch' && faults-- > 0 ? new ApiError(conflict) : undefined)
  await made(renewal(ref), cluster, { boundSeconds: 0 })
  expect(conditions(cluster)).toMatchObject([READY, { type: 'Issuing', reason: 'ManuallyTriggered' }])
})

test('what is not there cannot be renewed, and is removed already', async () => {
  const cluster = new FakeCluster()
  expect(await planned(renewal(ref), cluster)).toContain('the Certificate does not exist')
  expect(await look(absent(ref), cluster)).toEqual({ actual: null, desired: null })
})

test('what is removed goes; what another tool has is left alone', async () => {
  const cluster = new FakeCluster()
  cluster.put(certificate({}))
  expect(await made(absent(ref), cluster)).toEqual({ waits: [], problem: '' })
  expect(cluster.peek(ref)).toBeNull()
  cluster.put(certificate({}, { 'kustomize.toolkit.fluxcd.io/name': 'platform-root' }))
  expect(await planned(absent(ref), cluster)).toBe('owned: Flux (platform-root)')
})

const { objects, overlays } = z
  .object({
    overlays: z.object({ issued: z.record(z.string(), z.record(z.string(), z.unknown())) }),
    objects: z.record(z.string(), z.looseObject({})),
  })
  .parse(parse(readFileSync(new URL('../certificates/base.yaml', import.meta.url), 'utf8')))
const pairs = z
  .record(z.string(), z.string())
  .parse(parse(readFileSync(new URL('../certificates/pairs.yaml', import.meta.url), 'utf8')))

/** An issued Certificate, and cert-manager, which issues it once more as soon as it is asked: with these chains before and after. */
function reissuing(before: readonly string[], after: readonly string[]): FakeCluster {
  vi.useFakeTimers({ now: new Date('2026-11-23T01:24:12Z'), toFake: ['Date'], shouldAdvanceTime: true })
  const cluster = new FakeCluster('database', 'cert-manager')
  const encoded = (names: readonly string[]) =>
    Buffer.from(names.map((name) => pairs[name]).join('')).toString('base64')
  const put = (revision: number, chain: readonly string[]) => {
    for (const name of ['issuer', 'lease', 'request', 'order'])
      cluster.put({ ...objects[name], ...overlays.issued[name] })
    cluster.put({ ...objects.secret, data: { 'tls.crt': encoded(chain), 'tls.key': encoded(['acme.key']) } })
    const status = Object(overlays.issued.certificate).status
    cluster.put({ ...objects.certificate, status: { ...status, revision } })
  }
  put(1, before)
  let isAsked = false
  cluster.fault = ({ verb }) => {
    if (verb !== 'patch' && isAsked) put(2, after)
    isAsked = verb === 'patch'
    return undefined
  }
  return cluster
}
afterEach(() => void vi.useRealTimers())

const issued = { namespace: 'database', name: 'postgresql-tls' }
test.each([
  ['it is renewed when its Secret has another pair', ['self.crt'], ['acme.crt'], ''],
  [
    'it is not while its Secret has the same',
    ['acme.crt'],
    ['acme.crt'],
    'its Secret still contains the previous certificate',
  ],
  [
    'it is not with a chain that does not verify',
    ['self.crt'],
    ['acme.crt', 'other.crt'],
    'one of its certificates is not signed by the next one',
  ],
])('%s', async (_, before, after, expected) => {
  const { problem, waits } = await made(renewal(issued), reissuing(before, after), { boundSeconds: 0.1 })
  expect(expected === '' ? problem : `${problem}${waits.join()}`).toEqual(
    expected === '' ? '' : expect.stringContaining(expected),
  )
})
