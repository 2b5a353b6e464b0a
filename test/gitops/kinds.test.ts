// What Git owns from the handoff on: left alone, missing and not made again, taken back, handed over; and what stands for the tree.

import { describe, expect, test } from 'vitest'
import { rootStages } from '../../roles/handoff/stages.ts'
import { object } from '../../src/cluster/kinds/object.ts'
import { type Manifest, refOf } from '../../src/cluster/object.ts'
import { argoApplier, fluxApplier, TAKEN_BACK } from '../../src/gitops/applier.ts'
import type { Handover } from '../../src/gitops/handover.ts'
import { handed, takenBack } from '../../src/gitops/kinds/handed.ts'
import { root, switched } from '../../src/gitops/kinds/root.ts'
import { FakeCluster } from '../cluster/fake.ts'
import { made, planned } from '../cluster/kit.ts'

const flux = fluxApplier('flux-system', 'platform-root')
const kustomization = (name: string, spec: Record<string, boolean> = {}, below = ''): Manifest => ({
  apiVersion: 'kustomize.toolkit.fluxcd.io/v1',
  kind: 'Kustomization',
  metadata: { namespace: 'flux-system', name, ...(below && { labels: marks(below) }) },
  spec,
})
const marks = (name: string) => ({
  'kustomize.toolkit.fluxcd.io/name': name,
  'kustomize.toolkit.fluxcd.io/namespace': 'flux-system',
})
const CERTIFICATE: Manifest = {
  apiVersion: 'cert-manager.io/v1',
  kind: 'Certificate',
  metadata: { namespace: 'database', name: 'tls' },
  spec: { dnsNames: ['a.example'] },
}
const REF = refOf(CERTIFICATE)
const git = { ...CERTIFICATE, metadata: { ...CERTIFICATE.metadata, labels: marks('tls-database') } }

/** `handedOver`: what stands for the tree is there. */
function cluster(handedOver: boolean): FakeCluster {
  const made = new FakeCluster('database', 'flux-system')
  if (handedOver) made.put(kustomization('platform-root'))
  return made
}

describe('an object that was handed over', () => {
  const resource = handed(object(CERTIFICATE), REF, flux)

  test('is made as long as nobody applies the tree', async () => {
    const now = cluster(false)
    expect(await planned(resource, now)).toBe('create\npresent: null -> true')
    await made(resource, now)
    expect(await planned(resource, now)).toBe('none')
  })

  test('is kept as it is wanted until Git has taken it up', async () => {
    const now = cluster(true)
    await now.apply({ ...CERTIFICATE, spec: { dnsNames: ['old.example'] } })
    expect(await planned(resource, now)).toBe('update\nspec.dnsNames: ["old.example"] -> ["a.example"]')
  })

  test('is missing, and not made again, when Git does not have it', async () => {
    expect(await planned(resource, cluster(true))).toBe('owned: Flux (platform-root)\npresent: null -> true')
  })

  test('is made again while it is taken back', async () => {
    const now = new FakeCluster('database', 'flux-system')
    const taken = kustomization('platform-root', { suspend: true })
    now.put({ ...taken, metadata: { ...taken.metadata, annotations: { [TAKEN_BACK]: 'true' } } })
    expect(await planned(resource, now)).toBe('create\npresent: null -> true')
  })
})

describe('an object that is taken back', () => {
  const resource = takenBack(object({ ...CERTIFICATE, spec: { dnsNames: ['b.example'] } }), REF)

  test('loses the marks of Git and every claim of it, and gets our values', async () => {
    const now = cluster(true)
    now.put(git, 'kustomize-controller')
    expect(await planned(resource, now)).toBe('action: reclaim Certificate database/tls')
    expect(await made(resource, now)).toEqual({ waits: [], problem: '' })
    const live = now.peek(REF)
    expect(live).toMatchObject({ spec: { dnsNames: ['b.example'] } })
    expect(live?.metadata.labels ?? {}).toEqual({})
    expect(live?.metadata.managedFields?.map(({ manager }) => manager)).toEqual(['kubectl-k3s-platform'])
    expect(await planned(resource, now)).toBe('none')
  })

  test('that Git never had is made as any other', async () => {
    expect(await planned(resource, cluster(true))).toBe('create\npresent: null -> true')
  })
})

