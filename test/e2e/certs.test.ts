// certs on a real cert-manager: what is issued, pending and failed is told, explained, made, renewed and removed.

import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { parse, stringify } from 'yaml'
import { z } from 'zod'
import { certsCheckDocument, certsDocument, certsEnsureDocument } from '../../src/report/certs-documents.ts'
import { certsForecastDocument } from '../../src/report/certs-forecast-v1.ts'
import { Testbed } from '../testbed/testbed.ts'
import { CERTIFIED, field, type Platform, platform } from './platform.ts'
import { cli, said } from './state.ts'

const SCHEMA = fileURLToPath(new URL('../../docs/schema/certs-v1.json', import.meta.url))
const OFF = ['external_secrets', 'external_dns', 'reloader', 'apisix'].map((addon) => [
  `k3s_platform_${addon}_enabled`,
  false,
])

let testbed: Testbed
let at: Platform
let inventory: string

beforeAll(async () => {
  testbed = await Testbed.open()
  at = await platform(testbed, 'edge-1')
  inventory = await inventoryWith({})
  await cli(testbed, 0, ['apply', '-i', inventory], { timeout: 300_000 })
})

const inventoryWith = (more: Readonly<Record<string, unknown>>) =>
  testbed.inventory([at.node], {
    ...at.vars,
    ...Object.fromEntries(OFF),
    k3s_platform_certificates: [{ name: 'site-tls', namespaces: ['platform', 'database'], dnsNames: [CERTIFIED] }],
    ...more,
  })

afterEach(async () => {
  await at.acme.clear()
  await at.acme.unpoint('elsewhere.example.test')
})
afterAll(() => testbed?.close())

const certs = (code: number, ...words: readonly string[]) =>
  cli(testbed, code, ['certs', ...words, '-i', inventory], { timeout: 180_000 })

async function told(code: number, ...words: readonly string[]) {
  const raw: unknown = JSON.parse((await certs(code, ...words, '-o', 'json')).stdout)
  const published = z.fromJSONSchema(JSON.parse(await readFile(SCHEMA, 'utf8')))
  expect(published.safeParse(raw).error).toBeUndefined()
  return certsDocument.parse(raw)
}

/** By the issuer of the role, in the namespace default, which the inventory does not know of. */
async function certificate(name: string, labels: Readonly<Record<string, string>> = {}): Promise<void> {
  const issuerRef = { kind: 'ClusterIssuer', name: 'svc-plus-acme-http01' }
  const one = {
    apiVersion: 'cert-manager.io/v1',
    kind: 'Certificate',
    metadata: { name, namespace: 'default', labels },
    spec: { secretName: `${name}-secret`, dnsNames: [`${name}.example.test`], issuerRef },
  }
  await at.node.kubectl(['apply', '-f', '-'], stringify(one))
}

const serial = (namespace: string, secret: string) => field(at.node, namespace, `secret/${secret}`, '{.data.tls\\.crt}')

test('what is issued is listed, with exit code 0', async () => {
  const { stdout } = await certs(0)
  const [head, first, second, end] = stdout.split('\n')
  expect(head).toMatch(/^NAMESPACE +NAME +STATE +ISSUER +NAMES +AGE +EXPIRES +RENEWS +OWNER$/)
  expect(first).toMatch(
    /^database +site-tls +Ready +svc-plus-acme-http01 +postgresql-prod.svc.plus +\d+ [sm].* in \d+ d +in \d+ d/,
  )
  expect(second).toMatch(/^platform +site-tls +Ready .* k3s-platform$/)
  expect(end).toBe('2 Ready.')
  expect((await certs(0, 'explain')).stdout).toBe('every certificate is healthy\n')
  expect((await told(0, 'list', '-n', 'platform')).certificates).toMatchObject([
    { ...{ host: 'edge-1', namespace: 'platform', name: 'site-tls' }, status: 'issued', owner: 'k3s-platform' },
  ])
})

test('what Caddy serves is compared with the Secrets, from the node and from outside', async () => {
  const { stdout } = await certs(0, 'check')
  expect(stdout).toMatch(/^NAMESPACE +NAME +SERVERNAME +NODE +OUTSIDE +VALID UNTIL\n/)
  expect(stdout).toMatch(/^platform +site-tls +postgresql-prod\.svc\.plus +Current +\w+ +\d{4}-/m)
  const raw: unknown = JSON.parse((await certs(0, 'check', CERTIFIED, '-o', 'json')).stdout)
  expect(certsCheckDocument.parse(raw).served).toMatchObject([
    { namespace: 'platform', name: 'site-tls', servername: CERTIFIED, node: { state: 'Current' } },
  ])
  expect(said(await certs(1, 'check', 'elsewhere.example.test'))).toContain('no Ingress serves a certificate for')
})

