// A handoff that is cut short anywhere is healed by the next run; what Flux takes over stays as it is, and nothing is issued again.

import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { random } from '../random.ts'
import { Testbed } from '../testbed/testbed.ts'
import { type Handoff, handoff, issued, kustomizations, publish, reading } from './handoff.ts'
import { told } from './look.ts'
import { versions } from './platform.ts'
import { cli, said } from './state.ts'

const KILLS = 10
/** K3SP_E2E_SEED repeats the moments of an earlier run. */
const seed = Number(process.env.K3SP_E2E_SEED ?? Date.now() % 1_000_000)
const LONG = { timeout: 300_000 }
/** Of a run: near its end there is nothing left to be cut short. */
const PART = 0.7
const FLUX = 'flux-system'

/** What is taken away before a run. Suspended Kustomizations go without what they have applied. */
const undone = {
  'platform-root': `for one in $(k3s kubectl get kustomizations -n ${FLUX} -o name); do
      k3s kubectl patch -n ${FLUX} $one --type merge -p '{"spec":{"suspend":true}}'
    done
    k3s kubectl delete kustomizations --all -n ${FLUX} --timeout=60s`,
  'the source': `k3s kubectl delete gitrepository,secret platform-config -n ${FLUX} --timeout=60s`,
  'the controllers': `k3s kubectl delete deployments --all -n ${FLUX} --timeout=60s`,
} as const
type Undone = keyof typeof undone

const MORE: readonly (readonly Undone[])[] = [
  ['platform-root'],
  ['the controllers'],
  ['the source'],
  ['platform-root', 'the source'],
  ['platform-root', 'the controllers'],
  ['platform-root'],
  ['platform-root', 'the source', 'the controllers'],
  ['the source', 'the controllers'],
  ['platform-root', 'the source'],
]

let testbed: Testbed
let at: Handoff
let inventory: string
/** Uids, serial numbers and Orders before the handoff. */
let before = ''
/** The deleted objects to be there, each once. */
let whole = ''
let kills = 0
/** From the first touch to the end of a run that is left alone. */
const seconds: Record<Undone | 'all', number> = {
  all: 10, // of a first handoff on a quiet machine, about
  'platform-root': 0,
  'the source': 0,
  'the controllers': 0,
}

const TAKEN = ['certificates', 'clusterissuers', 'ingresses', 'services'] as const

beforeAll(async () => {
  testbed = await Testbed.open()
  at = await handoff(testbed, 'edge-1')
  await cli(testbed, 0, ['apply', '-i', await testbed.inventory([at.node], at.vars)], LONG)
  inventory = await testbed.inventory([at.node], { ...at.vars, ...reading(at, 'ssh') })
  await publish(testbed, at.git, inventory)
  before = await issued(at.node)
  for (const kind of TAKEN) {
    const watch = `k3s kubectl get ${kind} -A -w --output-watch-events -o json --show-managed-fields`
    await at.node.ask(`systemd-run -q --unit watch-${kind} sh -c 'exec ${watch} >/run/watch-${kind}.json'`)
  }
})
afterAll(() => testbed?.close())

const sleep = (seconds: number) => new Promise((resolve) => setTimeout(resolve, seconds * 1000))

async function undo(what: readonly Undone[]): Promise<void> {
  for (const one of what) await at.node.ask(`set -e; ${undone[one]}`)
}

/** A run, once its events say that it has come to a point of the handoff, or once it has ended. */
async function comeTo(point: RegExp, how: readonly string[] = []) {
  const events = join(await testbed.dir(), 'events.jsonl')
  const run = testbed.spawnCli(['apply', '-i', inventory, '--events', events, ...how], LONG)
  let ended = false
  void run.then(() => {
    ended = true
  })
  const come = async () => ended || point.test(await readFile(events, 'utf8').catch(() => ''))
  await expect.poll(come, { interval: 20 }).toBe(true)
  return { run }
}

const TOUCHED = /"stage":"(flux|source|handoff)","resource":"[^"]*","is":"start"/
const WAITED = /"stage":"handoff","resource":"[^"]*","is":"wait"/

