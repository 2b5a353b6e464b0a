// The gate of a chart over all that a HelmChart, its job and its release can be.

import { gzipSync } from 'node:zlib'
import { beforeEach, describe, expect, test } from 'vitest'
import { type ChartSpec, chartReady } from '../../src/cluster/kinds/chart.ts'
import { FakeCluster } from './fake.ts'
import { made, planned } from './kit.ts'

const HASH = 'A'.repeat(63)
const META = 'helmcharts.helm.cattle.io'
const CHANGED = '2026-11-23T01:00:00Z'
const DONE = [{ type: 'Complete', status: 'True' }]
const FAILED = [{ type: 'Failed', status: 'True', lastTransitionTime: '2026-11-23T01:01:12Z' }]

const spec: ChartSpec = {
  ...{ name: 'tiny', release: 'tiny', namespace: 'demo', version: '1.0.0', values: { replicas: 1 } },
  ...{ inputs: ['HelmChart.helm.cattle.io/kube-system/tiny'], boundSeconds: 0.5 },
}
const gate = (more: Partial<ChartSpec> = {}) => chartReady({ ...spec, ...more })

let cluster: FakeCluster
beforeEach(() => {
  cluster = new FakeCluster('demo')
})

const chart = (metadata: object = {}, fields: object = {}) =>
  cluster.put({
    apiVersion: 'helm.cattle.io/v1',
    kind: 'HelmChart',
    metadata: { name: 'tiny', namespace: 'kube-system', creationTimestamp: CHANGED, ...metadata },
    spec: { targetNamespace: 'demo', ...fields },
  })
const job = (status: object, { hash = HASH, at = CHANGED }: { hash?: string; at?: string } = {}) =>
  cluster.put({
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: { name: 'helm-install-tiny', namespace: 'kube-system', creationTimestamp: at },
    spec: { template: { metadata: { annotations: { [`${META}/configHash`]: `SHA256=${hash}0` } } } },
    status: { startTime: CHANGED, ...status },
  })
const jobPod = (state: object, log?: string, name = 'helm-install-tiny-1') => {
  cluster.put({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      ...{ name, namespace: 'kube-system' },
      labels: { [`${META}/chart`]: 'tiny', 'batch.kubernetes.io/job-name': 'helm-install-tiny' },
    },
    status: { phase: 'Running', containerStatuses: [{ name: 'helm', ready: false, restartCount: 0, state }] },
  })
  if (log !== undefined) cluster.podLogs.set(`kube-system/${name}`, log)
}
const ERROR = { terminated: { exitCode: 1, reason: 'Error' } }
const release = (
  revision: number,
  status: string,
  { hash = HASH, description = 'Install complete', config = { replicas: 1 } as object } = {},
) => {
  const record = { info: { status, description }, chart: { metadata: { name: 'tiny', version: '1.0.0' } }, config }
  cluster.put({
    apiVersion: 'v1',
    kind: 'Secret',
    type: 'helm.sh/release.v1',
    metadata: {
      ...{ name: `sh.helm.release.v1.tiny.v${revision}`, namespace: 'demo' },
      labels: { owner: 'helm', name: 'tiny', status, version: `${revision}`, [`${META}/configHash`]: hash },
    },
    data: { release: Buffer.from(gzipSync(JSON.stringify(record)).toString('base64')).toString('base64') },
  })
}
const deployment = (available: number) =>
  cluster.put({
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: {
      ...{ name: 'tiny', namespace: 'demo', generation: 1 },
      labels: { 'app.kubernetes.io/managed-by': 'Helm' },
      annotations: { 'meta.helm.sh/release-name': 'tiny' },
    },
    spec: { replicas: 1, selector: { matchLabels: { app: 'tiny' } } },
    status: { observedGeneration: 1, replicas: 1, updatedReplicas: 1, availableReplicas: available },
  })
const releasesLeft = () =>
  [1, 2, 3, 4].filter((n) =>
    cluster.peek({ apiVersion: 'v1', kind: 'Secret', namespace: 'demo', name: `sh.helm.release.v1.tiny.v${n}` }),
  )
const helmVersion = () => {
  const found = cluster.peek({
    apiVersion: 'helm.cattle.io/v1',
    kind: 'HelmChart',
    namespace: 'kube-system',
    name: 'tiny',
  })
  return found?.spec
}
/** What the plan would say: `ready`, or where it stands. */
const stands = async (more: Partial<ChartSpec> = {}) => {
  const { actual } = await gate(more).look(cluster, { host: 'h', now: Date.now, signal: new AbortController().signal })
  return actual?.state
}

