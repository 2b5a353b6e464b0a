// An application's domain on a cluster in memory: what is made of it, what is added to, what is refused, and what is removed.

import { beforeEach, describe, expect, test } from 'vitest'
import { stringify } from 'yaml'
import {
  domainFindings,
  domainRemoval,
  domainStages,
  ensuredDomain,
} from '../../../roles/k3s_platform_addon/ensured-domain.ts'
import { customDomain } from '../../../roles/k3s_platform_addon/vars/certificates.ts'
import { vars } from '../../../roles/k3s_platform_addon/vars.ts'
import type { Live } from '../../../src/cluster/object.ts'
import { FakeCluster } from '../../cluster/fake.ts'
import { made, planned } from '../../cluster/kit.ts'

const at = { host: 'edge-1', address: '203.0.113.7', boundSeconds: undefined }
let cluster: FakeCluster
beforeEach(() => {
  cluster = new FakeCluster('platform')
})

const given = (more: Readonly<Record<string, unknown>> = {}) => vars.parse({ k3s_platform_certificates: [], ...more })
const domain = (more: Readonly<Record<string, unknown>> = {}) =>
  customDomain.parse({ app: 'shop', domains: ['shop.example.com'], ...more })

function resourcesOf(asked = domain(), v = given(), seen: (live: Live | null) => void = () => undefined) {
  return domainStages(ensuredDomain(v, asked), at, { wait: false, seen }).flatMap(({ resources }) => resources)
}
const plans = async (asked = domain(), v = given()) =>
  Promise.all(resourcesOf(asked, v).map(async (one) => `${one.id} ${await planned(one, cluster)}`))
async function ensure(asked = domain(), v = given()): Promise<string[]> {
  const outcomes = []
  for (const one of resourcesOf(asked, v)) outcomes.push(await made(one, cluster))
  return outcomes.map(({ problem }) => problem).filter(Boolean)
}
const certificate = (name: string, namespace = 'default') => {
  const found = cluster.peek({ apiVersion: 'cert-manager.io/v1', kind: 'Certificate', namespace, name })
  return found && { spec: found.spec, managers: found.metadata.managedFields?.map(({ manager }) => manager) }
}
const ingress = (name: string) =>
  cluster.peek({ apiVersion: 'networking.k8s.io/v1', kind: 'Ingress', namespace: 'default', name })?.spec

test('a domain becomes what an entry of the inventory becomes, and then there is nothing to do', async () => {
  expect(await ensure()).toEqual([])
  const { spec, managers } = certificate('cert-shop-shop-example-com') ?? {}
  expect(managers).toEqual(['kubectl-k3s-platform'])
  expect(stringify(spec)).toMatchInlineSnapshot(`
    "secretName: tls-shop-shop-example-com
    issuerRef:
      group: cert-manager.io
      kind: ClusterIssuer
      name: svc-plus-acme-http01
    commonName: shop.example.com
    dnsNames:
      - shop.example.com
    "
  `)
  expect((await plans()).map((line) => line.replace(/^\S+ /, ''))).toEqual(['none', 'none', 'none', 'none'])
  const entry = { app: 'shop', domains: ['shop.example.com'] }
  const declared = given({ k3s_platform_custom_domains: [entry] })
  expect((await plans(domain(), declared)).every((line) => line.endsWith(' none'))).toBe(true)
})

test('further domains are added to those that are there, in its Ingress, too', async () => {
  await ensure(domain({ domains: ['Shop.Example.Com.', 'www.shop.example.com'], service: 'web:8080' }))
  expect(await ensure(domain({ domains: ['shop.example.com', 'bücher.example'], service: 'web:8080' }))).toEqual([])
  const all = ['shop.example.com', 'www.shop.example.com', 'xn--bcher-kva.example']
  expect(certificate('cert-shop-shop-example-com')?.spec).toMatchObject({ dnsNames: all })
  expect(ingress('cert-shop-shop-example-com')).toMatchObject({
    ingressClassName: 'caddy',
    tls: [{ hosts: all, secretName: 'tls-shop-shop-example-com' }],
    rules: all.map((host) => ({
      host,
      http: { paths: [{ backend: { service: { name: 'web', port: { number: 8080 } } } }] },
    })),
  })
})

test('twenty at the same time make one Certificate with the domains of all', async () => {
  await ensure()
  const outcomes = await Promise.all(
    Array.from({ length: 20 }, (_, i) => ensure(domain({ domains: ['shop.example.com', `n${i}.example.com`] }))),
  )
  expect(outcomes.flat()).toEqual([])
  expect(certificate('cert-shop-shop-example-com')?.spec).toMatchObject({
    dnsNames: { length: 21, 0: 'shop.example.com' },
  })
}, 60_000)

