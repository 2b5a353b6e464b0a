// A gate waits by watch and poll, says each reason once, and ends with what is known.

import { describe, expect, test } from 'vitest'
import type { Cluster } from '../../src/cluster/cluster.ts'
import { type GateSpec, type GateVerdict, gate } from '../../src/cluster/kinds/gate.ts'
import { ProblemError } from '../../src/engine/problem.ts'
import { LinkError } from '../../src/host/transport.ts'
import { apiError, FakeCluster } from './fake.ts'
import { made, planned } from './kit.ts'

const BELL = { apiVersion: 'v1', kind: 'ConfigMap', namespace: 'default', name: 'bell' }

/** Judged by what the ConfigMap `bell` says: `ready`, `waiting: why`, `failed: why`; absent is waited for. */
const byBell = (more: Partial<GateSpec> = {}) =>
  gate({
    id: 'ready:bell',
    title: 'the bell',
    boundSeconds: 30,
    watches: [BELL],
    judge: async (cluster: Cluster): Promise<GateVerdict> => {
      const says = JSON.stringify((await cluster.get(BELL))?.data ?? 'waiting: no bell')
      const [, is = 'waiting', why = ''] = /(ready|waiting|failed)(?:: ([^"]*))?/.exec(says) ?? []
      return is === 'ready' ? { is } : is === 'failed' ? { is, why: why.replace('|', '\n') } : { is: 'waiting', why }
    },
    ...more,
  })
const ring = (cluster: FakeCluster, says: string) =>
  cluster.put({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { namespace: 'default', name: 'bell' }, data: { says } })

describe('a plan', () => {
  test.each([
    ['ready', 'none'],
    ['waiting: paint dries', 'action: wait until the bell is ready'],
    ['failed: it has a crack', 'action: wait until the bell is ready'],
  ])('of a bell that says %s has %s', async (says, line) => {
    const cluster = new FakeCluster()
    ring(cluster, says)
    expect(await planned(byBell(), cluster)).toBe(line)
  })

  test('does not know what comes after a change of an input', () => {
    expect(byBell().afterInputs?.({ state: 'ready' }, ['x'])).toEqual({
      actual: null,
      deferred: 'known after the change',
    })
  })

  test('takes an API that answers with an error for not ready', async () => {
    const cluster = new FakeCluster()
    cluster.fault = () => apiError(503, '', 'etcd has no leader')
    const { actual } = await byBell().look(cluster, { host: 'h', now: Date.now, signal: AbortSignal.timeout(1000) })
    expect(actual).toEqual({ state: 'waiting: the API reports: etcd has no leader' })
  })
})

describe('a wait while the API is silent', () => {
  /** The API that was there for the plan does not answer `times` times. */
  const silent = (times: number) => {
    const cluster = new FakeCluster()
    ring(cluster, 'waiting: one')
    let calls = 0
    cluster.fault = ({ verb }) => {
      if (verb !== 'get' || ++calls === 1) return undefined
      if (calls <= times + 1) return new LinkError('the API did not answer within 34 s')
      ring(cluster, 'ready')
      return undefined
    }
    return cluster
  }

  test('goes on where the host is there, and says so', async () => {
    const { waits, problem } = await made(byBell(), silent(1), { reachHost: async () => undefined })
    expect({ waits, problem }).toEqual({ waits: ['the API did not answer within 34 s (30 s)'], problem: '' })
  })

  test('ends where the host is gone, or with its bound', async () => {
    const gone = new ProblemError({ kind: 'unreachable', where: 'edge-1', what: 'the connection was lost' })
    const lost = await made(byBell(), silent(1), { reachHost: () => Promise.reject(gone) })
    expect(lost.problem).toContain('the connection was lost')
    const late = await made(byBell(), silent(99), { boundSeconds: 1, reachHost: async () => undefined })
    expect(late.problem).toContain('the bell: it did not become ready within 1 s')
    expect(late.problem).toContain('the API did not answer within 34 s')
  })
})

describe('a wait', () => {
  test('ends with the change that it watches for, long before the poll', { timeout: 20_000 }, async () => {
    const cluster = new FakeCluster()
    ring(cluster, 'waiting: one')
    setTimeout(() => ring(cluster, 'waiting: two'), 200)
    setTimeout(() => ring(cluster, 'ready'), 500)
    expect(await made(byBell(), cluster)).toEqual({ waits: ['one (30 s)', 'two (30 s)'], problem: '' })
  })

  test('of what has to stay ready begins again when it was ready for a moment only', async () => {
    const cluster = new FakeCluster()
    ring(cluster, 'ready')
    let moment = 0
    const verdicts: GateVerdict[] = [{ is: 'ready' }, { is: 'waiting', why: 'it restarts' }, { is: 'ready' }]
    const judged: string[] = []
    const judge = async (): Promise<GateVerdict> => {
      moment += 1000
      const verdict = verdicts.shift() ?? { is: 'ready' }
      judged.push(`${moment / 1000} s ${verdict.is}`)
      return verdict
    }
    const resource = byBell({ judge, steadySeconds: 2, watches: [] })
    const beat = new AbortController()
    await resource.make({ resource, actual: null, desired: null }, cluster, {
      ...{ host: 'h', now: () => moment, signal: beat.signal, stop: new AbortController().signal },
      ...{ boundSeconds: 60, wait: () => undefined, output: () => undefined, warn: () => undefined },
    })
    expect(judged).toEqual(['1 s ready', '2 s waiting', '3 s ready', '4 s ready', '5 s ready'])
  }, 20_000)

  test('says each reason once, and only its first line', async () => {
    const cluster = new FakeCluster()
    ring(cluster, 'waiting: same')
    const said: string[] = []
    const resource = byBell({ judge: async () => ({ is: 'waiting', why: 'same\nlog of it' }) })
    const beat = setInterval(() => ring(cluster, `${Date.now()}`), 100)
    await resource
      .make({ resource, actual: null, desired: null }, cluster, {
        ...{ host: 'h', now: Date.now, signal: new AbortController().signal, stop: AbortSignal.timeout(900) },
        ...{ boundSeconds: undefined, wait: (why) => said.push(why), output: () => undefined, warn: () => undefined },
      })
      .finally(() => clearInterval(beat))
    expect(said).toEqual(['same'])
  })

  test('ends at once with a failure, its hint and what else is known', async () => {
    const cluster = new FakeCluster()
    ring(cluster, 'failed: it has a crack|of 1846')
    const evidence = async () => ({ why: 'it has a crack\nseen by all', hint: 'cast it anew' })
    expect(await made(byBell({ evidence }), cluster)).toEqual({
      waits: [],
      problem:
        'edge-1 the bell: it is not ready and will not become ready by itself\nwhy: it has a crack\nof 1846\nseen by all\nhint: cast it anew',
    })
  })

  test('ends with the bound of the run, and says why', async () => {
    const cluster = new FakeCluster()
    ring(cluster, 'waiting: paint dries')
    expect(await made(byBell({ hint: 'buy other paint' }), cluster, { boundSeconds: 0.3 })).toEqual({
      waits: ['paint dries (0.3 s)'],
      problem: 'edge-1 the bell: it did not become ready within 0 s\nwhy: paint dries\nhint: buy other paint',
    })
  })

  test('believes a failure only after the grace, for it may be one of before', async () => {
    const cluster = new FakeCluster()
    ring(cluster, 'failed: stale')
    setTimeout(() => ring(cluster, 'ready'), 300)
    expect(await made(byBell({ graceSeconds: 10 }), cluster)).toEqual({ waits: ['stale (30 s)'], problem: '' })
  })

  test('ends early and quietly when the run is stopped', async () => {
    const cluster = new FakeCluster()
    ring(cluster, 'waiting: paint dries')
    expect(await made(byBell(), cluster, { stop: AbortSignal.timeout(200) })).toEqual({
      waits: ['paint dries (30 s)'],
      problem: '',
    })
  })

  test('goes on with the poll when a watch breaks', async () => {
    const cluster = new FakeCluster()
    ring(cluster, 'ready')
    cluster.fault = ({ verb }) => (verb === 'watch' ? new Error('gone') : undefined)
    let judged = 0
    const judge = async (): Promise<GateVerdict> => (++judged > 2 ? { is: 'ready' } : { is: 'waiting', why: 'not yet' })
    expect(await made(byBell({ judge }), cluster, { boundSeconds: 0.4 })).toEqual({
      waits: ['not yet (0.4 s)'],
      problem: '',
    })
  })

  test('has what it judges look anew before it believes that all is well', async () => {
    const cluster = new FakeCluster()
    ring(cluster, 'ready')
    const begin = async () => {
      ring(cluster, 'failed: the new login is refused')
    }
    expect((await made(byBell({ begin }), cluster)).problem).toContain('the new login is refused')
  })

  test('heals what is left over at its begin, and a failure, three times at most', async () => {
    const cluster = new FakeCluster()
    ring(cluster, 'failed: stuck')
    const firsts: boolean[] = []
    const heal = async (_: Cluster, __: unknown, first: boolean) => {
      firsts.push(first)
      return true
    }
    expect((await made(byBell({ heal }), cluster)).problem).toContain('stuck')
    expect(firsts).toEqual([true, false, false])
  })
})
