// The releases of the addons handed over to Flux. Its helm-controller is not in the testbed: the test writes what that would write.

import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import type { TestNode } from '../testbed/node.ts'
import { Testbed } from '../testbed/testbed.ts'
import { beside, type Handoff, handoff, kustomizations, publish, reading } from './handoff.ts'
import { told, well } from './look.ts'
import { charts, field, releases, versions } from './platform.ts'
import { said } from './state.ts'

let testbed: Testbed
let at: Handoff
let inventory: string
const runs: ReturnType<Testbed['spawnCli']>[] = []
let before: Awaited<ReturnType<typeof standing>>
const LONG = { timeout: 400_000 }
const ADDONS = { k3s_platform_handoff_addons: true }
const WITH_RELOADER = { k3s_platform_reloader_enabled: true }
const RELEASES = { 'cert-manager': 'cert-manager', caddy: 'platform', reloader: 'platform' }
/** A HelmChart that is somebody else's. */
const OTHER = 'somebodys-reloader'

beforeAll(async () => {
  testbed = await Testbed.open()
  at = await handoff(testbed, 'edge-1')
  inventory = await inventoryWith(ADDONS)
})
afterAll(async () => {
  for (const run of runs) run.kill('SIGKILL')
  await testbed?.close()
})

const inventoryWith = (vars: Readonly<Record<string, unknown>>) =>
  testbed.inventory([at.node], { ...at.vars, ...reading(at, 'ssh'), ...vars })

const get = async (object: string, jsonpath: string) => field(at.node, 'flux-system', object, jsonpath)
const there = (name: string) =>
  expect.poll(() => get(`helmrelease/${name}`, '{.metadata.name}'), { timeout: 300_000, interval: 500 }).toBe(name)

const Secret = z.looseObject({
  metadata: z.looseObject({ name: z.string(), labels: z.record(z.string(), z.string()) }),
})

/** A revision as Helm records it when Flux upgrades a release: the next one, without the labels of helm-controller of k3s. */
async function upgraded(node: TestNode, name: keyof typeof RELEASES, status: string): Promise<number> {
  const at = ['-n', RELEASES[name]]
  const revision = Number((await releases(node))[name]?.split(' ')[0])
  const record = (of: number) => `sh.helm.release.v1.${name}.v${of}`
  const old = Secret.parse(JSON.parse(await node.kubectl(['get', ...at, 'secret', record(revision), '-o', 'json'])))
  const labels = { name, owner: 'helm', status, version: String(revision + 1) }
  const next = { ...old, metadata: { name: record(revision + 1), labels } }
  await node.kubectl(['create', ...at, '-f', '-'], JSON.stringify(next))
  if (status === 'deployed')
    await node.kubectl(['label', '--overwrite', ...at, 'secret', record(revision), 'status=superseded'])
  return revision + 1
}

/** https://fluxcd.io/flux/components/helm/helmreleases/#helmrelease-status */
async function fluxSays(node: TestNode, name: keyof typeof RELEASES, ok: boolean): Promise<void> {
  const status = ok ? 'deployed' : 'failed'
  const version = await upgraded(node, name, status)
  const now = new Date().toISOString().replace(/\.\d+/, '')
  const at = ['-n', 'flux-system', 'helmrelease', name]
  const generation = Number(await node.kubectl(['get', ...at, '-o', 'jsonpath={.metadata.generation}']))
  const message = ok ? `Helm upgrade succeeded for release ${name}` : `Helm upgrade failed for release ${name}: no`
  const condition = { message, lastTransitionTime: now, observedGeneration: generation }
  const is = { reason: ok ? 'UpgradeSucceeded' : 'UpgradeFailed', status: ok ? 'True' : 'False' }
  const snapshot = {
    ...{ apiVersion: 'v2', chartName: name, chartVersion: '1.0.0', name, namespace: RELEASES[name], status, version },
    ...{ digest: 'sha256:0', configDigest: 'sha256:0', firstDeployed: now, lastDeployed: now },
  }
  const written = {
    conditions: [
      ...['Ready', 'Released'].map((type) => ({ type, ...condition, ...is })),
      ...(ok ? [] : [{ type: 'Stalled', ...condition, reason: 'RetriesExceeded', status: 'True' }]),
    ],
    ...{ observedGeneration: generation, storageNamespace: RELEASES[name], history: [snapshot] },
  }
  await node.kubectl([
    'patch',
    ...at,
    '--subresource=status',
    '--type=merge',
    '-p',
    JSON.stringify({ status: written }),
  ])
}

