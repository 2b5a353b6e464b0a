// The checks that an inventory names for a chart, and the words for what does not hold yet.

import { beforeEach, describe, expect, test } from 'vitest'
import type { Proof } from '../../src/cluster/proofs.ts'
import { allOf, certificateIssued, serviceAnswers, workloadReady } from '../../src/cluster/ready-checks.ts'
import type { Readiness } from '../../src/cluster/resource.ts'
import { FakeCluster } from './fake.ts'

let cluster: FakeCluster
beforeEach(() => {
  cluster = new FakeCluster('shop')
})
const asked = (proof: Proof) => proof(cluster, { host: 'edge-1', now: Date.now, signal: new AbortController().signal })
const READY: Readiness = { is: 'ready' }
const waiting = (why: string): Readiness => ({ is: 'waiting', why })

describe('a Service', () => {
  const check = serviceAnswers({ namespace: 'shop', service: 'web', port: 80, path: '/healthz' })
  const service = (ports: readonly object[]) =>
    cluster.put({ apiVersion: 'v1', kind: 'Service', metadata: { namespace: 'shop', name: 'web' }, spec: { ports } })
  const slice = (ready: boolean, more: object = {}) =>
    cluster.put({
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: { namespace: 'shop', name: 'web-1', labels: { 'kubernetes.io/service-name': 'web' } },
      ports: [{ name: 'http', port: 8080 }],
      endpoints: [{ addresses: ['10.42.0.7'], conditions: { ready } }],
      ...more,
    })
  const answers = (status: number) => {
    cluster.answer = async () => ({ status, headers: {}, body: '' })
  }

  test('is waited for until it exists', async () => {
    expect(await asked(check)).toEqual(waiting('Service shop/web does not exist'))
  })

  test.each([
    ['others', [{ port: 443 }, { port: 9090 }], 'its ports: 443, 9090'],
    ['none', [], 'it has none'],
  ])('without that port is wrong for good: it has %s', async (_, ports, words) => {
    service(ports)
    expect(await asked(check)).toEqual({ is: 'failed', why: `Service shop/web has no port 80: ${words}` })
  })

  test('has to have a ready endpoint of that port', async () => {
    service([{ port: 80, name: 'http' }])
    const none = waiting('Service shop/web has no ready endpoint for port 80')
    expect(await asked(check)).toEqual(none)
    slice(false)
    expect(await asked(check)).toEqual(none)
    slice(true, { ports: [{ name: 'metrics', port: 9090 }] })
    expect(await asked(check)).toEqual(none)
    slice(true, { ports: null, endpoints: null })
    expect(await asked(check)).toEqual(none)
  })

  test.each([
    [200, READY],
    [302, READY],
    [404, waiting('Service shop/web answers HTTP 404 at /healthz')],
    [503, waiting('Service shop/web answers HTTP 503 at /healthz')],
  ])('that answers %s', async (status, found) => {
    service([{ port: 80, name: 'http' }])
    slice(true)
    answers(status)
    expect(await asked(check)).toEqual(found)
    expect(cluster.calls.at(-1)).toMatchObject({ verb: 'http', id: '10.42.0.7:8080/healthz' })
  })

  test('that refuses is waited for', async () => {
    service([{ port: 80, name: 'http' }])
    slice(true)
    expect(await asked(check)).toEqual(
      waiting('Service shop/web does not answer HTTP at /healthz: connect ECONNREFUSED'),
    )
  })
})

test('a Job has to be complete, and one that failed does not come back', async () => {
  const ref = { apiVersion: 'batch/v1', kind: 'Job', namespace: 'shop', name: 'setup' }
  const job = (conditions: readonly object[]) =>
    cluster.put({ ...ref, metadata: { namespace: 'shop', name: 'setup' }, spec: {}, status: { conditions } })
  expect(await asked(workloadReady(ref))).toEqual(waiting('Job shop/setup does not exist'))
  job([])
  expect(await asked(workloadReady(ref))).toEqual(waiting('Job shop/setup: runs'))
  job([{ type: 'Failed', status: 'True', message: 'too often' }])
  expect(await asked(workloadReady(ref))).toEqual({ is: 'failed', why: 'Job shop/setup: failed: too often' })
  job([{ type: 'Complete', status: 'True' }])
  expect(await asked(workloadReady(ref))).toEqual(READY)
})

test('a Certificate has to be issued', async () => {
  const certificate = (...conditions: readonly object[]) =>
    cluster.put({
      apiVersion: 'cert-manager.io/v1',
      kind: 'Certificate',
      metadata: { namespace: 'shop', name: 'web' },
      status: { conditions },
    })
  const check = certificateIssued('shop', 'web')
  expect(await asked(check)).toEqual(waiting('Certificate shop/web does not exist'))
  certificate()
  expect(await asked(check)).toMatchObject(waiting('Certificate shop/web: cert-manager has not processed it yet'))
  certificate({ type: 'Ready', status: 'False', message: 'no such issuer' })
  expect(await asked(check)).toMatchObject(waiting('Certificate shop/web: no such issuer'))
  certificate({ type: 'Ready', status: 'True' })
  expect(await asked(check)).toEqual(READY)
})

test('of several checks the first that does not hold is the answer, and the rest is not asked', async () => {
  const calls: string[] = []
  const proof = (name: string, found: Readiness) => async () => {
    calls.push(name)
    return found
  }
  const no = waiting('not yet')
  expect(await asked(allOf([proof('a', READY), proof('b', no), proof('c', READY)]))).toEqual(no)
  expect(calls).toEqual(['a', 'b'])
  expect(await asked(allOf([proof('a', READY)]))).toEqual(READY)
})
