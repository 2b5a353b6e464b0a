// The screen of status: one host in full, forty hosts on 100x40, what is not well first.

import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { isNotWell, type StatusView, statusLines } from '../../src/report/status-text.ts'
import type { HostStatus } from '../../src/report/status-v1.ts'
import { painter, withoutOurs } from '../../src/report/style.ts'

const NOW = new Date('2026-12-01T12:00:00Z')
const view = (more: Partial<StatusView> = {}): StatusView => ({
  ...{ columns: 100, rows: 40, paint: painter(false), now: NOW, again: 'k3s-platform status -i inventories/prod' },
  ...more,
})
const days = (n: number) => new Date(NOW.getTime() + n * 86_400_000).toISOString()
const addon = (name: string, version: string | null, state: 'Running' | 'Degraded' = 'Running') => ({
  ...{ name, namespace: 'platform', version, state, why: null },
})
const certificate = (name: string, state: string, notAfter: string | null) => ({
  ...{ namespace: 'platform', name, state, status: 'issued' as const, notAfter },
})

const node: NonNullable<HostStatus['node']> = {
  about: 'Debian 13, amd64, 2 CPU, 3.8 GiB',
  uptimeSeconds: 12 * 86_400,
  disk: { path: '/', sizeMiB: 100_000, freeMiB: 59_000, usedPercent: 41 },
  memory: { totalMiB: 3800, availableMiB: 1444, usedPercent: 62 },
  rebootRequired: false,
  k3s: { version: 'v1.36.5+k3s1', newestLocked: 'v1.36.6+k3s1', ready: true },
  k3sCertificates: [
    { name: 'client-ca.crt', notAfter: days(3600) },
    { name: 'serving-kube-apiserver.crt', notAfter: days(300) },
  ],
  snapshots: { count: 3, newest: days(-0.25) },
}
const cluster: NonNullable<HostStatus['cluster']> = {
  addons: [
    addon('cert-manager', 'v1.21.2'),
    addon('coredns', null),
    addon('external-dns', '1.22.0', 'Degraded'),
    addon('metrics-server', null, 'Degraded'),
  ],
  handoff: {
    ...{ by: 'flux', root: 'platform-root', ready: true, revision: `main@sha1:${'9'.repeat(40)}` },
    ...{ since: days(-0.002), objects: 41, drift: false },
  },
  certificates: [
    certificate('postgresql-tls', 'Ready', days(61)),
    certificate('web', 'Issuing', null),
    certificate('api', 'Ready', days(70)),
  ],
}
const well = (name: string): HostStatus => ({ name, status: 'ok', notWell: [], node, cluster })
const finding = (name: string) => ({
  kind: 'warning' as const,
  where: `${name} external-dns`,
  what: 'Degraded',
  why: 'pod external-dns-1: it waits for Secret platform/cloudflare-api-token, which does not exist',
  hint: 'k3s-platform apply -t external-dns -e @token.yaml',
})
const unwell = (name: string, n = 1): HostStatus => ({
  ...{ name, status: 'warnings', node, cluster },
  notWell: Array.from({ length: n }, () => finding(name)),
})
const lost = (name: string): HostStatus => ({
  ...{ name, status: 'failed', node: null, cluster: null },
  notWell: [
    {
      ...{ kind: 'unreachable', where: name, what: 'connection refused by 203.0.113.9:22' },
      ...{ why: 'the SSH server does not run', hint: 'start it on the console: systemctl start ssh' },
    },
  ],
})
const fleet = (...first: HostStatus[]) => [
  ...Array.from({ length: 40 - first.length }, (_, i) => well(`edge-${i + 1}`)),
  ...first,
]

