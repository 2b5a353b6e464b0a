// Only what is changed changes: values, versions, certificates, addons, and where a secret comes from.

import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { Testbed } from '../testbed/testbed.ts'
import { charts, field, type Platform, platform, releases, TOKEN, VAULT_URL, vault } from './platform.ts'
import { cli, said } from './state.ts'

let testbed: Testbed
let at: Platform
let vars: Readonly<Record<string, unknown>>

beforeAll(async () => {
  testbed = await Testbed.open()
  at = await platform(testbed, 'edge-1')
  vars = { ...at.vars }
  await cli(testbed, 0, ['apply', '-i', await testbed.inventory([at.node], vars)], { timeout: 300_000 })
})

afterAll(() => testbed?.close())

const ADDON = 'k3s_platform_addon'

/** Lays variables over those of the test before, for good. */
async function inventory(more: Readonly<Record<string, unknown>> = {}): Promise<string> {
  vars = { ...vars, ...more }
  return testbed.inventory([at.node], vars)
}

/** What the plan says, what the apply said, and that nothing is left to do. */
async function change(more: Readonly<Record<string, unknown>>, flags: readonly string[] = []) {
  const where = await inventory(more)
  const plan = await cli(testbed, 2, ['plan', ADDON, '-i', where, ...flags])
  const apply = await cli(testbed, 0, ['apply', ADDON, '-i', where, ...flags], { timeout: 300_000 })
  const rest = await cli(testbed, 0, ['plan', ADDON, '-i', where, ...flags])
  expect(rest.stdout).toContain('Plan: no changes')
  return { plan: plan.stdout, apply: said(apply) }
}

describe('a value', () => {
  const labels = { podLabels: { changed: 'yes' } }
  const values: readonly [addon: string, values: Readonly<Record<string, unknown>>][] = [
    ['cert-manager', labels],
    ['external-secrets', labels],
    ['external-dns', labels],
    ['caddy', { podAnnotations: { changed: 'yes' } }],
    ['reloader', { reloader: { logLevel: 'debug' } }],
  ]

  test.each(values)('of %s upgrades only that', async (addon, given) => {
    const variable = `k3s_platform_${addon.replace('-', '_')}_values`
    const before = { charts: await charts(at.node), releases: await releases(at.node) }
    const own = z.record(z.string(), z.unknown()).parse(vars[variable] ?? {})
    const { plan } = await change({ [variable]: { ...own, ...given } })
    expect(plan).toContain(`HelmChart kube-system/${addon}`)
    const [revision = ''] = before.releases[addon]?.split(' ') ?? []
    const after = { charts: await charts(at.node), releases: await releases(at.node) }
    expect(after.releases).toEqual({ ...before.releases, [addon]: `${Number(revision) + 1} deployed` })
    expect({ ...after.charts, [addon]: '' }).toEqual({ ...before.charts, [addon]: '' })
    expect(after.charts[addon]).not.toBe(before.charts[addon])
  })

  test('of two at once upgrades those two', async () => {
    const before = await releases(at.node)
    const config = { config: { debug: true } }
    await change({
      k3s_platform_caddy_values: { ingressController: config },
      k3s_platform_reloader_values: { reloader: { logLevel: 'warn' } },
    })
    const after = await releases(at.node)
    const changed = Object.keys(after).filter((name) => after[name] !== before[name])
    expect(changed.toSorted()).toEqual(['caddy', 'reloader'])
  })
})

test('an addon that is off by default is added, and the others stay as they are', async () => {
  const before = await releases(at.node)
  await change({ k3s_platform_apisix_enabled: true, k3s_platform_apisix_routes: { 'api.svc.plus': 'api.core.svc:80' } })
  expect(await releases(at.node)).toEqual({ ...before, apisix: '1 deployed' })
})

test('another version of a chart is installed, and its API works', async () => {
  const [newest, older] = at.charts.versions['cert-manager'] ?? []
  const chart = () =>
    field(at.node, 'cert-manager', 'deployment/cert-manager-webhook', '{.metadata.labels.helm\\.sh/chart}')
  await change({ k3s_platform_cert_manager_chart_version: older })
  expect(await chart()).toContain(older)
  const { plan } = await change({ k3s_platform_cert_manager_chart_version: newest })
  expect(plan).toContain(String(older))
  expect(await chart()).toContain(newest)
  const dryRun = { apiVersion: 'cert-manager.io/v1', kind: 'Issuer', metadata: { name: 'x', namespace: 'default' } }
  const good = JSON.stringify({ ...dryRun, spec: { selfSigned: {} } })
  const bad = JSON.stringify({ ...dryRun, spec: { selfSigned: {}, ca: { secretName: 'x' } } })
  expect(await at.node.kubectl(['create', '--dry-run=server', '-f', '-'], good)).toContain('created')
  await expect(at.node.kubectl(['create', '--dry-run=server', '-f', '-'], bad)).rejects.toThrow(/webhook/)
})

