// How the addon role fails: where, what, why and what to do, in bounded time, against the real parts; and the next run heals it.

import { chmod, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gunzipSync, gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { stringify } from 'yaml'
import { z } from 'zod'
import type { TestNode } from '../testbed/node.ts'
import { Testbed } from '../testbed/testbed.ts'
import { butForTheMirror } from './look.ts'
import { field, type Platform, platform } from './platform.ts'
import { cli } from './state.ts'

type Vars = Readonly<Record<string, unknown>>

let testbed: Testbed
let at: Platform
/** Another machine: its web server knows no challenge. */
let other: TestNode
/** A name of the charts' server that the node resolves and the workstation does not. */
let hidden: string
/** Node.js with the node's name server: a workstation that sees the names as the world does. */
let seeing: string

beforeAll(async () => {
  testbed = await Testbed.open()
  const made = await platform(testbed, 'edge-1')
  // A webhook may take as long as its configuration says, and cert-manager's says 30 s.
  const certManager = { extraArgs: ['--dns01-check-retry-period=1s'], webhook: { timeoutSeconds: 3 } }
  at = { ...made, vars: { ...made.vars, k3s_platform_cert_manager_values: certManager } }
  other = await testbed.node('other')
  await other.ask('mkdir -p /srv && systemd-run -q --collect --unit=web python3 -m http.server 80 -d /srv')
  await at.acme.point('charts.test', new URL(at.charts.repoUrl).hostname)
  hidden = `http://charts.test:${new URL(at.charts.repoUrl).port}`
  const dir = await testbed.dir()
  seeing = join(dir, 'node')
  await writeFile(join(dir, 'resolv.conf'), `nameserver ${at.node.host}\n`)
  const enter = `mount --bind ${dir}/resolv.conf /etc/resolv.conf && exec ${process.execPath} "$@"`
  await writeFile(seeing, `#!/bin/sh\nexec unshare -m sh -c '${enter}' sh "$@"\n`)
  await chmod(seeing, 0o755)
  await cli(testbed, 0, ['apply', 'k3s_platform_bootstrap', '-i', await testbed.inventory([at.node], at.vars)])
})

afterAll(() => testbed?.close())

const problem = z.object({
  kind: z.string(),
  where: z.string(),
  what: z.string(),
  why: z.string().optional(),
  hint: z.string().optional(),
})
const document = z.object({
  hosts: z.array(z.object({ problems: z.array(problem) })),
  problems: z.array(problem),
})

interface How {
  readonly timeout?: string
  readonly nodeBin?: string
}

/** Applies stages with variables over the platform's, and returns what was said of it. */
async function run(code: number, tags: string, vars: Vars = {}, { timeout = '10s', nodeBin }: How = {}) {
  const inventory = await testbed.inventory([at.node], { ...at.vars, ...vars })
  const args = ['apply', 'k3s_platform_addon', '-t', tags, '--timeout', timeout, '-i', inventory, '-o', 'json']
  const done = await cli(testbed, code, args, {
    ...(code !== 0 && { timeout: 60_000 }),
    ...(nodeBin !== undefined && { nodeBin }),
  })
  const { hosts, problems } = document.parse(JSON.parse(done.stdout))
  return [...butForTheMirror(problems), ...hosts.flatMap((host) => host.problems)]
}

const says = (pattern: RegExp) => expect.stringMatching(pattern)
const told = (where: string | RegExp, what: RegExp, why: RegExp, hint: RegExp) => ({
  where: typeof where === 'string' ? where : says(where),
  what: says(what),
  why: says(why),
  hint: says(hint),
})
const heal = (tags: string, vars: Vars = {}) => run(0, tags, vars, { timeout: '90s' })
const kubectl = (...args: string[]) => at.node.kubectl(args)
const apply = (object: object) => at.node.kubectl(['apply', '-f', '-'], stringify(object))

describe('what comes before the platform', () => {
  const elsewhere = {
    apiVersion: 'helm.cattle.io/v1',
    kind: 'HelmChart',
    metadata: { name: 'certs', namespace: 'kube-system' },
    spec: {
      targetNamespace: 'elsewhere',
      createNamespace: true,
      plainHTTP: true,
      valuesContent: stringify({ crds: { enabled: true, keep: false }, startupapicheck: { enabled: false } }),
    },
  }

  test('CRDs of another version, by a Helm release elsewhere: named with its namespace', async () => {
    const { ociUrl, versions } = at.charts
    const spec = { ...elsewhere.spec, chart: `${ociUrl}/cert-manager`, version: versions['cert-manager']?.[1] }
    await apply({ ...elsewhere, spec })
    const release = ['-n', 'elsewhere', 'get', 'secrets', '-l', 'owner=helm,status=deployed', '-o', 'name']
    await expect.poll(() => kubectl(...release)).toContain('certs')
    expect(await run(1, 'namespaces,cert-manager', {}, { timeout: '30s' })).toEqual([
      expect.objectContaining(
        told(
          'edge-1 cert-manager',
          /^Helm could not install it \(job helm-install-cert-manager/,
          /belongs to the Helm release certs in namespace elsewhere/,
          /helm uninstall certs -n elsewhere/,
        ),
      ),
    ])
  })

  test('a chart repository that is down: by the workstation before, by the node with the reason', async () => {
    // Down before what was in the way is gone: else the next attempt of the job, by itself, is in time to succeed.
    await at.charts.mirror.down()
    await kubectl('-n', 'kube-system', 'delete', 'helmchart', 'certs', '--timeout=60s')
    // The workstation has seen cert-manager's chart in the run before: it does not ask again.
    // Helm tries a registry that refuses it for some 8 s before it says so.
    const found = await run(1, 'namespaces,cert-manager,reloader', {}, { timeout: '30s' })
    await at.charts.mirror.up()
    expect(found).toEqual([
      expect.objectContaining({
        kind: 'warning',
        ...told(
          /group_vars\/all\.yaml:\d+:\d+ +k3s_platform_reloader_chart_version$/,
          /^the chart reloader \S+ could not be fetched from the workstation: its values are not checked$/,
          /\/index\.yaml: \S+ refused the connection: /,
          /k3s_platform_reloader_chart_repo_url/,
        ),
      }),
      expect.objectContaining(
        told(
          'edge-1 cert-manager',
          /it did not become ready within 30 s|could not install it/,
          /the chart repository refused the connection: .*connection refused/,
          /check the address/,
        ),
      ),
    ])
  })

  test('both are healed by the next run, which makes the whole platform', async () => {
    const inventory = await testbed.inventory([at.node], at.vars)
    await cli(testbed, 0, ['apply', '-i', inventory], { timeout: 300_000 })
  })
})

describe('a chart', () => {
  const reloader = (values: object) => ({ k3s_platform_reloader_values: { reloader: values } })

  test('in a version that is missing is refused before anything is touched', async () => {
    expect(await run(64, 'reloader', { k3s_platform_reloader_chart_version: '9.9.9' })).toEqual([
      {
        kind: 'usage',
        ...told(
          /group_vars\/all\.yaml:\d+:\d+ +k3s_platform_reloader_chart_version$/,
          /^version 9\.9\.9 of the chart reloader does not exist$/,
          /the newest versions are 2\./,
          /set k3s_platform_reloader_chart_version/,
        ),
      },
    ])
  })

  test('in a version that is missing is told by the node where the workstation cannot ask', async () => {
    const vars = { k3s_platform_reloader_chart_version: '9.9.9', k3s_platform_reloader_chart_repo_url: hidden }
    expect(await run(1, 'reloader', vars)).toEqual([
      expect.objectContaining({ kind: 'warning', what: says(/serves charts over plain http/) }),
      expect.objectContaining({ kind: 'warning', what: says(/could not be fetched from the workstation/) }),
      expect.objectContaining(
        told(
          'edge-1 reloader',
          /^Helm could not upgrade it/,
          /has no reloader in version 9\.9\.9$/,
          /^choose a version that it has, then run the same command again; the release was not changed/,
        ),
      ),
    ])
  })

  test('with values that its schema refuses is refused with their place', async () => {
    const values = { service: { externalTrafficPolicy: 'Global' } }
    expect(await run(64, 'caddy', { k3s_platform_caddy_values: values })).toEqual([
      expect.objectContaining({
        kind: 'usage',
        where: says(/group_vars\/all\.yaml:\d+:\d+ +k3s_platform_caddy_values\.service\.externalTrafficPolicy$/),
        what: says(/does not accept service\.externalTrafficPolicy: expected .?Cluster/),
      }),
    ])
    const far = { k3s_platform_caddy_values: values, k3s_platform_caddy_chart_repo_url: hidden }
    expect(await run(1, 'caddy', far)).toEqual([
      expect.objectContaining({ kind: 'warning', what: says(/serves charts over plain http/) }),
      expect.objectContaining({ kind: 'warning', what: says(/its values are not checked/) }),
      expect.objectContaining(
        told(
          'edge-1 caddy',
          /^Helm could not upgrade it/,
          /the chart refuses its values:\s+at '\/service\/externalTrafficPolicy': value must be one of 'Cluster', 'Local'/,
          /^correct the values/,
        ),
      ),
    ])
  })

  test('whose values no schema checks fails in its job, and its words are shown', async () => {
    const [found] = await run(1, 'reloader', reloader({ deployment: { affinity: { nodeAffinity: 'x' } } }))
    expect(found).toMatchObject(
      told(
        'edge-1 reloader',
        /^Helm could not upgrade it \(job helm-install-reloader/,
        /Kind=Deployment: .*\.affinity\.nodeAffinity: expected map/,
        /run the same command again; the release was not changed \(failed/,
      ),
    )
  })

  test('of which somebody else owns a field names the field and the owner', async () => {
    await heal('caddy,reloader')
    const patch = '{"spec":{"template":{"spec":{"nodeSelector":{"kubernetes.io/os":"linux"}}}}}'
    const edit = ['deployment', 'reloader', '--field-manager=kubectl-edit', '--type=merge', '-p', patch]
    await kubectl('-n', 'platform', 'patch', ...edit)
    const wanted = reloader({ deployment: { nodeSelector: { 'kubernetes.io/os': 'other' } } })
    expect(await run(1, 'reloader', wanted)).toEqual([
      expect.objectContaining(
        told(
          'edge-1 reloader',
          /^Helm could not upgrade it/,
          /kubectl-edit owns what the chart sets: .*nodeSelector/,
          /--show-managed-fields/,
        ),
      ),
    ])
    await kubectl('-n', 'platform', 'delete', 'deployment', 'reloader')
    await heal('reloader')
  })

  test('whose release was left pending is recovered, and it is said', async () => {
    await stuckRelease('platform', 'reloader')
    const inventory = await testbed.inventory([at.node], at.vars)
    const args = ['apply', 'k3s_platform_addon', '-t', 'reloader', '--timeout', '60s', '-i', inventory, '-vv']
    const { stderr } = await cli(testbed, 0, args)
    expect(stderr).toMatch(/Helm was interrupted during revision \d+ \(pending-upgrade\): its record is removed/)
    const pending = ['-n', 'platform', 'get', 'secrets', '-l', 'owner=helm,status=pending-upgrade', '-o', 'name']
    expect(await kubectl(...pending)).toBe('')
  })

  test('whose pod has no Secret names it', async () => {
    await kubectl('-n', 'platform', 'delete', 'secret', 'cloudflare-api-token')
    await kubectl('-n', 'platform', 'delete', 'pod', '-l', 'app.kubernetes.io/name=external-dns')
    const vars = { k3s_platform_cloudflare_api_token: undefined, k3s_platform_cloudflare_mode: 'existing' }
    expect(await run(1, 'external-dns', vars)).toEqual([
      expect.objectContaining(
        told(
          'edge-1 external-dns',
          /^it did not become ready within 10 s$/,
          /pod external-dns-\S+: it waits for Secret platform\/cloudflare-api-token, which does not exist/,
          /k3s-platform apply -t secrets/,
        ),
      ),
    ])
    expect(await run(1, 'secrets,external-dns', vars)).toEqual([
      expect.objectContaining(
        told(
          'edge-1 Secret platform/cloudflare-api-token',
          /^it did not exist within 10 s$/,
          /^Secret platform\/cloudflare-api-token does not exist$/,
          /kubectl -n platform create secret generic cloudflare-api-token --from-file=api-token=FILE/,
        ),
      ),
    ])
    await heal('secrets,external-dns')
  })
})

/** A Helm that was killed before an upgrade of a release had ended leaves such a Secret. */
async function stuckRelease(namespace: string, release: string): Promise<void> {
  const list = ['-n', namespace, 'get', 'secrets', '-l', `owner=helm,name=${release},status=deployed`, '-o', 'json']
  const secret = z.looseObject({
    metadata: z.looseObject({ labels: z.record(z.string(), z.string()) }),
    data: z.object({ release: z.string() }),
  })
  const [live] = z.object({ items: z.array(secret) }).parse(JSON.parse(await kubectl(...list))).items
  if (live === undefined) throw new Error(`there is no release ${release}`)
  const packed = Buffer.from(Buffer.from(live.data.release, 'base64').toString(), 'base64')
  const shape = z.looseObject({ version: z.number(), info: z.looseObject({}) })
  const record = shape.parse(JSON.parse(gunzipSync(packed).toString()))
  const version = record.version + 1
  const info = { ...record.info, status: 'pending-upgrade', description: 'Preparing upgrade' }
  const left = gzipSync(JSON.stringify({ ...record, version, info })).toString('base64')
  const name = `sh.helm.release.v1.${release}.v${version}`
  const labels = { ...live.metadata.labels, status: 'pending-upgrade', version: String(version) }
  await apply({
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name, namespace, labels },
    type: 'helm.sh/release.v1',
    data: { release: Buffer.from(left).toString('base64') },
  })
}

describe('issuance', () => {
  const certificate = (name: string, more: object = {}) => ({
    name,
    namespaces: ['platform'],
    dnsNames: [`${name}.svc.plus`],
    ...more,
  })
  const only = (...all: object[]) => ({ k3s_platform_certificates: all })
  const of = (name: string) => `edge-1 Certificate platform/${name}`

  test('from an ACME server that is down: the issuer says so', async () => {
    await at.acme.down()
    expect(await run(1, 'issuers', { k3s_platform_acme_email: 'other@svc.plus' })).toEqual([
      expect.objectContaining(
        told(
          'edge-1 ClusterIssuer svc-plus-acme-http01',
          /^it did not become ready within 10 s$/,
          /the ACME server https:\S+ refused the connection/,
          /from the node: curl -v https:\S+\/dir/,
        ),
      ),
    ])
    await at.acme.up()
    await heal('issuers')
  })

  test('from an ACME server that goes down before the order: the order says so', async () => {
    await at.acme.down()
    const found = await run(1, 'certificates', only(certificate('order')))
    await at.acme.up()
    expect(found).toEqual([
      expect.objectContaining(
        told(
          of('order'),
          /^it did not become ready within 10 s$/,
          /^Order order-1-\d+: new\nthe ACME server has not answered to the order/,
          /from the node: curl -v https:\S+\/dir/,
        ),
      ),
    ])
  })

  test('of a name that DNS points elsewhere', async () => {
    await at.acme.point('elsewhere.svc.plus', '10.88.0.1')
    const vars = only(certificate('elsewhere'))
    expect(await run(1, 'certificates', vars, { nodeBin: seeing })).toEqual([
      expect.objectContaining(
        told(
          of('elsewhere'),
          /^it did not become ready within 10 s$/,
          /DNS does not point to this node: elsewhere\.svc\.plus is 10\.88\.0\.1, this node is 10\.88\./,
          /^point its A record to 10\.88\./,
        ),
      ),
    ])
    // A workstation that does not know the name says what the node meets there.
    expect(await run(1, 'certificates', vars)).toEqual([
      expect.objectContaining(
        told(
          of('elsewhere'),
          /./,
          /self check: Connection refused\nport 80 of elsewhere\.svc\.plus refused the connection/,
          /caddy|dig/,
        ),
      ),
    ])
    await at.acme.unpoint('elsewhere.svc.plus')
  })

  test('of a name that leads to another server: not found', async () => {
    await at.acme.point('lost.svc.plus', other.host)
    const found = await run(1, 'certificates', only(certificate('lost')))
    await at.acme.unpoint('lost.svc.plus')
    expect(found).toEqual([
      expect.objectContaining(
        told(
          of('lost'),
          /^it did not become ready within 10 s$/,
          /self check: 404\n.*points to another server/,
          /dig lost\.svc\.plus/,
        ),
      ),
    ])
  })

  test('by an issuer without the annotation: redirected', async () => {
    const ingress = { ingressClassName: 'caddy' }
    const bare = (http01: object) => ({
      k3s_platform_issuers: {
        bare: {
          acme: {
            server: at.acme.directoryUrl,
            caBundle: Buffer.from(at.acme.ca).toString('base64'),
            privateKeySecretRef: { name: 'bare' },
            solvers: [{ http01: { ingress: http01 } }],
          },
        },
      },
      ...only(certificate('bare', { issuer: 'bare' })),
    })
    expect(await run(1, 'issuers,certificates', bare(ingress))).toEqual([
      expect.objectContaining(
        told(
          of('bare'),
          /^it did not become ready within 10 s$/,
          /308 to https\nCaddy redirects the challenge to https: the solver's Ingress lacks disable-ssl-redirect/,
          /^k3s-platform apply -t issuers$/,
        ),
      ),
    ])
    const annotations = { 'caddy.ingress.kubernetes.io/disable-ssl-redirect': 'true' }
    await heal('issuers,certificates', bare({ ...ingress, ingressTemplate: { metadata: { annotations } } }))
  })

  test('beyond the limit of the ACME server fails at once, and says how to go on', async () => {
    await at.acme.rateLimit()
    const vars = only(certificate('limited'))
    const [found, ...more] = await run(1, 'certificates', vars, { timeout: '30s' })
    await at.acme.clear()
    expect(more).toEqual([])
    const hint =
      /apply --fallback selfsigned.*retries in \d+ m.*after that: k3s-platform certs renew -n platform limited$/
    expect(found).toMatchObject(
      told(of('limited'), /will not become ready by itself$/, /^rate limited: .*\n?Order limited-1-\d+: errored/, hint),
    )
    const inventory = await testbed.inventory([at.node], { ...at.vars, ...vars })
    await cli(testbed, 0, ['certs', 'renew', '-n', 'platform', 'limited', '-i', inventory])
  })

  test('all of these are healed by the next run', async () => {
    const names = ['order', 'elsewhere', 'lost', 'limited']
    await heal('certificates', only(...names.map((name) => certificate(name))))
  })
})

describe('the API', () => {
  test('with a webhook that does not answer names it', async () => {
    const signal = (name: string) => at.node.ask(['pkill', `-${name}`, '-f', 'images/cert-manager-webhoo[k]'])
    await signal('STOP')
    const found = await run(1, 'issuers', { k3s_platform_acme_email: 'other@svc.plus' }).finally(() => signal('CONT'))
    expect(found).toEqual([
      expect.objectContaining(
        told(
          /^edge-1 ClusterIssuer /,
          /^the API did not accept it within 10 s$/,
          /^the webhook "webhook\.cert-manager\.io" does not answer: .*(?:deadline exceeded|no endpoints)/,
          /kubectl -n cert-manager get pods,endpointslices/,
        ),
      ),
    ])
    await heal('cert-manager,issuers')
  })

  test('with a field that somebody has edited names the owner, and the command that makes it ours', async () => {
    const patch = ['--field-manager=kubectl-edit', '--type=merge', '-p', '{"spec":{"duration":"48h"}}']
    await kubectl('-n', 'database', 'patch', 'certificate', 'postgresql-tls', ...patch)
    const named = { name: 'postgresql-tls', namespaces: ['database'], dnsNames: ['postgresql-prod.svc.plus'] }
    const vars = { k3s_platform_certificates: [{ ...named, duration: '2160h' }] }
    const found = await run(1, 'certificates', vars)
    expect(found).toEqual([
      expect.objectContaining(
        told(
          'edge-1 Certificate database/postgresql-tls',
          /^a field belongs to another field manager, and conflicts are never forced$/,
          /^spec\.duration: kubectl edit$/,
          /take ownership: kubectl -n database patch certificate/,
        ),
      ),
    ])
    const command = found[0]?.hint?.replace(/^.*take ownership: /, 'k3s ') ?? ''
    await at.node.ask(command)
    await heal('certificates', vars)
  })

  test('with a namespace that it is being deleted says what holds it', async () => {
    const name = 'database'
    const metadata = { name: 'held', namespace: name, finalizers: ['example.test/keep'] }
    await apply({ apiVersion: 'v1', kind: 'ConfigMap', metadata })
    await kubectl('delete', 'namespace', name, '--wait=false')
    const holds = /example\.test\/keep in 1 resource instances/
    const conditions = () => field(at.node, '', `namespace/${name}`, '{.status.conditions}')
    await expect.poll(conditions).toMatch(holds)
    expect(await run(1, 'namespaces,certificates')).toEqual([
      expect.objectContaining(
        told('edge-1 Namespace database', /^its deletion did not finish within 10 s$/, holds, /kubectl describe/),
      ),
    ])
    expect(await run(1, 'certificates')).toEqual([
      expect.objectContaining(
        told(/^edge-1 \w+ database\//, /^the API did not accept it within 10 s$/, holds, /free what holds it/),
      ),
    ])
    await kubectl('-n', name, 'patch', 'configmap', 'held', '--type=merge', '-p', '{"metadata":{"finalizers":null}}')
    await heal('namespaces,certificates')
  })
})

test('in the end the whole platform is as it should be', async () => {
  const inventory = await testbed.inventory([at.node], at.vars)
  await cli(testbed, 0, ['apply', '-i', inventory], { timeout: 300_000 })
  const { stdout } = await cli(testbed, 0, ['plan', '-i', inventory])
  expect(stdout).toContain('Plan: no changes')
})
