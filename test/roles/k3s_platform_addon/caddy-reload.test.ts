// The CronJob's script under three shells, with a curl that answers as the API and Caddy do: what it finds, and when it has Caddy load.

import { spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { reloadManifests } from '../../../roles/k3s_platform_addon/caddy-reload.ts'
import { vars } from '../../../roles/k3s_platform_addon/vars.ts'
import { LOAD_PATH } from '../../../src/cluster/kinds/caddy.ts'
import { SHELLS, type Shell } from '../../host/shells.ts'
import { context } from '../k3s_platform_bootstrap/given.ts'

const container = z.looseObject({
  command: z.tuple([z.literal('sh'), z.literal('-c'), z.string()]),
  env: z.array(z.strictObject({ name: z.string(), value: z.string() })),
})
const cronJob = z.looseObject({
  spec: z.looseObject({
    jobTemplate: z.looseObject({
      spec: z.looseObject({
        template: z.looseObject({ spec: z.looseObject({ containers: z.tuple([container]) }) }),
      }),
    }),
  }),
})

function jobOf(more: Readonly<Record<string, unknown>> = {}) {
  const job = reloadManifests(vars.parse(more), context).find(({ kind }) => kind === 'CronJob')
  const [found] = cronJob.parse(job).spec.jobTemplate.spec.template.spec.containers
  return { script: found.command[2], env: Object.fromEntries(found.env.map(({ name, value }) => [name, value])) }
}

const OLD = '2026-12-01T10:00:00Z'
const NEW = '2027-03-01T10:00:00Z'
const OPENSSL = { [OLD]: 'Dec  1 10:00:00 2026 GMT', [NEW]: 'Mar  1 10:00:00 2027 GMT' }
type Time = keyof typeof OPENSSL

/** As the API writes it: each manager's fields have quotes in their names. */
const managedFields = [{ manager: 'x', fieldsV1: { 'f:status': { 'k:{"type":"Ready"}': {}, 'f:notAfter': {} } } }]
const certificate = (namespace: string, name: string, notAfter: string | null, secretName = `${name}-tls`) => ({
  apiVersion: 'cert-manager.io/v1',
  kind: 'Certificate',
  metadata: { annotations: { note: 'a "quoted\\" word, {and} [more]: é' }, managedFields, name, namespace },
  spec: { dnsNames: ['other.example.com'], issuerRef: { name: 'x' }, secretName },
  status: { conditions: [{ type: 'Ready', status: 'True' }], ...(notAfter !== null && { notAfter }) },
})
const ingress = (namespace: string, hosts: readonly string[], secretName: string, how: 'field' | 'mark' | 'other') => ({
  metadata: {
    ...{ managedFields, name: `i-${hosts[0]}`, namespace },
    ...(how === 'mark' && { annotations: { 'kubernetes.io/ingress.class': 'caddy' } }),
  },
  spec: {
    ...(how !== 'mark' && { ingressClassName: how === 'field' ? 'caddy' : 'nginx' }),
    tls: [{ hosts: ['none.example.com'] }, { hosts, secretName }],
    rules: hosts.map((host) => ({ host })),
  },
  status: { loadBalancer: {} },
})

interface World {
  readonly ingresses: readonly object[]
  readonly certificates: readonly object[]
  /** Until when the certificate is valid that Caddy shows for a host. */
  readonly shown: Readonly<Record<string, Time>>
  /** Seconds since Caddy loaded last; default: now. */
  readonly ago?: number
  readonly api?: 'refuses'
}

let home: string
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'caddy-reload-'))
})
afterEach(() => rmSync(home, { recursive: true }))

