// What a role applied is written down before, and what it no longer wants is deleted, or forgotten with a word.

import { describe, expect, test } from 'vitest'
import { object } from '../../src/cluster/kinds/object.ts'
import { type PruneSpec, prune } from '../../src/cluster/kinds/prune.ts'
import { record } from '../../src/cluster/kinds/record.ts'
import { type Manifest, type Ref, refOf } from '../../src/cluster/object.ts'
import { apiError, FakeCluster } from './fake.ts'
import { made, planned } from './kit.ts'

const ROLE = 'k3s_platform_addon'
const INVENTORY: Ref = { apiVersion: 'v1', kind: 'ConfigMap', namespace: 'kube-system', name: 'k3s-platform-inventory' }

function of(kind: string, name: string, namespace?: string): Manifest {
  const apiVersion = { Certificate: 'cert-manager.io/v1', HelmChart: 'helm.cattle.io/v1' }[kind] ?? 'v1'
  return { apiVersion, kind, metadata: { name, ...(namespace && { namespace }) }, spec: { a: 1 } }
}

const CHART = of('HelmChart', 'cert-manager', 'kube-system')
const ISSUER = { ...of('ClusterIssuer', 'self'), apiVersion: 'cert-manager.io/v1' }
const OLD = of('Certificate', 'old', 'database')
const NEW = of('Certificate', 'new', 'database')

/** One run of a role, as its stages stand. */
async function run(
  cluster: FakeCluster,
  manifests: readonly Manifest[],
  more: Partial<PruneSpec> = {},
): Promise<string> {
  const wanted = manifests.map(refOf)
  const all = [
    record({ role: ROLE, wanted }),
    ...manifests.map((one) => object(one)),
    prune({ role: ROLE, wanted, ...more }),
  ]
  const problems: string[] = []
  for (const resource of all) {
    if ((await planned(resource, cluster)) !== 'none')
      problems.push((await made(resource, cluster, { boundSeconds: 0.05 })).problem)
  }
  return problems.join('')
}

const plans = (cluster: FakeCluster, manifests: readonly Manifest[], more: Partial<PruneSpec> = {}) =>
  planned(prune({ role: ROLE, wanted: manifests.map(refOf), ...more }), cluster)
const text = (cluster: FakeCluster, role = ROLE) => Object(cluster.peek(INVENTORY)?.data)[role]

describe('the record', () => {
  test('names every object in the order of the role, before one is applied', async () => {
    const cluster = new FakeCluster('database')
    const wanted = [CHART, ISSUER, OLD].map(refOf)
    expect(await planned(record({ role: ROLE, wanted }), cluster)).toMatch(/^create/)
    await made(record({ role: ROLE, wanted }), cluster)
    expect(text(cluster)).toBe(
      'helm.cattle.io/v1 HelmChart kube-system/cert-manager\ncert-manager.io/v1 ClusterIssuer self\ncert-manager.io/v1 Certificate database/old\n',
    )
    expect(cluster.peek(refOf(OLD))).toBeNull()
    expect(await planned(record({ role: ROLE, wanted: wanted.toReversed() }), cluster)).toBe('none')
  })

  test('of a role that applies nothing is not made', async () => {
    expect(await planned(record({ role: ROLE, wanted: [] }), new FakeCluster())).toBe('none')
  })

  test('keeps what is no longer wanted until it is pruned, and the lines of other roles', async () => {
    const cluster = new FakeCluster('database')
    await made(record({ role: 'other', wanted: [refOf(CHART)] }), cluster)
    await run(cluster, [OLD])
    await made(record({ role: ROLE, wanted: [refOf(NEW)] }), cluster)
    expect(text(cluster)).toBe(
      'cert-manager.io/v1 Certificate database/new\ncert-manager.io/v1 Certificate database/old\n',
    )
    expect(text(cluster, 'other')).toBe('helm.cattle.io/v1 HelmChart kube-system/cert-manager\n')
  })

  test('passes over lines that it does not understand', async () => {
    const cluster = new FakeCluster('database')
    await run(cluster, [OLD])
    await cluster.patch(INVENTORY, { data: { [ROLE]: `v1\n\n${text(cluster)}nonsense line here now\n` } })
    expect(await plans(cluster, [])).toBe('action: delete Certificate database/old')
  })
})

