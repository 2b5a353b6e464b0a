// The handoff to Argo CD. Its controllers are not in the testbed, its kinds are: the test does and writes what they would.

import { cp, readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parseAllDocuments, stringify } from 'yaml'
import { z } from 'zod'
import { Testbed } from '../testbed/testbed.ts'
import { beside, certificates, type Handoff, handoff, issued, type Mode, publish, reading, settled } from './handoff.ts'
import { told, well } from './look.ts'
import { CERTIFIED, field, versions } from './platform.ts'
import { said } from './state.ts'

let testbed: Testbed
let at: Handoff
let inventory: string
const runs: ReturnType<Testbed['spawnCli']>[] = []
const LONG = { timeout: 400_000 }
const APPLICATION = 'application/platform-edge-1'
const ANNOTATIONS = 'argocd.argoproj.io'

beforeAll(async () => {
  testbed = await Testbed.open()
  at = await handoff(testbed, 'edge-1')
  inventory = await inventoryWith({})
  const alone = await inventoryWith({ k3s_platform_handoff: 'none' })
  await well(testbed, ['apply', 'k3s_platform_bootstrap', '-i', alone], LONG)
  await publish(testbed, at.git, inventory)
})
afterAll(async () => {
  for (const run of runs) run.kill('SIGKILL')
  await testbed?.close()
})

const inventoryWith = (vars: Readonly<Record<string, unknown>>) =>
  testbed.inventory([at.node], { ...at.vars, ...reading(at, 'ssh'), k3s_platform_handoff: 'argocd', ...vars })
const get = (object: string, jsonpath: string) => field(at.node, 'argocd', object, jsonpath)
const applied = (documents: readonly object[], manager: string) =>
  at.node.kubectl(
    ['apply', '--server-side', '--force-conflicts', `--field-manager=${manager}`, '-f', '-'],
    documents.map((one) => stringify(one)).join('---\n'),
  )

/** The kinds of a release, and of its install.yaml the namespace and what the handoff adds to. */
async function argocdInstalled(): Promise<void> {
  const module = ['mod', 'download', '-json', 'github.com/argoproj/argo-cd/v3@v3.1.0']
  const { stdout } = await execa('go', module, { stdin: 'ignore', cwd: '/' })
  const { Dir } = z.object({ Dir: z.string() }).parse(JSON.parse(stdout))
  const crds = join(Dir, 'manifests/crds')
  for (const file of (await readdir(crds)).filter((one) => one.endsWith('-crd.yaml')))
    await at.node.kubectl(['create', '-f', '-'], await readFile(join(crds, file), 'utf8'))
  await at.node.kubectl(['create', 'namespace', 'argocd'])
  const config = join(Dir, 'manifests/base/config')
  for (const name of ['argocd-ssh-known-hosts-cm', 'argocd-tls-certs-cm'])
    await at.node.kubectl(['apply', '-n', 'argocd', '-f', '-'], await readFile(join(config, `${name}.yaml`), 'utf8'))
  const labels = { 'app.kubernetes.io/part-of': 'argocd', app: 'argocd-repo-server' }
  const template = {
    metadata: { labels },
    spec: { containers: [{ name: 'x', image: 'quay.io/argoproj/argocd:v3.1.0' }] },
  }
  const metadata = { name: 'argocd-repo-server', namespace: 'argocd', labels }
  const spec = { selector: { matchLabels: { app: 'argocd-repo-server' } }, template }
  await applied([{ apiVersion: 'apps/v1', kind: 'Deployment', metadata, spec }], 'kubectl')
  await at.node.kubectl(['wait', '--for=condition=Established', '--timeout=30s', 'crd/applications.argoproj.io'])
}

const Manifest = z.looseObject({
  apiVersion: z.string(),
  kind: z.string(),
  metadata: z.looseObject({
    name: z.string(),
    namespace: z.string().optional(),
    annotations: z.record(z.string(), z.string()).optional(),
  }),
})