test('the renewals of the next weeks are forecast, as text, JSON and a page', async () => {
  expect((await certs(0, 'forecast', '--days', '200')).stdout).toMatch(
    /^From \d{4}-\d\d-\d\d to \d{4}-\d\d-\d\d \(200 days\): 2 certificates, \d+ renewals, no problems\n\nNEXT RENEWALS\n/,
  )
  const raw: unknown = JSON.parse((await certs(0, 'forecast', '-n', 'platform', '-o', 'json')).stdout)
  const { certificates, renewals, buckets } = certsForecastDocument.parse(raw)
  expect([certificates, buckets]).toEqual([1, []])
  expect(renewals[0]).toMatchObject({ host: 'edge-1', namespace: 'platform', name: 'site-tls', limited: false })
  const page = (await certs(0, 'forecast', '-o', 'html')).stdout
  expect(page).toMatch(/^<!doctype html>/)
  expect(page).toContain('platform/site-tls on edge-1')
})

test('what uses a Secret, and what expires soon, is listed where it is asked for', async () => {
  const consumer = {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'Ingress',
    metadata: { name: 'shop', namespace: 'database' },
    spec: {
      ingressClassName: 'none',
      tls: [{ hosts: [CERTIFIED], secretName: 'site-tls' }],
      defaultBackend: { service: { name: 'shop', port: { number: 80 } } },
    },
  }
  await at.node.kubectl(['apply', '-f', '-'], stringify(consumer))
  const wide = (await certs(0, '-o', 'wide', '-n', 'database')).stdout.split('\n')
  expect(wide[0]).toMatch(/ SECRET +CONSUMERS$/)
  expect(wide[1]).toMatch(/ site-tls +Ingress\/shop$/)
  const yaml = certsDocument.parse(parse((await certs(0, '-o', 'yaml', '-n', 'database')).stdout))
  expect(yaml).toEqual(await told(0, 'list', '-n', 'database'))
  expect(yaml.certificates).toMatchObject([{ state: 'Ready', consumers: ['Ingress/shop'] }])
  await at.node.kubectl(['delete', '-n', 'database', 'ingress/shop'])

  expect((await certs(0, '--expiring-within', '1h')).stdout).toBe('no certificates\n')
  expect((await certs(2, '--expiring-within', '3650d')).stdout).toContain('2 Ready.')
})

test('a watch shows what is there, then each change, until it is interrupted', async () => {
  const watching = testbed.spawnCli(['certs', '-w', '-n', 'default', '-i', inventory])
  let seen = ''
  watching.stdout.on('data', (text) => {
    seen += text
  })
  await certificate('kept')
  await expect.poll(() => seen).toMatch(/^default +kept /m)
  await certificate('watched')
  await expect.poll(() => seen).toMatch(/^default +watched /m)
  await at.node.kubectl(['delete', '-n', 'default', 'certificate/watched', 'certificate/kept'])
  await expect.poll(() => seen).toMatch(/ +watched +Deleted /)
  watching.kill('SIGINT')
  const { stdout, exitCode } = await watching
  const [head, ...rows] = stdout.trim().split('\n')
  expect(head).toMatch(/^NAMESPACE +NAME +STATE /)
  expect(rows[0]).toMatch(/^default +kept +(?:Pending|Issuing) /)
  expect(exitCode).toBe(0)
})

