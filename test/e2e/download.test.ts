// Where the binary and the packages come from, and what happens when they do not come: nothing is left behind, the next run heals.

import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { aptRepository, useApt } from '../testbed/apt.ts'
import type { TestNode } from '../testbed/node.ts'
import { K3S_VERSIONS, Testbed } from '../testbed/testbed.ts'
import { told, well } from './look.ts'

let testbed: Testbed
let node: TestNode
let inventory: string

beforeAll(async () => {
  testbed = await Testbed.open()
  node = await testbed.node('edge-1')
  inventory = await testbed.inventory([node])
})
afterAll(() => testbed?.close())
beforeEach(() => testbed.mirror.clear())

const NEWER = ['-e', `k3s_platform_k3s_version=${K3S_VERSIONS[1]}`]
const binaries = async () => (await testbed.mirror.requests()).filter(({ path }) => path.endsWith('/k3s'))
const left = () =>
  node.ask(
    'find /usr/local/bin /etc/rancher /etc/systemd/system -newer /root/before -not -type d; ls -A /usr/local/bin',
  )

describe('a fresh node, and a mirror that fails', () => {
  test.each([
    ['the release is not there', { path: '/k3s', kind: 'status', status: 404 }, /404/],
    ['the mirror is broken', { path: '/k3s', kind: 'status', status: 500 }, /500/],
    [
      'the sums are not there',
      { path: 'sha256sum-amd64.txt', kind: 'status', status: 404 },
      /none could be fetched from .*sha256sum-amd64\.txt/,
    ],
    [
      'other bytes come',
      { path: '/k3s', kind: 'corrupt' },
      /digest is not the expected one[\s\S]*expected sha256 [0-9a-f]{64}\n.*got sha256/,
    ],
  ] as const)('%s: exit 1 says so, and nothing of k3s is on the node', async (_, fault, says) => {
    await node.ask('touch /root/before')
    await testbed.mirror.fault(fault)
    const done = await testbed.cli(['apply', 'k3s_platform_bootstrap', '-i', inventory])
    expect(done.code, done.stderr).toBe(1)
    expect(done.stderr).toMatch(says)
    expect(done.stderr).toContain('hint: ')
    expect(await left()).toBe('')
    expect(await node.ask('systemctl show -p LoadState --value k3s')).toBe('not-found')
  })

  test('a digest in the inventory that is not that of the release is refused', async () => {
    await node.ask('touch /root/before')
    const done = await testbed.cli([
      'apply',
      'k3s_platform_bootstrap',
      '-i',
      inventory,
      '-e',
      `k3s_platform_k3s_sha256=${'0'.repeat(64)}`,
    ])
    expect(done.code).toBe(1)
    expect(done.stderr).toContain('its digest is not the expected one')
    expect(done.stderr).toContain('0'.repeat(64))
    expect(await left()).toBe('')
  })

  test('a connection that is cut is continued by the next run where it ended', async () => {
    await testbed.mirror.fault({ path: '/k3s', kind: 'cut', bytes: 20_000_000 })
    const cut = await testbed.cli(['apply', 'k3s_platform_bootstrap', '-i', inventory])
    expect(cut.code, cut.stderr).toBe(1)
    const had = (await binaries()).reduce((sum, { bytes }) => sum + bytes, 0)
    await testbed.mirror.clear()
    const digest = (
      await node.ask(`curl -fsS ${testbed.mirror.url}/${encodeURIComponent(K3S_VERSIONS[0])}/sha256sum-amd64.txt`)
    ).slice(0, 64)
    await well(testbed, ['apply', 'k3s_platform_bootstrap', '-i', inventory, '-e', `k3s_platform_k3s_sha256=${digest}`])
    expect(await binaries()).toMatchObject([{ range: `bytes=${had}-`, status: 206 }])
    expect(await node.ask('sha256sum /usr/local/bin/k3s; ls -A /usr/local/bin')).toBe(
      `${digest}  /usr/local/bin/k3s\nk3s`,
    )
  })
})

