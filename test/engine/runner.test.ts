// The run: what is asked of a host, in which order, what is told, and how it is counted.

import { describe, expect, test } from 'vitest'
import type { Event, HostResult, Recap, RunMode } from '../../src/engine/events.ts'
import type { Problem } from '../../src/engine/problem.ts'
import { run } from '../../src/engine/runner.ts'
import { type Behaviour, fine, type MemoryHost, memoryHost, type Thing } from './memory.ts'

interface Ran {
  readonly results: readonly HostResult[]
  readonly events: readonly Event[]
  readonly problems: readonly Problem[]
}

interface How {
  readonly mode?: RunMode
  readonly forks?: number
  readonly stop?: AbortSignal
  readonly signal?: AbortSignal
}

async function ran(hosts: readonly MemoryHost[], how: How = {}): Promise<Ran> {
  const events: Event[] = []
  let clock = 0
  const results = await run(
    hosts.map((h) => h.target),
    {
      mode: 'apply',
      forks: 10,
      roles: ['role'],
      stop: new AbortController().signal,
      signal: new AbortController().signal,
      emit: (event) => events.push(event),
      now: () => (clock += 1000),
      ...how,
    },
  )
  return { results, events, problems: events.flatMap((e) => (e.event === 'problem' ? [e.problem] : [])) }
}

const counts = (some: Partial<Recap>): Recap => ({
  ok: 0,
  changed: 0,
  unreachable: 0,
  failed: 0,
  skipped: 0,
  rescued: 0,
  ...some,
})

interface Row {
  readonly stages: readonly (readonly Thing[])[]
  readonly how?: How
  readonly behaviour?: Behaviour
  readonly status: HostResult['status']
  readonly recap: Partial<Recap>
  readonly diary: string
  readonly problems?: readonly Partial<Problem>[]
}

const gitops: Thing = { id: 'o', owner: 'Flux' }

