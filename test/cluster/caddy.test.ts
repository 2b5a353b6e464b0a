// What Caddy has loaded and what it serves: the verdicts, the loads that are asked for, and the pod that is replaced.

import { X509Certificate } from 'node:crypto'
import { execa } from 'execa'
import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { caddyLoads, caddyServes, LOAD_PATH } from '../../src/cluster/kinds/caddy.ts'
import type { ClusterResource, Making } from '../../src/cluster/resource.ts'
import { FakeCluster } from './fake.ts'

const canary = { apiVersion: 'networking.k8s.io/v1', kind: 'Ingress', namespace: 'platform', name: 'caddy-reload' }
const certificate = { apiVersion: 'cert-manager.io/v1', kind: 'Certificate', namespace: 'platform', name: 'site' }
const place = { namespace: 'platform', hostPort: 80, pods: 'app.kubernetes.io/instance=caddy' } as const
const common = { place, canary, inputs: [], boundSeconds: 90 } as const
const loads = () => caddyLoads({ ...common, release: 'caddy' })
const serves = () =>
  caddyServes({
    ...common,
    certificate,
    hosts: ['site.svc.plus'],
    secrets: [{ namespace: 'platform', name: 'site-tls' }],
  })

let cluster: FakeCluster
let clock = 0
let warnings: string[]
const signal = new AbortController().signal
/** Each look at the clock is a second later. */
const now = () => (clock += 1000)
const how: Making = {
  host: 'edge-1',
  now,
  signal,
  stop: signal,
  boundSeconds: undefined,
  wait: () => undefined,
  output: () => undefined,
  warn: (what) => warnings.push(what),
}
const look = async (resource: ClusterResource) => (await resource.look(cluster, how)).actual?.state
async function make(resource: ClusterResource): Promise<void> {
  const { actual, desired } = await resource.look(cluster, how)
  await resource.make({ resource, actual, desired }, cluster, how)
}

const pairs: { pem: string; fingerprint: string }[] = []
beforeAll(async () => {
  for (const name of ['old', 'new']) {
    const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', '/dev/null', '-out', '-']
    const { stdout } = await execa('/usr/bin/openssl', ['req', '-x509', '-days', '2', '-subj', `/CN=${name}`, ...key])
    pairs.push({ pem: stdout, fingerprint: new X509Certificate(stdout).fingerprint256 })
  }
})

/** The path that Caddy has loaded; null: it hangs. */
let routed: string | null
const pod = (state: string) => {
  const metadata = {
    name: 'caddy',
    namespace: 'platform',
    labels: { 'app.kubernetes.io/instance': 'caddy' },
    annotations: { state },
  }
  cluster.put({ apiVersion: 'v1', kind: 'Pod', metadata })
}
beforeEach(() => {
  clock = 0
  warnings = []
  cluster = new FakeCluster('platform')
  cluster.put({ ...canary, metadata: { name: canary.name, namespace: 'platform' }, spec: {} })
  pod('new')
  routed = ''
  cluster.answer = async ({ path }) => {
    const is = routed !== null && path.startsWith(LOAD_PATH) ? 502 : 308
    return { status: is, headers: { server: 'Caddy' }, body: '' }
  }
})

describe("Caddy's configuration", () => {
  test('is not known before anybody asked for a load, and is loaded then', async () => {
    expect(await look(loads())).toBe('waiting: it has not been asked to load its configuration yet')
    await make(loads())
    expect(await look(loads())).toBe('ready')
    expect(JSON.stringify(cluster.peek(canary))).toContain(`"path":"${LOAD_PATH}`)
  })

  test('that is not loaded for a while has its pod replaced, once', async () => {
    routed = null
    const answer = cluster.answer
    cluster.answer = (request) => {
      pod(`at ${clock}`) // a change makes the gate look again
      return answer(request)
    }
    const gate = loads()
    await expect(make(gate)).rejects.toMatchObject({
      problems: [
        {
          what: 'Caddy hangs even after its pod was replaced',
          hint: expect.stringContaining('k3s_platform_caddy_image'),
        },
      ],
    })
    expect(warnings).toEqual(['Caddy does not process Ingress changes: its pods are replaced'])
    expect(cluster.count('delete')).toBe(1)
  })
})

describe('a certificate', () => {
  const secret = (at: number) =>
    cluster.put({
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: 'site-tls', namespace: 'platform' },
      data: { 'tls.crt': Buffer.from(pairs[at]?.pem ?? '').toString('base64') },
    })
  const shows = (at: number) => {
    cluster.served = async () => ({ fingerprint: pairs[at]?.fingerprint ?? '', notAfter: new Date(0) })
  }

  test('that is not issued is waited for', async () => {
    expect(await look(serves())).toBe('waiting: Certificate platform/site is not issued yet')
  })

  test('is served, or another one is, or none, in the words of TLS', async () => {
    secret(1)
    shows(1)
    expect(await look(serves())).toBe('ready')
    shows(0)
    expect(await look(serves())).toMatch(
      /^failed: Caddy serves another certificate for site\.svc\.plus, valid until 1970-01-01T00:00:00Z; the certificate in the Secret/,
    )
    cluster.served = () => {
      const alert = '00:error:0A000438:SSL routines:ssl3_read_bytes:tlsv1 alert internal error:ssl/rec.c:1:alert 80'
      return Promise.reject(new Error(alert))
    }
    expect(await look(serves())).toBe(
      'failed: Caddy serves no certificate for site.svc.plus: TLS alert: internal error',
    )
    expect(cluster.calls.at(-1)?.id).toBe('site.svc.plus@127.0.0.1:443')
  })

  test.each<[string, number, number, boolean]>([
    ['issued a minute ago, while the one of before is valid', 60, 3600, true],
    ['issued a minute ago, while the one of before is over', 60, -1, false],
    ['issued a quarter of an hour ago', 900, 3600, false],
  ])('that was %s is left to the CronJob by a look: %i s, %i s', async (_, ago, left, isFine) => {
    clock = Date.parse('2026-11-30T12:00:00Z')
    const metadata = {
      name: 'site-tls',
      namespace: 'platform',
      creationTimestamp: new Date(clock - ago * 1000).toISOString(),
    }
    const data = { 'tls.crt': Buffer.from(pairs[1]?.pem ?? '').toString('base64') }
    cluster.put({ apiVersion: 'v1', kind: 'Secret', metadata, data })
    cluster.served = async () => ({ fingerprint: pairs[0]?.fingerprint ?? '', notAfter: new Date(clock + left * 1000) })
    const other = /^failed: Caddy serves another certificate/
    expect(await look(serves())).toMatch(isFine ? /^ready$/ : other)
    const changing = serves()
    changing.afterInputs?.({ state: 'ready' }, ['Certificate platform/site'])
    expect(await look(changing), 'after a change of this run').toMatch(other)
  })

  test('is loaded by one change of the Ingress', async () => {
    secret(1)
    shows(0)
    const patch = cluster.patch.bind(cluster)
    cluster.patch = async (ref, merge) => {
      if (ref.kind === 'Ingress') shows(1)
      return patch(ref, merge)
    }
    await make(serves())
    expect(cluster.count('patch')).toBe(1)
  })
})