describe('certificates', () => {
  const names = { dnsNames: ['postgresql-prod.svc.plus'] }
  const one = (namespaces: string[]) => ({
    k3s_platform_certificates: [{ name: 'postgresql-tls', namespaces, ...names }],
  })

  test('one that leaves the inventory is pruned, and its Secret stays', async () => {
    const { plan, apply } = await change(one(['platform']))
    for (const words of [plan, apply]) {
      expect(words).toMatch(/delete Certificate database\/postgresql-tls \(its Secret remains/)
    }
    expect(await field(at.node, 'database', 'certificate/postgresql-tls', '{.metadata.name}')).toBe('')
    expect(await field(at.node, 'database', 'secret/postgresql-tls', '{.type}')).toBe('kubernetes.io/tls')
    expect(await field(at.node, 'platform', 'certificate/postgresql-tls', '{.metadata.name}')).toBe('postgresql-tls')
  })

  test('--fallback selfsigned issues them as a recovery, marked, and the next run without it goes back', async () => {
    const issuer = '{.spec.issuerRef.name} {.metadata.labels.k3s-platform/fallback}'
    const crt = () => field(at.node, 'platform', 'secret/postgresql-tls', '{.data.tls\\.crt}')
    const before = await crt()
    const { apply } = await change({}, ['--fallback', 'selfsigned'])
    expect(apply).toContain('self-signed as a fallback')
    expect(await field(at.node, 'platform', 'certificate/postgresql-tls', issuer)).toBe(
      'svc-plus-selfsigned selfsigned',
    )
    const recovery = await crt()
    expect(recovery).not.toBe(before)
    await change({})
    expect((await field(at.node, 'platform', 'certificate/postgresql-tls', issuer)).trim()).toBe('svc-plus-acme-http01')
    expect(await crt()).not.toBe(recovery)
  })
})

describe('the Cloudflare token', () => {
  const VAULT_TOKEN = 'hvs.vault-token-1'
  const OF_VAULT = 'cf-token-of-vault'
  const places = ['cert-manager', 'platform']
  const values = async () =>
    Promise.all(
      places.map(async (namespace) => {
        const data = await field(at.node, namespace, 'secret/cloudflare-api-token', '{.data.api-token}')
        return Buffer.from(data, 'base64').toString()
      }),
    )

  test('that is rotated is an update of *** in both namespaces, and of nothing else', async () => {
    const before = await charts(at.node)
    const { plan } = await change({ k3s_platform_cloudflare_api_token: `${TOKEN}-2` })
    expect(plan).toContain('***')
    expect(plan).not.toContain(TOKEN)
    expect(await values()).toEqual([`${TOKEN}-2`, `${TOKEN}-2`])
    expect(await charts(at.node)).toEqual(before)
  })

  test('comes from a store that answers as Vault does once the mode is external-secret', async () => {
    await vault(at.node, [VAULT_TOKEN], { cloudflare: { 'api-token': OF_VAULT } })
    await change({
      k3s_platform_cloudflare_api_token: undefined,
      k3s_platform_cloudflare_mode: 'external-secret',
      k3s_platform_vault_server: VAULT_URL,
      k3s_platform_vault_token: VAULT_TOKEN,
    })
    expect(await values()).toEqual([OF_VAULT, OF_VAULT])
  })

  test('goes back to the input: its ExternalSecret goes first, and the Secret is made anew', async () => {
    const { plan } = await change({ k3s_platform_cloudflare_api_token: TOKEN, k3s_platform_cloudflare_mode: 'input' })
    expect(plan).toContain('delete ExternalSecret')
    expect(await values()).toEqual([TOKEN, TOKEN])
    expect(await field(at.node, 'platform', 'secret/cloudflare-api-token', '{.metadata.ownerReferences}')).toBe('')
  })

  test('that is said to exist is left to its owner', async () => {
    const where = await inventory({
      k3s_platform_cloudflare_api_token: undefined,
      k3s_platform_cloudflare_mode: 'existing',
    })
    await cli(testbed, 0, ['apply', ADDON, '-i', where])
    expect(await values()).toEqual([TOKEN, TOKEN])
  })
})

const Told = z.object({ at: z.number(), event: z.string(), doing: z.string().optional() })

describe('a converged cluster', () => {
  test('has nothing to do by way of a link with a round trip of 40 ms, which takes about a second', async () => {
    const where = await testbed.inventory(
      { 'edge-1': await testbed.delayed(at.node, 40) },
      {
        ...vars,
        k3s_platform_external_dns_target: at.node.host,
      },
    )
    const seconds = async () => {
      const events = join(await testbed.dir(), 'events.jsonl')
      await cli(testbed, 0, ['plan', ADDON, '-i', where, '--events', events])
      const lines = (await readFile(events, 'utf8')).trim().split('\n')
      const told = lines.map((line) => Told.parse(JSON.parse(line)))
      const begun = told.find(({ doing }) => doing === 'looking')?.at ?? Number.NaN
      return ((told.find(({ event }) => event === 'plan')?.at ?? Number.NaN) - begun) / 1000
    }
    // Told, not judged: the machine may have other work.
    const looks = [await seconds(), await seconds(), await seconds()]
    console.log(`looks over 40 ms: ${looks.map((one) => one.toFixed(2)).join(', ')} s`)
    expect(looks.every((one) => one > 0)).toBe(true)
  })
})

describe('the monitoring', () => {
  const GROUP = 'monitoring.coreos.com'
  const NAME = 'k3s-platform-certificates'
  /** As the operator brings them, without its schemas. */
  const crds = ['ServiceMonitor', 'PrometheusRule'].map((kind) => {
    const plural = `${kind.toLowerCase()}s`
    const schema = { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } }
    return {
      apiVersion: 'apiextensions.k8s.io/v1',
      kind: 'CustomResourceDefinition',
      metadata: { name: `${plural}.${GROUP}` },
      spec: {
        group: GROUP,
        scope: 'Namespaced',
        names: { kind, plural },
        versions: [{ name: 'v1', served: true, storage: true, schema }],
      },
    }
  })
  const names = crds.map(({ metadata }) => `crd/${metadata.name}`)
  const objects = () =>
    Promise.all(
      ['servicemonitor', 'prometheusrule', 'configmap'].map((kind) =>
        field(at.node, 'observability', `${kind}/${NAME}`, '{.metadata.name}'),
      ),
    )

  test("is refused without the operator's CRDs, at its line, and nothing is changed", async () => {
    const before = await charts(at.node)
    const where = await inventory({
      k3s_platform_monitoring_enabled: true,
      k3s_platform_monitoring_namespace: 'observability',
    })
    const refused = await cli(testbed, 1, ['apply', ADDON, '-i', where])
    expect(refused.stderr).toMatch(
      /:\d+:\d+ .*k3s_platform_monitoring_enabled: the CRDs of the Prometheus operator are missing/,
    )
    expect(refused.stderr).toContain(
      'install the operator first, or turn it off: k3s_platform_monitoring_enabled: false',
    )
    expect(await charts(at.node)).toEqual(before)
    expect(await at.node.kubectl(['get', 'namespaces', '-o', 'name'])).not.toContain('observability')
  })

  test('is applied once they exist, and pruned when it is turned off', async () => {
    await at.node.kubectl(['create', '-f', '-'], JSON.stringify({ apiVersion: 'v1', kind: 'List', items: crds }))
    await at.node.kubectl(['wait', '--for=condition=Established', ...names])
    const { plan } = await change({})
    expect(plan).toContain(`ServiceMonitor observability/${NAME}`)
    expect(await objects()).toEqual([NAME, NAME, NAME])
    const off = await change({ k3s_platform_monitoring_enabled: false })
    expect(off.plan).toContain(`delete ConfigMap observability/${NAME}`)
    expect(await objects()).toEqual(['', '', ''])
    await at.node.kubectl(['delete', ...names])
  })
})

