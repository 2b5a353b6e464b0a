// status: what of a host is not well, with its command; and what --watch prints while it changes.

import { beforeEach, expect, test } from 'vitest'
import { nodeFindings } from '../../src/cli/commands/status-findings.ts'
import { readStatus, unreadStatus } from '../../src/cli/commands/status-host.ts'
import { watchStatus } from '../../src/cli/commands/status-watch.ts'
import type { HostSession } from '../../src/cli/session.ts'
import type { ClusterFacts } from '../../src/cluster/backend.ts'
import { ApiError } from '../../src/cluster/cluster.ts'
import { ProblemError } from '../../src/engine/problem.ts'
import { readFacts } from '../../src/host/facts.ts'
import { nodeStatus, nodeStatusIn } from '../../src/host/node-status.ts'
import { openDoor } from '../../src/report/door.ts'
import { statusDocument } from '../../src/report/status-v1.ts'
import { FakeCluster } from '../cluster/fake.ts'

const NOW = Date.parse('2026-12-01T12:00:00Z')
const FACTS = `hostname=Edge-1
os=debian||13|Debian GNU/Linux 13 (trixie)
uname=6.12.0 x86_64
cpu=
memory=4000000
disk=/ 4096 500000 1000000 100 1000
disk=/opt 4096 50000 1000000 100 1000
`
const probe = nodeStatus({ binary: '/b', stamps: '/s', dataDir: '/opt/k3s', snapshots: '/opt/k3s/snapshots' })

const EMPTY = {
  ...{
    dataDir: '/',
    uptimeSeconds: null,
    availableMiB: null,
    release: null,
    rebootRequired: false,
    rebootPackages: [],
  },
  ...{ snapshots: { count: 0, newest: null }, certificates: [] },
}

let cluster: FakeCluster
let api: ClusterFacts
let answer: string
beforeEach(() => {
  cluster = new FakeCluster('demo')
  api = { is: 'up', version: cluster.version, cluster }
  answer = 'uptime=3600.5\navailable=2000000\nrelease=v1.36.4+k3s1\n'
})

const unused = () => Promise.reject(new Error('not in this test'))
const session: HostSession = {
  ...{ execs: 1, close: async () => undefined, observe: unused, apply: unused, lock: unused, forward: unused },
  cluster: unused,
  observeWithApi: async () => {
    const read = probe.read({ text: answer, bytes: Buffer.from(answer), err: '', code: 0 })
    const facts = { ...readFacts({ text: FACTS }, NOW, NOW), api }
    return { facts, observations: new Map([[probe.id, { ...read, desired: null }]]) }
  },
}
const { signal } = new AbortController()
const look = () => {
  const command = (words: readonly string[]) => `k3s-platform ${words.join(' ')} -l edge-1`
  const context = { host: 'edge-1', probe, newestLocked: 'v1.36.6+k3s1', command, now: new Date(NOW) }
  return readStatus(session, context, signal)
}
const node = (name: string, spec: object, ...conditions: object[]) =>
  cluster.put({ apiVersion: 'v1', kind: 'Node', metadata: { name }, spec, status: { conditions } })
const READY = { type: 'Ready', status: 'True' }

test('the disk is that of the data directory of k3s, and the document fits the schema', async () => {
  node('edge-1', {}, READY, { type: 'DiskPressure', status: 'False' })
  answer = answer.replace('available', 'x')
  const host = await look()
  expect(host).toMatchObject({ status: 'warnings', notWell: [{ what: 'the disk /opt is 95 % full' }] })
  expect(host.node).toMatchObject({
    ...{ about: 'Debian 13, amd64, 1 CPU, 3.8 GiB', uptimeSeconds: 3600, memory: null },
    disk: { path: '/opt', sizeMiB: 3906, freeMiB: 195, usedPercent: 95 },
    k3s: { version: 'v1.36.5+k3s1', newestLocked: 'v1.36.6+k3s1', ready: true },
  })
  const document = { schema: 'k3s-platform/status/v1', status: host.status, exitCode: 2, hosts: [host] }
  expect(statusDocument.safeParse(document).error).toBeUndefined()
})

