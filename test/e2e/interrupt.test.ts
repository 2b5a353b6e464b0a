// Ctrl-C: once finishes the step under way and says what was done and what was not, twice stops now; then apply heals.

import { afterAll, beforeAll, expect, test } from 'vitest'
import type { TestNode } from '../testbed/node.ts'
import { K3S_VERSIONS, Testbed } from '../testbed/testbed.ts'
import { expectHealed, said } from './state.ts'

const SLOW = K3S_VERSIONS[1]

let testbed: Testbed

beforeAll(async () => {
  testbed = await Testbed.open()
  await testbed.mirror.fault({ path: `/${SLOW}/k3s`, kind: 'slow', bytesPerSecond: 12_000_000 })
})
afterAll(() => testbed?.close())

async function until(what: string, seconds: number, come: () => Promise<boolean>): Promise<void> {
  for (const end = Date.now() + seconds * 1000; !(await come()); ) {
    if (Date.now() > end) throw new Error(`${what}: not within ${seconds} s`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

/** A first apply of the version whose download takes a few seconds, come to a point in the node. */
async function comeTo(node: TestNode, when: string) {
  const inventory = await testbed.inventory([node], { k3s_platform_k3s_version: SLOW })
  const run = testbed.spawnCli(['apply', 'k3s_platform_bootstrap', '-i', inventory])
  let told = ''
  run.stderr.on('data', (chunk) => {
    told += String(chunk)
  })
  await until(when, 60, async () => (await node.run(when)).code === 0)
  return { inventory, run, told: () => told }
}

const DOWNLOAD = 'ls /usr/local/bin/.k3s.*.part'
const START = '[ "$(systemctl show -p ActiveState --value k3s)" = activating ]'

const points = [
  {
    name: 'the download',
    when: DOWNLOAD,
    // What was fetched is kept: the next run puts it in place.
    done: ['/etc/modules-load.d/k3s-platform.conf'],
    open: ['/usr/local/bin/k3s', '/etc/rancher/k3s/config.yaml', 'k3s.service'],
    after:
      'f=$(echo /usr/local/bin/.k3s.*.part); chmod +x $f; $f --version && test ! -e /usr/local/bin/k3s && test ! -e /etc/rancher/k3s/config.yaml',
  },
  {
    name: 'the start of k3s',
    when: START,
    done: ['/usr/local/bin/k3s', '/etc/rancher/k3s/config.yaml', 'k3s.service'],
    open: ['.kube/k3s-platform'],
    after: 'systemctl is-active k3s',
  },
] as const

test.concurrent.each(points.map((point, i) => [point.name, point, i] as const))(
  'Ctrl-C during %s finishes the step and says what was done and what was not',
  async (_, { when, done, open, after }, i) => {
    const node = await testbed.node(`once-${i}`)
    const { inventory, run } = await comeTo(node, when)
    run.kill('SIGINT')
    const ended = await run
    expect(ended.exitCode, said(ended)).toBe(130)
    expect(ended.stderr).toMatch(/finishing the current step; Ctrl-C again stops now/)
    expect(ended.stderr).toMatch(/✗ \S+: interrupted after \d+ of \d+ changes/)
    const doneLine = /done: (.*)/.exec(ended.stderr)?.[1] ?? ''
    const openLine = /not done: (.*)/.exec(ended.stderr)?.[1] ?? ''
    for (const title of done) expect(doneLine).toContain(title)
    for (const title of open) expect(openLine).toContain(title)
    expect((await node.run(after)).code, 'the step was finished, the next one was not begun').toBe(0)
    await expectHealed(testbed, node, inventory)
    await node.down()
  },
)

test.concurrent.each([
  ['the download', DOWNLOAD],
  ['the start of k3s', START],
] as const)('Ctrl-C twice during %s stops at once', async (name, when) => {
  const node = await testbed.node(name === 'the download' ? 'twice-0' : 'twice-1')
  const { inventory, run, told } = await comeTo(node, when)
  run.kill('SIGINT')
  await until('the first is heard', 5, async () => told().includes('finishing the current step'))
  const since = Date.now()
  run.kill('SIGINT')
  const ended = await run
  expect(ended.exitCode, said(ended)).toBe(130)
  expect((Date.now() - since) / 1000).toBeLessThan(4)
  expect(ended.stderr).toMatch(/stopped immediately on the second Ctrl-C/)
  await expectHealed(testbed, node, inventory)
  await node.down()
})

test.concurrent('Ctrl-C twice ends the run even when the node is silent', async () => {
  const node = await testbed.node('silent')
  const { inventory, run, told } = await comeTo(node, DOWNLOAD)
  await node.cut()
  run.kill('SIGINT')
  await until('the first is heard', 5, async () => told().includes('finishing the current step'))
  const since = Date.now()
  run.kill('SIGINT')
  const ended = await run
  expect(ended.exitCode, said(ended)).toBe(130)
  expect((Date.now() - since) / 1000).toBeLessThan(6)
  await node.mend()
  await expectHealed(testbed, node, inventory)
  await node.down()
})

test('Ctrl-C before the login ends the run, and nothing was touched', async () => {
  const node = await testbed.node('early')
  const inventory = await testbed.inventory([node])
  await node.cut()
  const run = testbed.spawnCli(['apply', 'k3s_platform_bootstrap', '-vv', '-i', inventory])
  await new Promise<void>((resolve) => {
    run.stderr.on('data', (chunk) => /connecting/.test(String(chunk)) && resolve())
  })
  run.kill('SIGINT')
  await new Promise((resolve) => setTimeout(resolve, 300))
  run.kill('SIGINT')
  const ended = await run
  expect(ended.exitCode, said(ended)).toBe(130)
  await node.mend()
  expect((await node.run('ls -d /run/k3s-platform* /var/lib/k3s-platform')).stdout).toBe('')
})
