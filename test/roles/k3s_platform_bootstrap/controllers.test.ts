// Flux itself: what is made of its install manifest, where that comes from, and what is refused before a host is spoken to.

import { createHash } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { addon } from '../../../roles/k3s_platform_addon/role.ts'
import { vars as addonVars } from '../../../roles/k3s_platform_addon/vars.ts'
import {
  controllerFindings,
  controllerLocks,
  controllerResources,
} from '../../../roles/k3s_platform_bootstrap/controllers.ts'
import { canBeEager, installed } from '../../../roles/k3s_platform_bootstrap/install.ts'
import { bootstrap } from '../../../roles/k3s_platform_bootstrap/role.ts'
import type { RoleContext } from '../../../roles/role.ts'
import { placed, readManifests } from '../../../src/cluster/manifests.ts'
import type { Manifest, Ref } from '../../../src/cluster/object.ts'
import { fetchAsset } from '../../../src/supply/cache.ts'
import { noLock } from '../../../src/supply/lock.ts'
import type { Supply } from '../../../src/supply/supply.ts'
import { FakeCluster } from '../../cluster/fake.ts'
import { changeOf, made, planned } from '../../cluster/kit.ts'
import { type Served, serve } from '../../host/kinds/served.ts'
import { context, varsOf } from '../k3s_platform_bootstrap/given.ts'

const RELEASE = readFileSync(new URL('../../cluster/install.yaml', import.meta.url), 'utf8').replaceAll('RELEASE', 'v1')
const sum = (text: string) => createHash('sha256').update(text).digest('hex')
const [A, B] = ['a'.repeat(64), 'b'.repeat(64)]
const GIT = { git_url: 'https://git.example/platform.git' }
const CONTROLLERS = ['source-controller', 'notification-controller']

const titles = (all: readonly Manifest[]) => all.map(({ kind, metadata }) => `${kind} ${metadata.name}`)
const manifests = readManifests(RELEASE)
const install = { eager: true, namespace: 'flux-system', components: [], proxy: null }
const deployment = (all: readonly Manifest[], name = 'source-controller') =>
  JSON.stringify(all.find(({ kind, metadata }) => kind === 'Deployment' && metadata.name === name))

describe('of the manifest', () => {
  test('all is installed as it is, where nothing else is wanted', () => {
    expect(installed(manifests, install)).toEqual(manifests)
  })

  test('controllers that are not wanted are left out with what is theirs alone', () => {
    const some = installed(manifests, { ...install, components: ['source-controller'] })
    expect(titles(some)).toEqual([
      'Namespace flux-system',
      'CustomResourceDefinition gitrepositories.source.toolkit.fluxcd.io',
      'ServiceAccount source-controller',
      'ClusterRoleBinding cluster-reconciler',
      'Deployment source-controller',
    ])
    expect(deployment(some), 'nobody takes its events').toContain('"--events-addr="')
    expect(deployment(installed(manifests, { ...install, components: CONTROLLERS }))).toContain('--events-addr=http:')
  })

  test.each([
    ['v2.9.5', ['--log-level=info'], ['--log-level=info', '--feature-gates=CancelHealthCheckOnNewRevision=true']],
    ['v2.6.4', ['--log-level=info'], ['--log-level=info']],
    ['v2.10.0', ['--log-level=info'], ['--log-level=info']],
    ['v2.7.0', ['--feature-gates=GroupChangeLog=true'], ['--feature-gates=GroupChangeLog=true']],
  ])('of %s, kustomize-controller lets go of what is old where it can: %s', (version, args, becomes) => {
    const metadata = { name: 'kustomize-controller', namespace: 'flux-system' }
    const of = (args: readonly string[]) => ({ template: { spec: { containers: [{ name: 'manager', args }] } } })
    const one = { apiVersion: 'apps/v1', kind: 'Deployment', metadata, spec: of(args) }
    const made = installed([one], { ...install, eager: canBeEager(version) }).at(-1)
    expect(made?.spec).toMatchObject(of(becomes))
  })

  test('a controller that it does not have is refused with those that it has', () => {
    const components = ['source-controler']
    expect(() => installed(manifests, { ...install, components })).toThrow(
      'it does not contain source-controler; it contains: notification-controller, source-controller',
    )
  })

  test('another namespace is named wherever its own was', () => {
    const moved = installed(manifests, { ...install, namespace: 'gitops' })
    expect(JSON.stringify(moved)).not.toContain('flux-system')
    expect(moved[0]).toMatchObject({ kind: 'Namespace', metadata: { name: 'gitops' } })
    expect(deployment(moved)).toContain('http://notification-controller.gitops.svc.cluster.local./')
    expect(moved.find(({ kind }) => kind === 'ClusterRoleBinding')).toMatchObject({
      subjects: [{ namespace: 'gitops' }],
    })
  })

  test('what names no namespace is put into one, kinds and what is of the whole cluster aside', () => {
    const argo = readManifests(`apiVersion: v1
kind: ConfigMap
metadata: { name: argocd-cm }
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: { name: argocd-server }
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: { name: things.example.com }
spec: { group: example.com, scope: Cluster, names: { kind: Thing } }
---
apiVersion: example.com/v1
kind: Thing
metadata: { name: one }
`)
    expect(
      placed(argo, 'argocd', 'argocd').map(({ kind, metadata }) => `${kind} ${metadata.namespace ?? '-'}`),
    ).toEqual(['Namespace -', 'ConfigMap argocd', 'ClusterRole -', 'CustomResourceDefinition -', 'Thing -'])
  })

  test.each([
    ['a page', '<html><body>404</body></html>', /^document 1: /],
    ['half a file', RELEASE.slice(0, 400), /^document 2: /],
    ['nothing', '---\n---\n', 'it contains no object'],
    ['a list without names', 'apiVersion: v1\nkind: List\nitems: []\n', 'document 1: metadata: '],
  ])('%s is none', (_, text, words) => {
    expect(() => readManifests(text)).toThrow(words)
  })
})