describe('an addon that is turned off', () => {
  const crds = async (group: string) =>
    (await at.node.kubectl(['get', 'crds', '-o', 'name'])).split('\n').filter((name) => name.endsWith(group)).length

  test('is uninstalled after it was said what goes with it', async () => {
    const before = await releases(at.node)
    const { plan } = await change({ k3s_platform_reloader_enabled: false, k3s_platform_external_dns_enabled: false })
    expect(plan).toContain('uninstalls reloader: workloads keep the Secrets that they started with')
    expect(plan).toContain('uninstalls external-dns: DNS records are no longer updated')
    const { reloader: _, 'external-dns': __, ...others } = before
    expect(await releases(at.node)).toEqual(others)
    expect(await field(at.node, 'platform', 'deployment/external-dns', '{.metadata.name}')).toBe('')
    expect(await crds('externaldns.k8s.io')).toBe(1)
  })

  test('leaves its CRDs and their objects, which go with --delete-crds --yes only', async () => {
    await change({ k3s_platform_external_secrets_enabled: false })
    expect(await crds('external-secrets.io')).toBeGreaterThan(5)
    await change({ k3s_platform_cert_manager_enabled: false, k3s_platform_certificates: undefined })
    expect(await field(at.node, 'platform', 'certificate/postgresql-tls', '{.metadata.name}')).toBe('postgresql-tls')
    const where = await inventory()
    const refused = await cli(testbed, 64, ['apply', ADDON, '-i', where, '--delete-crds'])
    expect(refused.stderr).toContain('add --yes')
    expect(await crds('cert-manager.io')).toBeGreaterThan(4)
    const { plan } = await change({}, ['--delete-crds', '--yes'])
    expect(plan).toMatch(/\d Certificates?\b/)
    expect(plan).toMatch(/\d ClusterIssuers/)
    expect(await crds('cert-manager.io')).toBe(0)
    expect(await crds('external-secrets.io')).toBe(0)
  })
})