async function killed(what: readonly (Undone | 'all')[], moment: number): Promise<void> {
  const after = moment * PART * what.reduce((sum, one) => sum + seconds[one], 0)
  const { run } = await comeTo(TOUCHED)
  await Promise.race([run, sleep(after)])
  run.kill('SIGKILL')
  const { signal } = await run
  if (signal !== undefined) kills++
  // The machine has other work: it may be quicker now than when it was measured.
  else for (const one of what) seconds[one] *= 0.6
  console.log(`seed ${seed}, ${what.join(', ')}: ${signal ?? 'ended before'} after ${after.toFixed(2)} s`)
}

const KINDS = [...TAKEN, 'secrets', 'deployments', 'gitrepositories', 'kustomizations', 'orders', 'namespaces']

/** What is there, without its versions. */
const things = async () => (await versions(at.node, KINDS)).replace(/ +\S+$/gm, '')

/** Controllers that have just begun look at everything once more. */
async function settled(): Promise<void> {
  const states = async () => [...new Set(Object.values(await kustomizations(at.node)))]
  await expect.poll(states).toEqual(['True'])
}

/** The next run puts everything right, the one after it finds nothing to do. */
async function expectHealed(): Promise<void> {
  const since = Date.now()
  await cli(testbed, 0, ['apply', '-i', inventory], LONG)
  console.log(`healed in ${((Date.now() - since) / 1000).toFixed(1)} s`)
  const { stdout } = await cli(testbed, 0, ['plan', '-i', inventory])
  expect(stdout).toContain('Plan: no changes')
  await settled()
  expect(await issued(at.node)).toBe(before)
  if (whole === '') whole = await things()
  expect(await things()).toBe(whole)
}

const draw = random(seed)
const moments = Array.from({ length: KILLS }, () => draw())

describe(`kill -9 of the tool at a random moment leaves nothing that the next run does not heal (seed ${seed}):`, () => {
  test('0, of the first handoff', async () => {
    await killed(['all'], moments[0] ?? 0)
    await expectHealed()
    expect(whole.match(/^Kustomization /gm)).toHaveLength(5)
    for (const one of ['platform-root', 'the source', 'the controllers'] as const) {
      await undo([one])
      const { run } = await comeTo(TOUCHED)
      const since = Date.now()
      const done = await run
      expect(done.exitCode, said(done)).toBe(0)
      seconds[one] = (Date.now() - since) / 1000
      await settled()
    }
  })

  test.each(MORE.map((what, i) => [i + 1, what.join(' and '), what] as const))(
    '%i, of the making anew of %s',
    async (round, _, what) => {
      await undo(what)
      await killed(what, moments[round] ?? 0)
      await expectHealed()
    },
  )

  test('and most of them came while there was something to do', () => {
    expect(kills).toBeGreaterThan(KILLS / 2)
  })
})

const Watched = z.object({
  type: z.string(),
  object: z.looseObject({
    kind: z.string(),
    metadata: z.looseObject({
      name: z.string(),
      namespace: z.string().default(''),
      resourceVersion: z.string(),
      labels: z.record(z.string(), z.string()).default({}),
      managedFields: z.array(z.looseObject({ manager: z.string() })).default([]),
    }),
  }),
})
const MARK = /^kustomize\.toolkit\.fluxcd\.io\//

