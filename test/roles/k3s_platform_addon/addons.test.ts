// The addons by tables: variables as they are written, the HelmCharts that are made, and what goes when one is turned off.

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { parse, stringify } from 'yaml'
import { z } from 'zod'
import { enabled } from '../../../roles/k3s_platform_addon/addon.ts'
import { exposureOf } from '../../../roles/k3s_platform_addon/addons/caddy.ts'
import { annotationPrefix, ownerId } from '../../../roles/k3s_platform_addon/addons/external_dns.ts'
import { addons } from '../../../roles/k3s_platform_addon/addons/index.ts'
import { reloadManifests } from '../../../roles/k3s_platform_addon/caddy-reload.ts'
import { chartLocks } from '../../../roles/k3s_platform_addon/charts.ts'
import { chartStages, helmChart } from '../../../roles/k3s_platform_addon/release.ts'
import { addon } from '../../../roles/k3s_platform_addon/role.ts'
import { isFrom, valuesText } from '../../../roles/k3s_platform_addon/values.ts'
import { type AddonVars, vars } from '../../../roles/k3s_platform_addon/vars.ts'
import type { RoleContext } from '../../../roles/role.ts'
import { idOf } from '../../../src/cluster/object.ts'
import { FakeCluster } from '../../cluster/fake.ts'
import { changeOf, made } from '../../cluster/kit.ts'
import { context as given } from '../k3s_platform_bootstrap/given.ts'

const context: RoleContext = { ...given, chartContent: (file) => `the bytes of ${file}` }

/** Names are given without `k3s_platform_`. */
function varsOf(some: Readonly<Record<string, unknown>> = {}): AddonVars {
  return vars.parse(Object.fromEntries(Object.entries(some).map(([name, value]) => [`k3s_platform_${name}`, value])))
}

const Case = z.strictObject({
  vars: z.record(z.string(), z.unknown()),
  charts: z.array(z.string()),
  only: z.array(z.string()).optional(),
})
const cases = z
  .record(z.string(), Case)
  .parse(parse(readFileSync(join(import.meta.dirname, 'addons.yaml'), 'utf8'), { logLevel: 'error' }))

describe('HelmCharts', () => {
  test.each(Object.entries(cases))('%s', (_, { vars: some, charts, only }) => {
    const v = varsOf(some)
    const all = enabled(addons, v, context).map((one) => helmChart(one, context))
    const shown = charts.map((name) => {
      const found = all.find(({ metadata }) => metadata.name === name)
      const spec = z.record(z.string(), z.unknown()).parse(found?.spec)
      const fields = Object.entries(spec).filter(([field]) => only?.includes(field) ?? true)
      return [name, only === undefined ? found : Object.fromEntries(fields)]
    })
    expect(`\n${stringify(Object.fromEntries(shown), { lineWidth: 0 })}`).toMatchSnapshot()
  })
})

const stagesOf = (some: Readonly<Record<string, unknown>> = {}, more: Partial<RoleContext> = {}) =>
  addon.stages(varsOf(some), { ...context, ...more })

test('charts are applied before any of them is waited for, and what others need is waited for first', () => {
  const some = { cloudflare_api_token: 'never-to-be-seen', vault_server: 'https://vault.svc.plus' }
  const stages = stagesOf({ ...some, ghcr_mode: 'external-secret' })
  const lines = stages.map(({ name, resources }) => [name, ...resources.map(({ title }) => `  ${title}`)].join('\n'))
  expect(`\n${lines.join('\n')}\n`).toMatchSnapshot()
})

test('ids are unique, and inputs stand before what they are inputs of', () => {
  const seen = new Set<string>()
  for (const { id, inputs = [] } of stagesOf({ apisix_enabled: true }).flatMap((stage) => stage.resources)) {
    expect(seen).not.toContain(id)
    for (const input of inputs) expect(seen).toContain(input)
    seen.add(id)
  }
})

test.each(['curlimages/curl@sha256:', 'registry.svc.plus:5000/curl:8.14.1@sha256:'])(
  'the CronJob that has Caddy load certificates runs an image that is pinned: %s',
  (name) => {
    const image = `${name}${'9a'.repeat(32)}`
    const manifests = reloadManifests(varsOf({ caddy_reload_image: image }), context)
    expect(JSON.stringify(manifests.find(({ kind }) => kind === 'CronJob'))).toContain(`"image":"${image}"`)
  },
)