/** What Argo CD does with an inventory's tree in Git: applies it with its marks, and says so in the status. */
async function argocdSyncs(of: string): Promise<void> {
  const tree = await testbed.dir()
  await well(testbed, ['render', '-i', of, '--tree', tree])
  await cp(tree, join(at.node.root, 'srv/tree'), { recursive: true, force: true })
  const built = await at.node.kubectl(['kustomize', '/srv/tree/clusters/edge-1'])
  const objects = parseAllDocuments(built).map((one) => Manifest.parse(one.toJS()))
  const marked = objects.map((one) => {
    const { apiVersion, kind, metadata } = one
    const group = apiVersion.includes('/') ? apiVersion.split('/')[0] : ''
    const id = `platform-edge-1:${group}/${kind}:${metadata.namespace ?? 'argocd'}/${metadata.name}`
    const annotations = { ...metadata.annotations, [`${ANNOTATIONS}/tracking-id`]: id }
    return { ...one, metadata: { ...metadata, annotations } }
  })
  await applied(marked, 'argocd-controller')
  await settled(at.node)
  await argocdSays('Synced', 'Healthy')
}

async function argocdSays(sync: string, health: string): Promise<void> {
  const spec = z
    .looseObject({ source: z.unknown(), destination: z.unknown() })
    .parse(JSON.parse(await get(APPLICATION, '{.spec}')))
  const { source, destination } = spec
  const revision = await at.git.head()
  const status = {
    ...{ sync: { status: sync, revision, comparedTo: { source, destination } }, health: { status: health } },
    ...{ reconciledAt: new Date().toISOString(), resourceHealthSource: 'appTree' },
  }
  const metadata = { annotations: { [`${ANNOTATIONS}/refresh`]: null } }
  const patch = ['-n', 'argocd', 'patch', APPLICATION, '--type=merge', '-p', JSON.stringify({ metadata, status })]
  await at.node.kubectl([...patch, '--field-manager=argocd-application-controller'])
}

function apply(args: readonly string[]) {
  const run = beside(testbed, ['apply', ...args], LONG)
  runs.push(run.running)
  return run
}

const poll = (ask: () => Promise<string>) => expect.poll(ask, { timeout: 300_000, interval: 500 })

test('without Argo CD nothing is handed over, and the hint says where it is to be had', async () => {
  const done = await testbed.cli(['apply', '-i', inventory, '--timeout', '3s'], LONG)
  expect(done.code, said(done)).toBe(1)
  expect(said(done)).toContain('the API does not serve Application of argoproj.io/v1alpha1')
  expect(said(done)).toContain('install it first, into the namespace argocd')
})

describe('a full run', () => {
  beforeAll(argocdInstalled)

  test('makes what Argo CD begins with, and waits until that has synced it', async () => {
    const { running, ended, during } = apply(['-i', inventory])
    const made = poll(() => get(APPLICATION, '{.metadata.name}')).toBe('platform-edge-1')
    await during(made)
    expect(running.exitCode).toBeNull()
    await argocdSays('OutOfSync', 'Progressing')
    const before = await issued(at.node)
    await argocdSyncs(inventory)
    const { code, text } = await ended
    expect(code, text).toBe(0)
    expect(await issued(at.node)).toBe(before)
    expect(before).toMatch(/orders 2$/)
  }, 450_000)

  test('says where Argo CD finds the tree, and what it may do with it', async () => {
    expect(JSON.parse(await get(APPLICATION, '{.spec}'))).toMatchObject({
      project: 'platform-edge-1',
      source: { repoURL: at.git.sshUrl, targetRevision: 'main', path: 'clusters/edge-1' },
      syncPolicy: { automated: { prune: true, selfHeal: true }, syncOptions: ['ServerSideApply=true'] },
    })
    const project = z
      .object({
        sourceRepos: z.array(z.string()),
        destinations: z.array(z.object({ namespace: z.string() })),
        clusterResourceWhitelist: z.array(z.object({ kind: z.string() })),
      })
      .parse(JSON.parse(await get('appproject/platform-edge-1', '{.spec}')))
    expect(project.sourceRepos).toEqual([at.git.sshUrl])
    expect(project.destinations.map(({ namespace }) => namespace)).toEqual(['database', 'platform'])
    expect(project.clusterResourceWhitelist.map(({ kind }) => kind)).toEqual(['Namespace', 'ClusterIssuer'])
  })

  test('leaves nothing to do, shows what Argo CD owns, and costs one exec', async () => {
    const { code, document } = await told(testbed, ['plan', '-i', inventory])
    expect(code).toBe(0)
    const changes = document.hosts[0]?.plan?.stages.flatMap((stage) => stage.changes) ?? []
    const owned = changes.filter(({ op }) => op === 'owned')
    expect(owned.map(({ title }) => title)).toEqual(
      expect.arrayContaining([
        'Namespace platform',
        'Certificate platform/postgresql-tls',
        'ClusterIssuer svc-plus-acme-http01',
      ]),
    )
    expect(owned.flatMap(({ deltas }) => deltas)).toEqual([])
    expect(new Set(owned.map(({ note }) => note))).toEqual(new Set(['Argo CD (platform-edge-1)']))
    const kinds = ['certificates', 'clusterissuers', 'applications', 'appprojects', 'secrets', 'configmaps']
    const before = await versions(at.node, kinds)
    const done = await told(testbed, ['apply', '-i', inventory], LONG)
    expect(done.document.hosts[0]).toMatchObject({ status: 'ok', execs: 1, recap: { changed: 0 } })
    expect(await versions(at.node, kinds)).toBe(before)
  })
})