const ROWS: Readonly<Record<string, Row>> = {
  'a converged host is looked at once, and no lock is taken': {
    stages: [[fine('a')], [fine('b'), gitops]],
    status: 'ok',
    recap: { ok: 2, skipped: 1 },
    diary: 'connect look close',
  },
  'a check looks once and changes nothing': {
    stages: [
      [{ id: 'a' }, fine('b')],
      [{ id: 'c' }, gitops],
    ],
    how: { mode: 'check' },
    status: 'pending',
    recap: { ok: 3, changed: 2, skipped: 1 },
    diary: 'connect look close',
  },
  'a check of a converged host is ok': {
    stages: [[fine('a')]],
    how: { mode: 'check' },
    status: 'ok',
    recap: { ok: 1 },
    diary: 'connect look close',
  },
  'apply looks again under the lock, and after each stage that changed': {
    stages: [[{ id: 'a' }, { id: 'b' }], [fine('c')], [{ id: 'd' }]],
    status: 'ok',
    recap: { ok: 4, changed: 3 },
    diary: 'connect look lock look apply a,b a b look apply d d look release close',
  },
  'what is deferred is made once an earlier stage made it known': {
    stages: [[{ id: 'a' }], [{ id: 'b', after: 'a' }]],
    status: 'ok',
    recap: { ok: 2, changed: 2 },
    diary: 'connect look lock look apply a a look apply b b look release close',
  },
  'what is deferred within its stage is made after the rest of it': {
    stages: [[{ id: 'a' }, { id: 'b', after: 'a' }]],
    status: 'ok',
    recap: { ok: 2, changed: 2 },
    diary: 'connect look lock look apply a a look apply b b look release close',
  },
  'what is deferred and turns out to be fine costs nothing': {
    stages: [[{ id: 'a' }], [{ ...fine('b'), after: 'a' }]],
    status: 'ok',
    recap: { ok: 2, changed: 1 },
    diary: 'connect look lock look apply a a look release close',
  },
  'what stays unknown is not converged': {
    stages: [[{ id: 'b', after: 'c' }], [{ id: 'c', after: 'b' }]],
    status: 'failed',
    recap: { failed: 1, skipped: 1 },
    diary: 'connect look lock look release close',
    problems: [
      { kind: 'failed', where: 'h b', what: expect.stringContaining('not converged'), why: 'still unknown: after c' },
    ],
  },
  'a change that does not last is not converged, with what it is and should be': {
    stages: [[{ id: 'a', is: { well: 'no' }, on: 'stays' }, { id: 'b' }], [{ id: 'c' }]],
    status: 'failed',
    recap: { ok: 1, changed: 2, failed: 1, skipped: 1 },
    diary: 'connect look lock look apply a,b a b look release close',
    problems: [{ where: 'h a', what: expect.stringContaining('not converged'), why: 'well: is "no", should be true' }],
  },
  'a wait for what was well and is not any more is repeated, and no change is made twice': {
    stages: [[{ id: 'a' }], [{ id: 'w', waits: true, on: 'flaps' }], [{ id: 'b' }]],
    status: 'ok',
    recap: { ok: 3, changed: 3 },
    diary: 'connect look lock look apply a a look apply w w look apply b b look apply w w look release close',
  },
  'a wait that never stays well is not converged after its third time': {
    stages: [[{ id: 'w', waits: true, on: 'stays' }]],
    status: 'failed',
    recap: { changed: 1, failed: 1 },
    diary: 'connect look lock look apply w w look apply w w look apply w w look release close',
    problems: [{ where: 'h w', what: expect.stringContaining('not converged') }],
  },
  'only what was tried is called not converged': {
    stages: [[{ id: 'a', on: 'stays' }, { id: 'x' }, { id: 'b', after: 'x' }]],
    status: 'failed',
    recap: { ok: 1, changed: 2, failed: 1, skipped: 1 },
    diary: 'connect look lock look apply a,x a x look release close',
    problems: [{ where: 'h a' }],
  },
  'a failure ends the host: what was done counts, what was not got to is skipped': {
    stages: [[{ id: 'a' }], [{ id: 'b' }, { id: 'c', on: 'fails' }, { id: 'd' }], [{ id: 'e' }, fine('f'), gitops]],
    status: 'failed',
    recap: { ok: 3, changed: 2, failed: 1, skipped: 3 },
    diary: 'connect look lock look apply a a look apply b,c,d b release close',
    problems: [{ kind: 'failed', where: 'h c', what: 'cannot make c' }],
  },
  'what was put back counts as rescued': {
    stages: [[{ id: 'a', on: 'is rescued' }]],
    status: 'failed',
    recap: { failed: 1, rescued: 1 },
    diary: 'connect look lock look apply a release close',
    problems: [{ rescued: true }],
  },
  'a link that is lost on the way makes the host unreachable': {
    stages: [[{ id: 'a' }, { id: 'b', on: 'loses the link' }]],
    status: 'unreachable',
    recap: { ok: 1, changed: 1, unreachable: 1, skipped: 1 },
    diary: 'connect look lock look apply a,b a release close',
    problems: [{ kind: 'unreachable' }],
  },
  'a host that cannot be reached is unreachable, nothing else': {
    stages: [[{ id: 'a' }]],
    behaviour: { connect: 'refused' },
    status: 'unreachable',
    recap: { unreachable: 1 },
    diary: 'connect',
    problems: [{ kind: 'unreachable', what: 'connection refused' }],
  },
  'a preflight finding forbids the run before anything is touched; all findings are told': {
    stages: [[{ id: 'a' }]],
    behaviour: {
      findings: [
        { kind: 'failed', what: 'no memory controller' },
        { kind: 'warning', what: 'unused' },
        { kind: 'failed', what: 'the clock' },
      ],
    },
    status: 'failed',
    recap: { failed: 2 },
    diary: 'connect look close',
    problems: [{ what: 'no memory controller' }, { what: 'unused' }, { what: 'the clock' }],
  },
  'a warning is told and forbids nothing': {
    stages: [[{ id: 'a' }]],
    behaviour: { findings: [{ kind: 'warning', what: 'unused' }] },
    status: 'ok',
    recap: { ok: 1, changed: 1 },
    diary: 'connect look lock look apply a a look release close',
    problems: [{ kind: 'warning', what: 'unused' }],
  },
  'a defect of the program fails the host and says so, with its stack for --debug': {
    stages: [[{ id: 'a', on: 'throws' }]],
    status: 'failed',
    recap: { failed: 1 },
    diary: 'connect look lock look apply a release close',
    problems: [
      { kind: 'failed', where: 'h', what: 'internal error: a defect', debug: expect.stringContaining('memory.ts') },
    ],
  },
  'a check of a converged host is ok from a workstation that lacks its file': {
    stages: [[fine('a'), { id: 'w', workstation: true }]],
    how: { mode: 'check' },
    status: 'ok',
    recap: { ok: 1 },
    diary: 'connect look close',
  },
  'a file of the workstation is written and counted nowhere': {
    stages: [[fine('a'), { id: 'w', workstation: true }]],
    status: 'ok',
    recap: { ok: 1 },
    diary: 'connect look lock look apply w w look release close',
  },
  'a file of the workstation that is made of something new is written after it': {
    stages: [[{ id: 'a' }], [{ id: 'w', workstation: true, after: 'a' }]],
    status: 'ok',
    recap: { ok: 1, changed: 1 },
    diary: 'connect look lock look apply a a look apply w w look release close',
  },
  'a file of the workstation that is there costs nothing': {
    stages: [[{ ...fine('w'), workstation: true }]],
    status: 'ok',
    recap: {},
    diary: 'connect look close',
  },
  'a file of the workstation that does not last is told, after the host is as it should be': {
    stages: [[{ id: 'w', workstation: true, on: 'stays' }], [{ id: 'a' }]],
    status: 'failed',
    recap: { ok: 1, changed: 1, failed: 1 },
    diary: 'connect look lock look apply w w look apply a a look release close',
    problems: [{ where: 'h w', what: 'The file on this workstation still differs after apply' }],
  },
  'a last stage that only waits does not keep the lock': {
    stages: [[{ id: 'a' }], [{ id: 'w', after: 'a', waits: true }]],
    behaviour: { unlocked: true },
    status: 'ok',
    recap: { ok: 2, changed: 2 },
    diary: 'connect look lock look apply a a look release apply w w look close',
  },
  'a host without resources is fine': { stages: [], status: 'ok', recap: {}, diary: 'connect look close' },
}