describe('a running node', () => {
  test('a digest in the inventory that is right changes nothing', async () => {
    const digest = await node.ask('sha256sum /usr/local/bin/k3s | cut -d" " -f1')
    const { document } = await told(testbed, [
      'apply',
      'k3s_platform_bootstrap',
      '-i',
      inventory,
      '-e',
      JSON.stringify({ k3s_platform_k3s_sha256: { amd64: digest } }),
    ])
    expect(document.hosts).toMatchObject([{ status: 'ok', execs: 1, steps: [] }])
    expect(await testbed.mirror.requests()).toEqual([])
  })

  test('an upgrade that cannot be fetched leaves the old k3s running', async () => {
    const run = await node.ask('systemctl show -p InvocationID k3s; sha256sum /usr/local/bin/k3s; ls -A /usr/local/bin')
    await testbed.mirror.fault({ path: '/k3s', kind: 'corrupt' })
    const done = await testbed.cli(['apply', 'k3s_platform_bootstrap', '-i', inventory, ...NEWER])
    expect(done.code).toBe(1)
    expect(done.stderr).toContain('v1.36.5+k3s1 could not be fetched: its digest is not the expected one')
    expect(
      await node.ask('systemctl show -p InvocationID k3s; sha256sum /usr/local/bin/k3s; ls -A /usr/local/bin'),
    ).toBe(run)
  })

  test('a full disk is named, and once there is room the same command goes on', async () => {
    const run = await node.ask('systemctl show -p InvocationID k3s')
    await node.ask(
      "fallocate -l $(( $(df -Pk /usr/local/bin | tail -n 1 | tr -s ' ' | cut -d' ' -f4) - 61440 ))k /root/ballast",
    )
    const done = await testbed.cli(['apply', 'k3s_platform_bootstrap', '-i', inventory, ...NEWER])
    await node.ask('rm /root/ballast')
    expect(done.code, done.stderr).toBe(1)
    expect(done.stderr).toContain('v1.36.5+k3s1 could not be fetched: the disk is full')
    expect(done.stderr).toContain('free up space on the host')
    expect(await node.ask('ls -A /usr/local/bin')).toBe('k3s')
    expect(await node.ask('systemctl show -p InvocationID k3s')).toBe(run)
  })

  test('a node that cannot reach the mirror gets the binary through the workstation', async () => {
    const port = new URL(testbed.mirror.url).port
    await node.ask(
      `nft add table ip k3sp; nft add chain ip k3sp out '{ type filter hook output priority 0; }'; nft add rule ip k3sp out tcp dport ${port} reject`,
    )
    await node.ask('printf part >/usr/local/bin/.k3s.v1.36.5+k3s1.part') // of something else
    const alone = await testbed.cli(['apply', 'k3s_platform_bootstrap', '-i', inventory, ...NEWER])
    await node.ask('nft list table ip k3sp') // still there
    expect(alone.code).toBe(1)
    expect(alone.stderr).toContain('k3s_platform_download: workstation')
    await well(testbed, [
      'apply',
      'k3s_platform_bootstrap',
      '-i',
      inventory,
      ...NEWER,
      '-e',
      'k3s_platform_download=workstation',
    ])
    expect(await node.ask('k3s kubectl get node edge-1 --no-headers; ls -A /usr/local/bin')).toMatch(
      /v1\.36\.5\+k3s1\s*\nk3s$/,
    )
    expect(await binaries()).toHaveLength(1)
    await well(testbed, ['plan', 'k3s_platform_bootstrap', '-i', inventory, ...NEWER])
  })
})

describe('packages', () => {
  const wanted = (...names: string[]) => ['--tags', 'baseline', '-e', JSON.stringify({ k3s_platform_packages: names })]

  beforeAll(async () => {
    const dir = await testbed.dir()
    await aptRepository(dir, [
      { name: 'k3sp-base', version: '2.1' },
      { name: 'k3sp-hello', version: '1.0', depends: 'k3sp-base' },
    ])
    await node.run('nft delete table ip k3sp')
    await useApt(node, await testbed.mirror.serve('apt', dir))
  })

  test('what is missing is installed with what it needs', async () => {
    const plan = await testbed.cli(['plan', 'k3s_platform_bootstrap', '-i', inventory, ...wanted('curl', 'k3sp-hello')])
    expect(plan.code).toBe(2)
    expect(plan.stdout).toContain('k3sp-hello')
    await well(testbed, ['apply', 'k3s_platform_bootstrap', '-i', inventory, ...wanted('curl', 'k3sp-hello')])
    expect(await node.ask('cat /usr/share/k3sp-hello/version /usr/share/k3sp-base/version')).toBe('1.0\n2.1')
    await well(testbed, ['plan', 'k3s_platform_bootstrap', '-i', inventory, ...wanted('curl', 'k3sp-hello')])
  })

  test("a package that does not exist is told in apt's words", async () => {
    const done = await testbed.cli(['apply', 'k3s_platform_bootstrap', '-i', inventory, ...wanted('k3sp-absent')])
    expect(done.code).toBe(1)
    expect(done.stderr).toContain('the package manager could not install k3sp-absent')
    expect(done.stderr).toContain('Unable to locate package k3sp-absent')
  })
})

test('a node with too little room is refused before anything is touched', async () => {
  const small = await testbed.node('small', { disk: '400M' })
  const tiny = await testbed.inventory([small])
  const done = await testbed.cli(['apply', 'k3s_platform_bootstrap', '-i', tiny])
  expect(done.code, done.stderr).toBe(1)
  expect(done.stderr).toMatch(/✗ small: \d+ MiB are free\b.* k3s and its data need \d+/)
  expect(await small.ask('ls -A /usr/local/bin /etc/modules-load.d')).not.toContain('k3s')
})
