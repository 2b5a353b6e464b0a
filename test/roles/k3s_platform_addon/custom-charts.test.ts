// Custom charts: the HelmCharts that entries make, the order of what needs each other, and where their secrets are.

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { describe, expect, test } from 'vitest'
import { parse, stringify } from 'yaml'
import { z } from 'zod'
import { chartChecks, chartLocks } from '../../../roles/k3s_platform_addon/charts.ts'
import { STAGE_NAMES } from '../../../roles/k3s_platform_addon/custom-chart-rules.ts'
import { handover } from '../../../roles/k3s_platform_addon/handoff.ts'
import { chartStages } from '../../../roles/k3s_platform_addon/release.ts'
import { groupedReleases } from '../../../roles/k3s_platform_addon/releases.ts'
import { addon } from '../../../roles/k3s_platform_addon/role.ts'
import { type AddonVars, vars } from '../../../roles/k3s_platform_addon/vars.ts'
import { bootstrap } from '../../../roles/k3s_platform_bootstrap/role.ts'
import type { RoleContext } from '../../../roles/role.ts'
import { revealedValues } from '../../../src/supply/secret-values.ts'
import { FakeCluster } from '../../cluster/fake.ts'
import { changeOf, look, made } from '../../cluster/kit.ts'
import { context as given } from '../k3s_platform_bootstrap/given.ts'

const context: RoleContext = { ...given, chartContent: (file) => `the bytes of ${file}` }
const HIDDEN = 'never-to-be-seen'

const withCharts = (charts: unknown, more: Readonly<Record<string, unknown>> = {}): AddonVars =>
  vars.parse({ ...more, k3s_platform_charts: charts })

const cases = z
  .record(z.string(), z.string())
  .parse(parse(readFileSync(join(import.meta.dirname, 'custom-charts.yaml'), 'utf8')))

/** What its stages write, as the API gets it, and their titles. */
async function applied(v: AddonVars, cluster = new FakeCluster('observability', 'web')) {
  const { custom } = groupedReleases(v, context)
  const resources = chartStages([...custom.early, ...custom.late].flat(), v, context).flatMap(
    (stage) => stage.resources,
  )
  for (const resource of resources) expect((await made(resource, cluster)).problem).toBe('')
  return { cluster, resources }
}

describe('an entry', () => {
  test.each(Object.entries(cases))('makes a HelmChart: %s', async (_, text) => {
    const charts = z.array(z.looseObject({ name: z.string() })).parse(parse(text))
    const { cluster } = await applied(withCharts(charts))
    const shown = charts.map(({ name }) => {
      const ref = { apiVersion: 'helm.cattle.io/v1', kind: 'HelmChart', namespace: 'kube-system', name }
      const { metadata, spec } = cluster.peek(ref) ?? { metadata: {}, spec: null }
      return [name, { annotations: metadata?.annotations ?? {}, spec }]
    })
    const words = stringify(Object.fromEntries(shown), { lineWidth: 0 })
    expect(words).not.toContain(HIDDEN)
    expect(`\n${words}`).toMatchSnapshot()
  })

  test('is checked with all of its values, and its place is that of the entry', () => {
    const [check] = chartChecks(withCharts(parse(cases['all of it, from a registry'] ?? '')), context).slice(-1)
    if (check?.secrets === undefined) throw new Error('no secret values')
    expect(revealedValues(check.values, check.secrets)).toMatchObject({
      a: { list: [1, 2] },
      auth: { password: HIDDEN, token: expect.stringMatching(/^[A-Za-z0-9]{20}$/) },
      env: [{ name: 'KEY', value: HIDDEN }],
      'odd key': { 'a.b': expect.stringMatching(/^[A-Za-z0-9]{32}$/) },
    })
    expect(check.place(['a', 'list', 0])).toEqual(['k3s_platform_charts', 0, 'values', 'a', 'list', '0'])
    for (const path of [
      ['auth', 'password'],
      ['auth', 'token'],
      ['env', 0, 'value'],
    ])
      expect(check.place(path)[2]).toBe('secret_values')
    expect(inspect(check, { depth: null })).not.toContain(HIDDEN)
  })

  test('is locked by its chart, unless it is a file', () => {
    const found = chartLocks(
      withCharts([
        ...parse(cases['all of it, from a registry'] ?? ''),
        { name: 'b', namespace: 'b', version: '1.0.0', file: 'b.tgz' },
      ]),
    )
    expect(found.slice(-1).map(({ entry }) => entry.join(' '))).toEqual(['charts storefront v1.2.3+build.4'])
  })
})

