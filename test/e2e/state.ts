// What a node and the workstation must be like: healed after a run that was cut short, untouched by one that was refused.

import { expect } from 'vitest'
import type { TestNode } from '../testbed/node.ts'
import type { CliOptions, CliResult, Testbed } from '../testbed/testbed.ts'

/** Both streams, for a message and for looking into. */
export function said({ stdout, stderr }: Pick<CliResult, 'stdout' | 'stderr'>): string {
  return `${stdout}\n${stderr}`
}

/** A run whose exit code is as it must be; otherwise the error shows what it said. */
export async function cli(
  testbed: Testbed,
  code: number,
  args: readonly string[],
  options: CliOptions = {},
): Promise<CliResult> {
  const done = await testbed.cli(args, options)
  expect(done.code, said(done)).toBe(code)
  return done
}

/** The next run puts everything right, the one after it finds nothing to do, and nothing of ours lies about. */
export async function expectHealed(testbed: Testbed, node: TestNode, inventory: string): Promise<void> {
  await cli(testbed, 0, ['apply', 'k3s_platform_bootstrap', '-i', inventory, '-l', node.name])
  await expectGood(testbed, node, inventory)
}

/** As it must be after an apply that ended well. */
export async function expectGood(testbed: Testbed, node: TestNode, inventory: string): Promise<void> {
  await cli(testbed, 0, ['plan', 'k3s_platform_bootstrap', '-i', inventory, '-l', node.name])
  const looks = {
    'left over on the node': [LEFT_OVER, ''],
    'the lock': ['flock -n /run/k3s-platform.lock echo free', 'free'],
    'a run under way': ['ls -d /run/k3s-platform.go.* 2>/dev/null || :', ''],
    'the unit': ['systemctl is-active k3s; systemctl is-enabled k3s', 'active\nenabled'],
    'k3s servers': ["pgrep -fc '^/usr/local/bin/k3s server'", '1'],
    'its answer': ['k3s kubectl get --raw /readyz', 'ok'],
    'its node': ["k3s kubectl get nodes --no-headers | awk '{print $1, $2}'", `${node.name} Ready`],
  }
  for (const [what, [command = '', wanted]] of Object.entries(looks)) {
    expect((await node.run(command)).stdout.trim(), `${node.name}: ${what}`).toBe(wanted)
  }
  const here = await testbed.spawn(['find', testbed.home, '-name', '*.part'])
  expect(here.stdout, 'left over on the workstation').toBe('')
}

/** Temporary and partial files of the program, wherever they are. */
const LEFT_OVER = `find / \\( -path /proc -o -path /sys \\) -prune -o \\( -name '.*.k3sp.*' -o -name '.*.part' -o -name '.*.part.sums' \
-o -path '/var/lib/k3s-platform/*.new' -o -path '/var/lib/k3s-platform/*.old' -o -name disturbed \\) -print`

/** Nothing of ours is on the node. */
export async function expectUntouched(node: TestNode): Promise<void> {
  const there = await node.run(
    'ls -d /usr/local/bin/*k3s* /usr/local/bin/.k3s* /etc/rancher /var/lib/k3s-platform /run/k3s-platform* /opt/rancher 2>/dev/null',
  )
  expect(there.stdout).toBe('')
}