test.each(Object.entries(ROWS))('%s', async (_, { stages, how, behaviour, status, recap, diary, problems = [] }) => {
  const host = memoryHost('h', stages, behaviour)
  const { results, events, problems: told } = await ran([host], how)
  expect(host.diary.join(' ')).toBe(diary)
  expect(results).toMatchObject([{ host: 'h', status, recap: counts(recap) }])
  expect(told).toEqual(problems.map((problem) => expect.objectContaining(problem)))
  expect(events.at(-1)).toMatchObject({ event: 'end', host: 'h', status })
  expect(events.filter((e) => e.event === 'end')).toHaveLength(1)
  const ofHost = stages.flat().filter(({ workstation }) => !workstation).length
  if (diary.includes('look') && !behaviour?.findings?.some((f) => f.kind === 'failed')) {
    const { ok = 0, failed = 0, skipped = 0 } = recap
    const own = problems.filter(({ what }) => typeof what === 'string' && /this workstation/.test(what)).length
    expect(ok + failed + skipped - own, 'every resource of the host is counted once').toBe(ofHost)
  }
})

test('what was applied is not planned again', async () => {
  const host = memoryHost('h', [[{ id: 'a' }], [{ id: 'b', after: 'a' }]])
  await ran([host])
  host.diary.length = 0
  const { results } = await ran([host], { mode: 'check' })
  expect(results).toMatchObject([{ status: 'ok', recap: counts({ ok: 2 }) }])
  expect(host.diary).toEqual(['connect', 'look', 'close'])
})

test('the plan is told once, before the first change, and each finished step with its change and time', async () => {
  const host = memoryHost('h', [[{ id: 'a' }, fine('b')]])
  const { events } = await ran([host])
  const names = events.map((e) => (e.event === 'step' ? `step ${e.is}` : e.event === 'busy' ? e.doing : e.event))
  expect(names).toEqual([
    'start',
    'connecting',
    'looking',
    'plan',
    'acquiring the lock',
    'checking again, under the lock',
    'step start',
    'step done',
    'verifying the result',
    'end',
  ])
  expect(events.find((e) => e.event === 'plan')).toMatchObject({ host: 'h', about: 'about h', checks: 3 })
  expect(events.find((e) => e.event === 'step' && e.is === 'done')).toMatchObject({
    role: 'role',
    stage: 'stage0',
    resource: 'a',
    seconds: 2,
    change: { op: 'create', deltas: [{ field: 'well', from: null, to: true }] },
  })
  expect(events.map((e) => e.at)).toEqual(events.map((e) => e.at).toSorted((a, b) => a - b))
})

