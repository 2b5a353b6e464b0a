// The parts that tests of addons stand on: charts by http, https and OCI, real controllers, ACME through Caddy's stand-in, a slow link.

import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { stringify } from 'yaml'
import type { AcmeServer } from '../testbed/acme.ts'
import type { Charts } from '../testbed/charts.ts'
import type { TestNode } from '../testbed/node.ts'
import { Testbed } from '../testbed/testbed.ts'

let testbed: Testbed
let node: TestNode
let charts: Charts
let secure: Charts
let acme: AcmeServer

beforeAll(async () => {
  testbed = await Testbed.open()
  node = await testbed.node('charts')
  ;[charts, secure, acme] = await Promise.all([
    testbed.charts(),
    testbed.charts({ tls: true }),
    testbed.acme(node),
    node.programs('caddy', 'cert-manager', 'external-dns', 'external-secrets'),
  ])
  const inventory = await testbed.inventory([node], { k3s_platform_disable_components: ['traefik'] })
  const { code, stderr } = await testbed.cli(['apply', 'k3s_platform_bootstrap', '-i', inventory])
  expect(code, stderr).toBe(0)
})

afterAll(() => testbed?.close())

const newest = (chart: string) => charts.versions[chart]?.[0]

/** A HelmChart: `spec` over what all have in common. */
function helmChart(name: string, namespace: string, values: object, spec: object): object {
  return {
    apiVersion: 'helm.cattle.io/v1',
    kind: 'HelmChart',
    metadata: { name, namespace: 'kube-system' },
    spec: {
      chart: name,
      version: newest(name),
      targetNamespace: namespace,
      createNamespace: true,
      failurePolicy: 'abort',
      backOffLimit: 1,
      valuesContent: stringify(values),
      ...spec,
    },
  }
}

async function apply(...objects: readonly object[]): Promise<void> {
  const input = objects.map((one) => stringify(one)).join('---\n')
  await node.kubectl(['apply', '--server-side', '-f', '-'], input)
}

/** What `kubectl get` prints of an object's fields, or nothing while the object is missing. */
async function field(object: string, namespace: string, jsonpath: string): Promise<string> {
  const path = ['-o', `jsonpath=${jsonpath}`]
  return node.kubectl(['get', '-n', namespace, '--ignore-not-found', object, ...path])
}

/** The release is deployed, and all Deployments of its namespace are rolled out. */
async function installed(release: string, namespace: string): Promise<void> {
  const secrets = ['-n', namespace, 'get', 'secrets', '-l', `owner=helm,name=${release},status=deployed`, '-o', 'name']
  await expect.poll(() => node.kubectl(secrets)).toContain(release)
  await node.kubectl(['-n', namespace, 'rollout', 'status', 'deployments', '--timeout=120s'])
}

/** What a HelmChart's job says once it has said `text`. The chart is removed. */
async function refused(chart: object, name: string, text: string): Promise<void> {
  await apply(chart)
  const logs = `cat /opt/rancher/k3s/agent/logs/kube-system_helm-install-${name}-*`
  await expect.poll(async () => (await node.run(logs)).stdout).toContain(text)
  await node.kubectl(['-n', 'kube-system', 'delete', 'helmchart', name, '--timeout=30s'])
}

