// The state of addons over all that Helm, the jobs of k3s, Flux and Kubernetes say of them.

import { gzipSync } from 'node:zlib'
import { beforeEach, expect, test } from 'vitest'
import { type AddonStatus, addonStatuses } from '../../src/cluster/addons.ts'
import { FakeCluster } from './fake.ts'

const LABEL = 'helmcharts.helm.cattle.io/chart'
let cluster: FakeCluster
beforeEach(() => {
  cluster = new FakeCluster('demo')
})

const chart = (name: string, spec: object = {}) =>
  cluster.put({
    apiVersion: 'helm.cattle.io/v1',
    kind: 'HelmChart',
    metadata: { name, namespace: 'kube-system' },
    spec: { targetNamespace: 'demo', version: '1.2.3', ...spec },
  })
const job = (name: string, status: object) =>
  cluster.put({
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: { name: `helm-install-${name}`, namespace: 'kube-system', labels: { [LABEL]: name } },
    spec: { template: {} },
    status,
  })
const record = (name: string, revision: number, status: string, description = '') => {
  const text = JSON.stringify({ info: { status, description }, chart: { metadata: { name, version: '1.2.3' } } })
  const release = Buffer.from(gzipSync(text).toString('base64')).toString('base64')
  cluster.put({
    ...{ apiVersion: 'v1', kind: 'Secret', type: 'helm.sh/release.v1', data: { release } },
    metadata: {
      ...{ name: `sh.helm.release.v1.${name}.v${revision}`, namespace: 'demo' },
      labels: { owner: 'helm', name, status, version: String(revision) },
    },
  })
}
const deployment = (name: string, metadata: object, { replicas = 1, available = 1 } = {}) =>
  cluster.put({
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name, namespace: 'demo', generation: 1, ...metadata },
    spec: { replicas, selector: { matchLabels: { app: name } } },
    status: {
      ...{ observedGeneration: 1, replicas, updatedReplicas: replicas },
      ...{ availableReplicas: Math.min(available, replicas) },
    },
  })
const byHelm = (release: string, labels: object = {}) => ({
  labels: { 'app.kubernetes.io/managed-by': 'Helm', ...labels },
  annotations: { 'meta.helm.sh/release-name': release, 'meta.helm.sh/release-namespace': 'demo' },
})
const DONE = { conditions: [{ type: 'Complete', status: 'True' }] }
const FAILED = { conditions: [{ type: 'Failed', status: 'True' }] }

/** `tiny 1.2.3 Running`, `tiny 1.2.3 Failed: why | hint` */
const told = ({ name, version, state, why, hint }: AddonStatus) =>
  `${name} ${version} ${state}${why === null ? '' : `: ${why}`}${hint === null ? '' : ` | ${hint}`}`
const found = async () => (await addonStatuses(cluster)).map(told)

test('an empty cluster has none', async () => {
  expect(await found()).toEqual([])
})

test('a chart that is deployed and rolled out runs; others of its namespace are not its own', async () => {
  chart('tiny')
  job('tiny', DONE)
  record('tiny', 1, 'superseded')
  record('tiny', 2, 'deployed')
  deployment('tiny', byHelm('tiny'))
  deployment('other', byHelm('other'), { available: 0 })
  deployment('mine', {}, { available: 0 })
  expect(await found()).toEqual(['tiny 1.2.3 Running'])
})

test('a chart from a file has the version that its objects are labelled with', async () => {
  chart('tiny', { version: undefined })
  record('tiny', 1, 'deployed')
  deployment('tiny', byHelm('tiny', { 'helm.sh/chart': 'my-tiny-v2.0.1' }))
  expect(await found()).toEqual(['tiny v2.0.1 Running'])
})

