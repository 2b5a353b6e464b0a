// What is said of a release that is about to go, by what Helm recorded of it.

import { gzipSync } from 'node:zlib'
import { beforeEach, expect, test } from 'vitest'
import { uninstallWords } from '../../src/cluster/uninstall.ts'
import { FakeCluster } from './fake.ts'

let cluster: FakeCluster
beforeEach(() => {
  cluster = new FakeCluster('shop')
  cluster.put({ ...CHART, metadata: { name: 'web', namespace: 'kube-system' }, spec: { targetNamespace: 'shop' } })
})
const CHART = { apiVersion: 'helm.cattle.io/v1', kind: 'HelmChart' }
const words = () => uninstallWords(cluster, { ...CHART, namespace: 'kube-system', name: 'web' })

function release(revision: number, manifest: string): void {
  const record = { info: {}, chart: { metadata: {} }, manifest }
  const packed = Buffer.from(gzipSync(JSON.stringify(record)).toString('base64')).toString('base64')
  const labels = { owner: 'helm', name: 'web', status: 'deployed', version: `${revision}` }
  const metadata = { name: `sh.helm.release.v1.web.v${revision}`, namespace: 'shop', labels }
  cluster.put({ apiVersion: 'v1', kind: 'Secret', type: 'helm.sh/release.v1', metadata, data: { release: packed } })
}
const document = (kind: string, more = '') =>
  `---\n# Source: web/templates/a.yaml\napiVersion: v1\nkind: ${kind}\n${more}`

test('a release without a record is uninstalled all the same', async () => {
  expect(await words()).toBe('uninstalls the release web from shop')
})

test('the kinds of the newest revision are counted', async () => {
  release(1, document('ConfigMap'))
  release(2, ['Service', 'Deployment', 'Service'].map((kind) => document(kind)).join(''))
  expect(await words()).toBe('uninstalls the release web from shop with Deployment, 2 Services')
})

test.each([
  ['claims', document('PersistentVolumeClaim'), 'the data of its PersistentVolumeClaims is lost'],
  ['CRDs', document('CustomResourceDefinition'), 'all objects of the kinds that it defines are deleted'],
  ['StatefulSets', document('StatefulSet'), 'the volumes of its StatefulSets remain'],
  [
    'what Helm keeps',
    document('PersistentVolumeClaim', 'metadata:\n  annotations:\n    "helm.sh/resource-policy": keep\n') +
      document('Service'),
    'with Service; PersistentVolumeClaim remain',
  ],
])('of %s the loss is said', async (_, manifest, said) => {
  release(1, manifest)
  expect(await words()).toContain(said)
})

test('a kind within a text is none of the release', async () => {
  release(1, document('ConfigMap', 'data:\n  a: |\n    kind: PersistentVolumeClaim\n'))
  expect(await words()).toBe('uninstalls the release web from shop with ConfigMap')
})