describe('charts', () => {
  test('come from the OCI registry by plain http', async () => {
    const values = { crds: { enabled: true }, extraArgs: ['--dns01-check-retry-period=1s'] }
    const source = { chart: `${charts.ociUrl}/cert-manager`, plainHTTP: true }
    await apply(helmChart('cert-manager', 'cert-manager', values, source))
    await installed('cert-manager', 'cert-manager')
    expect(await charts.mirror.requests()).toContainEqual(
      expect.objectContaining({ path: `/v2/charts/cert-manager/manifests/${newest('cert-manager')}` }),
    )
  })

  test('come from the OCI registry by https with an authority of its own', async () => {
    const values = { webhook: { port: 10260 } }
    const source = { chart: `${secure.ociUrl}/external-secrets`, repoCA: secure.ca }
    await apply(helmChart('external-secrets', 'external-secrets', values, source))
    await installed('external-secrets', 'external-secrets')
  })

  test('come from the repository by https with an authority of its own', async () => {
    const values = {
      provider: { name: 'inmemory' },
      policy: 'upsert-only',
      sources: ['ingress'],
      txtOwnerId: 'testbed',
      domainFilters: ['example.test'],
      extraArgs: ['--inmemory-zone=example.test'],
      interval: '5s',
    }
    await apply(helmChart('external-dns', 'dns', values, { repo: secure.repoUrl, repoCA: secure.ca }))
    await installed('external-dns', 'dns')
  })

  test('come from the repository by plain http, and Caddy gets an address', async () => {
    const values = { ingressController: { classNameRequired: true, config: { email: 'ops@example.test' } } }
    await apply(helmChart('caddy-ingress-controller', 'caddy', values, { repo: charts.repoUrl }))
    await installed('caddy-ingress-controller', 'caddy')
    const address = '{.status.loadBalancer.ingress[0].ip}'
    expect(await field('service/caddy-ingress-controller', 'caddy', address)).toBe(node.host)
  })

  test('are not there while the repository is down, in a version that it has not, or with other bytes', async () => {
    const { mirror, repoUrl, ociUrl } = charts
    const reloader = (spec: object) => helmChart('reloader', 'reloader', {}, { repo: repoUrl, ...spec })
    await mirror.down()
    await refused(reloader({}), 'reloader', 'connection refused')
    await mirror.up()
    await refused(reloader({ version: '9.9.9' }), 'reloader', 'version "9.9.9" not found')
    await mirror.fault({ path: `sha256:${charts.digest('reloader', newest('reloader') ?? '')}`, kind: 'corrupt' })
    const oci = { repo: undefined, chart: `${ociUrl}/reloader`, plainHTTP: true }
    await refused(reloader(oci), 'reloader', 'mismatch')
    await mirror.clear()
  })

  test('are refused with values that the chart does not take', async () => {
    const values = { service: { externalTrafficPolicy: '' } }
    const chart = helmChart('caddy-ingress-controller', 'caddy-2', values, { repo: charts.repoUrl })
    const other = { ...chart, metadata: { name: 'caddy-2', namespace: 'kube-system' } }
    await refused(other, 'caddy-2', "value must be one of 'Cluster', 'Local'")
  })
})

describe('certificates', () => {
  const annotation = { 'caddy.ingress.kubernetes.io/disable-ssl-redirect': 'true' }
  const issuer = () => ({
    apiVersion: 'cert-manager.io/v1',
    kind: 'ClusterIssuer',
    metadata: { name: 'acme' },
    spec: {
      acme: {
        server: acme.directoryUrl,
        caBundle: Buffer.from(acme.ca).toString('base64'),
        privateKeySecretRef: { name: 'acme-account-key' },
        solvers: [
          {
            http01: {
              ingress: { ingressClassName: 'caddy', ingressTemplate: { metadata: { annotations: annotation } } },
            },
          },
        ],
      },
    },
  })
  const certificate = (name: string) => ({
    apiVersion: 'cert-manager.io/v1',
    kind: 'Certificate',
    metadata: { name, namespace: 'default' },
    spec: { secretName: name, dnsNames: [`${name}.example.test`], issuerRef: { kind: 'ClusterIssuer', name: 'acme' } },
  })
  const READY = '{.status.conditions[?(@.type=="Ready")].status}'

  test('are issued by the ACME server, which asks through Caddy', async () => {
    await apply(issuer())
    await expect.poll(() => field('clusterissuer/acme', 'default', READY)).toBe('True')
    await apply(certificate('site'))
    await expect.poll(() => field('certificate/site', 'default', READY)).toBe('True')
    const [chain, root] = await Promise.all([field('secret/site', 'default', '{.data.tls\\.crt}'), acme.root()])
    const pem = Buffer.from(chain, 'base64').toString()
    const verify =
      'cat >/tmp/all; sed "/^ROOT$/,\\$d" /tmp/all >/tmp/chain; sed "1,/^ROOT$/d" /tmp/all >/tmp/root; openssl verify -CAfile /tmp/root -untrusted /tmp/chain /tmp/chain'
    const verified = await node.run(verify, { input: `${pem}ROOT\n${root}\n` })
    expect(verified.stdout, verified.stderr).toContain('OK')
    const seen = await node.ask('cat /opt/rancher/k3s/agent/logs/caddy_*.log')
    expect(seen).toContain('site.example.test/.well-known/acme-challenge/')
  })

  test('wait while their name points elsewhere', async () => {
    await acme.point('elsewhere.example.test', '10.88.0.1')
    await apply(certificate('elsewhere'))
    const reason = () =>
      node.kubectl(['get', 'challenges', '-n', 'default', '-o', 'jsonpath={.items[*].status.reason}'])
    await expect.poll(reason).toContain('connection refused')
    await acme.unpoint('elsewhere.example.test')
    await expect.poll(() => field('certificate/elsewhere', 'default', READY)).toBe('True')
  })

  test('are not ordered while the ACME server limits the rate', async () => {
    await acme.rateLimit()
    await apply(certificate('limited'))
    const orders = async () => (await acme.requests()).filter((request) => request.refused)
    await expect.poll(orders).not.toEqual([])
    expect(await field('certificate/limited', 'default', READY)).toBe('False')
    await acme.clear()
  })
})

