// The testbed itself: a node, its cable and power, the release mirror and its faults, an apt repository, a working k3s.

import { createHash } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { aptRepository, useApt } from '../testbed/apt.ts'
import type { TestNode } from '../testbed/node.ts'
import { K3S_VERSIONS, Testbed } from '../testbed/testbed.ts'

let testbed: Testbed
let node: TestNode
const release = encodeURIComponent(K3S_VERSIONS[1])

beforeAll(async () => {
  testbed = await Testbed.open()
  node = await testbed.node('edge-1')
})
afterAll(() => testbed?.close())
beforeEach(() => testbed.mirror.clear())

/** Fetches into a file of the node with curl; returns curl's exit code. */
async function fetchInNode(path: string, ...args: string[]): Promise<number> {
  return (await node.run(['curl', '-fsS', '-m', '20', '-o', '/root/got', ...args, `${testbed.mirror.url}/${path}`]))
    .code
}

test('a node is entered over ssh with its key and nothing else', async () => {
  const known = join(await testbed.dir(), 'known_hosts')
  await writeFile(known, testbed.knownHosts())
  const ssh = ['ssh', '-F', '/dev/null', '-i', node.identityFile, '-o', 'BatchMode=yes']
  const done = await testbed.spawn([...ssh, '-o', `UserKnownHostsFile=${known}`, `ops@${node.host}`, 'sudo hostname'])
  expect([done.stdout, done.exitCode]).toEqual(['edge-1\n', 0])
})

test('a command in a node gives its streams and its exit code', async () => {
  expect(await node.run('cat; echo oops >&2; exit 7', { input: 'in' })).toEqual({
    stdout: 'in',
    stderr: 'oops\n',
    code: 7,
  })
  await expect(node.ask('false')).rejects.toThrow('edge-1: exit code 1 of false')
})

test('a node that is cut off is silent until it is mended', async () => {
  const reachable = async () =>
    (await testbed.spawn(['timeout', '2', 'bash', '-c', `</dev/tcp/${node.host}/22`])).exitCode === 0
  await node.cut()
  expect(await reachable()).toBe(false)
  await node.mend()
  expect(await reachable()).toBe(true)
})

test('a power cut keeps what was synced', async () => {
  await node.ask('echo kept >/root/file; sync')
  await node.kill()
  await expect(node.run('true')).rejects.toThrow('does not run')
  await node.start()
  expect(await node.ask('cat /root/file; hostname')).toBe('kept\nedge-1')
})

test('the mirror serves releases whose sums are right, and tells what was asked', async () => {
  for (const [sums, files] of Object.entries({ amd64: 'k3s', arm64: 'k3s-arm64', arm: 'k3s-armhf' })) {
    expect(await fetchInNode(`${release}/sha256sum-${sums}.txt`)).toBe(0)
    await node.ask('mv /root/got /root/sums')
    expect(await fetchInNode(`${K3S_VERSIONS[1]}/${files}`)).toBe(0)
    await node.ask(`cd /root && mv got ${files} && sha256sum --ignore-missing -c sums`)
  }
  const seen = await testbed.mirror.requests()
  expect(seen).toHaveLength(6)
  const size = Number(await node.ask('stat -c %s /root/k3s'))
  expect(seen[1]).toEqual({
    method: 'GET',
    path: `/${K3S_VERSIONS[1]}/k3s`,
    range: null,
    status: 200,
    bytes: size,
    fault: null,
  })
  await node.ask('rm /root/k3s*')
})

test('a download that was cut off is resumed at the byte where it stopped', async () => {
  await testbed.mirror.fault({ path: '/k3s', kind: 'cut', bytes: 1_000_000, times: 1 })
  expect(await fetchInNode(`${release}/k3s`)).toBe(18)
  expect(await fetchInNode(`${release}/k3s`, '-C', '-')).toBe(0)
  const [cut, rest] = await testbed.mirror.requests()
  expect(cut).toMatchObject({ status: 200, bytes: 1_000_000, fault: 'cut' })
  expect(rest).toMatchObject({ status: 206, range: 'bytes=1000000-', fault: null })
  expect(await node.ask('chmod +x /root/got; /root/got --version | head -n 1')).toBe(
    `k3s version ${K3S_VERSIONS[1]} (standin)`,
  )
})

