// A run of the addon role that is cut short anywhere is healed by the next one: no release is stuck, nothing is there twice.

import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { random } from '../random.ts'
import { Testbed } from '../testbed/testbed.ts'
import { charts, EXTERNAL_SECRETS, type Platform, platform, releases } from './platform.ts'
import { cli, said } from './state.ts'

const KILLS = 10
/** K3SP_E2E_SEED repeats the moments of an earlier run. */
const seed = Number(process.env.K3SP_E2E_SEED ?? Date.now() % 1_000_000)
const ROLE = 'k3s_platform_addon'
/** Of a run: near its end there is nothing left to be cut short. */
const PART = 0.7
/** Of a first apply of the role on a quiet machine, about. */
const FIRST_SECONDS = 30

let testbed: Testbed
let at: Platform
let vars: Readonly<Record<string, unknown>>
let changeSeconds = 0

beforeAll(async () => {
  testbed = await Testbed.open()
  at = await platform(testbed, 'edge-1')
  vars = at.vars
  await cli(testbed, 0, ['apply', 'k3s_platform_bootstrap', '-i', await testbed.inventory([at.node], vars)])
})
afterAll(() => testbed?.close())

const sleep = (seconds: number) => new Promise((resolve) => setTimeout(resolve, seconds * 1000))

/** A value of each addon's pods, by the number of the try: one more release revision each. */
const values: Readonly<Record<string, (round: string) => object>> = {
  'cert-manager': (round) => ({ extraArgs: ['--dns01-check-retry-period=1s'], podLabels: { round } }),
  'external-secrets': (round) => ({ ...EXTERNAL_SECRETS, podLabels: { round } }),
  caddy: (round) => ({ podAnnotations: { round } }),
  'external-dns': (round) => ({ ...external, podLabels: { round } }),
  reloader: (round) => ({ reloader: { deployment: { labels: { round } } } }),
}
const external = { provider: { name: 'inmemory' }, extraArgs: ['--inmemory-zone=svc.plus'] }
const ADDONS = Object.keys(values)
const pick = (i: number) => ADDONS[i % ADDONS.length] ?? ''

/** Lays new values of these addons over those of the try before. */
async function changed(names: readonly string[], round: string): Promise<string> {
  const more = names.map((name) => [`k3s_platform_${name.replace('-', '_')}_values`, values[name]?.(round)])
  vars = { ...vars, ...Object.fromEntries(more) }
  return testbed.inventory([at.node], vars)
}

/** The next run puts everything right, the one after it finds nothing to do. */
async function expectHealed(inventory: string, wanted: Readonly<Record<string, string>>): Promise<void> {
  const since = Date.now()
  await cli(testbed, 0, ['apply', ROLE, '-i', inventory], { timeout: 300_000 })
  console.log(`healed in ${((Date.now() - since) / 1000).toFixed(1)} s`)
  const { stdout } = await cli(testbed, 0, ['plan', ROLE, '-i', inventory])
  expect(stdout).toContain('Plan: no changes')
  expect(await releases(at.node)).toEqual(wanted)
  expect(Object.keys(await charts(at.node)).toSorted()).toEqual(ADDONS.toSorted())
  const stuck = ['get', 'secrets', '-A', '-l', 'owner=helm,status notin (deployed,superseded)', '-o', 'name']
  expect(await at.node.kubectl(stuck)).toBe('')
}

/** What the releases are to be: those that changed are one revision further, those that went are new. */
function next(before: Readonly<Record<string, string>>, names: readonly string[]): Record<string, string> {
  const revision = (name: string) => Number(before[name]?.split(' ')[0] ?? 0)
  const more = names.map((name) => [name, `${revision(name) + 1} deployed`])
  return { ...before, ...Object.fromEntries(more) }
}

async function killed(inventory: string, seconds: number): Promise<void> {
  const run = testbed.spawnCli(['apply', ROLE, '-i', inventory], { timeout: 300_000 })
  await Promise.race([run, sleep(seconds)])
  run.kill('SIGKILL')
  const { signal, durationMs } = await run
  // The machine has other work: it may be quicker now than when it was measured.
  if (signal === undefined) changeSeconds = Math.min(changeSeconds, durationMs / 1000)
  console.log(`seed ${seed}: ${signal ?? 'ended before'} after ${seconds.toFixed(2)} s`)
}

const draw = random(seed)
const moments = Array.from({ length: KILLS }, () => draw())

describe(`kill -9 of the tool at a random moment leaves nothing that the next run does not heal (seed ${seed}):`, () => {
  test('0, of a first apply', async () => {
    const inventory = await testbed.inventory([at.node], vars)
    await killed(inventory, (moments[0] ?? 0) * FIRST_SECONDS)
    await expectHealed(inventory, Object.fromEntries(ADDONS.map((name) => [name, '1 deployed'])))
    const since = Date.now()
    await cli(testbed, 0, ['apply', ROLE, '-i', await changed(ADDONS.slice(0, 2), 'measured')])
    changeSeconds = (Date.now() - since) / 1000
  })

  test.each([1, 2, 4, 5, 7, 8])('%i, of a change of two addons', async (round) => {
    const names = [pick(round), pick(round + 2)]
    const wanted = next(await releases(at.node), names)
    const inventory = await changed(names, `r${round}`)
    await killed(inventory, (moments[round] ?? 0) * PART * changeSeconds)
    await expectHealed(inventory, wanted)
  })

  test.each([3, 6, 9])('%i, of the making anew of an addon that somebody removed', async (round) => {
    const name = pick(round / 3)
    await at.node.kubectl(['delete', 'helmchart', '-n', 'kube-system', name, '--timeout=60s'])
    const { [name]: _, ...others } = await releases(at.node)
    await killed(await testbed.inventory([at.node], vars), (moments[round] ?? 0) * PART * changeSeconds)
    await expectHealed(await testbed.inventory([at.node], vars), next(others, [name]))
  })
})

/** A run that has come to the wait for an addon. */
async function waiting(inventory: string) {
  const events = join(await testbed.dir(), 'events.jsonl')
  const run = testbed.spawnCli(['apply', ROLE, '-i', inventory, '--events', events], { timeout: 300_000 })
  const told = () => readFile(events, 'utf8').catch(() => '')
  await expect.poll(told, { interval: 50 }).toContain('"is":"wait"')
  return { run }
}

test('a link that is cut while an addon is waited for is told within bounds, and healed', async () => {
  const name = 'cert-manager'
  const wanted = next(await releases(at.node), [name])
  const inventory = await changed([name], 'cut')
  const { run } = await waiting(inventory)
  await at.node.cut()
  const done = await run
  await at.node.mend()
  expect(done.exitCode, said(done)).toBe(1)
  expect(done.stdout).toMatch(/unreachable=1/)
  await expectHealed(inventory, wanted)
})

test('Ctrl-C while an addon is waited for ends soon, and says what was done and what was not', async () => {
  const name = 'external-secrets'
  const wanted = next(await releases(at.node), [name])
  const inventory = await changed([name], 'ctrl-c')
  const { run } = await waiting(inventory)
  run.kill('SIGINT')
  const done = await run
  expect(done.exitCode, said(done)).toBe(130)
  expect(done.stderr).toMatch(/interrupted after 1 of 2 changes/)
  expect(done.stderr).toMatch(/done: HelmChart kube-system\/external-secrets\n/)
  expect(done.stderr).toMatch(/not done: wait until external-secrets is ready\n/)
  await expectHealed(inventory, wanted)
})
