// A release that Flux goes on with: when that is so, what becomes of its HelmChart, and what stays.

import { describe, expect, test } from 'vitest'
import { object } from '../../src/cluster/kinds/object.ts'
import { type Manifest, refOf } from '../../src/cluster/object.ts'
import { keptChart, retired } from '../../src/gitops/kinds/adopted.ts'
import { FakeCluster } from '../cluster/fake.ts'
import { made, planned } from '../cluster/kit.ts'

const release = { name: 'caddy', namespace: 'platform', fluxNamespace: 'flux-system' }
const CHART: Manifest = {
  apiVersion: 'helm.cattle.io/v1',
  kind: 'HelmChart',
  metadata: { namespace: 'kube-system', name: 'caddy' },
  spec: { chart: 'caddy' },
}
const ANNOTATIONS = {
  'objectset.rio.cattle.io/owner-gvk': 'helm.cattle.io/v1, Kind=HelmChart',
  'objectset.rio.cattle.io/owner-name': 'caddy',
}
const binding = (name: string, annotations: Record<string, string>): Manifest => ({
  apiVersion: 'rbac.authorization.k8s.io/v1',
  kind: 'ClusterRoleBinding',
  metadata: { name, annotations },
})
const RELEASED = { name: 'caddy', namespace: 'platform', status: 'deployed' }

function cluster(some: { history?: object; ready?: string; storage?: string; seen?: number } | null): FakeCluster {
  const now = new FakeCluster('kube-system', 'flux-system', 'platform')
  now.put({ ...CHART, metadata: { ...CHART.metadata, finalizers: ['wrangler.cattle.io/on-helm-chart-remove'] } })
  if (some === null) return now
  const { history = RELEASED, ready = 'True', storage = 'platform', seen = 2 } = some
  now.put({
    apiVersion: 'helm.toolkit.fluxcd.io/v2',
    kind: 'HelmRelease',
    metadata: { namespace: 'flux-system', name: 'caddy', generation: 2 },
    status: {
      conditions: [{ type: 'Ready', status: ready }],
      observedGeneration: seen,
      storageNamespace: storage,
      history: [history],
    },
  })
  return now
}

describe('a HelmChart', () => {
  test.each([
    ['there is no HelmRelease', null],
    ['the HelmRelease is not ready', { ready: 'False' }],
    ['the HelmRelease keeps its record in another namespace', { storage: 'flux-system' }],
    ['the HelmRelease is of another release', { history: { ...RELEASED, name: 'other' } }],
    ['the newest revision of the HelmRelease has failed', { history: { ...RELEASED, status: 'failed' } }],
    ['the newest version of the HelmRelease was not looked at', { seen: 1 }],
  ])('stays while %s', async (_, some) => {
    const now = cluster(some)
    expect(await planned(retired(release), now)).toBe('none')
    expect(await planned(keptChart(object(CHART), release), now)).toBe('none')
  })

  test('goes once Flux has deployed that release, with what was made for it and for no other', async () => {
    const now = cluster({})
    now.put(binding('helm-kube-system-caddy', ANNOTATIONS))
    now.put(binding('helm-kube-system-other', { ...ANNOTATIONS, 'objectset.rio.cattle.io/owner-name': 'other' }))
    expect(await planned(keptChart(object(CHART), release), now)).toBe('owned: Flux (HelmRelease caddy)')
    expect(await planned(retired(release), now)).toBe(
      'action: retire HelmChart kube-system/caddy: Flux goes on with the release, nothing is uninstalled',
    )
    expect(await made(retired(release), now)).toMatchObject({ problem: '' })
    expect(now.peek(refOf(CHART))).toBeNull()
    expect(now.calls.findIndex(({ verb }) => verb === 'patch')).toBeLessThan(
      now.calls.findIndex(({ verb }) => verb === 'delete'),
    )
    expect(now.peek(refOf(binding('helm-kube-system-caddy', {})))).toBeNull()
    expect(now.peek(refOf(binding('helm-kube-system-other', {})))).not.toBeNull()
    expect(await planned(retired(release), now)).toBe('none')
    expect(await planned(keptChart(object(CHART), release), now)).toBe('owned: Flux (HelmRelease caddy)')
  })
})
