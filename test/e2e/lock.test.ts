// Two runs on one host never interleave: the second waits or says who is there; a holder that is gone holds nothing.

import { hostname } from 'node:os'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import type { TestNode } from '../testbed/node.ts'
import { K3S_VERSIONS, Testbed } from '../testbed/testbed.ts'
import { cli, expectGood, said } from './state.ts'

const SANS_A = '{"k3s_platform_tls_sans":["a.example"]}'
const SANS_B = '{"k3s_platform_tls_sans":["b.example"]}'

let testbed: Testbed
let node: TestNode
let inventory = ''

beforeAll(async () => {
  testbed = await Testbed.open()
  node = await testbed.node('edge-1')
  inventory = await testbed.inventory([node])
})
afterAll(() => testbed?.close())
afterEach(() => testbed.mirror.clear())

/** Starts an apply whose download takes long, and waits until it is under way. */
async function slowApply(version: string) {
  const fetching = "pgrep -f '[c]url .*/usr/local/bin/.k3s'"
  await node.ask(`while ${fetching}; do sleep 0.1; done`) // an earlier run's ends with it, but not in the same moment
  await testbed.mirror.fault({ path: `/${version}/k3s`, kind: 'slow', bytesPerSecond: 500_000 })
  const run = testbed.spawnCli([
    'apply',
    'k3s_platform_bootstrap',
    '-i',
    inventory,
    '-e',
    `k3s_platform_k3s_version=${version}`,
  ])
  const under = `grep -q 'process ${run.pid},' /run/k3s-platform.lock.holder && ${fetching}`
  for (let i = 0; (await node.run(under)).code !== 0; i++) {
    if (i > 300) throw new Error('no download has begun')
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  return { run } // a process is awaited like a promise: it must not be returned bare
}

const holder = new RegExp(`${hostname()}.*process \\d+, since \\d{4}-\\d\\d-\\d\\dT`)

test('two first applies at once both end well: one does it, the other waits and finds nothing to do', async () => {
  // Long enough that the one that logs in last still finds the other at work, on a busy machine, too.
  await testbed.mirror.fault({ path: `/${K3S_VERSIONS[0]}/k3s`, kind: 'slow', bytesPerSecond: 4_000_000 })
  const runs = await Promise.all(
    [0, 1].map(() => testbed.cli(['apply', 'k3s_platform_bootstrap', '-vv', '-i', inventory])),
  )
  await testbed.mirror.clear()
  for (const run of runs) expect(run.code, said(run)).toBe(0)
  const changed = runs.map((run) => Number(/changed=(\d+)/.exec(run.stdout)?.[1]))
  expect(
    changed.filter((n) => n > 0),
    said(runs[1] ?? { stdout: '', stderr: '' }),
  ).toHaveLength(1)
  const waited = runs[changed.indexOf(0)]
  expect(waited?.stderr).toMatch(/another run holds the lock: \S+@/)
  expect(waited?.stderr).toMatch(holder)
  expect(await node.ask('systemctl show -p NRestarts --value k3s; journalctl -u k3s -o cat | grep -c ^Starting')).toBe(
    '0\n1',
  )
  await expectGood(testbed, node, inventory)
}, 120_000)

test('a holder that does not end is named after a bounded wait, and is not disturbed', async () => {
  const { run } = await slowApply(K3S_VERSIONS[1])
  const since = Date.now()
  const second = await cli(testbed, 1, [
    'apply',
    'k3s_platform_bootstrap',
    '-i',
    inventory,
    '--timeout',
    '5s',
    '-e',
    SANS_A,
  ])
  expect((Date.now() - since) / 1000).toBeLessThan(15)
  expect(second.stderr).toMatch(/✗ edge-1: another run holds the lock: \S+@/)
  expect(second.stderr).toMatch(holder)
  expect(second.stderr).toMatch(/why: +it was not released within 5 s/)
  expect(second.stdout).toMatch(/changed=0 +unreachable=0 +failed=1/)
  // Looking takes no lock.
  await cli(testbed, 2, [
    'plan',
    'k3s_platform_bootstrap',
    '-i',
    inventory,
    '-e',
    `k3s_platform_k3s_version=${K3S_VERSIONS[1]}`,
  ])
  expect(run.exitCode).toBe(null)
  run.kill('SIGKILL')
  await run
})

test('Ctrl-C while waiting for the lock ends at once', async () => {
  const { run: holding } = await slowApply(K3S_VERSIONS[1])
  const run = testbed.spawnCli(['apply', 'k3s_platform_bootstrap', '-vv', '-i', inventory, '-e', SANS_A])
  await new Promise<void>((resolve) => {
    run.once('exit', () => resolve())
    let text = ''
    run.stderr.on('data', (chunk) => {
      text += String(chunk)
      if (text.includes('another run holds the lock')) resolve()
    })
  })
  const since = Date.now()
  run.kill('SIGINT')
  const done = await run
  expect(done.exitCode, said(done)).toBe(130)
  expect((Date.now() - since) / 1000).toBeLessThan(3)
  holding.kill('SIGKILL')
  await holding
})

test('a workstation that falls asleep loses the lock after its beats, and does nothing more when it wakes', async () => {
  const { run: asleep } = await slowApply(K3S_VERSIONS[1])
  asleep.kill('SIGSTOP')
  const since = Date.now()
  const next = await cli(testbed, 0, ['apply', 'k3s_platform_bootstrap', '-i', inventory, '-e', SANS_B])
  expect((Date.now() - since) / 1000).toBeLessThan(50)
  expect(next.stdout).toMatch(/failed=0/)
  asleep.kill('SIGCONT')
  const done = await asleep
  expect(done.exitCode, said(done)).toBe(1)
  expect(done.stderr).toMatch(/✗ edge-1 \/usr\/local\/bin\/k3s: fetch .*: ended early, the lock on the host was lost/)
  // It is as the run that had the lock left it.
  await cli(testbed, 0, ['plan', 'k3s_platform_bootstrap', '-i', inventory, '-e', SANS_B])
  expect(await node.ask('k3s --version | head -n 1')).toContain(K3S_VERSIONS[0])
  await testbed.mirror.clear()
  // What it had fetched is there for whoever wants that version.
  await cli(testbed, 0, [
    'apply',
    'k3s_platform_bootstrap',
    '-i',
    inventory,
    '-e',
    `k3s_platform_k3s_version=${K3S_VERSIONS[1]}`,
  ])
  expect(await node.ask('ls -A /usr/local/bin')).toBe('k3s')
}, 150_000)
