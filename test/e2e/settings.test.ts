// All settings of k3s on a real node: each change restarts it once, what is not wanted any more goes, what is bad comes back.

import { afterAll, beforeAll, expect, test } from 'vitest'
import type { TestNode } from '../testbed/node.ts'
import { Testbed } from '../testbed/testbed.ts'
import { pendingOf, starts, told, well } from './look.ts'

let testbed: Testbed
let node: TestNode
let inventory: string

const DIR = '/etc/rancher/k3s'
const PEM = '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n'
const SECRET = 'never-to-be-seen'
const rich = {
  k3s_platform_data_dir: '/srv/k3s',
  k3s_platform_node_labels: { disk: 'ssd' },
  k3s_platform_node_taints: ['dedicated=db:PreferNoSchedule'],
  k3s_platform_secrets_encryption: true,
  k3s_platform_https_proxy: `http://me:${SECRET}@proxy.example:3128`,
  k3s_platform_no_proxy: ['.example.com'],
  k3s_platform_kubelet_config: { maxPods: 50 },
  k3s_platform_k3s_config: { 'tls-san+': ['edge.example'] },
  k3s_platform_k3s_config_dropins: { '10-log': { debug: true } },
  k3s_platform_registries: {
    mirrors: { 'docker.io': { endpoint: ['https://registry.example:5000'] } },
    configs: { 'registry.example:5000': { auth: { username: 'me', password: SECRET }, tls: { ca: PEM } } },
  },
}

beforeAll(async () => {
  testbed = await Testbed.open()
  node = await testbed.node('edge-1')
  inventory = await testbed.inventory([node], rich)
})
afterAll(() => testbed?.close())

const over = (some: object) => ['-e', JSON.stringify(some)]

test('everything at once on a fresh node; then a plan is empty, and no secret was told', async () => {
  const done = await well(testbed, ['apply', 'k3s_platform_bootstrap', '-i', inventory, '-vvv', '--diff'])
  expect(done.stdout + done.stderr).not.toContain(SECRET)
  await well(testbed, ['plan', 'k3s_platform_bootstrap', '-i', inventory])
  expect(await node.ask(`cd ${DIR}; stat -c '%n %a' *.yaml *.crt config.yaml.d/*`)).toBe(
    [
      'config.yaml 600',
      'k3s.yaml 600',
      'kubelet.yaml 600',
      'registries.yaml 600',
      'registries-registry.example_5000.crt 600',
      'config.yaml.d/10-log.yaml 600',
    ].join('\n'),
  )
  expect(await node.ask(`cat ${DIR}/registries.yaml`)).toContain(`password: ${SECRET}`)
  expect(await node.ask(`cat ${DIR}/config.yaml`)).toMatch(
    /^kubelet-arg:\n {2}- config=\/etc\/rancher\/k3s\/kubelet.yaml$/m,
  )
  expect(await node.ask('cat /etc/systemd/system/k3s.service.env')).toMatch(
    /^NO_PROXY=\.example\.com,localhost,127\.0\.0\.0\/8,10\.42\.0\.0\/16,10\.43\.0\.0\/16,[\d.]+,\.svc,\.cluster\.local$/m,
  )
  expect(await node.ask('k3s kubectl get node -o jsonpath={.items[0].metadata.labels.disk}')).toBe('ssd')
  expect(await node.ask('ls -d /srv/k3s/server')).toBe('/srv/k3s/server')
})

const RESTART = ['action restart k3s.service', 'deferred API and node']