describe('many hosts', () => {
  test('a failure, a lost host and a defect do not stop the others; results keep the order of the targets', async () => {
    const hosts = [
      memoryHost('fails', [[{ id: 'a', on: 'fails' }]]),
      memoryHost('refused', [[{ id: 'a' }]], { connect: 'refused' }),
      memoryHost('defect', [[{ id: 'a' }]], { connect: 'throws' }),
      memoryHost('fine', [[{ id: 'a' }]]),
    ]
    const { results, problems } = await ran(hosts, { forks: 2 })
    expect(results.map((r) => [r.host, r.status])).toEqual([
      ['fails', 'failed'],
      ['refused', 'unreachable'],
      ['defect', 'failed'],
      ['fine', 'ok'],
    ])
    expect(problems.find((p) => p.where === 'defect')).toMatchObject({ what: 'internal error: a defect' })
  })

  test.each([
    [1, 1],
    [3, 3],
    [50, 7],
  ])('with %i forks at most %i of seven work at a time', async (forks, most) => {
    let now = 0
    let peak = 0
    const connecting = async () => {
      peak = Math.max(peak, ++now)
      await new Promise((resolve) => setTimeout(resolve, 5))
      now--
    }
    const hosts = Array.from({ length: 7 }, (_, i) => memoryHost(`h${i}`, [[fine('a')]], { connecting }))
    const { results } = await ran(hosts, { forks })
    expect(peak).toBe(most)
    expect(results.map((r) => r.host)).toEqual(hosts.map((h) => h.target.host))
  })
})

describe('hosts that share something', () => {
  const order: string[] = []
  const member = (name: string, key: string, thing: Thing = { id: 'a' }) =>
    memoryHost(name, [[thing]], {
      exclusive: [key],
      during: () => order.push(`${name} begins`),
    })

  test('are changed one at a time, others beside them', async () => {
    order.length = 0
    const hosts = [member('s1', 'x'), member('s2', 'x'), member('other', 'y'), member('s3', 'x')]
    const { results, events } = await ran(hosts)
    expect(results.map(({ status }) => status)).toEqual(['ok', 'ok', 'ok', 'ok'])
    const span = (host: string) =>
      ['step', 'end'].map((kind) => events.findIndex((e) => e.event === kind && 'host' in e && e.host === host))
    const spans = ['s1', 's2', 's3'].map(span).toSorted(([a = 0], [b = 0]) => a - b)
    for (const [i, [, end = 0]] of spans.entries()) expect(spans[i + 1]?.[0] ?? Infinity).toBeGreaterThan(end - 1)
    expect(events.filter((e) => e.event === 'busy' && e.doing.startsWith('waiting for s')).length).toBeGreaterThan(1)
    expect(order).toHaveLength(4)
  })

  test('that join come after the one that they join, even where they look first and only one host is at work', async () => {
    for (const forks of [1, 4]) {
      order.length = 0
      const joining = (name: string) =>
        memoryHost(name, [[{ id: 'a' }]], { exclusive: ['x'], after: ['s3'], during: () => order.push(name) })
      let looked = () => {}
      const both = new Promise<void>((resolve) => (looked = resolve))
      const founder = memoryHost('s3', [[{ id: 'a' }]], {
        during: () => order.push('s3'),
        connecting: () => (forks === 1 ? Promise.resolve() : both),
      })
      const second = joining('s2')
      const running = ran([joining('s1'), second, founder], { forks })
      if (forks > 1) await expect.poll(() => second.diary.join(' ')).toBe('connect look')
      looked()
      expect((await running).results.map(({ host, status }) => `${host} ${status}`)).toEqual([
        's1 ok',
        's2 ok',
        's3 ok',
      ])
      expect(order[0]).toBe('s3')
      expect(order).toHaveLength(3)
    }
  })

  test('that join are not begun while the one that they join cannot be reached', async () => {
    order.length = 0
    const { results } = await ran([
      memoryHost('s2', [[{ id: 'a' }]], { after: ['s1'], during: () => order.push('s2') }),
      memoryHost('s1', [[{ id: 'a' }]], { connect: 'refused' }),
      memoryHost('s3', [[fine('a')]], { after: ['s1'] }),
    ])
    expect(results.map(({ status }) => status)).toEqual(['failed', 'unreachable', 'ok'])
    expect(order).toEqual([])
  })

  test('are not begun after one of them failed', async () => {
    order.length = 0
    const { results, problems } = await ran([
      member('s1', 'x', { id: 'a', on: 'fails' }),
      member('s2', 'x'),
      member('s3', 'x'),
    ])
    expect(results.map(({ status }) => status)).toEqual(['failed', 'failed', 'failed'])
    expect(order).toEqual(['s1 begins'])
    expect(problems).toContainEqual(
      expect.objectContaining({ where: 's2', what: 's2 was not changed, because s1 of the same cluster failed' }),
    )
  })

  test('that are as they should be wait for nobody', async () => {
    order.length = 0
    const slow = member('s1', 'x', { id: 'a', on: 'never ends' })
    const signal = new AbortController()
    const well = memoryHost('s2', [[fine('a')]], { exclusive: ['x'] })
    const running = ran([slow, well], { signal: signal.signal })
    await expect.poll(() => well.diary.join(' ')).toBe('connect look close')
    signal.abort()
    expect((await running).results.map(({ status }) => status)).toEqual(['interrupted', 'ok'])
  })
})