describe('a chart is ready', () => {
  test('when its job is complete, its release deployed with the hash of the job, and all is rolled out', async () => {
    chart()
    job({ conditions: DONE })
    release(1, 'superseded', { hash: 'B'.repeat(63) })
    release(2, 'deployed')
    deployment(1)
    expect(await planned(gate(), cluster)).toBe('none')
  })

  test('without the record of a release being read', async () => {
    chart()
    job({ conditions: DONE })
    release(1, 'deployed')
    await stands()
    expect(cluster.calls.filter(({ verb, id }) => verb === 'get' && id.startsWith('Secret'))).toEqual([])
  })

  test('when its proof says so, which is asked for last', async () => {
    chart()
    const asked: string[] = []
    const proof = async () => {
      asked.push('proof')
      return { is: 'waiting', why: 'the webhook is silent' } as const
    }
    expect(await stands({ proof })).toBe('waiting: helm-controller has not created a job for it yet')
    expect(asked).toEqual([])
    job({ conditions: DONE })
    release(1, 'deployed')
    expect(await stands({ proof })).toBe('waiting: the webhook is silent')
  })

  test('when its job is older than a change that came to nothing, and the record says the same', async () => {
    chart()
    job({ conditions: DONE }, { at: '2026-11-23T00:00:00Z' })
    release(1, 'deployed')
    expect(await stands()).toBe('ready')
    expect(await stands({ values: { replicas: 2 } })).toBe('waiting: helm-controller has not processed the change yet')
    expect(await stands({ version: '1.0.1' })).toBe('waiting: helm-controller has not processed the change yet')
  })

  test('when its release was made with the values of its Secret, not with those of before', async () => {
    chart()
    job({ conditions: DONE })
    const valuesSecret = { name: 'tiny-secret-values', keys: ['given', 'generated.token'] }
    const secret = (password: string) =>
      cluster.put({
        apiVersion: 'v1',
        kind: 'Secret',
        metadata: { name: valuesSecret.name, namespace: 'kube-system' },
        data: Object.fromEntries(
          Object.entries({ given: { auth: { password } }, 'generated.token': { auth: { token: 't' } } }).map(
            ([key, values]) => [key, Buffer.from(JSON.stringify(values)).toString('base64')],
          ),
        ),
      })
    release(1, 'deployed', { config: { replicas: 1, auth: { password: 'one', token: 't' } } })
    secret('one')
    expect(await stands({ valuesSecret })).toBe('ready')
    secret('two')
    const old = 'waiting: helm-controller has not processed the change of its secret values yet'
    expect(await stands({ valuesSecret })).toBe(old)
    release(2, 'deployed', { config: { replicas: 1, auth: { password: 'two', token: 't' } } })
    expect(await stands({ valuesSecret })).toBe('ready')
    cluster.remove({ apiVersion: 'v1', kind: 'Secret', namespace: 'kube-system', name: valuesSecret.name })
    expect(await stands({ valuesSecret })).toBe(old)
  })

  test('when an operator has laid other values over ours', async () => {
    chart()
    job({ conditions: DONE }, { at: '2026-11-23T00:00:00Z' })
    release(1, 'deployed', { config: { replicas: 3 } })
    const config = { apiVersion: 'helm.cattle.io/v1', kind: 'HelmChartConfig' }
    cluster.put({ ...config, metadata: { name: 'tiny', namespace: 'kube-system' }, spec: {} })
    expect(await stands()).toBe('ready')
  })

  test('when helm-controller shall leave it alone and its release is deployed', async () => {
    chart({ annotations: { [`${META}/unmanaged`]: 'true' } })
    expect(await stands()).toBe('waiting: its release is absent')
    release(1, 'deployed', { hash: '' })
    expect(await stands()).toBe('ready')
  })
})