let web: Served
let cache: string
beforeAll(async () => {
  web = await serve()
})
afterAll(() => web.close())
beforeEach(() => {
  cache = mkdtempSync(join(tmpdir(), 'k3sp-flux-'))
  web.requests = []
  web.answers = release('v2.9.5', RELEASE)
  return () => rmSync(cache, { recursive: true })
})

const ok = (content: string) => ({ content, status: 200, ranges: true })
const release = (version: string, text: string, digest = sum(text)) => ({
  [`/${version}/install.yaml`]: ok(text),
  [`/${version}/flux_${version.slice(1)}_checksums.txt`]: ok(`${A}  flux.tgz\n${digest}  install.yaml\n`),
})

function supply({
  locked,
  files = {},
  strict = false,
}: {
  locked?: string
  files?: Record<string, string>
  strict?: boolean
}): Supply {
  return {
    lock: { ...noLock('/i/k3s-platform.lock'), text: locked === undefined ? null : '' },
    lockShown: 'i/k3s-platform.lock',
    strict,
    locked: (entry) => (entry.join(' ') === 'manifests flux v2.9.5' ? locked : undefined),
    locate: (path) => `/i/${path}`,
    digestOf: (path) => files[path],
  }
}

const flux = (more: object = {}) => varsOf({ ...GIT, flux_components: CONTROLLERS, flux_mirror_url: web.url, ...more })
const on = (more: Partial<RoleContext> = {}): RoleContext => ({
  ...context,
  fetch: (asset, signal) => fetchAsset(asset, cache, signal),
  ...more,
})
function resource(id: string, more: object = {}, where = on()) {
  return controllerResources(flux(more), where).find((one) => one.id === id) ?? expect.fail(`no ${id}`)
}