test('the order in which values are written changes nothing', () => {
  const [one, other] = [
    { a: 1, b: { c: 2, d: 3 } },
    { b: { d: 3, c: 2 }, a: 1 },
  ].map((values) => JSON.stringify(helmCharts({ caddy_values: values })))
  expect(one).toBe(other)
})

const helmCharts = (some: Readonly<Record<string, unknown>>) => {
  const v = varsOf(some)
  return enabled(addons, v, context).map((one) => helmChart(one, context))
}

test('a value of one addon changes the HelmChart of no other', () => {
  const [before, after] = [helmCharts({}), helmCharts({ caddy_values: { replicaCount: 3 } })]
  const changed = after.filter((one, i) => JSON.stringify(one) !== JSON.stringify(before[i]))
  expect(changed.map(({ metadata }) => metadata.name)).toEqual(['caddy'])
})

test('a file that was not read is told, and one that cannot be read is told by the rules', () => {
  const v = varsOf({ caddy_chart_file: '/caddy.tgz' })
  const supply = (digest: string | undefined) => ({ locate: (path: string) => path, digestOf: () => digest })
  const stages = (digest: string | undefined) => () => {
    const at = { ...given, supply: { ...locked, ...supply(digest) } }
    return chartStages(enabled(addons, v, at), v, at)
  }
  expect(stages('0'.repeat(64))).toThrow('/caddy.tgz: the chart was not read')
  expect(stages(undefined)).not.toThrow()
})

const locked = {
  lock: { path: '/lock', text: null, content: { version: 1 as const } },
  lockShown: 'lock',
  strict: false,
  locked: () => undefined,
}

test.each<[string, Record<string, unknown>, string]>([
  ['nothing', {}, 'hostport'],
  ['servicelb is there', { disable_components: ['traefik'] }, 'loadbalancer'],
  ['the map of settings brings it back', { k3s_config: { disable: ['traefik'] } }, 'loadbalancer'],
  ['the map adds it', { disable_components: [], k3s_config: { 'disable+': 'servicelb' } }, 'hostport'],
  [
    'a drop-in takes it out',
    { disable_components: [], k3s_config_dropins: { a: { disable: 'traefik,servicelb' } } },
    'hostport',
  ],
  ['another load balancer is there', { caddy_external_loadbalancer: true }, 'loadbalancer'],
  ['it is said', { disable_components: [], caddy_exposure: 'hostport' }, 'hostport'],
])('Caddy is reached by what fits: %s', (_, some, exposure) => {
  expect(exposureOf(varsOf(some))).toBe(exposure)
})

test.each([
  ['v1.21.2', '1.15', true],
  ['1.15.0', '1.15', true],
  ['1.9.0', '1.15', false],
  ['2.0.0', '1.15', true],
  ['v1.11.0-beta.1', '1.11', true],
  ['1.22.0+build.7', '1.22', true],
])('%s is %s or later: %s', (version, from, is) => {
  expect(isFrom(version, from)).toBe(is)
})

test('each cluster has its own owner of DNS records, and each version its annotations', () => {
  expect(ownerId(varsOf(), { host: 'edge-1' })).toBe('svc-plus-edge-1')
  expect(ownerId(varsOf({ cluster_name: 'Berlin office' }), { host: '192.0.2.7' })).toBe('Berlin-office-192.0.2.7')
  expect(annotationPrefix(varsOf())).toBe('external-dns.kubernetes.io/')
  expect(annotationPrefix(varsOf({ external_dns_chart_version: '1.21.1' }))).toBe('external-dns.alpha.kubernetes.io/')
})

test('the lock file holds the charts of addons that are on and come from elsewhere', () => {
  const found = chartLocks(varsOf({ caddy_chart_file: 'caddy.tgz', reloader_enabled: false }))
  expect(found.map(({ entry }) => entry.join(' '))).toEqual([
    'charts cert-manager v1.21.2',
    'charts external-secrets 2.13.0',
    'charts external-dns 1.22.0',
  ])
})

