// certs on a real cert-manager: what is issued, pending and failed is told, explained, made, renewed and removed.

import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { stringify } from 'yaml'
import { z } from 'zod'
import { certsDocument } from '../../src/report/documents.ts'
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
  inventory = await testbed.inventory([at.node], {
    ...at.vars,
    ...Object.fromEntries(OFF),
    k3s_platform_certificates: [{ name: 'site-tls', namespaces: ['platform', 'database'], dnsNames: [CERTIFIED] }],
  })
  await cli(testbed, 0, ['apply', '-i', inventory], { timeout: 300_000 })
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
  expect(head).toMatch(/^NAMESPACE +NAME +STATUS +ISSUER +NAMES +EXPIRES +RENEWS +OWNER$/)
  expect(first).toMatch(
    /^database +site-tls +issued +svc-plus-acme-http01 +postgresql-prod.svc.plus +in \d+ d +in \d+ d/,
  )
  expect(second).toMatch(/^platform +site-tls +issued .* k3s-platform$/)
  expect(end).toBe('2 issued.')
  expect((await certs(0, 'explain')).stdout).toBe('every certificate is issued\n')
  expect((await told(0, 'list', '-n', 'platform')).certificates).toMatchObject([
    { host: 'edge-1', namespace: 'platform', name: 'site-tls', status: 'issued', owner: 'k3s-platform' },
  ])
})

test('one that is pending is explained: where it stands, why, what shows it', async () => {
  await at.acme.point('elsewhere.example.test', '10.88.0.1')
  await certificate('elsewhere')
  const reasons = () =>
    at.node.kubectl(['get', 'challenges', '-n', 'default', '-o', 'jsonpath={.items[*].status.reason}'])
  await expect.poll(reasons, { timeout: 60_000, interval: 500 }).toContain('connection refused')
  const { stdout } = await certs(2)
  const command = `k3s-platform certs explain -n default elsewhere -i ${inventory}`
  expect(stdout).toContain(`2 issued, 1 pending. Why: ${command}\n`)

  const explained = await certs(2, 'explain', '-n', 'default', 'elsewhere')
  expect(explained.stdout).toMatch(/^Certificate default\/elsewhere +pending: Issuing for \d+/)
  expect(explained.stdout).toMatch(/Challenge http-01 +Presented\n/)
  expect(explained.stdout).toMatch(/\nCause {5}nothing listens on port 80 of elsewhere.example.test\n/)
  expect(explained.stdout).toMatch(
    /GET http:\/\/elsewhere.example.test\/\S+: Connection refused; from here: getaddrinfo \S+/,
  )
  expect(explained.stdout).toContain('\nFix       k3s-platform apply -t caddy')
  const { certificates } = await told(2, 'explain')
  expect(certificates).toMatchObject([{ name: 'elsewhere', status: 'pending', because: { rule: 'challenge-refused' } }])

  await at.acme.unpoint('elsewhere.example.test')
  await expect
    .poll(async () => (await told(0, 'list', '-n', 'default').catch(() => null))?.exitCode, {
      timeout: 90_000,
      interval: 2000,
    })
    .toBe(0)
})

test('one that failed is explained, and a renewal does not wait for the pause after failures', async () => {
  await at.acme.rateLimit()
  await certificate('limited')
  const failed = () => field(at.node, 'default', 'certificate/limited', '{.status.lastFailureTime}')
  await expect.poll(failed, { timeout: 60_000, interval: 500 }).not.toBe('')
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
  expect(said(await certs(64, 'renew'))).toContain('say which one')
  expect(said(await certs(1, 'renew', 'site-tsl'))).toContain('did you mean site-tls?')
  const before = await serial('database', 'site-tls')
  const other = await serial('platform', 'site-tls')
  await certs(0, 'renew', '-n', 'database', '--all')
  const renewed = await serial('database', 'site-tls')
  expect(renewed).not.toBe(before)
  expect(await serial('platform', 'site-tls')).toBe(other)

  await at.acme.rateLimit()
  const { stdout, stderr } = await certs(1, 'renew', '-n', 'database', 'site-tls')
  expect(`${stdout}${stderr}`).toMatch(/Certificate database\/site-tls: could not be renewed\n/)
  expect(`${stdout}${stderr}`).toContain('rate limited: ')
  await at.acme.clear()
  expect(await serial('database', 'site-tls')).toBe(renewed)
  await certs(0, 'renew', 'site-tls')
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
    /all\.yaml:\d+:\d+ +k3s_platform_certificates\[0\]\.namespaces\[1\]: the inventory wants/,
  )
  await certificate('owned', { 'kustomize.toolkit.fluxcd.io/name': 'platform-root' })
  expect(said(await certs(64, 'remove', '-n', 'default', 'owned', '--yes'))).toContain('Flux (platform-root) has it')
  expect(said(await certs(64, 'remove', '-n', 'default', 'limited'))).toContain('there is no terminal to ask on')
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
  expect(stderr).toContain('edge-2: there is no k3s')
  expect(stderr).toContain('edge-3')
  const { problems } = certsDocument.parse(
    JSON.parse((await cli(testbed, 1, ['certs', '-i', three, '-o', 'json'])).stdout),
  )
  expect(problems.map(({ where }) => where)).toEqual(['edge-2', expect.stringContaining('edge-3')])
})