const APPLETS = ['sh', 'awk', 'cat', 'cut', 'date', 'echo', 'grep', 'head', 'sed', 'sleep', 'printf']
/** Answers from files: `/apis/...` by the path with dashes, `https://HOST/` by the host. */
const CURL = `#!/bin/sh
for url; do :; done
method=GET body= previous=
for one; do
  [ "$previous" != -X ] || method=$one
  [ "$previous" != -d ] || body=$one
  previous=$one
done
case $url in
  https://api:443/*) path=\${url#https://api:443/} path=\${path%%\\?*}
    if [ $method = PATCH ]; then echo "$path $body" >>@/patched; exit; fi
    for file in @/api/*; do case $path in *"\${file##*/}") cat "$file"; exit ;; esac; done
    echo '{"kind":"Status","code":403}'; exit 22 ;;
  http://*) printf 502 ;;
  https://*) host=\${url#https://}; [ ! -f "@/shown/\${host%/}" ] || printf 'Expire date: %s\\n' "$(cat "@/shown/\${host%/}")" ;;
esac
`

function run(shell: Shell, world: World, more: Readonly<Record<string, unknown>> = {}) {
  const { script, env } = jobOf(more)
  const bin = join(home, 'bin')
  for (const directory of ['bin', 'api', 'shown']) mkdirSync(join(home, directory))
  if (shell === 'busybox') for (const name of APPLETS) symlinkSync('/usr/bin/busybox', join(bin, name))
  writeFileSync(join(bin, 'curl'), CURL.replaceAll('@', home))
  chmodSync(join(bin, 'curl'), 0o755)
  const last = Math.floor(Date.now() / 1000) - (world.ago ?? 0)
  const canary = { kind: 'Ingress', spec: { rules: [{ http: { paths: [{ path: `${LOAD_PATH}${last}` }] } }] } }
  const api = (name: string, value: object) => writeFileSync(join(home, 'api', name), JSON.stringify(value))
  if (world.api !== 'refuses') api('ingresses', { kind: 'IngressList', metadata: {}, items: world.ingresses })
  // The API sorts the fields of a list of custom resources.
  api('certificates', { apiVersion: 'x/v1', items: world.certificates, kind: 'CertificateList', metadata: {} })
  api('caddy-reload', canary)
  for (const [host, time] of Object.entries(world.shown)) writeFileSync(join(home, 'shown', host), OPENSSL[time])
  const path = shell === 'busybox' ? bin : `${bin}:/usr/bin:/bin`
  const args = { busybox: ['sh'], bash: ['--norc'], dash: [] }[shell]
  const { status, stdout, stderr } = spawnSync(`/usr/bin/${shell}`, [...args, '-c', script], {
    stdio: ['ignore', 'pipe', 'pipe'],
    encoding: 'utf8',
    env: { ...env, PATH: path, KUBERNETES_SERVICE_HOST: 'api', KUBERNETES_SERVICE_PORT: '443' },
  })
  let patched = ''
  try {
    patched = readFileSync(join(home, 'patched'), 'utf8')
  } catch {}
  return { status, stdout, patched, stderr: stderr.replace(/^cat: .*\n/gm, '') }
}

