// What people change on a node by hand: plan shows it, apply puts it right, k3s restarts only where it must.

import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import type { TestNode } from '../testbed/node.ts'
import { Testbed } from '../testbed/testbed.ts'
import { pendingOf, runOf, starts, told, well } from './look.ts'

let testbed: Testbed
let node: TestNode
let inventory: string

beforeAll(async () => {
  testbed = await Testbed.open()
  node = await testbed.node('edge-1')
  inventory = await testbed.inventory([node], {
    k3s_platform_tls_sans: ['edge-1.example', 'edge-2.example'],
    k3s_platform_k3s_env: { HTTPS_PROXY: 'http://proxy.example:3128' },
  })
  await well(testbed, ['apply', 'k3s_platform_bootstrap', '-i', inventory])
})
afterAll(() => testbed?.close())
beforeEach(() => testbed.mirror.clear())

interface Drift {
  readonly what: string
  /** As root on the node. */
  readonly by: string
  /** Of the plan, without what is fine; by pendingOf. */
  readonly plan: readonly string[]
  readonly starts: 0 | 1
  /** A command whose stdout tells the right state; default: nothing beyond the plan. */
  readonly ask?: string
}

const CONFIG = '/etc/rancher/k3s/config.yaml'
const UNIT = '/etc/systemd/system/k3s.service'
const MODULES = '/etc/modules-load.d/k3s-platform.conf'
const SYSCTLS = '/etc/sysctl.d/90-k3s-platform.conf'
const RESTART = ['action restart k3s.service', 'deferred API and node']

const drifts: readonly Drift[] = [
  {
    what: 'a hand-edited config.yaml',
    by: `sed -i 's/edge-1.example/elsewhere.example/' ${CONFIG}`,
    plan: [`update ${CONFIG}`, ...RESTART],
    starts: 1,
    ask: `cat ${CONFIG}`,
  },
  {
    what: 'a removed config.yaml',
    by: `rm ${CONFIG}`,
    plan: [`create ${CONFIG}`, ...RESTART],
    starts: 1,
    ask: `cat ${CONFIG}`,
  },
  {
    what: 'a config.yaml that is a link',
    by: `cp ${CONFIG} /root/config.yaml; ln -sf /root/config.yaml ${CONFIG}`,
    plan: [`update ${CONFIG}`, ...RESTART],
    starts: 1,
    ask: `stat -c %F ${CONFIG}; cat ${CONFIG}`,
  },
  {
    what: 'a comment in config.yaml',
    by: `echo '# mine' >>${CONFIG}`,
    plan: [`update ${CONFIG}`],
    starts: 0,
    ask: `cat ${CONFIG}`,
  },
  {
    what: 'another order of keys in config.yaml',
    by: `{ grep '^cluster-init' ${CONFIG}; grep -v '^cluster-init' ${CONFIG}; } >/root/c; cat /root/c >${CONFIG}`,
    plan: [`update ${CONFIG}`],
    starts: 0,
    ask: `cat ${CONFIG}`,
  },
  {
    what: 'the mode of config.yaml',
    by: `chmod 644 ${CONFIG}`,
    plan: [`update ${CONFIG}`],
    starts: 0,
    ask: `stat -c %a ${CONFIG}`,
  },
  {
    what: 'the owner of config.yaml',
    by: `chown ops:ops ${CONFIG}`,
    plan: [`update ${CONFIG}`],
    starts: 0,
    ask: `stat -c %U:%G ${CONFIG}`,
  },
  {
    what: 'an edited unit file',
    by: `sed -i 's/^LimitNOFILE=.*/LimitNOFILE=1024/' ${UNIT}`,
    plan: [`update ${UNIT}`, ...RESTART],
    starts: 1,
    ask: `cat ${UNIT}; systemctl show -p NeedDaemonReload k3s`,
  },
  {
    what: 'an edited unit file that systemd has read',
    by: `sed -i 's/^LimitNOFILE=.*/LimitNOFILE=1024/' ${UNIT}; systemctl daemon-reload`,
    plan: [`update ${UNIT}`, ...RESTART],
    starts: 1,
    ask: `cat ${UNIT}; systemctl show -p NeedDaemonReload k3s`,
  },
  {
    what: 'a stopped unit',
    by: 'systemctl stop k3s',
    plan: ['action start k3s.service', 'deferred API and node'],
    starts: 1,
    ask: `stat -c '%i %Z' ${CONFIG} ${UNIT} ${UNIT}.env /usr/local/bin/k3s; systemctl is-active k3s`,
  },
  {
    what: 'a disabled unit',
    by: 'systemctl disable -q k3s',
    plan: ['action enable k3s.service'],
    starts: 0,
    ask: 'systemctl is-enabled k3s',
  },
  {
    what: 'a replaced binary',
    by: 'printf "#!/bin/sh\\necho I am not k3s\\n" >/root/k3s; chmod 755 /root/k3s; mv /root/k3s /usr/local/bin/k3s',
    plan: ['update /usr/local/bin/k3s', ...RESTART],
    starts: 1,
    ask: 'sha256sum /usr/local/bin/k3s; stat -c "%a %U:%G" /usr/local/bin/k3s',
  },
  {
    what: 'the mode of the binary',
    by: 'chmod 700 /usr/local/bin/k3s',
    plan: ['update /usr/local/bin/k3s'],
    starts: 0,
    ask: 'stat -c "%a %U:%G" /usr/local/bin/k3s',
  },
  {
    what: 'a removed environment file',
    by: `rm ${UNIT}.env`,
    plan: [`create ${UNIT}.env`, ...RESTART],
    starts: 1,
    ask: `stat -c %a ${UNIT}.env; sha256sum ${UNIT}.env`,
  },
  {
    what: 'a sysctl that was set by hand',
    by: 'sysctl -qw net.ipv4.ip_forward=0',
    plan: ['update sysctls'],
    starts: 0,
    ask: 'sysctl -n net.ipv4.ip_forward',
  },
  {
    what: 'an edited sysctl file',
    by: `echo 'net.ipv4.ip_forward = 0' >${SYSCTLS}`,
    plan: [`update ${SYSCTLS}`],
    starts: 0,
    ask: `cat ${SYSCTLS}`,
  },
  {
    what: 'a removed modules file',
    by: `rm ${MODULES}`,
    plan: [`create ${MODULES}`],
    starts: 0,
    ask: `cat ${MODULES}`,
  },
  {
    what: 'the mode of a directory',
    by: 'chmod 700 /etc/rancher/k3s',
    plan: ['update /etc/rancher/k3s/'],
    starts: 0,
    ask: 'stat -c %a /etc/rancher/k3s',
  },
]

