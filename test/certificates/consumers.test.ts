// What uses a Secret, by the specs of Ingresses and Pods.

import { expect, test } from 'vitest'
import { consumers } from '../../src/certificates/consumers.ts'

const pod = (name: string, spec: object, controller?: { kind: string; name: string }) => ({
  kind: 'Pod',
  metadata: {
    ...{ name, namespace: 'shop' },
    ...(controller && { ownerReferences: [{ ...controller, controller: true }] }),
  },
  spec: { containers: [], ...spec },
})
const mounts = { volumes: [{ emptyDir: {} }, { secret: { secretName: 'tls' } }] }
const projects = { volumes: [{ projected: { sources: [{ configMap: { name: 'x' } }, { secret: { name: 'tls' } }] } }] }
const reads = {
  containers: [
    {
      env: [
        { name: 'A', value: 'b' },
        { name: 'C', valueFrom: { secretKeyRef: { name: 'tls', key: 'x' } } },
      ],
    },
  ],
}

test('Ingresses and Pods are found by every way that leads to the Secret, Pods by what controls them', () => {
  const of = consumers([
    {
      kind: 'Ingress',
      metadata: { name: 'shop', namespace: 'shop' },
      spec: { tls: [{ hosts: ['a'] }, { secretName: 'tls' }] },
    },
    { kind: 'Ingress', metadata: { name: 'other', namespace: 'elsewhere' }, spec: { tls: [{ secretName: 'tls' }] } },
    pod('web-7d4b9c-x2x2p', mounts, { kind: 'ReplicaSet', name: 'web-7d4b9c' }),
    pod('web-7d4b9c-8k8k8', mounts, { kind: 'ReplicaSet', name: 'web-7d4b9c' }),
    pod('db-0', projects, { kind: 'StatefulSet', name: 'db' }),
    pod('alone', reads),
    pod('none', { volumes: 'odd' }),
  ])
  expect(of('shop', 'tls')).toEqual(['Deployment/web', 'Ingress/shop', 'Pod/alone', 'StatefulSet/db'])
  expect(of('elsewhere', 'tls')).toEqual(['Ingress/other'])
  expect(of('shop', 'other')).toEqual([])
})

test('odd objects are left out', () => {
  expect(consumers([null, 7, 'x', {}, { kind: 'Pod' }, { kind: 'Pod', metadata: null, spec: [] }])('', '')).toEqual([])
})
