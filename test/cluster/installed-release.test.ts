// What a cluster has of a release, by its newest record.

import { gzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { installedRelease } from '../../src/cluster/installed-release.ts'
import { FakeCluster } from './fake.ts'

test('the newest revision by number says it; nothing is none, and what cannot be read has no version', async () => {
  const cluster = new FakeCluster('web')
  const put = (revision: number, status: string, data: string) => {
    const labels = { owner: 'helm', name: 'web', status, version: `${revision}` }
    const metadata = { name: `sh.helm.release.v1.web.v${revision}`, namespace: 'web', labels }
    cluster.put({ apiVersion: 'v1', kind: 'Secret', type: 'helm.sh/release.v1', metadata, data: { release: data } })
  }
  const packed = (version: string) =>
    Buffer.from(
      gzipSync(JSON.stringify({ info: {}, chart: { metadata: { name: 'web', version } } })).toString('base64'),
    ).toString('base64')
  const found = () => installedRelease(cluster, { release: 'web', namespace: 'web' })
  expect(await found()).toBeNull()
  put(9, 'superseded', packed('1.0.0'))
  put(10, 'deployed', packed('1.1.0'))
  expect(await found()).toEqual({ revision: 10, status: 'deployed', chartVersion: '1.1.0' })
  put(11, 'pending-upgrade', 'bm90aGluZw==')
  expect(await found()).toEqual({ revision: 11, status: 'pending-upgrade', chartVersion: null })
})
