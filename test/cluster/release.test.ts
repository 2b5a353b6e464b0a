// What Helm has recorded, and whether a job of helm-controller is of what its HelmChart says now.

import { gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { type Live, live } from '../../src/cluster/object.ts'
import {
  helmJob,
  isStuck,
  madeFor,
  madeWith,
  readRelease,
  releases,
  wasInterrupted,
} from '../../src/cluster/release.ts'

const secret = (revision: number, status: string, data?: string): Live =>
  live.parse({
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: {
      name: `sh.helm.release.v1.x.v${revision}`,
      namespace: 'x',
      labels: {
        ...{ owner: 'helm', name: 'x', status, version: `${revision}` },
        'helmcharts.helm.cattle.io/configHash': 'AB12',
      },
    },
    ...(data === undefined ? {} : { data: { release: data } }),
  })
const packed = (release: object) => Buffer.from(gzipSync(JSON.stringify(release)).toString('base64')).toString('base64')

test('revisions are told newest first, by number and not by name', () => {
  const found = releases([secret(9, 'superseded'), secret(10, 'deployed'), secret(2, 'superseded')])
  expect(found.map(({ revision, status, hash }) => `${revision} ${status} ${hash}`)).toEqual([
    '10 deployed AB12',
    '9 superseded AB12',
    '2 superseded AB12',
  ])
})

test.each([
  ['deployed', false],
  ['superseded', false],
  ['failed', true],
  ['pending-install', true],
  ['pending-upgrade', true],
  ['pending-rollback', true],
  ['uninstalling', true],
])('a release that is %s: nothing goes on over it: %s', (status, stuck) => {
  expect(releases([secret(1, status)]).map(isStuck)).toEqual([stuck])
})

describe('the record of a release', () => {
  const info = { status: 'failed', description: 'Upgrade "x" failed: no' }
  const chart = { metadata: { name: 'x', version: '1.2.3' } }

  test('is read from the Secret', () => {
    const record = readRelease(
      secret(1, 'failed', packed({ info, chart, config: { replicas: 1 }, manifest: 'kind: Job' })),
    )
    const values = { replicas: 1 }
    const description = 'Upgrade "x" failed: no'
    expect(record).toEqual({ description, chartVersion: '1.2.3', values, manifest: 'kind: Job' })
  })

  test.each([[packed({ nothing: 1 })], ['bm90IGd6aXA='], [undefined]])('that is something else is none', (data) => {
    expect(readRelease(secret(1, 'failed', data))).toBeNull()
  })

  test.each([
    [{ a: { b: 1, c: null } }, { a: { b: 1 } }, true],
    [{ a: [1, 2] }, { a: [2, 1] }, false],
    [null, {}, true],
    [{ a: 1 }, { a: '1' }, false],
  ])('with values %j is of %j: %s', (config, wanted, same) => {
    const record = readRelease(secret(1, 'deployed', packed({ info, chart, config })))
    expect(record && madeWith(record, wanted)).toBe(same)
  })

  test.each([
    ['Initial install underway', true],
    ['Preparing upgrade', true],
    ['Upgrade "x" failed: context deadline exceeded', false],
    ['Install complete', false],
  ])('that says %s: Helm was ended in the middle: %s', (description, interrupted) => {
    expect(wasInterrupted({ description, chartVersion: '', values: {}, manifest: '' })).toBe(interrupted)
  })
})

describe('a job of helm-controller', () => {
  const job = (metadata: object, status: object = {}): Live =>
    live.parse({
      apiVersion: 'batch/v1',
      kind: 'Job',
      metadata: { name: 'helm-install-x', namespace: 'kube-system', ...metadata },
      spec: {
        template: {
          metadata: { annotations: { 'helmcharts.helm.cattle.io/configHash': `SHA256=${'F'.repeat(64)}` } },
        },
      },
      status,
    })

  test('has the hash of the release that it makes, cut to the length of a label', () => {
    expect(helmJob(job({})).hash).toBe('F'.repeat(63))
  })

  test('says how long it took to fail', () => {
    const conditions = [{ type: 'Failed', status: 'True', lastTransitionTime: '2026-11-23T01:41:42Z' }]
    const failed = job({}, { failed: 5, startTime: '2026-11-23T01:38:56Z', conditions })
    expect(helmJob(failed)).toMatchObject({ is: 'failed', failed: 5, seconds: 166 })
    expect(helmJob(job({}, { conditions: [{ type: 'Complete', status: 'True' }] }))).toMatchObject({ is: 'complete' })
    expect(helmJob(job({}, {}))).toMatchObject({ is: 'running', seconds: null })
  })

  const chart = live.parse({
    apiVersion: 'helm.cattle.io/v1',
    kind: 'HelmChart',
    metadata: {
      name: 'x',
      namespace: 'kube-system',
      creationTimestamp: '2026-11-23T01:00:00Z',
      managedFields: [
        {
          manager: 'kubectl-k3s-platform',
          operation: 'Apply',
          time: '2026-11-23T01:10:00Z',
          fieldsV1: { 'f:spec': {} },
        },
        { manager: 'k3s', operation: 'Update', time: '2026-11-23T01:20:00Z', fieldsV1: { 'f:metadata': {} } },
        { manager: 'k3s', operation: 'Update', subresource: 'status', time: '2026-11-23T01:30:00Z', fieldsV1: {} },
      ],
    },
  })

  test.each([
    ['made a second before the last change of the spec', { creationTimestamp: '2026-11-23T01:09:59Z' }, false],
    ['made in the second of the change', { creationTimestamp: '2026-11-23T01:10:00Z' }, true],
    [
      'that helm-controller is about to replace',
      { annotations: { 'helmcharts.helm.cattle.io/replace-wait': 'true' } },
      false,
    ],
    ['that is going', { deletionTimestamp: '2026-11-23T01:11:00Z' }, false],
  ])('%s', (what, metadata, current) => {
    expect(madeFor(job({ creationTimestamp: '2026-11-23T01:10:01Z', ...metadata }), chart)).toEqual({
      current,
      going: /going|replace/.test(what),
      changed: Date.parse('2026-11-23T01:10:00Z'),
    })
  })
})