describe('what is no longer wanted', () => {
  test('is deleted, leaves the record, and then there is nothing to do', async () => {
    const cluster = new FakeCluster('database')
    await run(cluster, [CHART, OLD, NEW])
    expect(await plans(cluster, [CHART, OLD, NEW])).toBe('none')
    expect(await plans(cluster, [CHART, NEW])).toBe('action: delete Certificate database/old')
    expect(await run(cluster, [CHART, NEW])).toBe('')
    expect(cluster.peek(refOf(OLD))).toBeNull()
    expect(cluster.peek(refOf(NEW))).not.toBeNull()
    expect(text(cluster)).toBe(
      'helm.cattle.io/v1 HelmChart kube-system/cert-manager\ncert-manager.io/v1 Certificate database/new\n',
    )
    expect(await plans(cluster, [CHART, NEW])).toBe('none')
  })

  test('goes newest first, and the plan says what goes with each', async () => {
    const cluster = new FakeCluster('database')
    await run(cluster, [CHART, ISSUER, OLD])
    const goesWith = async ({ kind }: Ref) => (kind === 'HelmChart' ? 'uninstalls the release cert-manager' : null)
    expect(await plans(cluster, [], { goesWith })).toBe(
      'action: delete Certificate database/old, ClusterIssuer self, HelmChart kube-system/cert-manager (uninstalls the release cert-manager)',
    )
    await run(cluster, [], { goesWith })
    const deletes = cluster.calls.filter(({ verb }) => verb === 'delete').map(({ id }) => id)
    expect(deletes).toEqual([
      'Certificate.cert-manager.io/database/old',
      'ClusterIssuer.cert-manager.io/self',
      'HelmChart.helm.cattle.io/kube-system/cert-manager',
    ])
  })

  test.each<[string, Manifest, (cluster: FakeCluster, ref: Ref) => void, string]>([
    [
      'that Flux took over',
      OLD,
      (cluster) =>
        cluster.put({ ...OLD, metadata: { ...OLD.metadata, labels: { 'kustomize.toolkit.fluxcd.io/name': 'apps' } } }),
      'forget Certificate database/old (Flux (apps) owns it now)',
    ],
    [
      'whose entry had it stay',
      { ...CHART, metadata: { ...CHART.metadata, annotations: { 'k3s-platform/prune': 'disabled' } } },
      () => undefined,
      'forget HelmChart kube-system/cert-manager (its entry had prune: false: it is kept)',
    ],
    [
      'that holds what cannot be made again',
      {
        ...of('Secret', 'web', 'database'),
        metadata: { name: 'web', namespace: 'database', annotations: { 'k3s-platform/prune': 'generated' } },
      },
      () => undefined,
      'forget Secret database/web (the secrets that were generated in it are kept)',
    ],
    [
      'that somebody made anew',
      OLD,
      (cluster, ref) => {
        cluster.remove(ref)
        cluster.put(OLD)
      },
      'forget Certificate database/old (it no longer has fields of k3s-platform)',
    ],
    ['that is a namespace', of('Namespace', 'x'), () => {}, 'forget Namespace x (its contents are kept)'],
    [
      'that is a volume claim',
      of('PersistentVolumeClaim', 'x', 'database'),
      () => {},
      'forget PersistentVolumeClaim database/x (its data is kept)',
    ],
    [
      'that is a kind',
      of('CustomResourceDefinition', 'x'),
      () => {},
      'forget CustomResourceDefinition x (deleting it would delete all objects of its kind: it is kept)',
    ],
  ])('%s is only forgotten', async (_, manifest, change, expected) => {
    const cluster = new FakeCluster('database')
    await run(cluster, [manifest])
    change(cluster, refOf(manifest))
    expect(await plans(cluster, [])).toBe(`action: ${expected}`)
    expect(await run(cluster, [])).toBe('')
    expect(cluster.peek(refOf(manifest))).not.toBeNull()
    expect([cluster.count('delete'), text(cluster)]).toEqual([0, ''])
    expect(await plans(cluster, [])).toBe('none')
  })

  test('and gone already is forgotten', async () => {
    const cluster = new FakeCluster('database')
    await run(cluster, [OLD, NEW])
    cluster.remove(refOf(OLD))
    expect(await plans(cluster, [NEW])).toBe('action: forget a deleted object')
    await run(cluster, [NEW])
    expect(await plans(cluster, [NEW])).toBe('none')
  })

  test('stays in the record while a finalizer holds it, and the problem names the finalizer', async () => {
    const cluster = new FakeCluster('database')
    await run(cluster, [OLD])
    await cluster.patch(refOf(OLD), { metadata: { finalizers: ['x.example/hold'] } })
    const before = text(cluster)
    expect(await run(cluster, [])).toMatchInlineSnapshot(`
      "edge-1 Certificate database/old: its deletion did not finish within 0.05 s
      why: Certificate database/old is being deleted: held by the finalizer x.example/hold
      hint: find the controller that must remove the finalizer: kubectl -n database describe certificate.cert-manager.io old"
    `)
    expect(text(cluster)).toBe(before)
    cluster.remove(refOf(OLD))
    expect(await plans(cluster, [])).toBe('action: forget a deleted object')
  })

  test('is known after a run that was killed between the record and the object', async () => {
    const cluster = new FakeCluster('database')
    await made(record({ role: ROLE, wanted: [OLD, NEW].map(refOf) }), cluster)
    await made(object(OLD), cluster)
    expect(await plans(cluster, [NEW])).toBe('action: delete Certificate database/old')
  })

  test('makes way for what takes its place: only these go, before all else', async () => {
    const cluster = new FakeCluster('database')
    await run(cluster, [OLD, ISSUER])
    const way = prune({ role: ROLE, wanted: [refOf(NEW)], only: [refOf(OLD), refOf(NEW)] })
    expect(await planned(way, cluster)).toBe('action: delete Certificate database/old')
    expect((await made(way, cluster)).problem).toBe('')
    expect(text(cluster)).toBe('cert-manager.io/v1 ClusterIssuer self\n')
    expect(cluster.peek(refOf(ISSUER))).not.toBeNull()
    expect(await planned(way, cluster)).toBe('none')
  })

  test('is not applied when the record cannot be written', async () => {
    const cluster = new FakeCluster('database')
    cluster.fault = ({ verb }) => (verb === 'patch' ? apiError(403, 'Forbidden', 'no') : undefined)
    await expect(made(record({ role: ROLE, wanted: [refOf(OLD)] }), cluster)).rejects.toThrow('no')
  })
})
