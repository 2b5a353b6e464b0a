// certs renew: what is planned on which host, what waits for a limit, and the exit code.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { row } from '../../src/certificates/row.ts'
import type { Found } from '../../src/cli/commands/certs-hosts.ts'
import { renew } from '../../src/cli/commands/certs-renew.ts'
import type { CertsOptions } from '../../src/cli/declarations/certs.ts'
import type { HostTarget, Prepared } from '../../src/cli/targets.ts'
import type { HostResult } from '../../src/engine/events.ts'
import type { Problem } from '../../src/engine/problem.ts'
import { loadInventory } from '../../src/inventory/index.ts'
import { openDoor } from '../../src/report/door.ts'
import { outcome } from '../../src/report/outcome.ts'
import { FakeCluster } from '../cluster/fake.ts'

const NOW = Date.parse('2026-12-01T12:00:00Z')
const HOUR = 3_600_000
const API = 'cert-manager.io/v1'
const time = (at: number) => new Date(at).toISOString().replace(/\.\d+Z$/, 'Z')

const dir = mkdtempSync(join(tmpdir(), 'renew-'))
afterAll(() => rmSync(dir, { recursive: true }))

function certificate(name: string, hoursAgo: number, dnsName = 'shop.example.com') {
  const notBefore = NOW - (hoursAgo + 1) * HOUR
  return {
    apiVersion: API,
    kind: 'Certificate',
    metadata: { namespace: 'shop', name },
    spec: { secretName: name, dnsNames: [dnsName], issuerRef: { kind: 'ClusterIssuer', name: 'le' } },
    status: {
      conditions: [{ type: 'Ready', status: 'True' }],
      notBefore: time(notBefore),
      notAfter: time(notBefore + 2_160 * HOUR),
      revision: 1,
    },
  }
}
const issuer = {
  apiVersion: API,
  kind: 'ClusterIssuer',
  metadata: { name: 'le' },
  spec: { acme: { server: 'https://acme-v02.api.letsencrypt.org/directory' } },
}

/** The resources that each stage has, the warnings, and how it ends, as if each host's run went well. */
async function renewed(
  clusters: Readonly<Record<string, readonly object[]>>,
  own: Partial<CertsOptions> = {},
  status: HostResult['status'] = 'ok',
) {
  const hosts = Object.keys(clusters)
  writeFileSync(
    join(dir, 'hosts.yaml'),
    JSON.stringify({ all: { hosts: Object.fromEntries(hosts.map((host) => [host, {}])) } }),
  )
  const inventory = await loadInventory({ sources: [dir], cwd: dir, env: {} })
  const written: string[] = []
  const write = (text: string) => written.push(text)
  const io = openDoor({
    ...{ stdout: { write }, stderr: { write }, env: {}, cwd: dir },
    ...{ now: () => NOW, onExit: () => () => undefined },
  })
  const prepared = inventory.hosts.map((host): Prepared => {
    const cluster = new FakeCluster('shop')
    for (const one of [issuer, ...(clusters[host.name] ?? [])]) cluster.put(one)
    const unused = () => Promise.reject(new Error('not in this test'))
    const target: HostTarget = {
      ...{ host: host.name, stages: [], checks: 0, preflight: () => [], about: () => '' },
      connect: async () => ({
        ...{ execs: 0, close: async () => undefined, observe: unused, apply: unused, lock: unused, forward: unused },
        observeWithApi: unused,
        cluster: async () => ({ is: 'up', version: cluster.version, cluster }),
      }),
    }
    const nothing = { memberships: [], problems: [], secrets: [], tags: [], charts: [], repositories: [] }
    return { host, address: '203.0.113.7', target, ...nothing }
  })
  const found = prepared.flatMap((one) =>
    (clusters[one.host.name] ?? []).flatMap((object): Found[] => {
      const told = row(object, new Date(NOW))
      const live = new FakeCluster('shop').put(object)
      const rest = { beside: [], owner: null, consumers: null, story: null }
      return told === undefined || told.name.startsWith('other') ? [] : [{ prepared: one, live, row: told, ...rest }]
    }),
  )
  const warnings: Problem[] = []
  const stages: string[] = []
  const opened: Parameters<typeof renew>[0] = {
    prepared,
    targets: prepared.flatMap(({ target }) => target ?? []),
    reporter: {
      emit: (event) => event.event === 'problem' && warnings.push(event.problem),
      ...{ say: write, reveal: () => undefined, end: () => undefined },
    },
    run: async (targets) =>
      targets.map((target): HostResult => {
        for (const { name, resources } of target.stages)
          stages.push(`${target.host} ${name}: ${resources.map(({ id }) => id).join(' ')}`)
        const recap = { ok: 0, changed: 0, unreachable: 0, failed: 0, skipped: 0, rescued: 0 }
        return { host: target.host, status, recap, seconds: 0, execs: 0 }
      }),
    end: (results) => outcome(results, []).exitCode,
  }
  const certs: CertsOptions = {
    ...{ verb: 'renew', names: [], namespace: null, all: true, allNamespaces: false, deleteSecret: false, wide: false },
    ...{ yaml: false, html: false, days: 400, document: false, watch: false, expiringWithinMs: null },
    ...{ rehearse: false, stagingServer: null, app: null, domains: [], issuer: null, ingress: null, wait: false },
    ...own,
  }
  const exitCode = await renew(opened, found, { certs, mode: 'apply', forks: 2 }, io)
  return { exitCode, stages, written, warnings: warnings.map(({ where, what, hint }) => `${where}: ${what} | ${hint}`) }
}

test('what the limits leave is renewed, the soonest to expire first; the others are named with their time', async () => {
  // Three of these names were issued lately, by both hosts; of five, two are left.
  const seen = await renewed({
    'edge-1': [certificate('other', 2), certificate('old', 1_500), certificate('new', 1)],
    'edge-2': [certificate('a', 2), certificate('far', 3, 'far.example.com')],
  })
  expect(seen.stages).toEqual([
    'edge-1 cleanup: rehearsal:leftovers',
    'edge-1 renew: renewal:shop/old',
    'edge-2 cleanup: rehearsal:leftovers',
    'edge-2 renew: renewal:shop/a renewal:shop/far',
  ])
  expect(seen.warnings).toEqual([
    'edge-1 Certificate shop/new: not renewed: the limit of certificates for exactly shop.example.com is reached (5, one more every 34 h); it fits in 32 h (2026-12-02 20:00 UTC) | then run: k3s-platform certs renew -n shop new -l edge-1',
  ])
  expect(seen.exitCode).toBe(2)
})

test('with all renewed it is 0; a host that failed is not made better by a limit', async () => {
  const one = { 'edge-1': [certificate('a', 1_500)] }
  expect(await renewed(one)).toMatchObject({ exitCode: 0, warnings: [] })
  const six = { 'edge-1': [1, 2, 3, 4, 5, 6].map((hours) => certificate(`c${hours}`, hours)) }
  expect((await renewed(six, {}, 'failed')).exitCode).toBe(1)
})

test('a rehearsal comes before everything else of a host, for what is renewed there', async () => {
  const seen = await renewed({ 'edge-1': [certificate('a', 1_500)] }, { rehearse: true })
  expect(seen.stages).toEqual(['edge-1 rehearse: rehearsal:certificates', 'edge-1 renew: renewal:shop/a'])
})

test('nothing to renew is said', async () => {
  expect(await renewed({ 'edge-1': [] })).toMatchObject({
    exitCode: 0,
    written: ['no certificate matches'],
    stages: [],
  })
})