test('one that is pending is explained: where it stands, why, what shows it', async () => {
  await at.acme.point('elsewhere.example.test', '10.88.0.1')
  await certificate('elsewhere')
  const reasons = () =>
    at.node.kubectl(['get', 'challenges', '-n', 'default', '-o', 'jsonpath={.items[*].status.reason}'])
  await expect.poll(reasons).toContain('connection refused')
  const { stdout } = await certs(2)
  const command = `k3s-platform certs explain -n default elsewhere -i ${inventory}`
  expect(stdout).toContain(`2 Ready, 1 Issuing. Why: ${command}\n`)

  const explained = await certs(2, 'explain', '-n', 'default', 'elsewhere')
  expect(explained.stdout).toMatch(/^Certificate default\/elsewhere +pending: Issuing for \d+/)
  expect(explained.stdout).toMatch(/Challenge http-01 +Presented\n/)
  expect(explained.stdout).toMatch(/\nCause {5}port 80 of elsewhere.example.test refused the connection\n/)
  expect(explained.stdout).toMatch(
    /GET http:\/\/elsewhere.example.test\/\S+: Connection refused; from the workstation: getaddrinfo \S+/,
  )
  expect(explained.stdout).toContain('\nFix       k3s-platform apply -t caddy')
  const { certificates, certManager } = await told(2, 'explain')
  expect(certificates).toMatchObject([
    {
      ...{ name: 'elsewhere', status: 'pending', because: { rule: 'challenge-refused' } },
      details: {
        order: { state: 'pending', dnsNames: ['elsewhere.example.test'] },
        challenges: [
          {
            ...{ type: 'HTTP-01', presented: true },
            solver: {
              service: { selectsPod: true, reachesPod: true },
              ingress: { class: 'caddy', reachesService: true },
            },
          },
        ],
      },
    },
  ])
  const running = { state: 'Running', available: 1 }
  expect(certManager).toMatchObject([
    {
      host: 'edge-1',
      deployments: ['cert-manager', 'cert-manager-cainjector', 'cert-manager-webhook'].map((name) => ({
        name,
        ...running,
      })),
      webhooks: Array(2).fill({ failurePolicy: 'Fail', hasCa: true, service: 'cert-manager/cert-manager-webhook' }),
    },
  ])

  await at.acme.unpoint('elsewhere.example.test')
  await expect
    .poll(async () => (await told(0, 'list', '-n', 'default').catch(() => null))?.exitCode, { interval: 2000 })
    .toBe(0)
})

test('one whose challenge an application takes is explained by that Ingress', async () => {
  const settings = ['configmap', '-n', 'platform', 'caddy-ingress-controller-configmap']
  const sort = (smart: string) =>
    at.node.kubectl(['patch', ...settings, '-p', JSON.stringify({ data: { experimentalSmartSort: smart } })])
  const backend = { service: { name: 'application', port: { number: 80 } } }
  const application = {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'Ingress',
    metadata: {
      name: 'application',
      namespace: 'default',
      annotations: { 'caddy.ingress.kubernetes.io/disable-ssl-redirect': 'true' },
    },
    spec: {
      ingressClassName: 'caddy',
      rules: [{ http: { paths: [{ path: '/', pathType: 'Prefix', backend }] } }],
      tls: [{ hosts: ['taken.example.test'] }],
    },
  }
  await sort('false')
  await at.node.kubectl(['apply', '-f', '-'], stringify(application))
  await certificate('taken')
  const reasons = () =>
    at.node.kubectl(['get', 'challenges', '-n', 'default', '-o', 'jsonpath={.items[*].status.reason}'])
  await expect.poll(reasons).toContain('502')
  const { stdout } = await certs(2, 'explain', '-n', 'default', 'taken')
  expect(stdout).toContain('\nCause     Ingress default/application intercepts the challenge of taken.example.test: ')
  expect(stdout).toMatch(/\nFix {7}make Caddy sort routes by path: .*experimentalSmartSort: true/)

  await sort('true') // and the application stays
  const issued = async () => (await told(0, 'list', '-n', 'default').catch(() => null))?.exitCode
  await expect.poll(issued, { interval: 2000 }).toBe(0)
  await at.node.kubectl(['delete', '-n', 'default', 'ingress/application', 'certificate/taken'])
})

test('one that failed is explained, and a renewal does not wait for the pause after failures', async () => {
  await at.acme.rateLimit()
  await certificate('limited')
  const failed = () => field(at.node, 'default', 'certificate/limited', '{.status.lastFailureTime}')
  await expect.poll(failed).not.toBe('')
  const { stdout } = await certs(2, 'explain')
  expect(stdout).toMatch(/^Certificate default\/limited +failed once, next try in 59 m/)
  expect(stdout).toContain('\nCause     rate limited: ')
  const again = await certs(1, 'renew', '-n', 'default', 'limited')
  expect(said(again)).toContain('rate limited: ')

  await at.acme.clear()
  expect((await certs(2, 'renew', 'limited', '-C')).stdout).toContain('! renew Certificate default/limited')
  await certs(0, 'renew', 'limited')
  expect((await told(0, 'list', '-n', 'default')).certificates).toMatchObject([
    { name: 'elsewhere', status: 'issued' },
    { name: 'limited', status: 'issued' },
  ])
})

