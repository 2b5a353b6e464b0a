// Rolled out or not, and why a pod does not run, from the statuses that Kubernetes writes.

import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { z } from 'zod'
import { live } from '../../src/cluster/object.ts'
import { missing, podFailures, podTrouble } from '../../src/cluster/pod.ts'
import { podsOf, workloadReadiness } from '../../src/cluster/workload.ts'

const { workloads, pods } = z
  .strictObject({
    workloads: z.array(z.strictObject({ name: z.string(), live, is: z.string(), why: z.string().optional() })),
    pods: z.array(
      z.strictObject({
        name: z.string(),
        status: z.looseObject({}),
        why: z.string().nullable(),
        container: z.string().optional(),
        failures: z.number().optional(),
      }),
    ),
  })
  .parse(parse(readFileSync(new URL('workloads.yaml', import.meta.url), 'utf8'), { merge: true }))

describe('a workload', () => {
  test.each(workloads)('$name', ({ live, is, why }) => {
    expect(workloadReadiness(live)).toEqual(why === undefined ? { is } : { is, why })
  })

  test('finds its pods by all labels of its selector', () => {
    expect(workloads[0] && podsOf(workloads[0].live)).toBe('app=webhook,tier=web')
  })
})

describe('a pod', () => {
  test.each(pods)('$name', ({ status, why, container, failures }) => {
    const pod = live.parse({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'p', namespace: 'platform' },
      status,
    })
    const trouble = podTrouble(pod)
    expect({ why: trouble?.why ?? null, container: trouble?.container }).toEqual({ why, container })
    if (failures !== undefined) expect(podFailures(pod)).toBe(failures)
  })

  test('that is on its way out is no trouble', () => {
    const metadata = { name: 'p', deletionTimestamp: '2026-11-23T01:00:00Z' }
    expect(podTrouble(live.parse({ apiVersion: 'v1', kind: 'Pod', metadata, status: { phase: 'Pending' } }))).toBeNull()
  })

  test('that lacks what a volume needs is told by an event of the kubelet', () => {
    const event = 'MountVolume.SetUp failed for volume "tls" : secret "database/postgresql-tls" not found'
    expect(missing(event, 'database')).toBe('it waits for Secret database/postgresql-tls, which does not exist')
    expect(missing('0/1 nodes are available', 'database')).toBeNull()
  })
})
