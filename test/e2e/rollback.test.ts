// A k3s that does not come up: the journal is told, the last good inputs are back and running, and a good inventory heals.

import { createHash } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { TestNode } from '../testbed/node.ts'
import { K3S_VERSIONS, Testbed } from '../testbed/testbed.ts'
import { runOf, starts, told, well } from './look.ts'

let testbed: Testbed
let node: TestNode
let inventory: string

beforeAll(async () => {
  testbed = await Testbed.open()
  node = await testbed.node('edge-1')
  inventory = await testbed.inventory([node])
})
afterAll(() => testbed?.close())

const REFUSED = ['-e', '{"k3s_platform_kube_apiserver_args":["no-such-flag=1"]}']
const INPUTS =
  '/etc/rancher/k3s/config.yaml /etc/systemd/system/k3s.service /etc/systemd/system/k3s.service.env /usr/local/bin/k3s'
const inputs = () => node.ask(`sha256sum ${INPUTS}; stat -c '%n %a %U:%G' ${INPUTS}`)
const temporary = () => node.ask("find /etc/rancher /etc/systemd/system /usr/local/bin -name '.*'")

test('a configuration that k3s refuses on a fresh node: the journal is told, and that there is nothing to go back to', async () => {
  const done = await testbed.cli(['apply', 'k3s_platform_bootstrap', '-i', inventory, ...REFUSED], {
    timeout: 60_000,
  })
  expect(done.code, done.stderr).toBe(1)
  expect(done.stderr).toContain('unknown flag: --no-such-flag')
  expect(done.stderr).toContain('there is no earlier configuration to restore')
  expect(done.stdout).toMatch(/^edge-1 +ok=\d+ +changed=\d+ +unreachable=0 +failed=1 +skipped=[12] +rescued=0 /m)
})

test('then a good inventory heals it', async () => {
  await well(testbed, ['apply', 'k3s_platform_bootstrap', '-i', inventory])
  expect(await node.ask('k3s kubectl get --raw /readyz')).toBe('ok')
  await well(testbed, ['plan', 'k3s_platform_bootstrap', '-i', inventory])
})

test('a configuration that k3s refuses: the journal is told, the last good one is back and running', async () => {
  const before = await inputs()
  const done = await testbed.cli(['apply', 'k3s_platform_bootstrap', '-i', inventory, ...REFUSED])
  expect(done.code, done.stderr).toBe(1)
  expect(done.stderr).toMatch(
    /^✗ edge-1 k3s\.service: not healthy after the restart: .*, after \d+ s(: [^;\s].*)?; the last good configuration was restored and is running$/m,
  )
  expect(done.stderr).toContain('unknown flag: --no-such-flag')
  expect(done.stdout).toMatch(/^edge-1 +ok=\d+ +changed=\d+ +unreachable=0 +failed=1 +skipped=[12] +rescued=1 /m)
  expect(await inputs()).toBe(before)
  expect(await temporary()).toBe('')
  expect(await node.ask('systemctl is-active k3s; k3s kubectl get --raw /readyz')).toBe('active\nok')
})

test('then the good inventory has nothing to do, and nothing restarts', async () => {
  const [run, before] = [await runOf(node), await starts(node)]
  const { document } = await told(testbed, ['apply', 'k3s_platform_bootstrap', '-i', inventory])
  expect(document.hosts).toMatchObject([{ status: 'ok', execs: 1, steps: [] }])
  expect([await runOf(node), await starts(node)]).toEqual([run, before])
})

test('the document of a run that was rolled back says so', async () => {
  const { code, document } = await told(testbed, ['apply', 'k3s_platform_bootstrap', '-i', inventory, ...REFUSED])
  expect(code).toBe(1)
  expect(document.hosts).toMatchObject([
    { status: 'failed', recap: { failed: 1, rescued: 1 }, problems: [{ rescued: true }] },
  ])
})

/** A release of the newer version whose k3s is this shell script; its sums are right. */
async function badRelease(name: string, script: string): Promise<string[]> {
  const dir = await testbed.dir()
  const release = join(dir, K3S_VERSIONS[1])
  const content = `#!/bin/sh\n${script}\n`
  await mkdir(release)
  await writeFile(join(release, 'k3s'), content)
  const digest = createHash('sha256').update(content).digest('hex')
  await writeFile(join(release, 'sha256sum-amd64.txt'), `${digest}  k3s\n`)
  const url = await testbed.mirror.serve(name, dir)
  return ['-e', `k3s_platform_k3s_mirror_url=${url}`, '-e', `k3s_platform_k3s_version=${K3S_VERSIONS[1]}`]
}

test.each([
  ['ends at once', 'echo "level=fatal msg=\\"this binary is broken\\"" >&2; exit 1', 'this binary is broken'],
  ['hangs before it is ready', '[ "$1" != server ] || exec sleep 1000', 'after 2\\d s: activating'],
  [
    'is up but does not answer',
    '[ "$1" != server ] || { systemd-notify --ready; exec sleep 1000; }',
    'after 2\\d s: readyz: ',
  ],
])('an upgrade to a k3s that %s goes back to the old binary within the bound', async (title, script, says) => {
  const before = await inputs()
  const bad = await badRelease(`bad-${title.split(' ')[0]}`, script)
  const done = await testbed.cli(['apply', 'k3s_platform_bootstrap', '-i', inventory, '--timeout', '20s', ...bad], {
    timeout: 60_000,
  })
  expect(done.code, done.stderr).toBe(1)
  expect(done.stderr).toMatch(new RegExp(says))
  expect(done.stderr).toContain('the last good configuration was restored and is running')
  expect(await inputs()).toBe(before)
  expect(await temporary()).toBe('')
  expect(await node.ask('systemctl is-active k3s; k3s kubectl get --raw /readyz')).toBe('active\nok')
  expect(await node.ask('k3s kubectl get node edge-1 --no-headers')).toContain(K3S_VERSIONS[0])

  const run = await runOf(node)
  await well(testbed, ['apply', 'k3s_platform_bootstrap', '-i', inventory])
  expect(await runOf(node)).toBe(run)
})