const findings = async () => (await look()).notWell.filter(({ what }) => !what.startsWith('the disk'))

test.each<[what: string, prepare: () => void, expected: object]>([
  [
    'is a node that Kubernetes does not call ready',
    () => node('edge-1', {}, { type: 'Ready', status: 'Unknown', message: 'Kubelet stopped posting node status.' }),
    { where: 'edge-1 Node edge-1', what: 'it is not ready', hint: 'kubectl describe node edge-1' },
  ],
  [
    'has no memory left',
    () => node('edge-1', {}, READY, { type: 'MemoryPressure', status: 'True', reason: 'KubeletHasInsufficientMemory' }),
    { where: 'edge-1 Node edge-1', what: 'it reports MemoryPressure', why: 'KubeletHasInsufficientMemory' },
  ],
  [
    'was cordoned',
    () => node('edge-1', { unschedulable: true }, READY),
    { what: 'it is cordoned: no new pods are scheduled on it', hint: 'kubectl uncordon edge-1' },
  ],
  [
    'has a chart that is not installed',
    () =>
      cluster.put({
        apiVersion: 'helm.cattle.io/v1',
        kind: 'HelmChart',
        metadata: { name: 'caddy', namespace: 'kube-system' },
        spec: {},
      }),
    { where: 'edge-1 caddy', what: 'Degraded', hint: 'kubectl -n kube-system logs job/helm-install-caddy' },
  ],
  [
    'has a certificate that is not issued',
    () =>
      cluster.put({
        apiVersion: 'cert-manager.io/v1',
        kind: 'Certificate',
        metadata: { name: 'tls', namespace: 'demo' },
        spec: { secretName: 'tls', issuerRef: { name: 'a', kind: 'ClusterIssuer' }, dnsNames: ['a.example'] },
        status: {},
      }),
    {
      ...{ where: 'edge-1 Certificate demo/tls', what: 'Pending' },
      hint: 'k3s-platform certs explain -n demo tls -l edge-1',
    },
  ],
  [
    'has to be rebooted',
    () => {
      answer += 'reboot=required\npackage=linux-image-amd64\n'
    },
    { where: 'edge-1', what: 'a reboot is pending', why: 'linux-image-amd64' },
  ],
  [
    'has an API that does not answer',
    () => {
      api = { is: 'silent', why: 'connection refused' }
    },
    { kind: 'failed', what: 'the API does not answer', why: 'connection refused', hint: 'k3s-platform doctor edge-1' },
  ],
  [
    'has an API that refuses',
    () => {
      const refusal = { code: 403, reason: 'Forbidden', message: 'no', causes: [], retryAfterSeconds: null }
      cluster.fault = ({ id }) => (id.startsWith('Secret') ? new ApiError(refusal) : undefined)
    },
    { kind: 'failed', what: 'its cluster could not be read', why: 'no' },
  ],
])('a host that %s', async (_, prepare, expected) => {
  prepare()
  expect(await findings()).toMatchObject([expected])
})

test.each([
  [[], []],
  [[['a.crt', 31]], []],
  [[['a.crt', 29.2]], ['a.crt of k3s expires in 29 d']],
  [
    [
      ['b.crt', 20],
      ['a.crt', 1],
      ['c.crt', 400],
    ],
    ['a.crt of k3s expires in 24 h (so do 1 more within 30 days)'],
  ],
  [
    [
      ['server-ca.crt', -3],
      ['a.crt', -2],
    ],
    ['a.crt of k3s expired 2 d ago', 'server-ca.crt of k3s expired 3 d ago: k3s certificate rotate-ca'],
  ],
] as const)('certificates of k3s that expire in so many days: %j', async (files, expected) => {
  const now = new Date(NOW)
  const { node: seen } = await look()
  const found = nodeStatusIn(new Map([[probe.id, { actual: { ...EMPTY }, desired: null }]]))
  if (seen === null || found === undefined) throw new Error('nothing was read')
  const certificates = files.map(([name, days]) => ({
    name,
    notAfter: new Date(NOW + days * 86_400_000).toISOString(),
  }))
  const problems = nodeFindings(
    { ...seen, disk: null },
    { ...found, certificates },
    { host: 'edge-1', command: String, now },
  )
  const told = problems.map(({ what, why, hint = '' }) => {
    const rotate = /k3s certificate rotate-ca/.exec(hint)?.[0]
    return `${what.replace('the certificate ', '')}${why ? ` (${why})` : ''}${rotate ? `: ${rotate}` : ''}`
  })
  expect(told).toEqual(expected)
})

