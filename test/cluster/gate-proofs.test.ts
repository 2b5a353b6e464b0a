// The proofs that something works, and the words for what does not yet.

import { describe, expect, test } from 'vitest'
import {
  acceptsCertificate,
  acceptsExternalSecret,
  answersHttp,
  type Proof,
  secretThere,
} from '../../src/cluster/proofs.ts'
import { apiError, FakeCluster } from './fake.ts'

const asked = (proof: Proof, cluster: FakeCluster) =>
  proof(cluster, { host: 'edge-1', now: Date.now, signal: new AbortController().signal })

describe('cert-manager works', () => {
  test('when it takes a Certificate, which is a dry run', async () => {
    const cluster = new FakeCluster('cert-manager')
    expect(await asked(acceptsCertificate(), cluster)).toEqual({ is: 'ready' })
    expect(cluster.calls).toEqual([
      { verb: 'create', id: 'Certificate.cert-manager.io/cert-manager/k3s-platform-proof', dryRun: true },
    ])
  })

  const hook = 'Internal error occurred: failed calling webhook "webhook.cert-manager.io": failed to call webhook: '
  const post = 'Post "https://cert-manager-webhook.cert-manager.svc:443/validate?timeout=30s": '
  test.each([
    [
      'not before its CA is known',
      apiError(
        500,
        'InternalError',
        `${hook}${post}tls: failed to verify certificate: x509: certificate signed by unknown authority`,
      ),
      {
        is: 'waiting',
        why: 'its webhook does not answer: tls: failed to verify certificate: x509: certificate signed by unknown authority',
      },
    ],
    [
      'not without a pod of it',
      apiError(500, 'InternalError', `${hook}${post}no endpoints available for service "cert-manager-webhook"`),
      { is: 'waiting', why: 'its webhook does not answer: no endpoints available for service "cert-manager-webhook"' },
    ],
    [
      'not before its CRD is served',
      apiError(404, 'NotFound', 'no matches for kind "Certificate" in version "cert-manager.io/v1"'),
      {
        is: 'waiting',
        why: 'the API does not serve Certificate of cert-manager.io/v1 yet: no matches for kind "Certificate" in version "cert-manager.io/v1"',
      },
    ],
    [
      'not in a namespace that goes',
      apiError(403, 'Forbidden', 'unable to create new content in namespace x because it is being terminated'),
      { is: 'waiting', why: 'unable to create new content in namespace x because it is being terminated' },
    ],
    [
      'not when a policy forbids it, and that stays so',
      apiError(400, 'Invalid', 'admission webhook "policy.example" denied the request: no'),
      {
        is: 'failed',
        why: 'a test Certificate was rejected: admission webhook "policy.example" denied the request: no',
      },
    ],
    ['even when there is one of that name', apiError(409, 'AlreadyExists', 'exists'), { is: 'ready' }],
  ])('%s', async (_, error, readiness) => {
    const cluster = new FakeCluster()
    cluster.fault = () => error
    expect(await asked(acceptsCertificate('x'), cluster)).toEqual(readiness)
  })
})

test('external-secrets works when it takes an ExternalSecret', async () => {
  const cluster = new FakeCluster('platform')
  expect(await asked(acceptsExternalSecret('platform'), cluster)).toEqual({ is: 'ready' })
  expect(cluster.calls.map(({ dryRun }) => dryRun)).toEqual([true])
})