describe('what Flux takes over', () => {
  test('is never made anew, and nothing of it changes but who manages it', async () => {
    const streams = await Promise.all(TAKEN.map((kind) => at.node.ask(`cat /run/watch-${kind}.json`)))
    const all = streams.flatMap((text) =>
      text
        .split(/\n(?=\{)/)
        .filter(Boolean)
        .map((one) => Watched.parse(JSON.parse(one))),
    )
    const nameOf = ({ object: { kind, metadata } }: (typeof all)[number]) =>
      [kind, metadata.namespace, metadata.name].join(' ')
    const series = [...new Set(all.map(nameOf))].map((key) => [key, all.filter((one) => nameOf(one) === key)] as const)
    const taken = series.filter(([, some]) =>
      some.some(({ object }) => Object.keys(object.metadata.labels).some((key) => MARK.test(key))),
    )
    expect(new Set(taken.map(([key]) => key.split(' ')[0]))).toEqual(
      new Set(['Certificate', 'ClusterIssuer', 'Ingress', 'Service']),
    )
    for (const [key, some] of taken) {
      expect(new Set(some.map(({ type }) => type)), key).toEqual(new Set(['ADDED', 'MODIFIED']))
      expect(new Set(some.map(({ object }) => bare(object))).size, `${key}: versions but for the marks`).toBe(1)
      const managers = some.map(({ object }) => object.metadata.managedFields.map(({ manager }) => manager))
      expect(managers[0], key).toContain('kubectl-k3s-platform')
      expect(managers.at(-1), key).toContain('kustomize-controller')
      expect(managers.at(-1), key).not.toContain('kubectl-k3s-platform')
      // Flux takes the claims to the fields, then lays its marks on; ten runs that were cut short add nothing to that.
      expect(some.length, key).toBeLessThanOrEqual(3)
    }
  })
})

/** uid, creationTimestamp, spec and status among it. */
function bare(object: z.output<typeof Watched>['object']): string {
  const { resourceVersion: _, managedFields: __, labels, ...metadata } = object.metadata
  const own = Object.entries(labels).filter(([key]) => !MARK.test(key))
  return JSON.stringify({ ...object, metadata: { ...metadata, labels: own } })
}

test('a link that is cut while Flux is waited for is told within bounds, and healed', async () => {
  await undo(['platform-root'])
  const { run } = await comeTo(WAITED)
  await at.node.cut()
  const done = await run
  await at.node.mend()
  expect(done.exitCode, said(done)).toBe(1)
  expect(done.stdout).toMatch(/unreachable=1/)
  await expectHealed()
})

test('Ctrl-C while Flux is waited for ends soon, and says what was done and what was not', async () => {
  await undo(['platform-root'])
  const { run } = await comeTo(WAITED)
  run.kill('SIGINT')
  const done = await run
  expect(done.exitCode, said(done)).toBe(130)
  expect(done.stderr).toMatch(/interrupted after 1 of 2 changes/)
  expect(done.stderr).toMatch(/ done: Kustomization flux-system\/platform-root\n/)
  expect(done.stderr).toMatch(/not done: wait until Kustomization flux-system\/platform-root is ready\n/)
  await expectHealed()
})

test('a recovery that is killed is ended by the same command, and a handing over by the next one', async () => {
  const begun = /"is":"start"/
  const takeBack = ['--take-back', '--yes']
  const apply = (...how: string[]) => cli(testbed, 0, ['apply', '-i', inventory, ...how], LONG)
  const lasts = async (how: readonly string[]) => {
    const { run } = await comeTo(begun, how)
    const since = Date.now()
    await run
    return (Date.now() - since) / 1000
  }
  const [taking, handing] = [await lasts(takeBack), await lasts(['--hand-over'])]
  for (const moment of [draw(), draw(), draw()]) {
    const back = (await comeTo(begun, takeBack)).run
    await Promise.race([back, sleep(moment * PART * taking)])
    back.kill('SIGKILL')
    await back
    await apply(...takeBack)
    const { stdout } = await cli(testbed, 0, ['plan', '-i', inventory])
    expect(stdout).toContain('reclaimed; to hand it over again: apply --hand-over')
    expect(await issued(at.node)).toBe(before)

    const over = (await comeTo(begun, ['--hand-over'])).run
    await Promise.race([over, sleep(moment * PART * handing)])
    over.kill('SIGKILL')
    await over
    await apply('--hand-over')
    await expectHealed()
  }
})

test('afterwards a run is one exec, and changes nothing', async () => {
  const was = await versions(at.node, KINDS)
  const { document } = await told(testbed, ['apply', '-i', inventory], LONG)
  expect(document.hosts[0]).toMatchObject({ status: 'ok', execs: 1, recap: { changed: 0 } })
  expect(await versions(at.node, KINDS)).toBe(was)
  expect(await issued(at.node)).toBe(before)
})
