// An install manifest as one resource: its plan, what a quiet look costs, what drifts, what an upgrade takes away, whose is what.

import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { type BundleSpec, bundle } from '../../src/cluster/kinds/bundle.ts'
import { placed, readManifests } from '../../src/cluster/manifests.ts'
import { type Manifest, type Ref, refOf } from '../../src/cluster/object.ts'
import type { Json } from '../../src/engine/state.ts'
import { apiError, FakeCluster } from './fake.ts'
import { changeOf, look, made, planned } from './kit.ts'

const TEXT = readFileSync(new URL('install.yaml', import.meta.url), 'utf8')
const [A, B] = ['a'.repeat(64), 'b'.repeat(64)]
const INVENTORY: Ref = { apiVersion: 'v1', kind: 'ConfigMap', namespace: 'kube-system', name: 'k3s-platform-inventory' }
const DEPLOYMENT: Ref = {
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  namespace: 'flux-system',
  name: 'source-controller',
}
const CRD: Ref = {
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  name: 'gitrepositories.source.toolkit.fluxcd.io',
}

const release = (tag: string) => placed(readManifests(TEXT.replaceAll('RELEASE', tag)), 'flux-system', 'flux-system')

interface Given extends Partial<BundleSpec> {
  readonly manifests?: readonly Manifest[]
  readonly published?: string
  readonly settings?: string
  /** Told each time that the manifest is fetched, with the digest that it has to have. */
  readonly fetched?: (string | null)[]
}

function flux({ manifests = release('v1'), published = A, settings = '', fetched = [], ...more }: Given = {}) {
  return bundle({
    name: 'flux',
    title: 'Flux v2.9.4',
    version: 'v2.9.4',
    namespace: 'flux-system',
    labels: 'app.kubernetes.io/part-of=flux',
    sha256: null,
    by: 'as published',
    want: async () => ({
      settings,
      objects: async (sha256) => {
        fetched.push(sha256)
        return { sha256: sha256 ?? published, manifests }
      },
    }),
    ...more,
  })
}

const newer = (more: Given = {}) =>
  flux({ title: 'Flux v2.9.5', version: 'v2.9.5', published: B, manifests: release('v2'), ...more })
const text = (cluster: FakeCluster) => String(Object(cluster.peek(INVENTORY)?.data)['bundle.flux'])

async function installed(given: Given = {}): Promise<FakeCluster> {
  const cluster = new FakeCluster()
  expect(await made(flux(given), cluster)).toEqual({ waits: [], problem: '' })
  cluster.calls.length = 0
  return cluster
}

/** As kubectl would edit it: the fields that change are the editor's then. */
function edit(
  cluster: FakeCluster,
  ref: Ref,
  change: (object: { [field: string]: Json }) => void,
  manager = 'kubectl-edit',
) {
  const object = JSON.parse(JSON.stringify(cluster.peek(ref)))
  const before = JSON.stringify(object)
  change(object)
  expect(JSON.stringify(object)).not.toBe(before)
  cluster.put(object, manager)
}

describe('an install manifest', () => {
  test('is created in the order that its objects need, and then there is nothing to do', async () => {
    const cluster = new FakeCluster()
    expect(await planned(flux(), cluster)).toBe('create: as published\nversion: null -> "v2.9.4"')
    expect(cluster.peek(DEPLOYMENT)).toBeNull()
    await made(flux(), cluster)
    const order = cluster.calls
      .filter(({ verb, dryRun }) => verb === 'apply' && !dryRun)
      .map(({ id }) => id.split('/')[0])
    expect(order).toEqual([
      'Namespace',
      'CustomResourceDefinition.apiextensions.k8s.io',
      'CustomResourceDefinition.apiextensions.k8s.io',
      'ServiceAccount',
      'ClusterRoleBinding.rbac.authorization.k8s.io',
      'Deployment.apps',
      'Deployment.apps',
    ])
    expect(await planned(flux(), cluster)).toBe('none')
  })

  test('applies nothing but kinds until these are served, and says which it waits for', async () => {
    const cluster = new FakeCluster()
    cluster.unserved.add('GitRepository')
    const { problem } = await made(flux(), cluster, { boundSeconds: 0.05 })
    expect(problem).toBe(
      `edge-1 Flux v2.9.4: the API did not serve its kinds within 0.05 s
why: the API does not serve GitRepository of source.toolkit.fluxcd.io/v1 yet
hint: to see the cause: kubectl get crd and kubectl describe crd NAME`,
    )
    expect([cluster.peek(CRD) === null, cluster.peek(DEPLOYMENT)]).toEqual([false, null])
  })

  test('that is as it should be costs lists of metadata: no dry run, and nothing is fetched', async () => {
    const fetched: (string | null)[] = []
    const cluster = await installed()
    expect(await look(flux({ fetched }), cluster)).toEqual({
      actual: { version: 'v2.9.4' },
      desired: { version: 'v2.9.4' },
    })
    expect(fetched).toEqual([])
    expect([...new Set(cluster.calls.map(({ verb }) => verb))]).toEqual(['get', 'list'])
    expect(cluster.count('get')).toBe(1)
  })

  test('whose Deployments tell of their pods is still as it should be', async () => {
    const cluster = await installed()
    for (const availableReplicas of [0, 1]) {
      cluster.put({ ...cluster.peek(DEPLOYMENT), status: { availableReplicas } }, 'kube-controller-manager')
      await cluster.patch(DEPLOYMENT, { status: { availableReplicas } })
    }
    const fetched: (string | null)[] = []
    expect(await planned(flux({ fetched }), cluster)).toBe('none')
  })

  test('that cannot be fetched is applied to no part', async () => {
    const cluster = new FakeCluster()
    const want = async () => ({ settings: '', objects: () => Promise.reject(new Error('no way')) })
    await expect(look(flux({ want }), cluster)).rejects.toThrow('no way')
    const change = await changeOf(flux(), cluster)
    cluster.calls.length = 0
    const how = { host: 'edge-1', now: Date.now, signal: new AbortController().signal }
    const making = {
      ...how,
      stop: how.signal,
      boundSeconds: 1,
      wait: () => undefined,
      warn: () => undefined,
      output: () => undefined,
    }
    await expect(flux({ want }).make(change, cluster, making)).rejects.toThrow('no way')
    expect(cluster.calls.filter(({ verb, dryRun }) => !dryRun && !['get', 'list'].includes(verb))).toEqual([])
  })
})