test('what is issued is issued anew; when that fails it is told, and the pair of before stays', async () => {
  expect(said(await certs(64, 'renew'))).toContain('requires a name')
  expect(said(await certs(1, 'renew', 'site-tsl'))).toContain('did you mean site-tls?')
  const before = await serial('database', 'site-tls')
  const other = await serial('platform', 'site-tls')
  await certs(0, 'renew', '-n', 'database', '--all')
  const renewed = await serial('database', 'site-tls')
  expect(renewed).not.toBe(before)
  expect(await serial('platform', 'site-tls')).toBe(other)

  await at.acme.rateLimit()
  const { stdout, stderr } = await certs(1, 'renew', '-n', 'database', 'site-tls')
  expect(`${stdout}${stderr}`).toMatch(/Certificate database\/site-tls: it could not be renewed\n/)
  expect(`${stdout}${stderr}`).toContain('rate limited: ')

  // The previous pair is in use still, and yet somebody has to know.
  expect((await certs(2)).stdout).toMatch(/^database +site-tls +RenewalFailing /m)
  expect((await certs(2, 'explain')).stdout).toMatch(
    /^Certificate database\/site-tls +issued, .*renewal failed, next try in/,
  )
  expect((await told(2, 'list', '-n', 'database')).certificates).toMatchObject([
    { status: 'issued', state: 'RenewalFailing' },
  ])
  expect((await cli(testbed, 2, ['doctor', '-i', inventory])).stdout).toMatch(
    /warn {2}Certificate database\/site-tls: its renewal has failed or is overdue: valid until /,
  )
  await at.acme.clear()
  expect(await serial('database', 'site-tls')).toBe(renewed)
  await certs(0, 'renew', 'site-tls')
})

/** Everything that a rehearsal makes. */
const rehearsed = async () => {
  const kinds = 'certificates,issuers,clusterissuers,secrets'
  const names = await at.node.kubectl(['get', kinds, '-A', '-o', 'name'])
  return names.split('\n').filter((name) => name.includes('rehearsal'))
}

test('a rehearsal comes first, stops the renewal when it fails, and leaves nothing', async () => {
  const where = ['renew', '-n', 'database', 'site-tls', '--rehearse']
  expect(said(await certs(1, ...where))).toContain('No staging server is known for ')
  const staging = [...where, '--staging-server', at.acme.directoryUrl]
  expect((await certs(2, ...staging, '-C')).stdout).toContain('! rehearse database/site-tls')
  const before = await serial('database', 'site-tls')
  await at.acme.rateLimit()
  const failed = said(await certs(1, ...staging))
  expect(failed).toContain('The rehearsal failed: nothing was ordered from the production server')
  expect(failed).toContain('rate limited: ')
  expect(await serial('database', 'site-tls')).toBe(before)
  expect(await rehearsed()).toEqual([])

  await at.acme.clear()
  await certs(0, ...staging)
  expect(await serial('database', 'site-tls')).not.toBe(before)
  expect(await rehearsed()).toEqual([])
})

test('what a killed rehearsal has left is removed by the next renewal', async () => {
  await at.acme.rateLimit()
  const words = ['certs', 'renew', '-n', 'database', 'site-tls', '--rehearse', '--staging-server', at.acme.directoryUrl]
  const running = testbed.spawnCli([...words, '-i', inventory])
  await expect.poll(rehearsed).toContainEqual(expect.stringMatching(/^certificate/))
  running.kill('SIGKILL')
  await running
  await at.acme.clear()
  expect((await certs(2, 'renew', '-n', 'platform', 'site-tls', '-C')).stdout).toContain('- leftovers of a rehearsal')
  await certs(0, 'renew', '-n', 'platform', 'site-tls')
  expect(await rehearsed()).toEqual([])
})

test('what the inventory asks for is made again and waited for', async () => {
  await certs(0, 'ensure')
  await at.node.kubectl(['delete', '-n', 'database', 'certificate/site-tls', 'secret/site-tls'])
  expect((await certs(2, 'ensure', '-C')).stdout).toContain('+ Certificate database/site-tls')
  await certs(0, 'ensure')
  expect(await serial('database', 'site-tls')).not.toBe('')
})