describe('what Argo CD has', () => {
  const names = [CERTIFIED, 'postgresql-pre.svc.plus']

  test('otherwise than the inventory is drift, and is told with its place in Git', async () => {
    const other = await inventoryWith(certificates(names))
    await argocdSyncs(other)
    const { stdout, stderr } = await well(testbed, ['plan', '-i', inventory])
    expect(stdout).toMatch(/o Certificate database\/postgresql-tls +it differs in Argo CD \(platform-edge-1\)/)
    expect(stderr).toMatch(/Certificate database\/postgresql-tls: Git and the inventory differ/)
    expect(stderr).toContain('infrastructure/edge-1/certificates/database/postgresql-tls/certificate.yaml')
    await argocdSyncs(inventory)
    expect((await well(testbed, ['plan', '-i', inventory])).stderr).not.toContain('differs')
  })

  test('no more is told as missing, and is not made again', async () => {
    await at.node.kubectl(['-n', 'database', 'delete', 'certificate', 'postgresql-tls'])
    const { stdout, stderr } = await well(testbed, ['plan', '-i', inventory])
    expect(stdout).toMatch(
      /o Certificate database\/postgresql-tls +missing: Argo CD \(platform-edge-1\) does not manage it/,
    )
    expect(stderr).toContain('is in the inventory but not in the cluster')
    await well(testbed, ['apply', '-i', inventory], LONG)
    expect(await field(at.node, 'database', 'certificate/postgresql-tls', '{.metadata.name}')).toBe('')
    inventory = await inventoryWith(certificates([CERTIFIED], ['platform']))
    await well(testbed, ['apply', '-i', inventory], LONG)
    expect((await well(testbed, ['plan', '-i', inventory])).stdout).toContain('Plan: no changes')
  })

  test('and is not well is waited for, and said', async () => {
    await argocdSays('OutOfSync', 'Degraded')
    const done = await testbed.cli(['apply', '-i', inventory, '--timeout', '3s'], LONG)
    expect(done.code, said(done)).toBe(1)
    expect(said(done)).toContain('Application argocd/platform-edge-1')
    // The run had asked it to look again.
    expect(await get(APPLICATION, `{.metadata.annotations.argocd\\.argoproj\\.io/refresh}`)).toBe('normal')
    await argocdSays('Synced', 'Healthy')
  })
})

