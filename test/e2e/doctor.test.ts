// doctor on real nodes: silent where all is well, before and after an apply, and telling where something is wrong.

import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import type { TestNode } from '../testbed/node.ts'
import { Testbed } from '../testbed/testbed.ts'
import { well } from './look.ts'

let testbed: Testbed
let node: TestNode
let other: TestNode

const finding = z.object({
  kind: z.string(),
  where: z.string(),
  what: z.string(),
  why: z.string().optional(),
  hint: z.string(),
})
const document = z.object({
  schema: z.literal('k3s-platform/doctor/v1'),
  status: z.string(),
  exitCode: z.number(),
  failures: z.number(),
  warnings: z.number(),
  workstation: z.object({ about: z.string(), findings: z.array(finding) }),
  hosts: z.array(z.object({ name: z.string(), status: z.string(), about: z.string(), findings: z.array(finding) })),
})

async function doctor(inventory: string, ...more: string[]) {
  const { code, stdout, stderr } = await testbed.cli(['doctor', '-i', inventory, '-o', 'json', ...more])
  const told = document.parse(JSON.parse(stdout || stderr))
  expect(code).toBe(told.exitCode)
  return told
}

beforeAll(async () => {
  testbed = await Testbed.open()
  ;[node, other] = await Promise.all([testbed.node('edge-1'), testbed.node('edge-2')])
})
afterAll(() => testbed?.close())

test('a fresh node has nothing wrong with it, and nothing was touched', async () => {
  const inventory = await testbed.inventory([node])
  const { code, stdout } = await testbed.cli(['doctor', '-i', inventory])
  expect(stdout).toMatch(/^workstation {2}ok {4}node \d+\.\d+\.\d+, ssh \d+\.\d+, no agent\n/)
  expect(stdout).toMatch(
    /\nedge-1 {7}ok {4}Debian 13, amd64, \d+ CPU, [\d.]+ GiB; \d+ checks\n1 host, 0 failures, 0 warnings\n$/,
  )
  expect(code).toBe(0)
  expect(await node.ask('ls /etc/rancher /var/lib/k3s-platform /opt/rancher 2>/dev/null || :')).toBe('')
})

test('warnings end with 2, failures with 1; what holds a port is named, an unreachable host is a finding', async () => {
  await other.ask('systemd-run -q --unit web python3 -m http.server 80')
  await other.ask('systemd-run -q --unit api python3 -m http.server 6443')
  await other.ask('for i in 1 2 3 4 5 6 7 8 9; do ss -Hltn | grep -q :6443 && break; sleep 0.3; done')
  const inventory = await testbed.inventory({
    'edge-1': node.hostVars(),
    'edge-2': other.hostVars(),
    'edge-3': { ...other.hostVars(), ansible_port: 1 },
  })
  const told = await doctor(inventory)
  const [first, second, third] = told.hosts
  expect(first).toMatchObject({ name: 'edge-1', status: 'ok', findings: [] })
  expect(second?.findings).toMatchObject([
    {
      kind: 'failed',
      what: expect.stringMatching(/^port 6443 is in use by python3 \(pid \d+\)$/),
      why: 'the Kubernetes API needs it',
    },
    {
      kind: 'warning',
      what: expect.stringMatching(/^port 80 is in use by python3 \(pid \d+\)$/),
      why: 'Caddy needs it',
    },
  ])
  expect(third?.findings).toMatchObject([{ kind: 'unreachable' }])
  expect(told).toMatchObject({ status: 'failed', exitCode: 1, failures: 2, warnings: 1 })
  await other.ask('systemctl stop api')
  expect(await doctor(inventory, '-l', 'edge-2')).toMatchObject({ status: 'warnings', exitCode: 2 })
  await other.ask('systemctl stop web')
  const apply = await testbed.cli(['doctor', '-i', inventory, '-l', 'edge-2'])
  expect(apply.code).toBe(0)
})

test('what doctor calls a failure, apply refuses before anything changes', async () => {
  await other.ask(
    'mkdir -p /etc/k0s && : >/etc/k0s/k0s.yaml; hostnamectl set-hostname --static localhost; hostname localhost',
  )
  const inventory = await testbed.inventory({ 'edge-2': other.hostVars() })
  const { code, stderr } = await testbed.cli(['apply', 'k3s_platform_bootstrap', '-i', inventory])
  expect(code).toBe(1)
  expect(stderr).toContain('the host name "localhost" is not a valid node name')
  expect(stderr).toContain('k0s is installed on the host')
  expect(await other.ask('ls /etc/rancher /var/lib/k3s-platform 2>/dev/null || :')).toBe('')
  await other.ask('rm -r /etc/k0s; hostname edge-2; echo edge-2 >/etc/hostname')
})

test('a machine that is in the inventory twice is told once, with both names', async () => {
  const inventory = await testbed.inventory({ 'edge-1': node.hostVars(), again: node.hostVars() })
  const told = await doctor(inventory)
  expect(told.hosts.flatMap(({ findings }) => findings)).toMatchObject([
    { where: expect.stringMatching(/^(edge-1, again|again, edge-1)$/), what: 'both hosts are named edge-1' },
    {
      where: expect.stringMatching(/^(edge-1, again|again, edge-1)$/),
      what: 'both have the same machine ID: one is a clone of the other',
    },
  ])
})

test('where our own k3s runs, its ports are its own and there is nothing to say', async () => {
  const inventory = await testbed.inventory([node])
  await well(testbed, ['apply', 'k3s_platform_bootstrap', '-i', inventory])
  const told = await doctor(inventory)
  expect(told.hosts.flatMap(({ findings }) => findings)).toEqual([])
  expect(told.exitCode).toBe(0)
})