describe('Ctrl-C', () => {
  test('once: the step under way is finished, and what was done and what was not is told', async () => {
    const stop = new AbortController()
    const host = memoryHost('h', [[{ id: 'a' }], [{ id: 'b' }, { id: 'c' }], [{ id: 'd' }, fine('e')]], {
      during: (id) => id === 'b' && stop.abort(),
    })
    const waiting = memoryHost('later', [[{ id: 'a' }]])
    const { results, problems } = await ran([host, waiting], { stop: stop.signal, forks: 1 })
    expect(host.diary.join(' ')).toBe('connect look lock look apply a a look apply b,c b release close')
    expect(results).toMatchObject([
      { status: 'interrupted', recap: counts({ ok: 3, changed: 2, skipped: 2 }) },
      { status: 'interrupted', recap: counts({}) },
    ])
    expect(waiting.diary).toEqual([])
    expect(problems).toMatchObject([
      { where: 'h', what: 'interrupted after 2 of 4 changes', why: 'done: a, b\nnot done: c, d' },
    ])
  })

  test('once, while a host is looked at: nothing is begun', async () => {
    const stop = new AbortController()
    const host = memoryHost('h', [[{ id: 'a' }]], { connecting: async () => stop.abort() })
    const { results, problems } = await ran([host], { stop: stop.signal })
    expect(host.diary).not.toContain('a')
    expect(results).toMatchObject([{ status: 'interrupted', recap: counts({ skipped: 1 }) }])
    expect(problems).toMatchObject([{ what: 'interrupted after 0 of 1 changes', why: 'done: nothing\nnot done: a' }])
  })

  test('once, on a converged host: it is fine', async () => {
    const stop = new AbortController()
    const host = memoryHost('h', [[fine('a')]], { connecting: async () => stop.abort() })
    expect((await ran([host], { stop: stop.signal })).results).toMatchObject([{ status: 'ok' }])
  })

  test('twice: the run ends at once and says that a step may be half done', async () => {
    const hard = new AbortController()
    const host = memoryHost('h', [[{ id: 'a' }, { id: 'b', on: 'never ends' }]], {
      during: (id) => id === 'b' && hard.abort(new Error('stopped')),
    })
    const { results, problems } = await ran([host], { signal: hard.signal })
    expect(results).toMatchObject([{ status: 'interrupted', recap: counts({ ok: 1, changed: 1, skipped: 1 }) }])
    expect(problems).toMatchObject([{ what: expect.stringContaining('stopped immediately'), hint: expect.anything() }])
    expect(host.diary.slice(-2)).toEqual(['release', 'close'])
  })
})