const LOADED = 'Caddy has loaded its configuration\n'
const site = certificate('platform', 'site', NEW)
const CASES: Readonly<Record<string, { world: World; says: string; loads?: false }>> = {
  'what is served as issued': {
    world: {
      ingresses: [ingress('platform', ['site.svc.plus'], 'site-tls', 'field')],
      certificates: [site],
      shown: { 'site.svc.plus': NEW },
    },
    says: '',
    loads: false,
  },
  'an old one': {
    world: {
      ingresses: [ingress('platform', ['site.svc.plus'], 'site-tls', 'field')],
      certificates: [site],
      shown: { 'site.svc.plus': OLD },
    },
    says: `site.svc.plus: Caddy serves ${OLD}, issued is ${NEW}\n${LOADED}`,
  },
  'none, after a restart': {
    world: {
      ingresses: [ingress('platform', ['site.svc.plus'], 'site-tls', 'field')],
      certificates: [site],
      shown: {},
    },
    says: `site.svc.plus: Caddy serves no certificate, issued is ${NEW}\n${LOADED}`,
  },
  'an old one of a domain that no inventory has, by an Ingress of the older mark': {
    world: {
      ingresses: [
        ingress('platform', ['site.svc.plus'], 'site-tls', 'field'),
        ingress('shop', ['*.shop.example.com'], 'shop-tls', 'mark'),
      ],
      certificates: [site, certificate('shop', 'shop', NEW)],
      shown: { 'site.svc.plus': NEW, 'any.shop.example.com': OLD },
    },
    says: `any.shop.example.com: Caddy serves ${OLD}, issued is ${NEW}\n${LOADED}`,
  },
  'what Caddy does not serve: another class, another namespace, nothing issued, no Certificate': {
    world: {
      ingresses: [
        ingress('platform', ['a.example.com'], 'site-tls', 'other'),
        ingress('shop', ['b.example.com'], 'site-tls', 'field'),
        ingress('shop', ['c.example.com'], 'new-tls', 'field'),
        ingress('shop', ['d.example.com'], 'by-hand', 'field'),
      ],
      certificates: [site, certificate('shop', 'new', null)],
      shown: {},
    },
    says: '',
    loads: false,
  },
  'either of two Certificates for one host is as it should be': {
    world: {
      ingresses: [
        ingress('platform', ['site.svc.plus'], 'site-tls', 'field'),
        ingress('database', ['site.svc.plus'], 'site-tls', 'field'),
      ],
      certificates: [site, certificate('database', 'site', OLD)],
      shown: { 'site.svc.plus': OLD },
    },
    says: '',
    loads: false,
  },
  'once a day anyway': { world: { ingresses: [], certificates: [], shown: {}, ago: 90_000 }, says: LOADED },
}

describe.each(SHELLS)('under %s', (shell) => {
  test.each(Object.entries(CASES))('%s', (_, { world, says, loads = true }) => {
    const { status, stdout, stderr, patched } = run(shell, world)
    expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: says, stderr: '' })
    expect(patched).toMatch(
      loads ? /ingresses\/caddy-reload \{"spec":\{"rules":\[\{"host":"caddy-reload\.invalid"/ : /^$/,
    )
  })

  test('an API that refuses fails the job', () => {
    const { status, stderr, patched } = run(shell, { ingresses: [], certificates: [], shown: {}, api: 'refuses' })
    expect({ status, stderr, patched }).toEqual({
      ...{ status: 1, patched: '' },
      stderr: 'the API does not list Ingresses and Certificates\n',
    })
  })
})

test('a thousand certificates take a second', () => {
  const names = Array.from({ length: 1000 }, (_, i) => `n${i}`)
  const world = {
    ingresses: names.map((name) => ingress('shop', [`${name}.example.com`], `${name}-tls`, 'other')),
    certificates: names.map((name) => certificate('shop', name, NEW)),
    shown: {},
  }
  const before = process.resourceUsage()
  expect(run('busybox', world)).toMatchObject({ status: 0, stdout: '' })
  expect(process.resourceUsage().userCPUTime - before.userCPUTime).toBeLessThan(5_000_000)
})

test('where Caddy watches one namespace alone, it reads nothing outside of it', () => {
  const watching = vars.parse({
    k3s_platform_caddy_values: { ingressController: { watchNamespace: 'platform' } },
  })
  const found = reloadManifests(watching, context)
  expect(found.map(({ kind, metadata }) => `${metadata.namespace ?? '-'} ${kind}`)).toEqual([
    'platform Ingress',
    'platform ServiceAccount',
    'platform Role',
    'platform RoleBinding',
    'platform CronJob',
  ])
  expect(JSON.stringify(found)).toContain('/apis/cert-manager.io/v1/namespaces/platform/certificates')
})

test('without cert-manager it only loads once a day, and may read nothing else', () => {
  const off = { k3s_platform_cert_manager_enabled: false, k3s_platform_certificates: [] }
  const world: World = { ingresses: [], certificates: [], shown: {}, api: 'refuses' }
  expect(run('busybox', world, off)).toMatchObject({ status: 0, stdout: '', stderr: '' })
  expect(reloadManifests(vars.parse(off), context).map(({ kind }) => kind)).not.toContain('ClusterRole')
})