test('one host: everything about it, what is not well first', () => {
  expect(statusLines([unwell('edge-1')], view()).join('\n')).toMatchInlineSnapshot(`
    "edge-1  k3s v1.36.5+k3s1 (v1.36.6+k3s1 is locked), ready, up 12 d · Debian 13 · disk 41 %, memory 62 %
      not well      external-dns: Degraded: pod external-dns-1: it waits for Secret platform/cloudflare-api-token, which does not exist
                    k3s-platform apply -t external-dns -e @token.yaml
      addons        cert-manager 1.21.2, external-dns 1.22.0 (Degraded), metrics-server (Degraded)
      gitops        Flux platform-root main@9999999, 2 m 53 s ago, owns 41 objects
      certificates  2 Ready, 1 Issuing; next expiry in 61 d (platform/postgresql-tls)
      k3s TLS       expiry in 300 d (serving-kube-apiserver.crt)
      snapshots     3, newest 6 h ago"
  `)
})

test('the documentation shows it as it is', () => {
  const page = readFileSync(new URL('../../docs/operations.md', import.meta.url), 'utf8')
  expect(page).toContain(`\n${statusLines([unwell('edge-1')], view()).join('\n')}\n`)
})

test('a host without k3s and one that never answered', () => {
  const bare = { ...node, k3s: { version: null, newestLocked: null, ready: false }, k3sCertificates: [] }
  const none: HostStatus = {
    ...{ name: 'new', status: 'failed', node: { ...bare, rebootRequired: true }, cluster: null },
    notWell: [
      { kind: 'failed', where: 'new', what: 'k3s is not installed', hint: 'k3s-platform apply -l new' },
      { kind: 'warning', where: 'new', what: 'a reboot is pending', hint: 'systemctl reboot' },
    ],
  }
  expect(statusLines([none, lost('edge-4')], view()).join('\n')).toMatchInlineSnapshot(`
    "new     k3s is not installed, up 12 d · Debian 13 · disk 41 %, memory 62 %, reboot pending
      not well      k3s is not installed
                    k3s-platform apply -l new
                    a reboot is pending
                    systemctl reboot
    edge-4  FAIL  connection refused by 203.0.113.9:22: the SSH server does not run
    2 hosts: 2 failed"
  `)
})

test('forty hosts are one screen of 100x40, with what is not well and its command first', () => {
  const lines = statusLines(fleet(lost('edge-97'), unwell('edge-98')), view())
  expect(lines.join('\n')).toMatchInlineSnapshot(`
    "edge-97  FAIL  connection refused by 203.0.113.9:22: the SSH server does not run
    edge-98  warn  external-dns: Degraded: pod external-dns-1: it waits for Secret platform/cloudflare-api-token, which does not exist
                   k3s-platform apply -t external-dns -e @token.yaml
    edge-1   v1.36.5+k3s1  disk 41 %  mem 62 %  edge-20  v1.36.5+k3s1  disk 41 %  mem 62 %
    edge-2   v1.36.5+k3s1  disk 41 %  mem 62 %  edge-21  v1.36.5+k3s1  disk 41 %  mem 62 %
    edge-3   v1.36.5+k3s1  disk 41 %  mem 62 %  edge-22  v1.36.5+k3s1  disk 41 %  mem 62 %
    edge-4   v1.36.5+k3s1  disk 41 %  mem 62 %  edge-23  v1.36.5+k3s1  disk 41 %  mem 62 %
    edge-5   v1.36.5+k3s1  disk 41 %  mem 62 %  edge-24  v1.36.5+k3s1  disk 41 %  mem 62 %
    edge-6   v1.36.5+k3s1  disk 41 %  mem 62 %  edge-25  v1.36.5+k3s1  disk 41 %  mem 62 %
    edge-7   v1.36.5+k3s1  disk 41 %  mem 62 %  edge-26  v1.36.5+k3s1  disk 41 %  mem 62 %
    edge-8   v1.36.5+k3s1  disk 41 %  mem 62 %  edge-27  v1.36.5+k3s1  disk 41 %  mem 62 %
    edge-9   v1.36.5+k3s1  disk 41 %  mem 62 %  edge-28  v1.36.5+k3s1  disk 41 %  mem 62 %
    edge-10  v1.36.5+k3s1  disk 41 %  mem 62 %  edge-29  v1.36.5+k3s1  disk 41 %  mem 62 %
    edge-11  v1.36.5+k3s1  disk 41 %  mem 62 %  edge-30  v1.36.5+k3s1  disk 41 %  mem 62 %
    edge-12  v1.36.5+k3s1  disk 41 %  mem 62 %  edge-31  v1.36.5+k3s1  disk 41 %  mem 62 %
    edge-13  v1.36.5+k3s1  disk 41 %  mem 62 %  edge-32  v1.36.5+k3s1  disk 41 %  mem 62 %
    edge-14  v1.36.5+k3s1  disk 41 %  mem 62 %  edge-33  v1.36.5+k3s1  disk 41 %  mem 62 %
    edge-15  v1.36.5+k3s1  disk 41 %  mem 62 %  edge-34  v1.36.5+k3s1  disk 41 %  mem 62 %
    edge-16  v1.36.5+k3s1  disk 41 %  mem 62 %  edge-35  v1.36.5+k3s1  disk 41 %  mem 62 %
    edge-17  v1.36.5+k3s1  disk 41 %  mem 62 %  edge-36  v1.36.5+k3s1  disk 41 %  mem 62 %
    edge-18  v1.36.5+k3s1  disk 41 %  mem 62 %  edge-37  v1.36.5+k3s1  disk 41 %  mem 62 %
    edge-19  v1.36.5+k3s1  disk 41 %  mem 62 %  edge-38  v1.36.5+k3s1  disk 41 %  mem 62 %
    40 hosts: 38 well, 1 not well, 1 failed. Details of one: k3s-platform status -i inventories/prod HOST"
  `)
})