test('only what nobody wants any more is removed, its Secret only when that is asked for', async () => {
  const wanted = await certs(64, 'remove', '-n', 'database', 'site-tls', '--yes')
  expect(said(wanted)).toMatch(
    /all\.yaml:\d+:\d+ +k3s_platform_certificates\[0\]\.namespaces\[1\]: the inventory declares/,
  )
  await certificate('owned', { 'kustomize.toolkit.fluxcd.io/name': 'platform-root' })
  expect(said(await certs(64, 'remove', '-n', 'default', 'owned', '--yes'))).toContain(
    'Flux (platform-root) manages it',
  )
  expect(said(await certs(64, 'remove', '-n', 'default', 'limited'))).toContain(
    'confirmation is required, but there is no terminal',
  )
  expect((await certs(2, 'remove', '-n', 'default', 'limited', '--delete-secret', '-C')).stdout).toContain(
    '- Certificate default/limited',
  )

  await certs(0, 'remove', '-n', 'default', 'limited', '--delete-secret', '--yes')
  await certs(0, 'remove', '-n', 'default', 'elsewhere', '--yes')
  const left = await at.node.kubectl(['get', 'certificates,secrets', '-n', 'default', '-o', 'name'])
  expect(left).toContain('certificate.cert-manager.io/owned')
  expect(left).toContain('secret/elsewhere-secret')
  expect(left).not.toMatch(/limited-secret|certificate\S*\/(limited|elsewhere)/)
})

test("an application's domain is one entry of the inventory, from the certificate to the route, and goes with it", async () => {
  const entry = { app: 'shop', domains: ['Shop.Example.Test.'], namespace: 'shop', service: 'web:80' }
  const more = await inventoryWith({ k3s_platform_custom_domains: [entry] })
  await cli(testbed, 0, ['apply', '-i', more], { timeout: 300_000 })
  expect((await cli(testbed, 0, ['plan', '-i', more])).stdout).toContain('Plan: no changes')
  const name = 'cert-shop-shop-example-test'
  const listed = await cli(testbed, 0, ['certs', '-n', 'shop', '-i', more, '-o', 'json'])
  expect(certsDocument.parse(JSON.parse(listed.stdout)).certificates).toMatchObject([
    { name, state: 'Ready', names: ['shop.example.test'], owner: 'k3s-platform', consumers: [`Ingress/${name}`] },
  ])
  const kept = await cli(testbed, 64, ['certs', 'remove', '-n', 'shop', name, '--yes', '-i', more])
  expect(said(kept)).toMatch(/all\.yaml:\d+:\d+ +k3s_platform_custom_domains\[0\]: the inventory declares/)

  await cli(testbed, 0, ['apply', '-i', inventory])
  expect(await at.node.kubectl(['get', '-n', 'shop', 'certificates,ingresses', '-o', 'name'])).toBe('')
})