describe('the issuer', () => {
  const issuerOf = () => certificate('cert-shop-shop-example-com')?.spec
  const cloudflare = given({ k3s_platform_cloudflare_mode: 'existing' })

  test('that was named once stays when it is not named again', async () => {
    await ensure(domain({ issuer: 'svc-plus-selfsigned' }))
    await ensure(domain({ domains: ['shop.example.com', '*.shop.example.com'] }), cloudflare)
    expect(issuerOf()).toMatchObject({ issuerRef: { name: 'svc-plus-selfsigned' } })
  })

  test('becomes that of DNS-01 when a wildcard comes that the one before cannot prove', async () => {
    await ensure()
    await ensure(domain({ domains: ['shop.example.com', '*.shop.example.com'] }), cloudflare)
    expect(issuerOf()).toMatchObject({ issuerRef: { name: 'svc-plus-acme-dns01-cloudflare' } })
    await ensure(domain(), cloudflare)
    expect(issuerOf()).toMatchObject({ issuerRef: { name: 'svc-plus-acme-dns01-cloudflare' } })
  })
})

test('another domain that maps to the name of one that is there is refused, and changes nothing', async () => {
  await ensure(domain({ domains: ['a.b.example.com'] }))
  const [problem] = (await plans(domain({ domains: ['a-b.example.com'] }))).filter((line) =>
    line.includes('two domains'),
  )
  expect(problem).toMatchInlineSnapshot(`
    "Certificate.cert-manager.io/default/cert-shop-a-b-example-com edge-1 Certificate default/cert-shop-a-b-example-com: it is the Certificate of a.b.example.com: two domains map to one name
    hint: use another --app for one of them"
  `)
  expect(certificate('cert-shop-a-b-example-com')?.spec).toMatchObject({ dnsNames: ['a.b.example.com'] })
})

test('what GitOps owns is left alone where it has the domain, and refused where it has not', async () => {
  await ensure()
  const ref = {
    apiVersion: 'cert-manager.io/v1',
    kind: 'Certificate',
    namespace: 'default',
    name: 'cert-shop-shop-example-com',
  }
  await cluster.patch(ref, { metadata: { labels: { 'kustomize.toolkit.fluxcd.io/name': 'shop' } } })
  expect(await planned(resourcesOf().at(-1) ?? expect.fail(), cluster)).toMatch(/^owned/)
  const more = domain({ domains: ['shop.example.com', 'www.shop.example.com'] })
  expect(await planned(resourcesOf(more).at(-1) ?? expect.fail(), cluster)).toMatchInlineSnapshot(`
    "edge-1 Certificate default/cert-shop-shop-example-com: Flux (shop) manages it, without www.shop.example.com
    hint: add www.shop.example.com in the tree that Flux (shop) applies"
  `)
})

describe('what is refused before anything is touched', () => {
  const says = (more: Readonly<Record<string, unknown>>, v = given()) => {
    const one = ensuredDomain(v, domain(more))
    return domainFindings(v, one, at).map(({ path, what, hint }) => `${path.join('.')}: ${what} (${hint})`)
  }
  const entry = { app: 'shop', domains: ['shop.example.com'], service: 'web:80' }

  test.each<[name: string, more: object, v?: object]>([
    ['nothing that is right', {}],
    ['a wildcard without a token for DNS-01', { domains: ['*.shop.example.com'] }],
    [
      'a wildcard by an issuer that cannot prove it',

      { domains: ['*.shop.example.com'], issuer: 'svc-plus-acme-http01' },
    ],
    ['an issuer that nobody declares', { issuer: 'svc-plus-selfsinged' }],
    ['what is without cert-manager', {}, { k3s_platform_cert_manager_enabled: false }],
    [
      'a name that another certificate of the inventory has',
      {},
      {
        k3s_platform_certificates: [
          { name: 'x', namespaces: ['default'], dnsNames: ['x.example.com'], secretName: 'tls-shop-shop-example-com' },
        ],
      },
    ],
    [
      'nothing that the inventory declares as it is asked for',
      { service: 'web:80' },
      { k3s_platform_custom_domains: [entry] },
    ],
    [
      'what the inventory declares otherwise',

      { domains: ['shop.example.com', 'www.shop.example.com'], issuer: 'svc-plus-selfsigned', service: 'web:8080' },
      { k3s_platform_custom_domains: [entry] },
    ],
  ])('%s', (_, more, v) => {
    expect(says({ ...more }, given({ ...v }))).toMatchSnapshot()
  })
})

test('it is removed with all that was made for it, and its Secret only when that is asked for', async () => {
  const secret = { apiVersion: 'v1', kind: 'Secret', namespace: 'default', name: 'tls-shop-shop-example-com' }
  cluster.put({ apiVersion: 'v1', kind: 'Secret', metadata: { name: secret.name, namespace: 'default' } })
  await ensure()
  await ensure(domain({ service: 'web:80' }))
  const remove = async (deleteSecret: boolean) => {
    for (const one of domainRemoval(ensuredDomain(given(), domain()), at, { deleteSecret }))
      if ((await planned(one, cluster)) !== 'none') await made(one, cluster)
  }
  await remove(false)
  expect(certificate('cert-shop-shop-example-com')).toBeNull()
  expect(ingress('cert-shop-shop-example-com')).toBeUndefined()
  expect(ingress('cert-shop-shop-example-com-placeholder')).toBeUndefined()
  expect(cluster.peek(secret)).not.toBeNull()
  await remove(true)
  expect(cluster.peek(secret)).toBeNull()
  await remove(true)
})