describe('a chart is waited for', () => {
  test.each([
    ['without a HelmChart', () => {}, 'HelmChart kube-system/tiny does not exist'],
    [
      'while it is uninstalled',
      () => chart({ deletionTimestamp: CHANGED, finalizers: ['x'] }),
      'job helm-delete-tiny uninstalls it',
    ],
    [
      'while its job is of before',
      () => {
        chart()
        job({ conditions: DONE }, { at: '2026-11-23T00:59:59Z', hash: 'B'.repeat(63) })
        release(1, 'deployed')
      },
      'helm-controller has not processed the change yet',
    ],
    [
      'while its job is about to be replaced',
      () => {
        chart()
        const live = job({ conditions: DONE })
        cluster.put({ ...live, metadata: { ...live.metadata, annotations: { [`${META}/replace-wait`]: 'true' } } })
        release(1, 'deployed')
      },
      'helm-controller has not processed the change yet',
    ],
    [
      'after a job that did nothing',
      () => {
        chart()
        job({ conditions: DONE })
        release(1, 'deployed', { hash: 'B'.repeat(63) })
      },
      'job helm-install-tiny ended, but the release is deployed',
    ],
    [
      'while Helm runs',
      () => {
        chart()
        job({ active: 1 })
        jobPod({ running: {} })
        release(1, 'pending-install')
      },
      'job helm-install-tiny, attempt 1',
    ],
    [
      'while Helm tries again what may come by itself',
      () => {
        chart()
        job({ active: 1, failed: 1 })
        jobPod(ERROR, 'Error: INSTALLATION FAILED: Get "https://charts.example/x.tgz": dial tcp: connection refused')
        jobPod({ running: {} }, '', 'helm-install-tiny-2')
      },
      'job helm-install-tiny, attempt 2: the chart repository refused the connection: Get "https://charts.example/x.tgz": dial tcp: connection refused',
    ],
    [
      'while Helm tries again what stopped it for good: that may be gone',
      () => {
        chart()
        job({ active: 1, failed: 1 })
        const value = (key: string, is: string) =>
          `annotation validation error: key "meta.helm.sh/${key}" must equal "tiny": current value is "${is}"`
        const owner = `${value('release-name', 'old')}; ${value('release-namespace', 'elsewhere')}`
        jobPod(
          ERROR,
          `Error: INSTALLATION FAILED: unable to continue with install: CustomResourceDefinition "a.b" in namespace "" exists and cannot be imported into the current release: invalid ownership metadata; ${owner}`,
        )
        jobPod({ running: {} }, '', 'helm-install-tiny-2')
        release(1, 'pending-install')
      },
      'job helm-install-tiny, attempt 2: CustomResourceDefinition a.b already belongs to the Helm release old in namespace elsewhere',
    ],
    [
      'while Helm goes on after it was ended',
      () => {
        chart()
        job({ active: 1, failed: 1 })
        jobPod({ running: {} })
        release(1, 'failed', { description: 'Preparing upgrade' })
      },
      'Helm was interrupted during revision 1; job helm-install-tiny continues',
    ],
  ])('%s', async (_, arrange, why) => {
    arrange()
    expect(await stands()).toBe(`waiting: ${why}`)
  })

  test('while a pod of it lacks a Secret, which is told with the log and the events when the time is over', async () => {
    chart()
    job({ conditions: DONE })
    release(1, 'deployed')
    deployment(0)
    const pod = (name: string, state: object, restartCount: number) =>
      cluster.put({
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { name, namespace: 'demo', labels: { app: name } },
        status: { phase: 'Pending', containerStatuses: [{ name: 'app', ready: false, restartCount, state }] },
      })
    pod('tiny', { waiting: { reason: 'ContainerCreating' } }, 0)
    pod('other', { waiting: { reason: 'CrashLoopBackOff' } }, 2)
    cluster.podLogs.set('demo/other/app', 'starting\nno configuration')
    cluster.put({
      apiVersion: 'v1',
      kind: 'Event',
      metadata: { name: 'e', namespace: 'demo' },
      ...{ type: 'Warning', reason: 'FailedMount', involvedObject: { kind: 'Pod', name: 'tiny' } },
      message: 'MountVolume.SetUp failed for volume "token" : secret "token" not found',
    })
    const { waits, problem } = await made(gate(), cluster)
    const why =
      'Deployment demo/tiny: 0 of 1 pods are available; pod tiny: it waits for Secret demo/token, which does not exist'
    expect(waits).toEqual([`${why} (0.5 s)`])
    expect(problem).toContain(
      `edge-1 tiny: it did not become ready within 1 s\nwhy: ${why}\npod other: container app keeps crashing`,
    )
    expect(problem).toContain(
      'log of other:\n  starting\n  no configuration\nFailedMount of Pod tiny: MountVolume.SetUp',
    )
  })
})