describe('a server answers HTTP', () => {
  const place = { namespace: 'platform', service: 'caddy' }
  const service = (status: object, type = 'LoadBalancer') => ({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'caddy', namespace: 'platform' },
    spec: {
      type,
      ports: [
        { name: 'https', port: 443 },
        { name: 'http', port: 8080 },
      ],
    },
    status,
  })
  const address = { loadBalancer: { ingress: [{ ip: '10.88.0.10' }] } }
  const svclb = (message: string) => ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name: 'svclb-caddy-1',
      namespace: 'kube-system',
      labels: {
        'svccontroller.k3s.cattle.io/svcname': 'caddy',
        'svccontroller.k3s.cattle.io/svcnamespace': 'platform',
      },
    },
    status: {
      phase: 'Pending',
      conditions: [{ type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message }],
    },
  })

  test('with whatever status, at the address of its Service', async () => {
    const cluster = new FakeCluster('platform')
    cluster.put(service(address))
    cluster.answer = async () => ({ status: 404, headers: {}, body: '' })
    expect(await asked(answersHttp(place), cluster)).toEqual({ is: 'ready' })
    expect(cluster.calls.at(-1)?.id).toBe('10.88.0.10:8080/')
  })

  const onHost = answersHttp({ namespace: 'platform', hostPort: 80, pods: 'app=caddy' })
  const pod = (name: string, hostIP: string, metadata: object, state: object) => ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: 'platform', labels: { app: 'caddy' }, ...metadata },
    status: { hostIP, containerStatuses: [{ name, state }] },
  })

  test('at a port of the node', async () => {
    const cluster = new FakeCluster('platform')
    cluster.answer = async () => ({ status: 200, headers: {}, body: '' })
    expect(await asked(onHost, cluster)).toEqual({ is: 'ready' })
    expect(cluster.calls.at(-1)?.id).toBe('127.0.0.1:80/')
  })

  test('at that of the node on which its pod runs', async () => {
    const cluster = new FakeCluster('platform')
    cluster.put(pod('a-waits', '10.88.0.11', {}, { waiting: { reason: 'ContainerCreating' } }))
    cluster.put(pod('b-ends', '10.88.0.12', { deletionTimestamp: '2026-01-01T00:00:00Z' }, { running: {} }))
    cluster.put(pod('c-runs', '10.88.0.13', {}, { running: {} }))
    cluster.answer = async () => ({ status: 200, headers: {}, body: '' })
    expect(await asked(onHost, cluster)).toEqual({ is: 'ready' })
    expect(cluster.calls.at(-1)?.id).toBe('10.88.0.13:80/')
  })

  test.each([
    ['there is no Service', [], { is: 'waiting', why: 'Service platform/caddy does not exist' }],
    [
      'nothing listens',
      [service(address)],
      { is: 'waiting', why: 'nothing answers HTTP at 10.88.0.10:8080: connect ECONNREFUSED' },
    ],
    [
      'nothing gives addresses',
      [service({})],
      {
        is: 'waiting',
        why: 'Service platform/caddy has no address: no controller assigns LoadBalancer addresses',
        hint: 'servicelb is disabled in k3s, and no other load balancer controller is installed: enable it, or use host ports',
      },
    ],
    [
      'its port is taken',
      [service({}), svclb("0/1 nodes are available: 1 node(s) didn't have free ports for the requested pod ports.")],
      {
        is: 'waiting',
        why: "Service platform/caddy has no address: pod svclb-caddy-1: cannot be scheduled: 0/1 nodes are available: 1 node(s) didn't have free ports for the requested pod ports.",
        hint: 'its ports are in use on the node by another Service or pod: kubectl get svc -A | grep LoadBalancer',
      },
    ],
    [
      'its Service is of another type',
      [service({}, 'ClusterIP')],
      { is: 'failed', why: 'Service platform/caddy has type ClusterIP and therefore no address outside the cluster' },
    ],
  ])('not when %s', async (_, objects, readiness) => {
    const cluster = new FakeCluster('platform')
    for (const object of objects) cluster.put(object)
    expect(await asked(answersHttp(place), cluster)).toEqual(readiness)
  })
})

test.each([
  [undefined, { is: 'waiting', why: 'Secret platform/token does not exist' }],
  [{}, { is: 'waiting', why: 'Secret platform/token has no key api-token' }],
  [{ 'api-token': '' }, { is: 'waiting', why: 'Secret platform/token has no key api-token' }],
  [{ 'api-token': 'eA==' }, { is: 'ready' }],
])('a Secret that holds %j', async (data, readiness) => {
  const cluster = new FakeCluster('platform')
  const ref = { namespace: 'platform', name: 'token' }
  if (data) cluster.put({ apiVersion: 'v1', kind: 'Secret', metadata: ref, data })
  expect(await asked(secretThere(ref, ['api-token']), cluster)).toEqual(readiness)
})
