// How cert-manager itself is, by the objects of its namespace and its webhook configurations.

import { expect, test } from 'vitest'
import { COMPONENT_ASKS, components } from '../../src/certificates/components.ts'

const deployment = (name: string, replicas: number | undefined, status: object) => ({
  kind: 'Deployment',
  metadata: { name },
  spec: { ...(replicas !== undefined && { replicas }) },
  status,
})
const condition = (type: string, status: string, message?: string) => ({ type, status, message })

test.each([
  ['Running', 'all replicas are available', deployment('x', undefined, { availableReplicas: 1 }), null],
  ['Pending', 'none is yet', deployment('x', 1, { conditions: [condition('Progressing', 'True')] }), null],
  ['Degraded', 'some are', deployment('x', 3, { availableReplicas: 1 }), null],
  [
    'Failed',
    'none is, and the rollout has ended',
    deployment('x', 1, { conditions: [condition('Progressing', 'False', 'timed out progressing')] }),
    'timed out progressing',
  ],
  [
    'Failed',
    'no Pod could be created',
    deployment('x', 1, { conditions: [condition('ReplicaFailure', 'True', 'exceeded quota')] }),
    'exceeded quota',
  ],
  ['Failed', 'it is scaled to 0', deployment('x', 0, {}), 'scaled to 0'],
])('a Deployment is %s: %s', (state, _, object, reason) => {
  expect(components([object]).deployments).toMatchObject([{ state, reason }])
})

const configuration = (caBundle: string, namespace = 'cert-manager') => ({
  kind: 'ValidatingWebhookConfiguration',
  metadata: { name: 'cert-manager-webhook' },
  webhooks: [
    {
      name: 'webhook.cert-manager.io',
      failurePolicy: 'Fail',
      clientConfig: { caBundle, service: { namespace, name: 'cert-manager-webhook' } },
    },
  ],
})
const slice = (name: string, ...ready: readonly (boolean | undefined)[]) => ({
  kind: 'EndpointSlice',
  metadata: { name: `${name}-x`, labels: { 'kubernetes.io/service-name': name } },
  endpoints: ready.map((is) => ({ conditions: is === undefined ? {} : { ready: is } })),
})

test('of webhooks only its own are told: whether they are trusted, and who answers', () => {
  const objects = [configuration(''), configuration('Q0E='), configuration('Q0E=', 'elsewhere')]
  const slices = [slice('cert-manager-webhook', true, false, undefined), slice('cert-manager', true)]
  expect(components([...objects, ...slices]).webhooks).toEqual(
    [false, true].map((hasCa) => ({
      ...{ name: 'webhook.cert-manager.io', kind: 'ValidatingWebhookConfiguration', failurePolicy: 'Fail', hasCa },
      ...{ service: 'cert-manager/cert-manager-webhook', readyEndpoints: 2 },
    })),
  )
})

test('a ServiceMonitor is told with the Services that it selects, none of them included', () => {
  const service = (name: string) => ({ kind: 'Service', metadata: { name, labels: { app: name } } })
  const monitor = (app: string) => ({
    kind: 'ServiceMonitor',
    metadata: { name: app },
    spec: { selector: { matchLabels: { app } } },
  })
  expect(components([service('a'), service('b'), monitor('a'), monitor('c')]).serviceMonitors).toEqual([
    { name: 'a', services: ['a'] },
    { name: 'c', services: [] },
  ])
})

test('odd objects are left out', () => {
  expect(components([null, 7, {}, { kind: 'Deployment' }, { kind: 'Service', metadata: [] }])).toEqual({
    ...{ deployments: [], webhooks: [], serviceMonitors: [] },
  })
  expect(COMPONENT_ASKS.map(({ kind }) => kind)).toContain('ServiceMonitor')
})
