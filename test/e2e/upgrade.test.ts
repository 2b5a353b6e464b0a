import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { TestNode } from '../testbed/node.ts'
import { K3S_VERSIONS, Testbed } from '../testbed/testbed.ts'

const [OLD, NEW] = K3S_VERSIONS
const SNAPSHOTS = '/opt/rancher/k3s/server/db/snapshots'

let testbed: Testbed
let node: TestNode
let inventory: string

beforeAll(async () => {
  testbed = await Testbed.open()
  node = await testbed.node('up-1')
  inventory = await testbed.inventory([node])
  const made = await testbed.cli(['apply', 'k3s_platform_bootstrap', '-i', inventory], { timeout: 240_000 })
  expect(made.code, made.stdout + made.stderr).toBe(0)
})

afterAll(() => testbed?.close())

const invocation = () => node.ask('systemctl show -p InvocationID --value k3s')
const running = () => node.ask("k3s kubectl get node up-1 -o jsonpath='{.status.nodeInfo.kubeletVersion}'")

test.each([
  ['an older release', 'v1.36.3+k3s1', /is older than the v1\.36\.4\+k3s1 that is there/],
  ['a release past the next minor', 'v1.38.1+k3s1', /one minor release at a time/],
])('%s is refused and nothing is touched', async (_, version, why) => {
  const before = await invocation()
  const { code, stderr } = await testbed.cli([
    'apply',
    'k3s_platform_bootstrap',
    '-i',
    inventory,
    '-e',
    `k3s_platform_k3s_version=${version}`,
  ])
  expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringMatching(why) })
  expect(await invocation()).toBe(before)
})

test('upgrade refuses to do more than the upgrade', async () => {
  await node.ask('chmod 644 /etc/rancher/k3s/config.yaml')
  const { code, stderr } = await testbed.cli(['upgrade', 'up-1', '-i', inventory, '--to', NEW])
  expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringContaining('that is not part of the upgrade') })
  expect(await running()).toBe(OLD)
  await node.ask('chmod 600 /etc/rancher/k3s/config.yaml')
})

test('upgrade --check shows from, to, the snapshot and the restart, and touches nothing', async () => {
  const { code, stdout } = await testbed.cli(['upgrade', 'up-1', '-i', inventory, '--to', NEW, '--check'])
  expect(code).toBe(2)
  expect(stdout).toContain(`snapshot the datastore before ${NEW}`)
  expect(stdout).toContain(`${OLD} -> ${NEW}`)
  expect(stdout).toMatch(/! restart k3s\.service/)
  expect(await node.ask(`ls ${SNAPSHOTS} 2>/dev/null | wc -l`)).toBe('0')
})

test('upgrade takes a snapshot, swaps the binary, restarts once, and says which line keeps it', async () => {
  const before = await node.ask('journalctl -u k3s -o cat | grep -c "^Started"')
  const { code, stdout, stderr } = await testbed.cli(['upgrade', '-l', 'up-1', '-i', inventory, '--to', NEW])
  expect(code, stderr).toBe(0)
  expect(await running()).toBe(NEW)
  expect(Number(await node.ask('journalctl -u k3s -o cat | grep -c "^Started"'))).toBe(Number(before) + 1)
  expect(await node.ask(`ls ${SNAPSHOTS}`)).toMatch(new RegExp(`^k3s-platform-before-${NEW.replaceAll('+', '\\+')}-`))
  const line = (await readFile(join(inventory, 'group_vars/all.yaml'), 'utf8'))
    .split('\n')
    .findIndex((l) => l.includes('k3s_version'))
  expect(stdout).toContain(`k3s_platform_k3s_version: ${NEW}`)
  expect(stdout).toContain(`group_vars/all.yaml:${line + 1}:1`)
})

test('the inventory that was left behind is refused, the one with the new line has nothing to do', async () => {
  expect((await testbed.cli(['plan', 'k3s_platform_bootstrap', '-i', inventory])).code).toBe(1)
  const { code, stdout } = await testbed.cli([
    'plan',
    'k3s_platform_bootstrap',
    '-i',
    inventory,
    '-e',
    `k3s_platform_k3s_version=${NEW}`,
  ])
  expect({ code, stdout }).toEqual({ code: 0, stdout: expect.stringContaining('no changes') })
})