const LOGS = 'kubectl -n kube-system logs job/helm-install-tiny'
test.each<[what: string, prepare: () => void, told: string]>([
  ['is not installed yet', () => undefined, `Degraded: Helm has not finished installing it | ${LOGS}`],
  [
    'is being upgraded',
    () => {
      record('tiny', 2, 'pending-upgrade')
      job('tiny', { active: 1 })
    },
    `Degraded: Helm has not finished installing it | ${LOGS}`,
  ],
  [
    'could not be upgraded',
    () => {
      record('tiny', 1, 'deployed')
      record('tiny', 2, 'failed', 'Upgrade "tiny" failed: no such kind')
      job('tiny', FAILED)
    },
    `Failed: revision 2 of the release is failed: Upgrade "tiny" failed: no such kind | ${LOGS}`,
  ],
  [
    'is stuck',
    () => {
      record('tiny', 3, 'pending-upgrade', 'Preparing upgrade')
      job('tiny', DONE)
    },
    `Failed: revision 3 of the release is pending-upgrade: Preparing upgrade | ${LOGS}`,
  ],
  ['could not be fetched', () => job('tiny', FAILED), `Failed: Job kube-system/helm-install-tiny failed | ${LOGS}`],
  [
    'is tried again',
    () => job('tiny', { failed: 3, active: 1 }),
    `Failed: Job kube-system/helm-install-tiny failed 3 times and retries | ${LOGS}`,
  ],
  [
    'was scaled to 0',
    () => {
      record('tiny', 1, 'deployed')
      deployment('tiny', byHelm('tiny'), { replicas: 0 })
    },
    'Degraded: Deployment demo/tiny is scaled to 0 | kubectl -n demo scale deployment/tiny --replicas=1',
  ],
  [
    'lacks a Secret',
    () => {
      record('tiny', 1, 'deployed')
      deployment('tiny', byHelm('tiny'), { available: 0 })
      cluster.put({
        ...{ apiVersion: 'v1', kind: 'Pod' },
        metadata: { name: 'tiny-1', namespace: 'demo', labels: { app: 'tiny' } },
        status: {
          phase: 'Pending',
          containerStatuses: [
            {
              name: 'tiny',
              state: { waiting: { reason: 'CreateContainerConfigError', message: 'secret "token" not found' } },
            },
          ],
        },
      })
    },
    'Degraded: Deployment demo/tiny: 0 of 1 pods are available; pod tiny-1: it waits for Secret demo/token, which does not exist | create it from the inventory: k3s-platform apply -t secrets; the pod starts once it exists',
  ],
])('a chart that %s', async (_, prepare, expected) => {
  chart('tiny')
  prepare()
  expect(await found()).toEqual([`tiny 1.2.3 ${expected}`])
})

const release = (spec: object, ready: object | undefined) =>
  cluster.put({
    apiVersion: 'helm.toolkit.fluxcd.io/v2',
    kind: 'HelmRelease',
    metadata: { name: 'tiny', namespace: 'flux-system' },
    spec: { releaseName: 'tiny', targetNamespace: 'demo', chart: { spec: { version: '2.0.0' } }, ...spec },
    status: { conditions: ready === undefined ? [] : [{ type: 'Ready', ...ready }] },
  })

test.each<[spec: object, ready: object | undefined, told: string]>([
  [{}, { status: 'True' }, 'Running'],
  [{}, undefined, 'Degraded: Flux has not processed it yet | kubectl -n flux-system describe helmrelease tiny'],
  [
    {},
    { status: 'Unknown', reason: 'Progressing', message: 'x' },
    'Degraded: Progressing: x | kubectl -n flux-system describe helmrelease tiny',
  ],
  [
    {},
    { status: 'False', reason: 'UpgradeFailed', message: 'x' },
    'Failed: UpgradeFailed: x | kubectl -n flux-system describe helmrelease tiny',
  ],
  [{ suspend: true }, { status: 'False', reason: 'UpgradeFailed', message: 'x' }, 'Running'],
])('a HelmRelease of Flux has the word over the HelmChart: %j, %j', async (spec, ready, expected) => {
  chart('tiny')
  release(spec, ready)
  expect(await found()).toEqual([`tiny 2.0.0 ${expected}`])
})

test('the controllers of GitOps count as one addon each, and what k3s brings by its own name', async () => {
  const part = { labels: { 'app.kubernetes.io/part-of': 'flux', 'app.kubernetes.io/version': 'v2.9.5' } }
  deployment('source-controller', part)
  deployment('kustomize-controller', part, { replicas: 0 })
  const addon = {
    'objectset.rio.cattle.io/owner-gvk': 'k3s.cattle.io/v1, Kind=Addon',
    'objectset.rio.cattle.io/owner-name': 'coredns',
  }
  deployment('coredns', { namespace: 'kube-system', annotations: addon })
  expect(await found()).toEqual([
    'coredns null Running',
    'flux v2.9.5 Degraded: Deployment demo/kustomize-controller is scaled to 0 | kubectl -n demo scale deployment/kustomize-controller --replicas=1',
  ])
})
