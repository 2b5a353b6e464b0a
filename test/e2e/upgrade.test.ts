import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { TestNode } from '../testbed/node.ts'
import { K3S_VERSIONS, Testbed } from '../testbed/testbed.ts'

const [OLD, NEW] = K3S_VERSIONS
const SNAPSHOTS = '/srv/snapshots'
const DATA = '/opt/rancher/k3s'

let testbed: Testbed
let node: TestNode
let inventory: string

beforeAll(async () => {
  testbed = await Testbed.open()
  node = await testbed.node('up-1')
  // Neither where etcd-snapshot asks by itself nor the configuration that it reads by itself.
  inventory = await testbed.inventory([node], {
    k3s_platform_k3s_config_path: '/etc/k3s/config.yaml',
    k3s_platform_k3s_config: { 'https-listen-port': 7443, 'etcd-snapshot-dir': SNAPSHOTS },
  })
  const made = await testbed.cli(['apply', 'k3s_platform_bootstrap', '-i', inventory], { timeout: 240_000 })
  expect(made.code, made.stdout + made.stderr).toBe(0)
})

afterAll(() => testbed?.close())

const invocation = () => node.ask('systemctl show -p InvocationID --value k3s')
const running = () => node.ask("k3s kubectl get node up-1 -o jsonpath='{.status.nodeInfo.kubeletVersion}'")

test.each([
  ['an older release', 'v1.36.3+k3s1', /is older than the installed v1\.36\.4\+k3s1/],
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
  await node.ask('chmod 644 /etc/k3s/config.yaml')
  const { code, stderr } = await testbed.cli(['upgrade', 'up-1', '-i', inventory, '--to', NEW])
  expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringContaining('and the upgrade does not change that') })
  expect(await running()).toBe(OLD)
  await node.ask('chmod 600 /etc/k3s/config.yaml')
})

test('upgrade --check shows from, to, the snapshot and the restart, and touches nothing', async () => {
  const { code, stdout } = await testbed.cli(['upgrade', 'up-1', '-i', inventory, '--to', NEW, '--check'])
  expect(code).toBe(2)
  expect(stdout).toContain(`snapshot the datastore before ${NEW}`)
  expect(stdout).toContain(`${OLD} -> ${NEW}`)
  expect(stdout).toMatch(/! restart k3s\.service/)
  expect(await node.ask(`ls ${SNAPSHOTS} 2>/dev/null | wc -l`)).toBe('0')
})

test('while k3s is stopped no snapshot can be taken: the upgrade is refused, unless none is wanted', async () => {
  await node.ask('systemctl stop k3s')
  const upgrade = ['upgrade', 'up-1', '-i', inventory, '--to', NEW, '--check']
  const { code, stderr } = await testbed.cli(upgrade)
  expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringContaining('because k3s is not running') })
  const without = await testbed.cli([
    'plan',
    'k3s_platform_bootstrap',
    '-i',
    inventory,
    '--no-snapshot',
    '-e',
    `k3s_platform_k3s_version=${NEW}`,
  ])
  expect(without.code, without.stderr).toBe(2)
  expect(without.stdout).not.toContain('snapshot the datastore')
  await node.ask('systemctl start k3s')
})

test('after a rotation of the token k3s has to be restarted first, and the upgrade says so', async () => {
  const token = await node.ask(`cat ${DATA}/server/token`)
  await node.ask(`k3s token rotate -s https://127.0.0.1:7443 --token ${token} --new-token rotated`)
  const { code, stderr } = await testbed.cli(['upgrade', 'up-1', '-i', inventory, '--to', NEW])
  expect({ code, stderr }).toEqual({
    code: 1,
    stderr: expect.stringContaining('see server log for details: not authorized'),
  })
  expect(stderr).toContain('restart k3s on the host, then run again: systemctl restart k3s.service')
  expect(await running()).toBe(OLD)
  await node.ask('systemctl restart k3s')
})

test('upgrade takes a snapshot, swaps the binary, restarts once, and says which line keeps it', async () => {
  // As long as that of k3s: the new one is not ready before its etcd has a leader.
  await node.ask('echo 5000 >/run/k3s-standin-election')
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

test('certificates that were rotated are those of k3s after its restart, and there is nothing to do', async () => {
  const admin = `openssl x509 -noout -serial -in ${DATA}/server/tls/client-admin.crt`
  const before = await node.ask(admin)
  await node.ask(`k3s certificate rotate -d ${DATA} && systemctl restart k3s`)
  expect(await node.ask(admin)).not.toBe(before)
  expect(await node.ask(`k3s certificate check -d ${DATA} -o table`)).toMatch(/client\.crt +etcd-client +.* OK/)
  const wanted = ['-e', `k3s_platform_k3s_version=${NEW}`]
  const { code, stderr } = await testbed.cli(['plan', 'k3s_platform_bootstrap', '-i', inventory, ...wanted])
  expect(code, stderr).toBe(0)
})

test('a reset names the snapshots that it would delete, and deletes them only when that is said', async () => {
  await node.ask(
    `cp ${SNAPSHOTS}/* ${DATA}/server/db/ && mkdir -p ${DATA}/server/db/snapshots && mv ${DATA}/server/db/k3s-platform-before-* ${DATA}/server/db/snapshots/`,
  )
  const reset = ['reset', 'up-1', '-i', inventory, '--yes', '-e', `k3s_platform_k3s_version=${NEW}`]
  const refused = await testbed.cli(reset)
  expect(refused.code).toBe(1)
  expect(refused.stderr).toContain(
    'reset would delete 1 snapshot of the datastore, and the token that a restore requires',
  )
  expect(refused.stderr).toContain(`k3s-platform-before-${NEW}-`)
  expect(await node.ask('systemctl is-active k3s')).toBe('active')
  const done = await testbed.cli([...reset, '--delete-snapshots'], { timeout: 120_000 })
  expect(done.code, done.stderr).toBe(0)
  expect(await node.ask('ls -d /opt/rancher /etc/k3s/config.yaml 2>/dev/null | wc -l')).toBe('0')
})