describe('external-secrets', () => {
  const store = {
    apiVersion: 'external-secrets.io/v1',
    kind: 'SecretStore',
    metadata: { name: 'fake', namespace: 'default' },
    spec: { provider: { fake: { data: [{ key: '/token', value: 'from the store' }] } } },
  }
  const secret = (name: string, key: string, spec: object = {}) => ({
    apiVersion: 'external-secrets.io/v1',
    kind: 'ExternalSecret',
    metadata: { name, namespace: 'default' },
    spec: { secretStoreRef: { name: 'fake' }, data: [{ secretKey: 'token', remoteRef: { key } }], ...spec },
  })
  const REASON = '{.status.conditions[?(@.type=="Ready")].reason}'

  test('writes the Secret from its store, and says why it cannot', async () => {
    await apply(store, secret('there', '/token'), secret('missing', '/nowhere'))
    await expect.poll(() => field('externalsecret/there', 'default', REASON)).toBe('SecretSynced')
    await expect.poll(() => field('externalsecret/missing', 'default', REASON)).toBe('SecretSyncedError')
    const token = await field('secret/there', 'default', '{.data.token}')
    expect(Buffer.from(token, 'base64').toString()).toBe('from the store')
  })

  test('has a webhook that accepts and denies', async () => {
    const dryRun = (object: object) =>
      node.run(['k3s', 'kubectl', 'create', '--dry-run=server', '-f', '-'], { input: stringify(object) })
    expect(await dryRun(secret('good', '/token'))).toMatchObject({ code: 0 })
    const bad = secret('bad', '/token', { data: [] })
    expect(await dryRun(bad)).toMatchObject({
      code: 1,
      stderr: expect.stringContaining(
        'admission webhook "validate.externalsecret.external-secrets.io" denied the request',
      ),
    })
  })
})

test('external-dns makes records of an Ingress', async () => {
  const backend = { service: { name: 'web', port: { number: 80 } } }
  await apply({
    apiVersion: 'networking.k8s.io/v1',
    kind: 'Ingress',
    metadata: { name: 'web', namespace: 'default', annotations: { 'external-dns.kubernetes.io/target': node.host } },
    spec: {
      ingressClassName: 'caddy',
      rules: [{ host: 'web.example.test', http: { paths: [{ path: '/', pathType: 'Prefix', backend }] } }],
    },
  })
  const log = () => node.ask('grep -h CREATE /opt/rancher/k3s/agent/logs/dns_*.log || :')
  await expect.poll(log).toContain('web.example.test')
})

test('a delayed link takes its time and is trusted', async () => {
  const inventory = await testbed.inventory({ charts: await testbed.delayed(node, 400) })
  const { stdout, stderr, seconds } = await testbed.cli(['plan', 'k3s_platform_bootstrap', '-i', inventory])
  expect(stdout, stderr).toContain('charts')
  expect(stderr).not.toContain('host key')
  expect(seconds).toBeGreaterThan(2)
})