/** What no retirement may touch: pods, workloads, the revisions of the releases, and a chart of somebody else. */
async function standing() {
  const pods = ['get', 'pods', '-A', '-o', 'jsonpath={range .items[*]}{.metadata.name} {.metadata.uid}{"\\n"}{end}']
  const own = (text: string) =>
    text.split('\n').filter((line) => /cert-manager|caddy/.test(line) && !/helm-/.test(line))
  const records = ['get', 'secrets', '-A', '-l', 'owner=helm', '-o', 'name']
  return {
    pods: own(await at.node.kubectl(pods)),
    deployments: own(await versions(at.node, ['deployments'])),
    records: (await at.node.kubectl(records)).split('\n').filter((line) => line !== '' && !line.includes('reloader')),
    others: await field(at.node, 'kube-system', `helmchart/${OTHER}`, '{.metadata.resourceVersion}'),
    job: await field(at.node, 'kube-system', `job/helm-install-${OTHER}`, '{.metadata.uid}'),
  }
}

/** What helm-controller of k3s has for a chart, by name; and its words of an uninstallation. */
async function madeFor(name: string): Promise<string[]> {
  const kinds = ['jobs', 'serviceaccounts', 'secrets', 'configmaps', 'helmcharts.helm.cattle.io']
  const [inside, wide, events] = await Promise.all([
    at.node.kubectl(['get', '-n', 'kube-system', kinds.join(','), '-o', 'name']),
    at.node.kubectl(['get', 'clusterrolebindings', '-o', 'name']),
    at.node.kubectl(['get', 'events', '-A', '-o', 'custom-columns=R:.reason,M:.message', '--no-headers']),
  ])
  const of = new RegExp(`/(helm-|helm-install-|helm-delete-|chart-values-|chart-content-|helm-kube-system-)?${name}$`)
  const removed = events.split('\n').filter((line) => /RemoveJob|helm-delete/.test(line))
  return [
    ...`${inside}\n${wide}`.split('\n').filter((line) => of.test(line) && !/binding.*\/cert-manager$/.test(line)),
    ...removed,
  ]
}

function apply(args: readonly string[]) {
  const run = beside(testbed, ['apply', ...args], LONG)
  runs.push(run.running)
  return run
}

describe('a full run on a fresh node', () => {
  test('installs the releases, hands them over, and leaves the charts as they are until Flux has deployed them', async () => {
    await publish(testbed, at.git, inventory)
    const { running, ended, during } = apply(['-i', inventory])
    await during(there('cert-manager'))
    const manifest = { chart: 'reloader', repo: at.charts.repoUrl, version: at.charts.versions.reloader?.[0] }
    const metadata = { name: OTHER, namespace: 'kube-system' }
    const other = { apiVersion: 'helm.cattle.io/v1', kind: 'HelmChart', metadata, spec: manifest }
    await at.node.kubectl(['apply', '-f', '-'], JSON.stringify(other))
    await expect.poll(async () => (await releases(at.node))[OTHER]).toBe('1 deployed')
    const own = await charts(at.node)
    expect(Object.keys(own).toSorted()).toEqual(['caddy', 'cert-manager', OTHER])
    expect((await madeFor('cert-manager')).length).toBeGreaterThan(3)

    await fluxSays(at.node, 'cert-manager', true)
    await there('caddy')
    expect(await charts(at.node)).toEqual(own)
    expect(running.exitCode).toBeNull()
    await fluxSays(at.node, 'caddy', true)
    before = await standing()
    const { code, text } = await ended
    expect(code, text).toBe(0)
    expect(text).toContain('remove HelmChart kube-system/cert-manager: Flux takes over the release')
    expect(new Set(Object.values(await kustomizations(at.node)))).toEqual(new Set(['True']))
  }, 450_000)

  test('takes their sources from Git, where Flux finds them', async () => {
    const ready = '{.status.conditions[?(@.type=="Ready")].status} {.status.conditions[?(@.type=="Ready")].message}'
    expect(await get('ocirepository/cert-manager', ready)).toMatch(/^True /)
    expect(await get('helmrepository/caddy', ready)).toMatch(/^True /)
    // Helm drops a default of the chart only for a null, which has to survive Git, kustomize and the API.
    expect(await get('helmrelease/caddy', '{.spec.values.service}')).toContain('"externalTrafficPolicy":null')
  })

  test('retires both charts in the same run, and uninstalls nothing', async () => {
    expect(Object.keys(await charts(at.node))).toEqual([OTHER])
    expect(await madeFor('cert-manager')).toEqual([])
    expect(await madeFor('caddy')).toEqual([])
    expect(await standing()).toEqual(before)
    expect(before.pods.length).toBeGreaterThan(3)
    const records = ['cert-manager.v1', 'cert-manager.v2', 'caddy.v1', 'caddy.v2']
    expect(before.records).toEqual(records.map((one) => `secret/sh.helm.release.v1.${one}`))
  })

  test('leaves nothing to do, and shows who has the charts', async () => {
    const { stdout } = await well(testbed, ['plan', '-i', inventory])
    expect(stdout).toContain('Plan: no changes')
    for (const name of ['cert-manager', 'caddy'])
      expect(stdout).toMatch(new RegExp(`o HelmChart kube-system/${name} +owned by Flux \\(HelmRelease ${name}\\)`))
    const { document } = await told(testbed, ['apply', '-i', inventory], LONG)
    expect(document.hosts[0]).toMatchObject({ status: 'ok', execs: 1, recap: { changed: 0 } })
    expect(await standing()).toEqual(before)
  })
})

