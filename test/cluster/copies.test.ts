// Everything that copies a Secret into another namespace is found, however deep it stands, and nothing else is.

import { describe, expect, test } from 'vitest'
import { copiesIn, copyMarks, liveCopies } from '../../src/cluster/copies.ts'
import type { Manifest } from '../../src/cluster/object.ts'
import { FakeCluster } from './fake.ts'

const REFLECT = { 'reflector.v1.k8s.emberstack.com/reflection-allowed': 'true' }

describe('values', () => {
  test.each<[string, unknown, string[]]>([
    [
      'an annotation of reflector',
      { a: { annotations: REFLECT } },
      ['a annotations reflector.v1.k8s.emberstack.com/reflection-allowed: reflector'],
    ],
    [
      'one of kubernetes-replicator, in a list',
      [{ 'replicator.v1.mittwald.de/replicate-to': '*' }],
      ['0 replicator.v1.mittwald.de/replicate-to: kubernetes-replicator'],
    ],
    ['one of kubed', { x: { 'kubed.appscode.com/sync': '' } }, ['x kubed.appscode.com/sync: config-syncer (kubed)']],
    [
      'an annotation in a text',
      { tpl: `a: b\nannotations:\n  replicator.v1.mittwald.de/replicate-to: x` },
      ['tpl: kubernetes-replicator'],
    ],
    [
      'a controller by its image',
      { image: { repository: 'docker.io/emberstack/kubernetes-reflector' } },
      ['image repository: reflector'],
    ],
    [
      'an object that writes into several namespaces',
      { extra: [{ apiVersion: 'external-secrets.io/v1', kind: 'ClusterExternalSecret' }] },
      ['extra 0 kind: a ClusterExternalSecret'],
    ],
    ['such an object in a text', 'apiVersion: external-secrets.io/v1alpha1\nkind: PushSecret\n', [': a PushSecret']],
    [
      'nothing of it',
      {
        kind: 'ExternalSecret',
        annotations: { 'reloader.stakater.com/auto': 'true' },
        text: 'reflector',
        n: 1,
        z: null,
      },
      [],
    ],
  ])('with %s', (_, values, expected) => {
    const found = copiesIn(values).map(
      ({ path, what }) => `${path.join(' ')}: ${what.replace(/ (copies|writes) .*/, '')}`,
    )
    expect(found).toEqual(expected)
  })
})

test('a Certificate whose Secret would be copied says where', () => {
  const manifest: Manifest = {
    apiVersion: 'cert-manager.io/v1',
    kind: 'Certificate',
    metadata: { namespace: 'database', name: 'tls' },
    spec: { secretTemplate: { annotations: REFLECT } },
  }
  expect(copyMarks(manifest)).toEqual([
    'spec.secretTemplate.annotations[reflector.v1.k8s.emberstack.com/reflection-allowed]: reflector copies it into other namespaces',
  ])
})

test('a live cluster tells each object that copies, and only those', async () => {
  const cluster = new FakeCluster('a')
  const put = (apiVersion: string, kind: string, name: string, annotations: object, spec: object = {}) =>
    cluster.put({ apiVersion, kind, metadata: { namespace: 'a', name, annotations }, spec })
  put('v1', 'Secret', 'copied', REFLECT)
  put('v1', 'Secret', 'plain', {})
  put('v1', 'Secret', 'applied', { 'kubectl.kubernetes.io/last-applied-configuration': JSON.stringify(REFLECT) })
  put('external-secrets.io/v1', 'ClusterExternalSecret', 'everywhere', {})
  put(
    'apps/v1',
    'Deployment',
    'r',
    {},
    { template: { spec: { containers: [{ image: 'quay.io/mittwald/kubernetes-replicator:v2' }] } } },
  )
  const found = await liveCopies(cluster)
  expect(found.map(({ where, why }) => `${where}: ${why}`)).toMatchInlineSnapshot(`
    [
      "Secret a/copied: metadata.annotations[reflector.v1.k8s.emberstack.com/reflection-allowed]: reflector copies it into other namespaces",
      "Deployment a/r: spec.template.spec.containers[0].image: kubernetes-replicator copies it into other namespaces",
      "ClusterExternalSecret a/everywhere: kind: a ClusterExternalSecret writes one Secret into several namespaces",
    ]
  `)
})