test.each([
  ['status', { kind: 'status', status: 503 }, 22],
  ['redirect', { kind: 'redirect' }, 0],
  ['hang', { kind: 'hang' }, 28],
  ['stall', { kind: 'stall', bytes: 10 }, 28],
  ['slow', { kind: 'slow', bytesPerSecond: 60 }, 28],
] as const)('the mirror plays %s', async (_, fault, code) => {
  await testbed.mirror.fault({ path: 'sha256sum-arm.txt', times: 1, ...fault })
  expect(await fetchInNode(`${release}/sha256sum-arm.txt`, '-L', '-m', '1')).toBe(code)
  expect((await testbed.mirror.requests())[0]).toMatchObject({ fault: fault.kind })
})

test('the mirror serves wrong bytes of the right length', async () => {
  await fetchInNode(`${release}/k3s-arm64`)
  const good = await readFile(join(node.root, 'root/got'))
  await testbed.mirror.fault({ path: 'k3s-arm64', kind: 'corrupt' })
  expect(await fetchInNode(`${release}/k3s-arm64`)).toBe(0)
  const bad = await readFile(join(node.root, 'root/got'))
  const digest = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex')
  expect([bad.length, digest(bad) === digest(good)]).toEqual([good.length, false])
})

test('a node installs a package from an apt repository made on the spot', async () => {
  const dir = await testbed.dir()
  await aptRepository(dir, [
    { name: 'k3sp-base', version: '2.1' },
    { name: 'k3sp-hello', version: '1.0', depends: 'k3sp-base' },
  ])
  await useApt(node, await testbed.mirror.serve('apt', dir))
  await node.ask('apt-get -qq update && apt-get -qq -y install k3sp-hello')
  expect(await node.ask('cat /usr/share/k3sp-hello/version; cat /usr/share/k3sp-base/version')).toBe('1.0\n2.1')
})

test('an inventory names the nodes, the mirror and the version', async () => {
  const dir = await testbed.inventory([node], { extra: 1 })
  expect(await readFile(join(dir, 'hosts.yaml'), 'utf8')).toContain(`ansible_host: ${node.host}\n`)
  expect(await readFile(join(dir, 'group_vars/all.yaml'), 'utf8')).toBe(
    `k3s_platform_k3s_mirror_url: ${testbed.mirror.url}\nk3s_platform_k3s_version: ${K3S_VERSIONS[0]}\nk3s_platform_kubeconfig_fetch: true\nextra: 1\n`,
  )
})

test('the program runs in a clean environment', async () => {
  const done = await testbed.spawn(['env'], { env: { EXTRA: 'x', NO_COLOR: null } })
  const names = done.stdout.split('\n').flatMap((line) => /^([A-Z_0-9]+)=/.exec(line)?.[1] ?? [])
  expect(names.sort()).toEqual(['EXTRA', 'HOME', 'K3S_PLATFORM_SSH_KNOWN_HOSTS', 'LANG', 'PATH'])
  expect(await testbed.cli(['--version'])).toMatchObject({ code: 0, signal: null, stderr: '' })
})

test('k3s answers three seconds after it was started by hand', async () => {
  expect(await fetchInNode(`${release}/k3s`)).toBe(0)
  await node.ask('install -m 755 /root/got /usr/local/bin/k3s')
  const unit = '[Service]\nType=notify\nKillMode=process\nDelegate=yes\nExecStart=/usr/local/bin/k3s server\n'
  await node.run('cat >/etc/systemd/system/k3s.service', { input: unit })
  await node.ask('systemctl start k3s')
  expect(await node.ask('k3s kubectl get --raw /readyz')).toBe('ok')
  expect(await node.ask('k3s kubectl get nodes --no-headers')).toMatch(/^edge-1 +Ready +control-plane/)
}, 60_000)