describe('drift', () => {
  test.each<[string, (cluster: FakeCluster) => void, string]>([
    [
      'a Deployment that is gone',
      (cluster) => cluster.remove(DEPLOYMENT),
      'update\nDeployment flux-system/source-controller: null -> "there"',
    ],
    [
      'a field of a CRD that is gone',
      (cluster) => edit(cluster, CRD, (crd) => delete Object(crd.spec).names.shortNames),
      'update\nCustomResourceDefinition gitrepositories.source.toolkit.fluxcd.io spec.names.shortNames: null -> ["gitrepo"]',
    ],
    [
      'a field that was changed in our name',
      (cluster) =>
        edit(
          cluster,
          DEPLOYMENT,
          (one) => {
            Object(one.spec).replicas = 3
          },
          'kubectl-k3s-platform',
        ),
      'update\nDeployment flux-system/source-controller spec.replicas: 3 -> 1',
    ],
  ])('of %s is seen by comparing that object alone, and healed', async (_, drift, expected) => {
    const cluster = await installed()
    drift(cluster)
    cluster.calls.length = 0
    const fetched: (string | null)[] = []
    expect(await planned(flux({ fetched }), cluster)).toBe(expected)
    expect(fetched, 'the manifest that was applied').toEqual([A])
    expect(cluster.count('apply', true)).toBe(1)
    expect((await made(flux(), cluster)).problem).toBe('')
    cluster.calls.length = 0
    expect([await planned(flux(), cluster), cluster.count('apply', true)]).toEqual(['none', 0])
  })

  test('in a field that its editor owns is told with the way out, and not forced', async () => {
    const cluster = await installed()
    edit(cluster, DEPLOYMENT, (one) => {
      Object(one.spec).replicas = 3
    })
    expect(await planned(flux(), cluster)).toBe(
      `edge-1 Deployment flux-system/source-controller: a field belongs to another field manager, and conflicts are never forced
why: spec.replicas: kubectl edit
hint: add its value to the inventory; or take ownership: kubectl -n flux-system patch deployment.apps source-controller --type=merge -p '{"spec":{"replicas":1}}'`,
    )
  })

  test('that is none, a field of somebody else, stays quiet', async () => {
    const cluster = await installed()
    await cluster.patch(DEPLOYMENT, { metadata: { annotations: { mine: '1' } } })
    cluster.put({ ...cluster.peek(DEPLOYMENT), extra: 1 }, 'kubectl-annotate')
    expect(await planned(flux(), cluster)).toBe('none')
  })

  test('of the record alone is seen: what was applied has to be known', async () => {
    const cluster = await installed()
    cluster.remove(INVENTORY)
    expect(await planned(flux(), cluster)).toBe('update\nversion: null -> "v2.9.4"')
    await made(flux(), cluster)
    expect(await planned(flux(), cluster)).toBe('none')
  })
})

