// The status of the handoff: revision, age, drift and objects, by what Flux and Argo CD say.

import { beforeEach, expect, test } from 'vitest'
import { shortRevision } from '../../src/engine/revision.ts'
import { handoffStatus } from '../../src/gitops/handoff-status.ts'
import { FakeCluster } from '../cluster/fake.ts'

let cluster: FakeCluster
beforeEach(() => {
  cluster = new FakeCluster('flux-system', 'argocd')
})

const A = `main@sha1:${'a'.repeat(40)}`
const B = `main@sha1:${'b'.repeat(40)}`
const READY = { type: 'Ready', status: 'True', reason: 'ReconciliationSucceeded', message: '' }

const source = (revision: string) =>
  cluster.put({
    apiVersion: 'source.toolkit.fluxcd.io/v1',
    kind: 'GitRepository',
    metadata: { name: 'platform-config', namespace: 'flux-system', generation: 1 },
    status: {
      observedGeneration: 1,
      conditions: [READY],
      artifact: { revision, lastUpdateTime: '2026-12-01T11:00:00Z' },
    },
  })
const kustomization = (
  name: string,
  { revision = A, ready = READY as object, spec = {}, entries = 1, root = '' } = {},
) =>
  cluster.put({
    apiVersion: 'kustomize.toolkit.fluxcd.io/v1',
    kind: 'Kustomization',
    metadata: {
      ...{ name, namespace: 'flux-system', generation: 1 },
      labels: root === '' ? {} : { 'kustomize.toolkit.fluxcd.io/name': root },
    },
    spec: { sourceRef: { kind: 'GitRepository', name: 'platform-config' }, ...spec },
    status: {
      ...{ observedGeneration: 1, conditions: [ready] },
      ...{ lastAppliedRevision: revision, lastAttemptedRevision: revision },
      inventory: { entries: Array.from({ length: entries }, (_, i) => ({ id: `${name}-${i}` })) },
    },
  })

test('a cluster without GitOps has none', async () => {
  expect(await handoffStatus(cluster)).toBeNull()
})

test('a tree that is applied: the revision, since when, and what all of its parts own', async () => {
  source(A)
  kustomization('another')
  kustomization('platform-root', { entries: 3 })
  kustomization('addons', { root: 'platform-root', entries: 40 })
  expect(await handoffStatus(cluster)).toEqual({
    ...{ by: 'flux', root: 'platform-root', isReady: true, revision: A, since: '2026-12-01T11:00:00Z' },
    ...{ objects: 43, drift: false, why: null, hint: null },
  })
})

test.each<[what: string, prepare: () => void, expected: object]>([
  [
    'is behind Git',
    () => kustomization('platform-root'),
    {
      ...{ isReady: true, drift: true, why: 'main@bbbbbbb is fetched, main@aaaaaaa is applied' },
      hint: 'kubectl -n flux-system get kustomizations',
    },
  ],
  [
    'is suspended',
    () => kustomization('platform-root', { spec: { suspend: true } }),
    {
      ...{ isReady: true, drift: true, why: 'it is suspended: newer revisions are not applied' },
      hint: 'flux -n flux-system resume kustomization platform-root',
    },
  ],
  [
    'cannot be applied, because of a part of it',
    () => {
      kustomization('platform-root')
      const ready = { type: 'Ready', status: 'False', reason: 'ReconciliationFailed', message: 'strange' }
      kustomization('addons', { root: 'platform-root', ready })
    },
    {
      ...{ isReady: false, drift: true },
      why: 'Kustomization flux-system/addons: ReconciliationFailed: strange',
      hint: 'kubectl -n flux-system get kustomizations',
    },
  ],
])('a tree that %s', async (_, prepare, expected) => {
  source(B)
  prepare()
  expect(await handoffStatus(cluster)).toMatchObject(expected)
})

test('an Application of Argo CD that is out of sync', async () => {
  cluster.put({
    apiVersion: 'argoproj.io/v1alpha1',
    kind: 'Application',
    metadata: { name: 'platform-edge-1', namespace: 'argocd' },
    spec: {},
    status: {
      sync: { status: 'OutOfSync', revision: 'c'.repeat(40) },
      health: { status: 'Healthy' },
      operationState: { phase: 'Succeeded', finishedAt: '2026-12-01T10:00:00Z' },
      resources: [{ kind: 'Namespace', name: 'demo' }],
    },
  })
  expect(await handoffStatus(cluster)).toEqual({
    ...{ by: 'argocd', root: 'platform-edge-1', isReady: false, revision: 'c'.repeat(40) },
    ...{ since: '2026-12-01T10:00:00Z', objects: 1, drift: true, why: 'OutOfSync, Healthy' },
    hint: 'kubectl -n argocd describe application platform-edge-1',
  })
})

test.each([
  [A, 'main@aaaaaaa'],
  ['c'.repeat(40), 'ccccccc'],
  ['v1.2.3', 'v1.2.3'],
  [`sha256:${'d'.repeat(64)}`, 'ddddddd'],
])('revision %s reads %s', (revision, short) => {
  expect(shortRevision(revision)).toBe(short)
})