test.each<[string, object, string[]]>([
  [
    'another drop-in',
    { k3s_platform_k3s_config_dropins: { '20-more': { v: 2 } } },
    [`create ${DIR}/config.yaml.d/20-more.yaml`, `action remove ${DIR}/config.yaml.d/10-log.yaml`, ...RESTART],
  ],
  [
    'another kubelet configuration',
    { k3s_platform_kubelet_config: { maxPods: 60 } },
    [`update ${DIR}/kubelet.yaml`, ...RESTART],
  ],
  [
    'another password',
    {
      k3s_platform_registries: { configs: { 'registry.example:5000': { auth: { username: 'me', password: 'new' } } } },
    },
    [`update ${DIR}/registries.yaml`, `action remove ${DIR}/registries-registry.example_5000.crt`, ...RESTART],
  ],
])('%s restarts k3s once, and back again once', async (_, change, planned) => {
  const before = await starts(node)
  const plan = await told(testbed, ['plan', 'k3s_platform_bootstrap', '-i', inventory, ...over(change)])
  expect(pendingOf(plan.document)).toEqual(planned)
  await well(testbed, ['apply', 'k3s_platform_bootstrap', '-i', inventory, ...over(change)])
  await well(testbed, ['plan', 'k3s_platform_bootstrap', '-i', inventory, ...over(change)])
  expect((await starts(node)) - before).toBe(1)
  await well(testbed, ['apply', 'k3s_platform_bootstrap', '-i', inventory])
  expect((await starts(node)) - before).toBe(2)
})

test('a change that a running cluster cannot take is refused, with the way out, and nothing is touched', async () => {
  const before = await starts(node)
  const done = await testbed.cli([
    'apply',
    'k3s_platform_bootstrap',
    '-i',
    inventory,
    ...over({ k3s_platform_data_dir: '/srv/other' }),
  ])
  expect(done.code).not.toBe(0)
  expect(done.stderr).toContain('data-dir cannot change from /srv/k3s to /srv/other: the cluster is already running')
  expect(done.stderr).toContain('to move the data')
  expect(await node.ask('ls -d /srv/other 2>/dev/null || echo none')).toBe('none')
  expect(await starts(node)).toBe(before)
})

test('a drop-in that k3s refuses goes again, and the one that it replaced comes back', async () => {
  const bad = { k3s_platform_k3s_config_dropins: { '20-bad': { 'kube-apiserver-arg+': ['no-such-flag=1'] } } }
  const done = await testbed.cli(['apply', 'k3s_platform_bootstrap', '-i', inventory, ...over(bad)])
  expect(done.code, done.stderr).toBe(1)
  expect(done.stderr).toContain('the last good configuration was restored and is running')
  expect(await node.ask(`ls ${DIR}/config.yaml.d`)).toBe('10-log.yaml')
  await well(testbed, ['plan', 'k3s_platform_bootstrap', '-i', inventory])
})

test("somebody else's drop-in is left alone, and told when it this file overrides something of the inventory", async () => {
  await node.ask(`printf 'tls-san: [mine.example]\\n' >${DIR}/config.yaml.d/99-mine.yaml`)
  const plan = await testbed.cli(['plan', 'k3s_platform_bootstrap', '-i', inventory])
  expect(plan.code, plan.stderr).toBe(0)
  expect(plan.stderr).toContain(`${DIR}/config.yaml.d/99-mine.yaml: this file overrides tls-san of the inventory`)
  await node.ask(`rm ${DIR}/config.yaml.d/99-mine.yaml`)
})

test('what the inventory has no more goes, with one restart', async () => {
  const { k3s_platform_registries: _, k3s_platform_kubelet_config: __, ...less } = rich
  const bare = await testbed.inventory([node], { ...less, k3s_platform_k3s_config_dropins: {} })
  const before = await starts(node)
  await well(testbed, ['apply', 'k3s_platform_bootstrap', '-i', bare])
  await well(testbed, ['plan', 'k3s_platform_bootstrap', '-i', bare])
  expect((await starts(node)) - before).toBe(1)
  expect(await node.ask(`cd ${DIR}; ls *.yaml *.crt config.yaml.d 2>/dev/null || :`)).toBe(
    'config.yaml\nk3s.yaml\n\nconfig.yaml.d:',
  )
})