test.each<[what: string, hosts: HostStatus[]]>([
  ['all of them well', fleet()],
  ['three unreachable', fleet(lost('a'), lost('b'), lost('c'))],
  ['each of ten with three findings', fleet(...Array.from({ length: 10 }, (_, i) => unwell(`bad-${i}`, 3)))],
  ['half of them not well', fleet(...Array.from({ length: 20 }, (_, i) => unwell(`bad-${i}`)))],
])('forty hosts fit 100x40: %s', (_, hosts) => {
  const lines = statusLines(hosts, view())
  expect(lines.length).toBeLessThanOrEqual(39)
  for (const line of lines.filter((one) => !one.startsWith(' '))) expect(line.length).toBeLessThanOrEqual(100)
  for (const { name } of hosts) expect(lines.some((line) => new RegExp(`(^|  )${name}( |$)`).test(line))).toBe(true)
  const names = lines.map((line) => line.split(' ')[0] ?? '')
  const firstWell = names.findIndex((name) => name.startsWith('edge-'))
  for (const { name } of hosts.filter(isNotWell)) expect(names.indexOf(name)).toBeLessThan(firstWell)
})

test('thirty-eight hosts that are not well are a line each', () => {
  const hosts = Array.from({ length: 38 }, (_, i) => unwell(`bad-${i}`, 2))
  const lines = statusLines(hosts, view())
  expect(lines).toHaveLength(39)
  expect(Math.max(...lines.slice(0, -1).map(({ length }) => length))).toBeLessThanOrEqual(100)
  expect(lines[0]).toMatch(/^bad-0 +warn {2}external-dns: Degraded: pod external-dns-1: it waits .*… \(\+1\)$/)
})

test('forty hosts that are not well are two in a line', () => {
  const hosts = Array.from({ length: 40 }, (_, i) => unwell(`bad-${i}`, 2))
  const lines = statusLines(hosts, view({ paint: painter(true) })).map(withoutOurs)
  expect(lines).toHaveLength(21)
  expect(Math.max(...lines.map(({ length }) => length))).toBeLessThanOrEqual(100)
  expect(lines[0]).toMatch(/^bad-0 +warn {2}external-dns: Degraded: .*… \(\+1\) +bad-20 +warn {2}external-dns: .*…/)
})