describe('a release that Flux keeps', () => {
  test('is told where the inventory has it otherwise', async () => {
    const other = await inventoryWith({ ...ADDONS, k3s_platform_caddy_values: { podAnnotations: { changed: 'yes' } } })
    const { stdout, stderr } = await well(testbed, ['plan', '-i', other])
    expect(stdout).toMatch(/o HelmChart kube-system\/caddy +it differs in Flux \(HelmRelease caddy\)/)
    expect(stderr).toContain('HelmRelease flux-system/caddy: Git and the inventory differ')
    expect(stderr).toContain('infrastructure/edge-1/addons/caddy.yaml')
  })

  test('that fails is told, and nothing is made again', async () => {
    await fluxSays(at.node, 'caddy', false)
    const records = (await standing()).records
    const done = await testbed.cli(['apply', '-i', inventory], LONG)
    expect(done.code, said(done)).toBe(1)
    expect(said(done)).toContain(
      'HelmRelease flux-system/caddy: UpgradeFailed: Helm upgrade failed for release caddy: no',
    )
    expect(Object.keys(await charts(at.node))).toEqual([OTHER])
    expect((await standing()).records).toEqual(records)
    await fluxSays(at.node, 'caddy', true)
    expect((await well(testbed, ['plan', '-i', inventory])).stdout).toContain('Plan: no changes')
  })

  test('whose pods are not well is told', async () => {
    const scale = (to: number) => [
      '-n',
      'cert-manager',
      'set',
      'image',
      'deployment/cert-manager-cainjector',
      `*=${to}`,
    ]
    const image = await field(at.node, 'cert-manager', 'deployment/cert-manager-cainjector', '{..image}')
    const set = (to: string) => at.node.kubectl([...scale(0).slice(0, -1), `*=${to}`])
    await set('does-not-exist:1')
    const done = await testbed.cli(['plan', '-i', inventory])
    expect(done.stdout).toMatch(/! wait until cert-manager is ready/)
    await set(image)
    await at.node.kubectl([
      '-n',
      'cert-manager',
      'rollout',
      'status',
      'deployment/cert-manager-cainjector',
      '--timeout=60s',
    ])
  })
})

describe('an addon that comes later', () => {
  test('is missing as long as Git does not have it, and is not made', async () => {
    const more = await inventoryWith({ ...ADDONS, ...WITH_RELOADER })
    const { stdout, stderr } = await testbed.cli(['plan', '-i', more])
    expect(stdout).toMatch(/o HelmChart kube-system\/reloader +missing: Flux \(platform-root\) does not manage it/)
    expect(stderr).toContain('HelmRelease flux-system/reloader: is in the inventory but not in the cluster')
    await well(testbed, ['apply', '-i', more], LONG)
    expect(Object.keys(await charts(at.node))).toEqual([OTHER])
  })

  test('whose chart was being retired when the run was killed is retired by the next run', async () => {
    const ours = await inventoryWith({ ...WITH_RELOADER })
    await well(testbed, ['apply', '-i', ours], LONG)
    expect((await releases(at.node)).reloader).toBe('1 deployed')
    inventory = await inventoryWith({ ...ADDONS, ...WITH_RELOADER })
    await publish(testbed, at.git, inventory)
    const slow = { 'edge-1': await testbed.delayed(at.node, 200) }
    const behind = await testbed.inventory(slow, { ...at.vars, ...reading(at, 'ssh'), ...ADDONS, ...WITH_RELOADER })
    await there('reloader')
    await fluxSays(at.node, 'reloader', true)
    const { running, ended, during } = apply(['k3s_platform_addon', '-i', behind])
    const mark = '{.metadata.annotations.helmcharts\\.helm\\.cattle\\.io/unmanaged}=true'
    const wait = ['-n', 'kube-system', 'wait', `--for=jsonpath=${mark}`, 'helmchart/reloader', '--timeout=180s']
    await during(at.node.kubectl(wait))
    running.kill('SIGKILL')
    expect((await ended).code).toBeUndefined()
    expect(Object.keys(await charts(at.node)).toSorted()).toEqual(['reloader', OTHER])

    expect(said(await well(testbed, ['apply', '-i', inventory], LONG))).toContain(
      'remove HelmChart kube-system/reloader',
    )
    expect(await madeFor('reloader')).toEqual([])
    expect((await releases(at.node)).reloader).toBe('2 deployed')
    expect(Object.keys(await charts(at.node))).toEqual([OTHER])
    expect((await well(testbed, ['plan', '-i', inventory])).stdout).toContain('Plan: no changes')
  }, 600_000)
})