const entry = (name: string, more: object = {}) => ({
  ...{ name, namespace: 'web', version: '1.0.0', repo: 'https://charts.example' },
  ...more,
})
const certificate = (name: string) => ({ name, dnsNames: [`${name}.svc.plus`] })

describe('the order', () => {
  const stages = (charts: readonly object[]) =>
    addon
      .stages(withCharts(charts), context)
      .flatMap(({ name, resources }) =>
        resources.some(({ title }) => title.startsWith('HelmChart'))
          ? [`${name} +`]
          : resources.some(({ id }) => id.startsWith('ready:HelmChart'))
            ? [`${name} ?`]
            : ['issuers', 'certificates', 'vault'].includes(name)
              ? [name]
              : [],
      )
  const own = (charts: readonly object[]) =>
    stages(charts)
      .filter((line) => !/^(cert-manager|external-|caddy|reloader)/.test(line))
      .join(', ')

  test.each<[string, object[], string]>([
    ['one that needs nothing begins with the addons', [entry('a')], 'a +, a ?, issuers, certificates'],
    [
      'what others need comes first, in whatever order it is written',
      [entry('c', { needs: ['b'] }), entry('b', { needs: ['a'] }), entry('a')],
      'a +, a ?, b +, b ?, c +, c ?, issuers, certificates',
    ],
    [
      'two that need the same are installed side by side',
      [entry('a', { needs: ['caddy'] }), entry('b', { needs: ['caddy'] })],
      'a +, b +, a ?, b ?, issuers, certificates',
    ],
    [
      'one with certificates waits for them, and so does what needs it',
      [entry('b', { needs: ['a'] }), entry('a', { certificates: [certificate('a')] }), entry('c')],
      'c +, c ?, issuers, certificates, a +, a ?, b +, b ?',
    ],
    [
      'one with ExternalSecrets waits for them',
      [entry('a', { external_secrets: [{ name: 'a', dataFrom: ['a'] }] })],
      'vault, a +, a ?, issuers, certificates',
    ],
    [
      'a cycle ends somewhere',
      [entry('a', { needs: ['b'] }), entry('b', { needs: ['a'] })],
      'b +, b ?, a +, a ?, issuers, certificates',
    ],
  ])('%s', (_, charts, order) => {
    expect(own(charts)).toBe(order)
  })

  test('a HelmChart that needs an addon comes after the gate of that addon', () => {
    const all = stages([entry('a', { needs: ['reloader'] })])
    expect(all.indexOf('a +')).toBeGreaterThan(all.indexOf('reloader ?'))
  })

  test('a thousand that each need all before them are no work', () => {
    const names = Array.from({ length: 1000 }, (_, i) => `c${i}`)
    const charts = names.map((name, i) => entry(name, { needs: names.slice(Math.max(0, i - 10), i) }))
    expect(groupedReleases(withCharts(charts), context).custom.early).toHaveLength(1000)
  })

  test('ids are unique, and inputs stand before what they are inputs of', () => {
    const charts = [
      entry('b', { needs: ['a'], secret_values: { x: HIDDEN } }),
      entry('a', { certificates: [certificate('a')] }),
    ]
    const seen = new Set<string>()
    for (const { id, inputs = [] } of addon.stages(withCharts(charts), context).flatMap((one) => one.resources)) {
      expect(seen).not.toContain(id)
      for (const input of inputs) expect(seen).toContain(input)
      seen.add(id)
    }
  })
})

test('no stage of either role may have the name of a chart', () => {
  const everything = {
    k3s_platform_git_url: 'https://git.example/x.git',
    k3s_platform_vault_server: 'https://vault.example',
    k3s_platform_vault_bootstrap_mode: 'init',
    k3s_platform_ghcr_mode: 'external-secret',
    k3s_platform_cloudflare_mode: 'existing',
  }
  const known = new Set(STAGE_NAMES)
  const addons = ['cert-manager', 'external-secrets', 'caddy', 'external-dns', 'reloader', 'apisix']
  const names = ['flux', 'argocd'].flatMap((handoff) => [
    ...addon.stages(vars.parse({ ...everything, k3s_platform_handoff: handoff }), context),
    ...bootstrap.stages(bootstrap.vars.parse({ ...everything, k3s_platform_handoff: handoff }), context),
  ])
  expect(names.map(({ name }) => name).filter((name) => !known.has(name) && !addons.includes(name))).toEqual([])
})