/** A cluster where the role was applied with these variables. */
async function after(some: Readonly<Record<string, unknown>>) {
  const cluster = new FakeCluster()
  const resources = stagesOf(some).flatMap((stage) => stage.resources)
  for (const one of resources.filter(({ id, writes }) => writes !== undefined || id.startsWith('record:'))) {
    await made(one, cluster)
  }
  return cluster
}

const prunes = (some: Readonly<Record<string, unknown>>, more: Partial<RoleContext> = {}) =>
  stagesOf(some, more).at(-1)?.resources ?? []

test('an addon that is turned off is uninstalled, in words; certificates and issuers stay', async () => {
  const cluster = await after({})
  const off = { cert_manager_enabled: false, caddy_enabled: false }
  const [prune] = prunes(off)
  if (prune === undefined) throw new Error('nothing is pruned')
  expect((await changeOf(prune, cluster)).note).toMatchSnapshot()
  await made(prune, cluster)
  const ids = ['cert-manager', 'caddy', 'reloader'].map((name) =>
    cluster.get({ apiVersion: 'helm.cattle.io/v1', kind: 'HelmChart', namespace: 'kube-system', name }),
  )
  expect((await Promise.all(ids)).map((live) => live && idOf({ ...live, ...live.metadata }))).toEqual([
    null,
    null,
    'HelmChart.helm.cattle.io/kube-system/reloader',
  ])
})

test('a text that YAML 1.1 takes for something else stays a text: Helm reads that', () => {
  expect(valuesText({ a: 'yes', b: '0777', c: ['off', 'x'], on: true })).toBe(
    'a: "yes"\nb: "0777"\nc:\n  - "off"\n  - x\n"on": true\n',
  )
})

test('with --delete-crds the CRDs of its release go, and those of others stay', async () => {
  const cluster = new FakeCluster()
  const crd = (name: string, release: string) => ({
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: {
      name,
      annotations: { 'meta.helm.sh/release-name': release, 'meta.helm.sh/release-namespace': 'cert-manager' },
    },
    spec: { group: 'cert-manager.io', names: { kind: 'Certificate' }, versions: [{ name: 'v1', served: true }] },
  })
  const apiVersion = 'cert-manager.io/v1'
  await cluster.create({ apiVersion, kind: 'Certificate', metadata: { name: 'old', namespace: 'default' } })
  await cluster.create(crd('certificates.cert-manager.io', 'cert-manager'))
  await cluster.create(crd('others.example', 'other'))
  const gone = prunes({ cert_manager_enabled: false }, { deleteCrds: true }).find(({ id }) =>
    id.endsWith('/cert-manager'),
  )
  if (gone === undefined) throw new Error('no CRDs go')
  const note = 'delete 1 CRD of cert-manager with its objects: 1 Certificate'
  expect(await changeOf(gone, cluster)).toMatchObject({ op: 'action', note })
  await made(gone, cluster)
  const left = await cluster.list({ apiVersion: 'apiextensions.k8s.io/v1', kind: 'CustomResourceDefinition' })
  expect(left.map(({ metadata }) => metadata.name)).toEqual(['others.example'])
  expect(prunes({ cert_manager_enabled: false })).toHaveLength(1)
})

test('a pod that takes ports of its node makes room before the next one comes', async () => {
  const cluster = new FakeCluster()
  const rollout = stagesOf()
    .flatMap((stage) => stage.resources)
    .find(({ id }) => id.startsWith('rollout:'))
  if (rollout === undefined) throw new Error('no rollout')
  expect((await made(rollout, cluster)).problem).toContain(
    'Deployment platform/caddy-caddy-ingress-controller does not exist',
  )
  await cluster.create({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'platform' } })
  const strategy = { type: 'RollingUpdate', rollingUpdate: { maxSurge: '25%', maxUnavailable: '25%' } }
  const metadata = { name: 'caddy-caddy-ingress-controller', namespace: 'platform' }
  await cluster.create({ apiVersion: 'apps/v1', kind: 'Deployment', metadata, spec: { strategy, replicas: 1 } })
  expect(await changeOf(rollout, cluster)).toMatchObject({ op: 'update' })
  expect((await made(rollout, cluster)).problem).toBe('')
  expect(await changeOf(rollout, cluster)).toMatchObject({ op: 'none' })
  expect(stagesOf({ disable_components: [] }).flatMap(({ resources }) => resources)).not.toContainEqual(
    expect.objectContaining({ id: rollout.id }),
  )
})