describe('the controllers', () => {
  test('are a stage of their own before the source, and only where Flux is who applies the tree', () => {
    const names = (some: object) => {
      const given = Object.fromEntries(Object.entries(some).map(([name, value]) => [`k3s_platform_${name}`, value]))
      const handover = () => addon.tree?.(addonVars.parse(given), context)
      return bootstrap.stages(varsOf({ ...some }), { ...context, handover }).map((stage) => stage.name)
    }
    expect(names(GIT)).toEqual([...names({}), 'flux', 'source'])
    expect(names({ ...GIT, handoff: 'argocd' })).toEqual([...names({}), 'argocd', 'source'])
  })

  test('come from the release, whose digest is asked for once, and later from the cache', async () => {
    const cluster = new FakeCluster()
    expect(await planned(resource('bundle:flux'), cluster)).toContain('create: as published')
    expect((await made(resource('bundle:flux'), cluster)).problem).toBe('')
    expect(await planned(resource('bundle:flux'), cluster)).toBe('none')
    cluster.remove({ apiVersion: 'v1', kind: 'ServiceAccount', namespace: 'flux-system', name: 'source-controller' })
    web.answers = {}
    web.requests = []
    expect(await planned(resource('bundle:flux'), cluster)).toContain('ServiceAccount flux-system/source-controller')
    expect(web.requests).toEqual([])
  })

  test.each<[string, () => void, object, RegExp]>([
    [
      'a manifest that is another one',
      () => {},
      { flux_sha256: B },
      new RegExp(`expected sha256 ${B}, got ${sum(RELEASE)}`),
    ],
    [
      'a release that is not there',
      () => {},
      { flux_version: 'v2.9.6' },
      /flux_2\.9\.6_checksums\.txt: the digest of install\.yaml is unknown\nwhy: HTTP 404/,
    ],
    [
      'a release without its sums in which the digest stands',
      () => {
        web.answers = { ...web.answers, '/v2.9.5/flux_2.9.5_checksums.txt': ok(`${A}  flux.tgz\n`) }
      },
      {},
      /does not list it\nhint: set k3s_platform_flux_sha256, or check k3s_platform_flux_version/,
    ],
    ['a mirror that is not there', () => {}, { flux_mirror_url: 'http://127.0.0.1:4999' }, /ECONNREFUSED/],
    [
      'what is no manifest',
      () => {
        web.answers = release('v2.9.5', 'kind: nothing\n')
      },
      {},
      /install\.yaml: it is not an install manifest of Flux v2\.9\.5 with the requested components\nwhy: document 1: apiVersion/,
    ],
    [
      'a controller that is not in it',
      () => {},
      { flux_components: ['helm-controller'] },
      /it does not contain helm-controller; it contains/,
    ],
  ])('%s is told, and nothing is changed', async (_, break_, more, words) => {
    break_()
    const cluster = new FakeCluster()
    expect(await planned(resource('bundle:flux', more), cluster)).toMatch(words)
    expect(cluster.calls.filter(({ verb, dryRun }) => !['get', 'list'].includes(verb) && !dryRun)).toEqual([])
  })

  test('are ready when they are rolled out and their kinds are served; until then why not', async () => {
    const cluster = new FakeCluster()
    const gate = () => resource('ready:flux')
    cluster.unserved.add('Receiver')
    expect(await planned(gate(), cluster)).toBe('action: wait until Flux is ready')
    const waits = async () => (await made(gate(), cluster, { boundSeconds: 0.05 })).problem
    expect(await waits()).toContain('why: the API does not serve Receiver of notification.toolkit.fluxcd.io/v1')
    cluster.unserved.clear()
    expect(await waits()).toContain('why: Deployment flux-system/source-controller does not exist')
    await made(resource('bundle:flux'), cluster)
    expect(await waits()).toContain('why: Deployment flux-system/source-controller: 0 of 1 pods are updated')
    for (const name of CONTROLLERS) {
      const ref: Ref = { apiVersion: 'apps/v1', kind: 'Deployment', namespace: 'flux-system', name }
      const status = { replicas: 1, updatedReplicas: 1, availableReplicas: 1 }
      cluster.put({ ...cluster.peek(ref), status }, 'kube-controller-manager')
    }
    expect(await planned(gate(), cluster)).toBe('none')
  })
})

