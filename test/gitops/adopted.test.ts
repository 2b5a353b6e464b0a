// A release that Flux goes on with: when that is so, what becomes of its HelmChart, and what stays.

import { describe, expect, test } from 'vitest'
import { gate } from '../../src/cluster/kinds/gate.ts'
import { object } from '../../src/cluster/kinds/object.ts'
import { type Manifest, refOf } from '../../src/cluster/object.ts'
import { fluxApplier } from '../../src/gitops/applier.ts'
import { gitsOwn, keeperOf, keptChart, retired } from '../../src/gitops/kinds/adopted.ts'
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
const RELEASE: Manifest = {
  apiVersion: 'helm.toolkit.fluxcd.io/v2',
  kind: 'HelmRelease',
  metadata: { namespace: 'flux-system', name: 'caddy' },
  spec: { chart: { spec: { version: '1.3.0' } } },
}
const kept = keptChart(object(CHART), release, object(RELEASE))
const RELEASED = { name: 'caddy', namespace: 'platform', status: 'deployed' }

interface Some {
  readonly history?: object | null
  readonly ready?: string
  readonly stalled?: true
  readonly storage?: string
  readonly seen?: number
  /** Of the chart, in Git. */
  readonly version?: string
  /** The HelmChart is there; default. */
  readonly chart?: false
}

function cluster(some: Some | null): FakeCluster {
  const now = new FakeCluster('kube-system', 'flux-system', 'platform')
  const finalizers = ['wrangler.cattle.io/on-helm-chart-remove']
  if (some?.chart !== false) now.put({ ...CHART, metadata: { ...CHART.metadata, finalizers } })
  if (some === null) return now
  const { history = RELEASED, ready = 'True', stalled, storage = 'platform', seen = 2, version = '1.3.0' } = some
  const says = ready === 'True' ? {} : { reason: 'UpgradeFailed', message: 'no such value' }
  now.put({
    ...RELEASE,
    metadata: { ...RELEASE.metadata, generation: 2, labels: { 'kustomize.toolkit.fluxcd.io/name': 'platform-addons' } },
    spec: { chart: { spec: { version } } },
    status: {
      conditions: [
        { type: 'Ready', status: ready, ...says },
        ...(stalled ? [{ type: 'Stalled', status: 'True' }] : []),
      ],
      observedGeneration: seen,
      storageNamespace: storage,
      history: history === null ? [] : [history],
    },
  })
  return now
}

describe('a HelmChart', () => {
  test.each([
    ['there is no HelmRelease', null],
    ['Flux has not begun with the release', { history: null, ready: 'Unknown' }],
    ['the HelmRelease keeps its record in another namespace', { storage: 'flux-system' }],
    ['the HelmRelease is of another release', { history: { ...RELEASED, name: 'other' } }],
  ])('stays ours while %s', async (_, some) => {
    const now = cluster(some)
    expect(await planned(retired(release), now)).toBe('none')
    expect(await planned(kept, now)).toBe('none')
    expect(await keeperOf(now, release)).toBeNull()
  })

  test.each([
    ['the HelmRelease is not ready', { ready: 'False' }, 'waiting', 'UpgradeFailed: no such value'],
    ['the HelmRelease has given up', { ready: 'False', stalled: true }, 'failed', 'UpgradeFailed: no such value'],
    ['its newest revision has failed', { history: { ...RELEASED, status: 'failed' } }, 'waiting', 'Flux has not'],
    ['its newest version was not looked at', { seen: 1 }, 'waiting', 'Flux has not deployed it yet'],
  ] as const)('is left alone and not retired while %s', async (_, some, is, why) => {
    const now = cluster(some)
    expect(await planned(retired(release), now)).toBe('none')
    expect(await planned(kept, now)).toBe('owned: Flux (HelmRelease caddy)')
    expect(await keeperOf(now, release)).toMatchObject({ well: { is, why: expect.stringContaining(why) } })
  })

  test.each([
    ['has failed', { ready: 'False' }],
    ['has not begun', { history: null, ready: 'Unknown' }],
  ])('that is gone is not made again while the HelmRelease %s', async (_, some) => {
    expect(await planned(kept, cluster({ ...some, chart: false }))).toBe('owned: Flux (HelmRelease caddy)')
  })

  test('differs where the HelmRelease in Git differs from the inventory', async () => {
    expect(await planned(kept, cluster({ version: '1.2.0' }))).toBe(
      'owned: Flux (HelmRelease caddy)\nspec.chart.spec.version: "1.2.0" -> "1.3.0"',
    )
  })

  test('goes once Flux has deployed that release, with what was made for it and for no other', async () => {
    const now = cluster({})
    now.put(binding('helm-kube-system-caddy', ANNOTATIONS))
    now.put(binding('helm-kube-system-other', { ...ANNOTATIONS, 'objectset.rio.cattle.io/owner-name': 'other' }))
    expect(await planned(kept, now)).toBe('owned: Flux (HelmRelease caddy)')
    expect(await planned(retired(release), now)).toBe(
      'action: remove HelmChart kube-system/caddy: Flux takes over the release, nothing is uninstalled',
    )
    expect(await made(retired(release), now)).toMatchObject({ problem: '' })
    expect(now.peek(refOf(CHART))).toBeNull()
    expect(now.calls.findIndex(({ verb }) => verb === 'patch')).toBeLessThan(
      now.calls.findIndex(({ verb }) => verb === 'delete'),
    )
    expect(now.peek(refOf(binding('helm-kube-system-caddy', {})))).toBeNull()
    expect(now.peek(refOf(binding('helm-kube-system-other', {})))).not.toBeNull()
    expect(await planned(retired(release), now)).toBe('none')
    expect(await planned(kept, now)).toBe('owned: Flux (HelmRelease caddy)')
  })
})

describe('an addon that Git shall have', () => {
  const flux = fluxApplier('flux-system', 'platform-root')
  const ready = gate({
    ...{ id: 'ready:caddy', title: 'caddy', boundSeconds: 1, watches: [] },
    judge: async () => ({ is: 'waiting', why: 'no' }),
  })
  const own = (resource: typeof ready) => gitsOwn(resource, release, flux)
  const handedOver = (some: Some | null): FakeCluster => {
    const now = cluster(some)
    now.put({ ...flux.root, metadata: { namespace: 'flux-system', name: 'platform-root' } })
    return now
  }
  const missing = { history: null, chart: false } as const

  test('is missing, and nothing of it is made, where neither its HelmChart nor its HelmRelease is there', async () => {
    const now = handedOver(missing)
    await now.delete(refOf(RELEASE))
    expect(await planned(own(kept), now)).toMatch(/^owned: Flux \(platform-root\)/)
    expect(await planned(own(ready), now)).toMatch(/^owned: Flux \(platform-root\)/)
  })

  test('is made as long as nobody applies the tree', async () => {
    const now = cluster(missing)
    await now.delete(refOf(RELEASE))
    expect(await planned(own(kept), now)).toMatch(/^create/)
  })

  test('is waited for while its HelmChart is there, or its HelmRelease', async () => {
    for (const some of [null, missing])
      expect(await planned(own(ready), handedOver(some))).toBe('action: wait until caddy is ready')
  })
})