test('while the API does not answer, the release is that of the binary', async () => {
  api = { is: 'silent', why: 'connection refused' }
  expect(await look()).toMatchObject({
    ...{ status: 'failed', cluster: null },
    node: { k3s: { version: 'v1.36.4+k3s1', ready: false } },
  })
})

test('nodes of other hosts are not looked at, where one has the name of this host', async () => {
  node('edge-1', {}, READY)
  node('edge-2', {}, { type: 'Ready', status: 'False', message: 'x' })
  expect(await findings()).toEqual([])
})

test('--watch in a pipe: a line for each host, then one for each change; a lost connection is made again', async () => {
  let text = ''
  const out = { write: (part: string) => (text += part), destroyed: false }
  const io = openDoor({
    ...{ stdout: out, stderr: out, env: {}, cwd: '/', now: () => NOW, onExit: () => () => undefined },
  })
  const looks: (() => void)[] = [
    () => undefined,
    () => undefined,
    () => node('edge-1', { unschedulable: true }, READY),
    () => {
      throw new ProblemError({ kind: 'unreachable', where: 'edge-1', what: 'connection refused' })
    },
    () => {
      node('edge-1', {}, READY)
    },
  ]
  let connections = 0
  const connect = async () => {
    connections++
    return session
  }
  const read = async () => {
    const next = looks.shift()
    if (looks.length === 0) out.destroyed = true
    next?.()
    const host = await look()
    return { ...host, notWell: host.notWell.filter(({ what }) => !what.startsWith('the disk')) }
  }
  node('edge-1', {}, READY)
  const how = { read, text: () => [], exitCode: () => 2, forks: 1, pauseMs: 0 }
  expect(await watchStatus([{ host: 'edge-1', connect }], how, io)).toBe(2)
  expect(text).toBe(`2026-12-01T12:00:00.000Z  edge-1  well
2026-12-01T12:00:00.000Z  edge-1  Node edge-1: it is cordoned: no new pods are scheduled on it
2026-12-01T12:00:00.000Z  edge-1  connection refused
2026-12-01T12:00:00.000Z  edge-1  well
`)
  expect(connections).toBe(2)
})

test('--watch on a terminal: drawn over itself, cut to the screen, with a count of what does not fit', async () => {
  let text = ''
  const out = { write: (part: string) => (text += part), isTTY: true, columns: 30, rows: 4, destroyed: false }
  const io = openDoor({
    ...{ stdout: out, stderr: out, env: {}, cwd: '/', now: () => NOW, onExit: () => () => undefined },
  })
  const screens = [['one', 'x'.repeat(40)], Array.from({ length: 9 }, (_, i) => `line ${i}`)]
  const drawn = (_: unknown) => {
    const next = screens.shift() ?? []
    if (screens.length === 0) out.destroyed = true
    return next
  }
  const how = { read: look, text: drawn, exitCode: () => 0, forks: 1, pauseMs: 0 }
  expect(await watchStatus([{ host: 'edge-1', connect: async () => session }], how, io)).toBe(0)
  const [first, second] = [
    `one\x1b[K\n${'x'.repeat(29)}\x1b[K\n\x1b[J`,
    'line 0\x1b[K\nline 1\x1b[K\n... and 7 more lines\x1b[K\n\x1b[J',
  ]
  expect(text).toBe(`${first}\x1b[2A\r${second}`)
})

test('a host that was not read has its problems and nothing else', () => {
  const error = new ProblemError({ kind: 'unreachable', where: 'edge-9', what: 'no route' })
  expect(unreadStatus('edge-9', error)).toEqual({
    ...{ name: 'edge-9', status: 'failed', node: null, cluster: null },
    notWell: [{ kind: 'unreachable', where: 'edge-9', what: 'no route' }],
  })
})