describe("a deploy's domain", () => {
  const domain = ['--app', 'cart', '--domain', 'Cart.Example.Test.', '--namespace', 'cart']
  const name = 'cert-cart-cart-example-test'
  const secret = 'tls-cart-cart-example-test'
  const names = async (kind: string) =>
    (await at.node.kubectl(['get', kind, '-n', 'cart', '-o', 'name'])).split('\n').filter(Boolean)
  const version = () => field(at.node, 'cart', `certificate/${name}`, '{.metadata.resourceVersion}')

  test('that twenty ensure at the same time is one Certificate with one Order', async () => {
    expect((await certs(2, 'ensure', ...domain, '-C')).stdout).toContain(`+ Certificate cart/${name}`)
    const runs = await Promise.all(Array.from({ length: 20 }, () => certs(0, 'ensure', ...domain, '--wait')))
    for (const { stdout } of runs) expect(stdout).toMatch(/^cart\.example\.test +issued /m)
    expect(await names('certificates')).toEqual([`certificate.cert-manager.io/${name}`])
    expect(await names('orders.acme.cert-manager.io')).toHaveLength(1)
    const managers = ['get', '-n', 'cart', 'certificate', name, '--show-managed-fields']
    expect(await at.node.kubectl([...managers, '-o', 'jsonpath={.metadata.managedFields[*].manager}'])).toContain(
      'kubectl-k3s-platform',
    )
  })

  test('changes nothing the second time, and tells how it is', async () => {
    const before = await version()
    const { stdout } = await certs(0, 'ensure', ...domain, '--wait', '-o', 'json')
    expect(certsEnsureDocument.parse(JSON.parse(stdout))).toMatchObject({
      exitCode: 0,
      domains: [
        {
          ...{ host: 'edge-1', app: 'cart', namespace: 'cart', certificate: name, domain: 'cart.example.test' },
          ...{ tls_status: 'issued', expires: expect.stringMatching(/^\d{4}-.*Z$/), secret },
        },
      ],
      problems: [],
    })
    expect(await version()).toBe(before)
    expect((await certs(0, 'ensure', ...domain, '-C')).stdout).toContain('Plan: no changes')
  })

  test('is served by Caddy, also after a renewal that no run has seen', async () => {
    expect((await certs(0, 'check', 'cart.example.test')).stdout).toMatch(/ cart\.example\.test +Current /)
    const before = await serial('cart', secret)
    const issuing = { type: 'Issuing', status: 'True', reason: 'ManuallyTriggered', message: 'test' }
    const conditions = [{ ...issuing, lastTransitionTime: new Date().toISOString().replace(/\.\d+/, '') }]
    const patch = ['-p', JSON.stringify({ status: { conditions } }), '--type=merge', '--subresource=status']
    await at.node.kubectl(['patch', '-n', 'cart', 'certificate', name, ...patch])
    await expect.poll(() => serial('cart', secret)).not.toBe(before)
    await at.node.kubectl(['create', '-n', 'platform', 'job', 'reload-cart', '--from=cronjob/caddy-reload'])
    const ended = () => field(at.node, 'platform', 'job/reload-cart', '{.status.conditions[*].type}')
    await expect.poll(ended).toContain('Complete')
    await expect
      .poll(async () => (await testbed.cli(['certs', 'check', 'cart.example.test', '-i', inventory])).stdout)
      .toMatch(/ cart\.example\.test +Current /)
  })

  test('takes further domains, and a Service that they are routed to', async () => {
    await certs(0, 'ensure', ...domain, '--domain', 'www.cart.example.test', '--ingress', 'web:80', '--wait')
    await certs(0, 'ensure', ...domain)
    const listed = await told(0, 'list', '-n', 'cart')
    expect(listed.certificates).toMatchObject([{ name, names: ['cart.example.test', 'www.cart.example.test'] }])
    const hosts = await field(at.node, 'cart', `ingress/${name}`, '{.spec.ingressClassName} {.spec.rules[*].host}')
    expect(hosts).toBe('caddy cart.example.test www.cart.example.test')
    expect((await certs(0, 'check', 'www.cart.example.test')).stdout).toContain('Current')
  })

  test('is refused where it has the name of another one, or cannot be proven, and nothing is changed', async () => {
    const before = await version()
    const other = await certs(1, 'ensure', '--app', 'cart', '--domain', 'cart-example.test', '-n', 'cart')
    expect(said(other)).toContain('two domains map to one name')
    const wildcard = ['--domain', '*.cart.example.test', '--issuer', 'svc-plus-acme-http01']
    expect(said(await certs(64, 'ensure', '--app', 'cart', ...wildcard))).toContain('HTTP-01 cannot prove a wildcard')
    expect(
      said(await certs(64, 'remove', '--app', 'cart', '--domain', 'www.cart.example.test', '-n', 'cart', '-y')),
    ).toContain('to remove all of them: --domain cart.example.test')
    expect(await version()).toBe(before)
  })

  test('is removed with all that was made for it, and an apply of the inventory leaves it alone until then', async () => {
    await cli(testbed, 0, ['apply', '-i', inventory], { timeout: 300_000 })
    expect(await names('certificates')).toEqual([`certificate.cert-manager.io/${name}`])
    await certs(0, 'remove', ...domain, '--yes')
    expect(await names('certificates,ingresses,services')).toEqual([])
    expect(await names('secrets')).toContain(`secret/${secret}`)
    await certs(0, 'remove', ...domain, '--yes', '--delete-secret')
    expect(await names('secrets')).not.toContain(`secret/${secret}`)
    await certs(0, 'remove', ...domain, '--yes')
  })
})

test('a host that does not answer, or has no k3s, is told beside what the others have', async () => {
  const bare = await testbed.node('edge-2')
  const hosts = {
    'edge-1': at.node.hostVars(),
    'edge-2': bare.hostVars(),
    'edge-3': { ...bare.hostVars(), ansible_port: 1 },
  }
  const three = await testbed.inventory(hosts)
  const { stdout, stderr } = await cli(testbed, 1, ['certs', '-i', three])
  expect(stdout).toContain('site-tls')
  expect(stderr).toContain('edge-2: k3s is not installed')
  expect(stderr).toContain('edge-3')
  const { problems } = certsDocument.parse(
    JSON.parse((await cli(testbed, 1, ['certs', '-i', three, '-o', 'json'])).stdout),
  )
  expect(problems.map(({ where }) => where)).toEqual(['edge-2', expect.stringContaining('edge-3')])
})