describe('behind a proxy', () => {
  const PASSWORD = 'hunter2'
  const some = { http_proxy: `http://me:${PASSWORD}@proxy:3128`, no_proxy: ['.corp.example'] }
  const SECRET: Ref = { apiVersion: 'v1', kind: 'Secret', namespace: 'flux-system', name: 'flux-proxy' }

  async function apply(cluster: FakeCluster, more: object): Promise<void> {
    for (const one of controllerResources(flux(more), on())) {
      if (one.id === 'ready:flux' || (await planned(one, cluster)) === 'none') continue
      expect((await made(one, cluster)).problem).toBe('')
    }
  }
  const plans = async (cluster: FakeCluster, more: object) =>
    Promise.all(
      controllerResources(flux(more), on())
        .slice(0, -1)
        .map((one) => planned(one, cluster)),
    )

  test('each controller reads it from a Secret, and nothing else has its password', async () => {
    const cluster = new FakeCluster()
    await apply(cluster, some)
    const { data } = Object(cluster.peek(SECRET))
    const value = (key: string) => Buffer.from(data[key], 'base64').toString()
    expect(value('HTTP_PROXY')).toBe(some.http_proxy)
    expect(value('NO_PROXY').split(',')).toEqual([
      ...['.corp.example', 'localhost', '127.0.0.0/8', '10.42.0.0/16', '10.43.0.0/16', '203.0.113.7'],
      ...['.svc', '.cluster.local', '.cluster.local.'],
    ])
    for (const name of CONTROLLERS) {
      const env = JSON.stringify(
        cluster.peek({ apiVersion: 'apps/v1', kind: 'Deployment', namespace: 'flux-system', name }),
      )
      expect(env).toContain(
        '{"name":"HTTP_PROXY","valueFrom":{"secretKeyRef":{"name":"flux-proxy","key":"HTTP_PROXY"}}}',
      )
      expect(env).not.toContain('HTTPS_PROXY')
      expect(env).not.toContain(PASSWORD)
    }
    expect(await plans(cluster, some)).toEqual(['none', 'none', 'none'])
  })

  test('another one starts the controllers anew, in the same run, and the plan says so', async () => {
    const cluster = new FakeCluster()
    await apply(cluster, some)
    const next = { ...some, no_proxy: [] }
    const [, secret = '', controllers] = await plans(cluster, next)
    expect([secret, controllers]).toEqual([expect.stringMatching(/^update\ndata\.NO_PROXY/), 'none'])
    const change = await changeOf(resource('bundle:flux', next), cluster)
    expect(change.resource.inputs).toEqual(['Secret/flux-system/flux-proxy'])
    expect(change.resource.afterInputs?.(change.actual, [])).toMatchObject({ actual: { inputs: 'as they were' } })
    const before = JSON.stringify(
      cluster.peek({ ...SECRET, apiVersion: 'apps/v1', kind: 'Deployment', name: 'source-controller' }),
    )
    await apply(cluster, next)
    expect(
      JSON.stringify(cluster.peek({ ...SECRET, apiVersion: 'apps/v1', kind: 'Deployment', name: 'source-controller' })),
    ).not.toBe(before)
    expect(await plans(cluster, next)).toEqual(['none', 'none', 'none'])
  })

  test('that is no longer there the Secret goes, after the controllers have let go of it', async () => {
    const cluster = new FakeCluster()
    await apply(cluster, some)
    const plan = await planned(resource('bundle:flux'), cluster)
    expect(plan).toContain('Secret flux-system/flux-proxy: "there" -> null')
    await apply(cluster, {})
    expect(cluster.peek(SECRET)).toBeNull()
    expect(await plans(cluster, {})).toEqual(['none'])
  })
})

describe('before any host is spoken to', () => {
  const told = (more: object, with_: Parameters<typeof supply>[0] = {}) =>
    controllerFindings(varsOf({ ...GIT, ...more }), { supply: supply(with_) }).map(
      ({ path, what }) => `${path.join('.')}: ${what}`,
    )

  test.each<[string, object, Parameters<typeof supply>[0], string[]]>([
    ['nothing is refused without --locked', {}, {}, []],
    [
      'what is not locked is refused with it',
      {},
      { strict: true },
      ['k3s_platform_flux_version: the install manifest of Flux v2.9.5 is not locked'],
    ],
    ['what is locked is not', {}, { strict: true, locked: A }, []],
    ['what is pinned is not', { flux_sha256: A }, { strict: true }, []],
    ['nothing of it matters where Flux is not wanted', { handoff: 'none' }, { strict: true }, []],
    [
      'a file that is not there is',
      { flux_manifest_file: 'f' },
      {},
      ['k3s_platform_flux_manifest_file: /i/f cannot be read'],
    ],
    ['a file that has its own digest is fine', { flux_manifest_file: 'f' }, { files: { '/i/f': B } }, []],
    [
      'a file that is another one is refused with both digests',
      { flux_manifest_file: 'f' },
      { locked: A, files: { '/i/f': B } },
      [
        `k3s_platform_flux_manifest_file: /i/f is not install.yaml of v2.9.5: locked has the digest ${A}, expected ${B}`,
      ],
    ],
    [
      'controllers that the tree needs are missed',
      { flux_components: ['source-controller'], handoff_addons: true },
      {},
      [
        'k3s_platform_flux_components: without kustomize-controller nothing applies the tree',
        "k3s_platform_flux_components: without helm-controller nothing reconciles the addons' releases",
      ],
    ],
    ['all of them are no mistake', { flux_components: [] }, {}, []],
  ])('%s', (_, more, with_, expected) => {
    expect(told(more, with_)).toEqual(expected)
  })

  test('what lock writes down is the digest that the release publishes, unless it is pinned', () => {
    expect(controllerLocks(varsOf({ ...GIT, flux_mirror_url: 'http://m' }))).toEqual([
      {
        entry: ['manifests', 'flux', 'v2.9.5'],
        sums: { url: 'http://m/v2.9.5/flux_2.9.5_checksums.txt', name: 'install.yaml' },
        variables: 'k3s_platform_flux',
      },
    ])
    expect(controllerLocks(varsOf({ ...GIT, flux_sha256: A }))).toEqual([])
    expect(controllerLocks(varsOf({}))).toEqual([])
  })
})