const named = drifts.map((drift): [string, number, Drift] => [drift.what, drift.starts, drift])

test.each(named)('%s: plan shows it, apply puts it right with %i starts of k3s', async (_, __, drift) => {
  const [right, before, run] = [await node.ask(drift.ask ?? 'true'), await starts(node), await runOf(node)]
  await node.ask(drift.by)

  const plan = await told(testbed, ['plan', 'k3s_platform_bootstrap', '-i', inventory])
  expect(plan.code).toBe(2)
  expect(pendingOf(plan.document)).toEqual(drift.plan)

  const apply = await told(testbed, ['apply', 'k3s_platform_bootstrap', '-i', inventory])
  expect(apply.code, apply.stderr).toBe(0)
  const made = apply.document.hosts[0]?.steps.length
  expect(made, 'what was planned is what was done').toBe(
    drift.plan.filter((line) => !line.startsWith('deferred ')).length,
  )
  expect((await starts(node)) - before).toBe(drift.starts)
  expect((await runOf(node)) === run).toBe(drift.starts === 0)
  expect(await node.ask(drift.ask ?? 'true')).toBe(right)
  await well(testbed, ['plan', 'k3s_platform_bootstrap', '-i', inventory])
})

test('a binary that is replaced by the same bytes is no drift', async () => {
  const run = await runOf(node)
  await node.ask('cp /usr/local/bin/k3s /root/k3s && chmod 755 /root/k3s && mv /root/k3s /usr/local/bin/k3s')
  await well(testbed, ['plan', 'k3s_platform_bootstrap', '-i', inventory])
  const { document } = await told(testbed, ['apply', 'k3s_platform_bootstrap', '-i', inventory])
  expect([document.exitCode, document.hosts[0]?.execs]).toEqual([0, 1])
  expect(await runOf(node)).toBe(run)
  expect(await testbed.mirror.requests()).toEqual([])
})

test('a binary is fetched again only when its content is another one', async () => {
  await node.ask('chmod 700 /usr/local/bin/k3s')
  await well(testbed, ['apply', 'k3s_platform_bootstrap', '-i', inventory])
  expect(await testbed.mirror.requests()).toEqual([])
  await node.ask('cp /usr/local/bin/k3s /root/k3s && echo >>/root/k3s && mv /root/k3s /usr/local/bin/k3s')
  await well(testbed, ['apply', 'k3s_platform_bootstrap', '-i', inventory])
  expect((await testbed.mirror.requests()).filter(({ path }) => path.endsWith('/k3s'))).toHaveLength(1)
})

test('the values of the environment are nowhere in a plan that shows their drift', async () => {
  await node.ask(`sed -i 's/proxy.example/hidden.example/' ${UNIT}.env`)
  const plan = await testbed.cli(['plan', 'k3s_platform_bootstrap', '-i', inventory, '-vvv', '--diff'])
  expect(plan.code).toBe(2)
  expect(plan.stdout).toContain('content: *** (changed)')
  expect(plan.stdout + plan.stderr).not.toMatch(/hidden\.example|proxy\.example/)
  await well(testbed, ['apply', 'k3s_platform_bootstrap', '-i', inventory])
})
