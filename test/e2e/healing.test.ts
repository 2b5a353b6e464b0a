// A run that is cut short anywhere is healed by the next one: killed tool, node without power, cut link.

import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { random } from '../random.ts'
import type { TestNode } from '../testbed/node.ts'
import { K3S_VERSIONS, Testbed } from '../testbed/testbed.ts'
import { cli, expectGood, expectHealed, said } from './state.ts'

const KILLS = 10
/** K3SP_E2E_SEED repeats the moments of an earlier run. */
const seed = Number(process.env.K3SP_E2E_SEED ?? Date.now() % 1_000_000)

let testbed: Testbed
let applySeconds = 0

beforeAll(async () => {
  testbed = await Testbed.open()
  const node = await testbed.node('edge-0')
  applySeconds = (await cli(testbed, 0, ['apply', 'k3s_platform_bootstrap', '-i', await testbed.inventory([node])]))
    .seconds
  await node.down()
})
afterAll(() => testbed?.close())

const sleep = (seconds: number) => new Promise((resolve) => setTimeout(resolve, seconds * 1000))

/** Waits until the command succeeds in the node; returns false after 60 s. */
async function until(node: TestNode, command: string): Promise<boolean> {
  for (const end = Date.now() + 60_000; Date.now() < end; ) {
    if ((await node.run(command)).code === 0) return true
    await sleep(0.02)
  }
  return false
}

const moments = Array.from(
  { length: KILLS },
  (
    (next) => () =>
      next()
  )(random(seed)),
)
test.each([0, 1, 2, 3, 4])(
  `kill -9 of the tool at a random moment of a first apply leaves nothing that the next run does not heal (seed ${seed}, pair %i)`,
  async (pair) => {
    await Promise.all(
      moments.slice(2 * pair, 2 * pair + 2).map(async (moment, i) => {
        const node = await testbed.node(`edge-${2 * pair + i + 1}`)
        const inventory = await testbed.inventory([node])
        const seconds = moment * applySeconds
        const run = testbed.spawnCli(['apply', 'k3s_platform_bootstrap', '-i', inventory])
        await Promise.race([run, sleep(seconds)])
        run.kill('SIGKILL')
        const { signal } = await run
        console.log(`seed ${seed}, ${node.name}: ${signal ?? 'ended before'} after ${seconds.toFixed(2)} s`)
        await expectHealed(testbed, node, inventory)
        await node.down()
      }),
    )
  },
)

/** What is under way in the node when a first apply has come to a point. */
const points = [
  { name: 'the download', when: 'ls /usr/local/bin/.k3s.*.part', slow: true, during: /fetch \/usr\/local\/bin\/k3s/ },
  { name: 'the writing of the files', when: 'test -e /etc/rancher/k3s/config.yaml', slow: false, during: /./ },
  {
    name: 'the start of k3s',
    when: '[ "$(systemctl show -p ActiveState --value k3s)" = activating ]',
    slow: false,
    during: /start k3s\.service/,
  },
] as const

/** Only this version's download is slow, so that the tests that run at the same time are not. */
const SLOW = K3S_VERSIONS[1]
const slowDownload = () => testbed.mirror.fault({ path: `/${SLOW}/k3s`, kind: 'slow', bytesPerSecond: 1_000_000 })

/** Within bounds, with what was in flight; the recap counts the host as unreachable. */
async function expectLost(run: ReturnType<Testbed['spawnCli']>, during: RegExp): Promise<void> {
  const since = Date.now()
  const done = await run
  expect(done.exitCode, said(done)).toBe(1)
  expect((Date.now() - since) / 1000).toBeGreaterThan(5)
  expect(done.stdout).toMatch(/unreachable=1/)
  expect(/the connection was lost during: (.+)/.exec(done.stderr)?.[1], done.stderr).toMatch(during)
}

describe('without its link', () => {
  // They wait for the same silence.
  test.concurrent.each(points.map((point, i) => [point.name, point, i] as const))(
    'a power cut during %s is told within bounds, and healed after the boot',
    async (_, { when, slow, during }, i) => {
      const node = await testbed.node(`power-${i}`)
      const inventory = await testbed.inventory([node], slow ? { k3s_platform_k3s_version: SLOW } : {})
      if (slow) await slowDownload()
      const run = testbed.spawnCli(['apply', 'k3s_platform_bootstrap', '-i', inventory])
      expect(await until(node, when), 'the moment has come').toBe(true)
      await node.kill()
      await expectLost(run, during)
      await testbed.mirror.clear()
      await node.start()
      await expectHealed(testbed, node, inventory)
      await node.down()
    },
  )

  test.concurrent('a cut link is noticed by its silence, and the next run waits for no dead lock', async () => {
    const node = await testbed.node('cut')
    const inventory = await testbed.inventory([node], { k3s_platform_k3s_version: SLOW })
    await slowDownload()
    const run = testbed.spawnCli(['apply', 'k3s_platform_bootstrap', '-i', inventory])
    expect(await until(node, 'ls /usr/local/bin/.k3s.*.part')).toBe(true)
    await node.cut()
    await expectLost(run, /fetch/)
    await testbed.mirror.clear()
    await node.mend()
    await expectHealed(testbed, node, inventory)
    await node.down()
  })

  test.concurrent('a link that is cut for a moment only is not noticed', async () => {
    const node = await testbed.node('blink')
    const inventory = await testbed.inventory([node])
    const run = testbed.spawnCli(['apply', 'k3s_platform_bootstrap', '-i', inventory])
    expect(await until(node, 'test -e /etc/rancher/k3s/config.yaml')).toBe(true)
    await node.cut()
    await sleep(4)
    await node.mend()
    const done = await run
    expect(done.exitCode, said(done)).toBe(0)
    await expectGood(testbed, node, inventory)
    await node.down()
  })
})