describe('a recovery', () => {
  const certificate = (path: string) => field(at.node, 'platform', 'certificate/postgresql-tls', path)
  const names = [CERTIFIED, 'postgresql-pre.svc.plus']
  const pair = async () => (await issued(at.node, ['platform'])).split('\n')[0]

  test('turns the automated sync off and takes the objects back as they are', async () => {
    const before = await pair()
    const shown = await testbed.cli(['plan', '-i', inventory, '--take-back'])
    expect(shown.stdout, said(shown)).toMatch(
      /! suspend 1 Application to reclaim the objects that platform-edge-1 applies/,
    )
    await well(testbed, ['apply', '-i', inventory, '--take-back', '--yes'], LONG)
    expect(await get(APPLICATION, '{.spec.syncPolicy.automated}')).toBe('')
    expect(await get(APPLICATION, '{.spec.syncPolicy.syncOptions}')).toContain('ServerSideApply')
    expect(await certificate('{.metadata.annotations}')).not.toContain('tracking-id')
    expect(await pair()).toBe(before)
    const { stdout } = await well(testbed, ['plan', '-i', inventory])
    expect(stdout).toMatch(
      /o Application argocd\/platform-edge-1 +.*reclaimed; to hand it over again: apply --hand-over/,
    )
    const other = await inventoryWith(certificates(names, ['platform']))
    await well(testbed, ['apply', '-i', other, '-t', 'certificates'], LONG)
    expect(await certificate('{.spec.dnsNames}')).toBe(JSON.stringify(names))
  })

  test('ends with Argo CD having the say again', async () => {
    const { running, ended, during } = apply(['-i', inventory, '--hand-over'])
    const on = poll(() => get(APPLICATION, '{.spec.syncPolicy.automated}')).toBe('{"prune":true,"selfHeal":true}')
    await during(on)
    await poll(() => get(APPLICATION, '{.metadata.annotations}')).not.toContain('taken-back')
    expect(running.exitCode).toBeNull()
    await argocdSyncs(inventory)
    const { code, text } = await ended
    expect(code, text).toBe(0)
    expect(await certificate('{.spec.dnsNames}')).toBe(JSON.stringify([CERTIFIED]))
    expect((await well(testbed, ['plan', '-i', inventory])).stdout).toContain('Plan: no changes')
  })
})

describe('a login', () => {
  const shown = async () => {
    const text = await at.node.kubectl([
      '-n',
      'argocd',
      'get',
      'secret',
      'platform-config',
      '--ignore-not-found',
      '-o',
      'json',
    ])
    if (text === '') return null
    const Secret = z.object({
      data: z.record(z.string(), z.string()),
      metadata: z.object({ labels: z.record(z.string(), z.string()) }),
    })
    const { data, metadata } = Secret.parse(JSON.parse(text))
    const plain = Object.entries(data).map(([key, value]) => [key, Buffer.from(value, 'base64').toString()])
    return { data: Object.fromEntries(plain), type: metadata.labels[`${ANNOTATIONS}/secret-type`] }
  }
  const argocdLogin = (mode: Exclude<Mode, 'ssh'>): Record<string, string> | null => {
    const { basicUrl, bearerUrl, login, token } = at.git
    const { username, password } = login
    return {
      public: null,
      'https-bearer': { url: bearerUrl, bearerToken: token },
      'https-basic': { url: basicUrl, username, password },
    }[mode]
  }
  const hosts = () => get('configmap/argocd-ssh-known-hosts-cm', '{.data.ssh_known_hosts}')
  const cas = () => get('configmap/argocd-tls-certs-cm', '{.data}')

  test('by ssh is a repository of Argo CD with the key, and the host keys are besides those of others', async () => {
    expect(await shown()).toEqual({
      type: 'repository',
      data: { type: 'git', url: at.git.sshUrl, sshPrivateKey: at.git.keys.private },
    })
    const known = await hosts()
    expect(known).toContain('github.com ssh-ed25519')
    for (const line of at.git.knownHosts.trim().split('\n')) expect(known).toContain(line)
  })

  test.each(['https-basic', 'https-bearer', 'public'] as const)(
    'by %s takes the place of the one before, and the CA is where Argo CD looks',
    async (mode) => {
      const other = await testbed.inventory([at.node], {
        ...at.vars,
        ...reading(at, mode),
        ...certificates([CERTIFIED], ['platform']),
        k3s_platform_handoff: 'argocd',
      })
      await well(testbed, ['apply', '-i', other, '-t', 'source'], LONG)
      const data = argocdLogin(mode)
      expect(await shown()).toEqual(data && { type: 'repository', data: { type: 'git', ...data } })
      expect(JSON.parse(await cas())).toEqual({
        [new URL(at.git.publicUrl).hostname]: expect.stringContaining('BEGIN CERTIFICATE'),
      })
      const { stdout } = await well(testbed, ['plan', '-i', other, '-t', 'source'])
      expect(stdout).toContain('Plan: no changes')
    },
  )
})