describe('what stands for the tree', () => {
  const needs = [{ apiVersion: 'cert-manager.io/v1', kind: 'Certificate', from: 'cert-manager' }]
  const resource = root(() => kustomization('platform-root'), flux, needs)

  test('waits for the kinds that the tree needs', async () => {
    const now = cluster(false)
    now.unserved.add('Certificate')
    expect(await planned(resource, now)).toBe('deferred: once cert-manager is there')
    now.unserved.clear()
    expect(await planned(resource, now)).toBe('create\npresent: null -> true')
  })

  test('goes on decrypting when a run is not given the key', async () => {
    const handover: Handover = {
      ...{ cluster: 'edge-1', by: 'flux', root: 'clusters/edge-1', gitUrl: 'https://git.example/x.git' },
      ...{ gitBranch: 'main', fluxNamespace: 'flux-system', fluxSource: 'platform-config' },
      ...{ parts: [], given: [], sopsRecipients: [], decrypts: false },
    }
    const rootWith = (decrypts: boolean) => {
      const [stage] = rootStages('addon', { ...handover, decrypts }, {}).after
      const [resource] = stage?.resources ?? []
      if (resource === undefined) throw new Error('there is no root')
      return resource
    }
    const now = cluster(false)
    await made(rootWith(false), now)
    expect(await planned(rootWith(false), now)).toBe('none')
    expect(await planned(rootWith(true), now)).toContain('spec.decryption')
    await made(rootWith(true), now)
    expect(await planned(rootWith(false), now)).toBe('none')
  })

  test('is left alone while it is suspended, whoever has done that', async () => {
    const now = cluster(false)
    now.put(kustomization('platform-root', { suspend: true }))
    expect(await planned(resource, now)).toBe('owned: Flux (suspended)')
  })

  test('is suspended with all that it applies, and resumed again', async () => {
    const now = cluster(true)
    now.put(kustomization('issuers', {}, 'platform-root'))
    now.put(kustomization('of-others', {}, 'apps'))
    const [back, over] = [switched(flux, true), switched(flux, false)]
    expect(await planned(over, now)).toBe('none')
    expect(await planned(back, now)).toBe(
      'action: suspend 2 Kustomizations to reclaim the objects that platform-root applies',
    )
    await made(back, now)
    expect(await planned(back, now)).toBe('none')
    expect(now.peek(refOf(kustomization('of-others')))).toMatchObject({ spec: {} })
    expect(await planned(resource, now)).toBe('owned: Flux (reclaimed; to hand it over again: apply --hand-over)')
    await made(over, now)
    expect(await planned(over, now)).toBe('none')
    expect(await planned(resource, now)).toBe('none')
  })

  test('of Argo CD syncs nothing by itself while it is stopped, and looks again once it may', async () => {
    const argo = argoApplier('argocd', 'platform-edge-1')
    const application = (automated: object | undefined): Manifest => ({
      ...{ apiVersion: 'argoproj.io/v1alpha1', kind: 'Application' },
      metadata: { namespace: 'argocd', name: 'platform-edge-1' },
      spec: {
        syncPolicy: { syncOptions: ['ServerSideApply=true'], ...(automated && { automated: { ...automated } }) },
      },
    })
    const now = new FakeCluster('argocd')
    for (const stopped of [undefined, { enabled: false }]) {
      now.put(application(stopped))
      expect(await planned(switched(argo, false), now)).toMatch(/^action: resume 1 Application/)
      await made(switched(argo, false), now)
      expect(now.peek(argo.root)).toMatchObject({
        metadata: { annotations: { 'argocd.argoproj.io/refresh': 'normal' } },
        spec: { syncPolicy: { automated: { prune: true, selfHeal: true } } },
      })
      expect(await planned(switched(argo, false), now)).toBe('none')
    }
    await made(switched(argo, true), now)
    const root = now.peek(argo.root)
    expect(root).toMatchObject({ metadata: { annotations: { [TAKEN_BACK]: 'true' } } })
    expect(root !== null && argo.stopped(root)).toBe(true)
  })
})
