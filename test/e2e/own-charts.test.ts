// Custom charts: by OCI and by file, with secrets that stand in no object but their Secrets; upgraded, and turned off.

import { copyFile, mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { chartsDocument } from '../../src/report/documents.ts'
import type { Charts } from '../testbed/charts.ts'
import type { TestNode } from '../testbed/node.ts'
import { Testbed } from '../testbed/testbed.ts'
import { field, releases } from './platform.ts'
import { cli, said } from './state.ts'

const PASSWORD = 'correct-horse-battery'
const ROTATED = 'another-horse-battery'
const OFF = ['cert_manager', 'external_secrets', 'caddy', 'external_dns'].map((one) => [
  `k3s_platform_${one}_enabled`,
  false,
])

let testbed: Testbed
let node: TestNode
let charts: Charts

beforeAll(async () => {
  testbed = await Testbed.open()
  node = await testbed.node('edge-1')
  charts = await testbed.charts()
  const { code, stderr } = await testbed.cli(['apply', 'k3s_platform_bootstrap', '-i', await inventory([])])
  expect(code, stderr).toBe(0)
})

afterAll(() => testbed?.close())

/** One addon stays on, for a chart that needs it. */
async function inventory(entries: readonly object[]): Promise<string> {
  const where = await testbed.inventory([node], {
    ...Object.fromEntries(OFF),
    k3s_platform_certificates: [],
    k3s_platform_reloader_chart_repo_url: charts.repoUrl,
    k3s_platform_reloader_chart_version: charts.versions.reloader?.[0],
    k3s_platform_charts: entries,
  })
  await mkdir(join(where, 'files'))
  await copyFile(charts.file('web', '1.0.0'), join(where, 'files/web-1.0.0.tgz'))
  return where
}

/** In three lines, and by OCI. */
const web = (more: object = {}) => ({
  ...{ name: 'web', namespace: 'shop', version: '1.0.0' },
  ...{ repo: charts.ociUrl, plain_http: true },
  ...{
    secret_values: { auth: { password: "{{ lookup('env', 'WEB_PASSWORD') }}", token: { generate: { length: 24 } } } },
  },
  ...more,
})
/** By a file, after the other one. */
const back = (more: object = {}) => ({
  ...{
    name: 'back',
    namespace: 'shop',
    chart: 'web',
    version: '1.0.0',
    file: 'files/web-1.0.0.tgz',
    needs: ['web', 'reloader'],
  },
  ...{ values: { endpoint: { address: node.host, port: 8099 } }, secret_values: { auth: { password: PASSWORD } } },
  ...{ ready: [{ deployment: 'back' }, { http: 'back:80/index.html' }] },
  ...more,
})

const run = (code: number, where: string, args: readonly string[], password = PASSWORD) =>
  cli(testbed, code, [...args, '-i', where], { timeout: 300_000, env: { WEB_PASSWORD: password } })

/** What the plan says, what the apply said, and that nothing is left to do. */
async function change(entries: readonly object[], password = PASSWORD) {
  const where = await inventory(entries)
  const plan = await run(2, where, ['plan', 'k3s_platform_addon', '--diff'], password)
  const apply = await run(0, where, ['apply', 'k3s_platform_addon', '--diff', '-vv'], password)
  const rest = await run(0, where, ['plan', 'k3s_platform_addon'], password)
  expect(rest.stdout).toContain('Plan: no changes')
  for (const one of [plan, apply, rest]) expect(said(one)).not.toContain(password)
  return { where, plan: plan.stdout, apply: said(apply) }
}

const decoded = async (namespace: string, secret: string, key: string) =>
  Buffer.from(await field(node, namespace, `secret/${secret}`, `{.data.${key}}`), 'base64').toString()

test('one in a few lines of inventory is installed by OCI; its secrets are in no object but their Secrets', async () => {
  const { plan } = await change([web()])
  expect(plan).toContain('HelmChart kube-system/web')
  expect(await releases(node)).toMatchObject({ web: '1 deployed' })
  expect(await decoded('shop', 'web-auth', 'password')).toBe(PASSWORD)
  expect(await decoded('shop', 'web-auth', 'token')).toMatch(/^[A-Za-z0-9]{24}$/)
  const others = ['helmcharts', 'jobs', 'pods', 'configmaps', 'deployments', 'events']
  const all = await node.kubectl(['get', '-A', others.join(','), '-o', 'json'])
  expect(all).not.toContain(PASSWORD)
  expect(all).not.toContain(await decoded('shop', 'web-auth', 'token'))
})

test('one that is a file waits for what it needs, and for its own checks', async () => {
  await node.ask('mkdir -p /srv/web')
  await node.ask('systemd-run -q --unit web python3 -m http.server 8099 -d /srv/web')
  const where = await inventory([web(), back()])
  const late = await run(1, where, ['apply', 'k3s_platform_addon', '--timeout', '20s'])
  expect(said(late)).toContain('Service shop/back answers HTTP 404 at /index.html')
  await node.ask('echo hello >/srv/web/index.html')
  await run(0, where, ['apply', 'k3s_platform_addon'])
  expect((await run(0, where, ['plan', 'k3s_platform_addon'])).stdout).toContain('Plan: no changes')
  const made = (name: string) =>
    field(node, 'kube-system', `helmchart/${name}`, '{.metadata.creationTimestamp}').then((text) => Date.parse(text))
  expect(await made('back')).toBeGreaterThanOrEqual(await made('web'))
})

test('a wrong value is refused with its position before anything is touched, and a misspelled one is a warning', async () => {
  const before = await releases(node)
  const wrong = await run(64, await inventory([web({ values: { replicas: 0, greting: 'hi' } })]), [
    'plan',
    'k3s_platform_addon',
  ])
  expect(said(wrong)).toMatch(/k3s_platform_charts\[0\]\.values\.replicas: the chart web 1\.0\.0 does not accept/)
  expect(said(wrong)).toContain('did you mean greeting?')
  const short = await run(64, await inventory([web()]), ['plan', 'k3s_platform_addon'], 'short-1')
  expect(said(short)).toContain('its schema refuses the secret value')
  expect(said(short)).not.toContain('short-1')
  expect(await releases(node)).toEqual(before)
})

test('another version and another secret upgrade that release alone; what is generated stays', async () => {
  const token = await decoded('shop', 'web-auth', 'token')
  const { plan } = await change([web({ version: '1.1.0' }), back()])
  expect(plan).toContain('1.1.0')
  expect(await releases(node)).toMatchObject({ web: '2 deployed', back: '1 deployed' })
  expect(await field(node, 'shop', 'deployment/web', '{.metadata.annotations.chart}')).toBe('1.1.0')
  const rotated = await change([web({ version: '1.1.0' }), back()], ROTATED)
  expect(rotated.plan).toContain('***')
  expect(await releases(node)).toMatchObject({ web: '3 deployed', back: '1 deployed' })
  expect(await decoded('shop', 'web-auth', 'password')).toBe(ROTATED)
  expect(await decoded('shop', 'web-auth', 'token')).toBe(token)
})

test('a rotation replaces what is generated, and the release has it', async () => {
  const where = await inventory([web({ version: '1.1.0' }), back()])
  const token = await decoded('shop', 'web-auth', 'token')
  const wrong = await run(64, where, ['secrets', 'rotate', 'wep', '--yes'], ROTATED)
  expect(said(wrong)).toContain('did you mean web?')
  const plan = await run(2, where, ['secrets', 'rotate', 'web', '-C'], ROTATED)
  expect(plan.stdout).toContain('Secret kube-system/web-secret-values')
  const done = await run(0, where, ['secrets', 'rotate', 'web', '--yes', '-vv'], ROTATED)
  const fresh = await decoded('shop', 'web-auth', 'token')
  expect(fresh).toMatch(/^[A-Za-z0-9]{24}$/)
  expect(fresh).not.toBe(token)
  for (const secret of [token, fresh]) expect(said(done)).not.toContain(secret)
  expect(await decoded('shop', 'web-auth', 'password')).toBe(ROTATED)
  expect((await run(0, where, ['plan', 'k3s_platform_addon'], ROTATED)).stdout).toContain('Plan: no changes')
})

test('charts lists what is installed, what is locked, and what is newer', async () => {
  const where = await inventory([web(), back(), web({ name: 'new', chart: 'web', namespace: 'other' })])
  await run(0, where, ['lock'])
  const table = (await run(2, where, ['charts'])).stdout.split('\n').map((line) => line.replace(/ +/g, ' '))
  const digest = charts.digest('web', '1.0.0').slice(0, 12)
  expect(table).toContain(`web shop web 1.0.0 1.1.0 1.1.0 ${digest} outdated`)
  expect(table).toContain(`back shop web 1.0.0 1.0.0 - ${digest} deployed`)
  expect(table).toContain(`new other web 1.0.0 - 1.1.0 ${digest} absent`)
  expect(table.at(-2)).toBe('2 deployed, 1 outdated, 1 absent. Newer versions: web 1.1.0, new 1.1.0.')
  const document = chartsDocument.parse(JSON.parse((await run(2, where, ['charts', '-o', 'json'])).stdout))
  expect(document.charts.map(({ release, state }) => `${release} ${state}`)).toContain('web outdated')
  await charts.mirror.down()
  const again = await run(2, where, ['charts'])
  await charts.mirror.up()
  expect(again.stdout).toContain('Newer versions: web 1.1.0')
})

test('its digest is locked, and its tag runs it alone', async () => {
  const where = await inventory([web({ version: '1.1.0' }), back()])
  const lock = await run(0, where, ['lock'])
  expect(lock.stdout).toContain('+ chart web 1.1.0')
  const plan = await run(0, where, ['plan', 'k3s_platform_addon', '--locked', '-t', 'web'], ROTATED)
  expect(plan.stdout).toMatch(/web +=/)
  expect(plan.stdout).not.toMatch(/back +=/)
})

test('turned off, the plan says what is lost; with prune: false the release stays', async () => {
  await change([
    web({ version: '1.1.0', prune: false }),
    back({ values: { persistence: { enabled: true } }, ready: [] }),
  ])
  const done = await change([])
  expect(done.plan).toContain(
    'uninstalls the release back from shop with Deployment, PersistentVolumeClaim, Secret; the data of its PersistentVolumeClaims is lost',
  )
  expect(done.plan).toContain('its entry had prune: false: it is kept')
  expect(await releases(node)).toMatchObject({ web: '5 deployed' })
  expect(Object.keys(await releases(node))).not.toContain('back')
  expect(await field(node, 'shop', 'deployment/back', '{.metadata.name}')).toBe('')
  expect(await field(node, 'shop', 'deployment/web', '{.metadata.name}')).toBe('web')
})