describe('another release', () => {
  const OLD: Ref = { apiVersion: 'v1', kind: 'Service', namespace: 'flux-system', name: 'old' }
  const labels = { 'app.kubernetes.io/part-of': 'flux' }
  const gone: readonly Manifest[] = [
    { apiVersion: 'v1', kind: 'Service', metadata: { namespace: 'flux-system', name: 'old', labels }, spec: { a: 1 } },
    { apiVersion: CRD.apiVersion, kind: CRD.kind, metadata: { name: 'old.fluxcd.io', labels }, spec: { a: 1 } },
  ]
  const older = { manifests: [...release('v1'), ...gone] }

  test('shows what becomes other and what goes, and keeps kinds', async () => {
    const cluster = await installed(older)
    expect(await planned(newer(), cluster)).toMatchInlineSnapshot(`
      "update
      version: "v2.9.4" -> "v2.9.5"
      Deployment flux-system/source-controller spec.template.spec.containers[manager].image: "ghcr.io/fluxcd/source-controller:v1" -> "ghcr.io/fluxcd/source-controller:v2"
      Deployment flux-system/notification-controller spec.template.spec.containers[manager].image: "ghcr.io/fluxcd/notification-controller:v1" -> "ghcr.io/fluxcd/notification-controller:v2"
      Service flux-system/old: "there" -> null"
    `)
    expect((await made(newer(), cluster)).problem).toBe('')
    expect(cluster.peek(OLD)).toBeNull()
    expect(cluster.peek({ ...CRD, name: 'old.fluxcd.io' })).not.toBeNull()
    expect(await planned(newer(), cluster)).toBe('none')
    expect(text(cluster)).toMatch(new RegExp(`^v2.9.5 ${B} \\w+ done\n`))
    expect(text(cluster)).not.toContain('old')
  })

  test('takes nothing away that another has taken over', async () => {
    const cluster = await installed(older)
    cluster.put({
      ...cluster.peek(OLD),
      metadata: {
        namespace: 'flux-system',
        name: 'old',
        labels: { ...labels, 'kustomize.toolkit.fluxcd.io/name': 'apps' },
      },
    })
    expect((await made(newer(), cluster)).problem).toBe('')
    expect(cluster.peek(OLD)).not.toBeNull()
  })

  test('that was killed in the middle goes on: what the older one had is still known', async () => {
    const cluster = await installed(older)
    cluster.fault = ({ verb, id, dryRun }) =>
      verb === 'apply' && !dryRun && id.startsWith('Deployment') ? apiError(403, 'Forbidden', 'no') : undefined
    expect((await made(newer(), cluster)).problem).toContain(
      'edge-1 Deployment flux-system/source-controller: the API forbids it',
    )
    cluster.fault = () => undefined
    expect(await planned(newer(), cluster)).toContain('version: "v2.9.5, in part" -> "v2.9.5"')
    expect((await made(newer(), cluster)).problem).toBe('')
    expect(cluster.peek(OLD)).toBeNull()
    expect(await planned(newer(), cluster)).toBe('none')
  })

  test('of the same name is taken only where a pin or the lock names it', async () => {
    const cluster = await installed()
    expect(await planned(flux({ published: B }), cluster)).toBe('none')
    expect(await planned(flux({ sha256: B }), cluster)).toBe(`update\nsha256: "${A}" -> "${B}"`)
    await made(flux({ sha256: B }), cluster)
    expect(await planned(flux({ sha256: B }), cluster)).toBe('none')
  })

  test('with other settings shows what they change', async () => {
    const cluster = await installed()
    const manifests = release('v1').filter(({ metadata }) => metadata.name !== 'notification-controller')
    expect(await planned(flux({ settings: 'x', manifests }), cluster)).toBe(
      'update\nsettings: "unchanged" -> "as in the inventory"\nDeployment flux-system/notification-controller: "there" -> null',
    )
  })
})

describe('what is not ours', () => {
  const byFlux = { 'kustomize.toolkit.fluxcd.io/name': 'flux-system', 'app.kubernetes.io/part-of': 'flux' }
  const claim = (cluster: FakeCluster, manifest: Manifest) =>
    cluster.put({ ...manifest, metadata: { ...manifest.metadata, labels: byFlux } }, 'kustomize-controller')

  test('is left alone as a whole where Flux has its own controllers from Git', async () => {
    const cluster = new FakeCluster()
    for (const manifest of release('v0')) claim(cluster, manifest)
    const fetched: (string | null)[] = []
    expect(await planned(newer({ fetched }), cluster)).toBe('owned: Flux (flux-system)')
    expect([fetched, cluster.count('apply', true)]).toEqual([[], 0])
  })

  test('is left alone object by object, and the look stays quiet', async () => {
    const cluster = await installed()
    const namespace = release('v1').find(({ kind }) => kind === 'Namespace') ?? expect.fail()
    claim(cluster, namespace)
    expect(await planned(flux(), cluster)).toBe('none')
    expect((await made(newer(), cluster)).problem).toBe('')
    expect(cluster.peek(refOf(namespace))?.metadata.labels).toEqual(byFlux)
    expect(await planned(newer(), cluster)).toBe('none')
  })

  test('but made by another installer is not forced: who has it, and how to go on', async () => {
    const cluster = new FakeCluster()
    for (const manifest of release('v0')) cluster.put(manifest, 'flux')
    const installers = { managers: ['flux', 'kubectl-client-side-apply'], hint: 'take it over once' }
    const before = JSON.stringify(cluster.peek(DEPLOYMENT))
    expect(await planned(newer({ installers }), cluster)).toMatchInlineSnapshot(`
      "edge-1 Flux v2.9.5: owned by Flux, and conflicts are never forced
      why: its fields are owned by Deployment flux-system/source-controller, Deployment flux-system/notification-controller
      hint: take it over once"
    `)
    expect(JSON.stringify(cluster.peek(DEPLOYMENT))).toBe(before)
  })
})