describe('a chart that cannot be had', () => {
  test('is told at once with where the values are and what may have been meant', async () => {
    chart()
    job({ active: 1, failed: 1 })
    jobPod(
      ERROR,
      "Error: INSTALLATION FAILED: values don't meet the specifications of the schema(s) in the following chart(s):\ntiny:\n- at '/crds': additional properties 'enabeld' not allowed",
    )
    const more = {
      where: 'all.yaml:31:5 values',
      schemaHint: (key: string) => (key === 'crds.enabeld' ? 'crds.enabled' : undefined),
    }
    expect((await made(gate(more), cluster)).problem).toBe(
      [
        'edge-1 tiny: Helm could not install it (job helm-install-tiny, 1 attempt)',
        "why: the chart refuses its values: at '/crds': additional properties 'enabeld' not allowed",
        'hint: did you mean crds.enabled? correct all.yaml:31:5 values, then run the same command again; nothing is installed',
      ].join('\n'),
    )
  })

  test('is told with the reason in the record, for the next job knows it no more', async () => {
    chart()
    job({ active: 1, failed: 1 })
    jobPod(
      { running: {} },
      "Release status is 'failed' and failure policy is 'abort'; waiting for operator intervention",
    )
    release(1, 'deployed', { hash: 'B'.repeat(63) })
    release(2, 'failed', { description: 'Upgrade "tiny" failed: Service "x" is invalid: spec.ports: Required value' })
    expect((await made(gate(), cluster)).problem).toBe(
      [
        'edge-1 tiny: Helm could not upgrade it (job helm-install-tiny, 1 attempt)',
        'why: Service "x" is invalid: spec.ports: Required value',
        'hint: fix that, then run the same command again; the release was not changed (failed, revision 2)',
      ].join('\n'),
    )
  })

  test('is told with the last error that was seen when the pod of the job is gone with its log', async () => {
    chart()
    job({ active: 1, failed: 4 })
    jobPod(ERROR, 'Error: INSTALLATION FAILED: Get "https://charts.example/x.tgz": dial tcp: connection refused')
    setTimeout(() => {
      cluster.remove({ apiVersion: 'v1', kind: 'Pod', namespace: 'kube-system', name: 'helm-install-tiny-1' })
      job({ failed: 5, conditions: FAILED })
    }, 300)
    const { problem } = await made(gate(), cluster, { boundSeconds: 20 })
    expect(problem).toContain(
      'Helm could not install it (job helm-install-tiny, 5 attempts, 1 m 12 s)\nwhy: the chart repository refused the connection',
    )
  })
})

describe('what is left over from earlier', () => {
  test('of a failed upgrade is removed, down to what was deployed, and helm-controller is asked again', async () => {
    chart()
    job({ active: 1, failed: 2 })
    jobPod(ERROR)
    release(1, 'superseded')
    release(2, 'deployed')
    release(3, 'failed', { description: 'Upgrade "tiny" failed: no' })
    release(4, 'pending-upgrade', { description: 'Preparing upgrade' })
    await made(gate(), cluster)
    expect(releasesLeft()).toEqual([1, 2])
    expect(helmVersion()).toMatchObject({ helmVersion: 'v3' })
    expect(cluster.calls.filter(({ verb, id }) => verb === 'delete' && id.startsWith('Job'))).toEqual([])
  })

  test('of an install that was ended is removed, too', async () => {
    chart({}, { helmVersion: 'v3' })
    job({ active: 1 })
    jobPod(ERROR)
    release(1, 'pending-install', { description: 'Initial install underway' })
    await made(gate(), cluster)
    expect(releasesLeft()).toEqual([])
    expect(helmVersion()).toMatchObject({ helmVersion: '' })
  })

  test('is left alone while Helm is at work', async () => {
    chart()
    job({ active: 1 })
    jobPod({ running: {} })
    release(1, 'pending-install', { description: 'Initial install underway' })
    await made(gate(), cluster)
    expect(releasesLeft()).toEqual([1])
    expect(cluster.count('patch')).toBe(0)
  })

  test('is left alone when it came to its end while it was looked at', async () => {
    chart()
    job({ active: 1 })
    jobPod({ terminated: { exitCode: 0, reason: 'Completed' } })
    release(1, 'pending-install', { description: 'Install complete' })
    expect(await stands()).toBe('waiting: job helm-install-tiny, attempt 1')
    await made(gate(), cluster)
    expect(releasesLeft()).toEqual([1])
    expect(cluster.count('patch')).toBe(0)
  })

  test('is left alone when it failed in this very run', async () => {
    chart()
    job({ active: 1 })
    jobPod({ running: {} })
    setTimeout(() => {
      release(1, 'failed', { description: 'Release "tiny" failed: no' })
      jobPod(ERROR)
    }, 200)
    const { problem } = await made(gate(), cluster, { boundSeconds: 20 })
    expect(problem).toContain('why: no')
    expect(releasesLeft()).toEqual([1])
  })

  test('of a job that was given up is asked for again, once', async () => {
    chart()
    job({ failed: 5, conditions: FAILED })
    const { problem } = await made(gate(), cluster)
    expect(cluster.count('patch')).toBe(1)
    expect(problem).toContain('why: its log is no longer available')
  })
})