describe('secret values', () => {
  const SECRET = { apiVersion: 'v1', kind: 'Secret', namespace: 'kube-system', name: 'shop-secret-values' }
  const shop = (secret_values: object) => withCharts([entry('shop', { secret_values })])
  const data = (cluster: FakeCluster) => {
    const found = z.record(z.string(), z.string()).parse(cluster.peek(SECRET)?.data)
    return Object.fromEntries(
      Object.entries(found).map(([key, text]) => [key, JSON.parse(Buffer.from(text, 'base64').toString())]),
    )
  }

  test('are documents of one Secret, and no plan shows them', async () => {
    const { cluster, resources } = await applied(
      shop({ auth: { password: HIDDEN, token: { generate: { length: 20 } } } }),
    )
    expect(data(cluster)).toEqual({
      given: { auth: { password: HIDDEN } },
      'generated.auth.token': { auth: { token: expect.stringMatching(/^[A-Za-z0-9]{20}$/) } },
    })
    const token = data(cluster)['generated.auth.token'].auth.token
    for (const resource of resources) {
      expect(await changeOf(resource, cluster)).toMatchObject({ op: 'none' })
      const seen = `${inspect(await look(resource, cluster), { depth: null })}${inspect(resource, { depth: null })}`
      expect(seen).not.toContain(HIDDEN)
      expect(seen).not.toContain(token)
    }
  })

  test('that are generated stay the same while others come and go', async () => {
    const first = await applied(shop({ a: { generate: {} }, b: { generate: {} } }))
    const before = data(first.cluster)
    await applied(shop({ c: { generate: {} }, b: { generate: {} }, d: HIDDEN }), first.cluster)
    const after = data(first.cluster)
    expect(after['generated.b']).toEqual(before['generated.b'])
    expect(Object.keys(after).toSorted()).toEqual(['generated.b', 'generated.c', 'given'])
  })

  test('that are generated are made anew by a rotation, once, and nothing else is', async () => {
    const v = shop({ a: { generate: {} }, b: HIDDEN })
    const { cluster } = await applied(v)
    const before = data(cluster)
    const [rotation, ...others] = addon.rotations?.(v, context) ?? []
    expect(others).toEqual([])
    const [secret, ...waits] = rotation?.resources ?? []
    if (secret === undefined) throw new Error('nothing is rotated')
    expect(waits.map(({ id }) => id)).toEqual(['ready:HelmChart/shop'])
    expect(waits.flatMap(({ inputs = [] }) => inputs)).toEqual([secret.id])
    expect(await changeOf(secret, cluster)).toMatchObject({
      op: 'update',
      deltas: [{ field: 'data[generated.a]', from: '***', to: '***' }],
    })
    await made(secret, cluster)
    const after = data(cluster)
    expect(after.given).toEqual(before.given)
    expect(after['generated.a'].a).toMatch(/^[A-Za-z0-9]{32}$/)
    expect(after['generated.a'].a).not.toBe(before['generated.a'].a)
    expect(await changeOf(secret, cluster)).toMatchObject({ op: 'none' })
  })

  test('that the inventory gives cannot be rotated', () => {
    expect(addon.rotations?.(shop({ b: HIDDEN }), context)).toEqual([])
  })

  test('of Flux lie beside its HelmRelease, and are what the tree requires', async () => {
    const flux = { k3s_platform_git_url: 'https://git.example/x.git', k3s_platform_handoff_addons: true }
    const v = withCharts([entry('shop', { secret_values: { password: HIDDEN } })], flux)
    const { cluster } = await applied(v, new FakeCluster('flux-system', 'web'))
    expect(cluster.peek({ ...SECRET, namespace: 'flux-system' })).not.toBeNull()
    expect(handover(v, context).given).toContainEqual({
      ...{ namespace: 'flux-system', name: SECRET.name, keys: ['given'] },
      title: 'the secret values of shop',
    })
  })
})
