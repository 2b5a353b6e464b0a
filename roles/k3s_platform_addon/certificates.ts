// The Certificates: one in each namespace that consumes it, issued there, never copied.

import { isIP } from 'node:net'
import { DUPLICATES_A_WEEK, duplicates } from '../../src/certificates/limits.ts'
import { certificateReady } from '../../src/cluster/kinds/issuance.ts'
import { object } from '../../src/cluster/kinds/object.ts'
import type { Manifest } from '../../src/cluster/object.ts'
import type { ClusterResource } from '../../src/cluster/resource.ts'
import type { Stage } from '../../src/engine/resource.ts'
import { nearest } from '../../src/engine/suggest.ts'
import type { Finding, RoleContext, Written } from '../role.ts'
import { goDuration } from '../shapes.ts'
import { exposureOf } from './addons/caddy.ts'
import { annotationPrefix } from './addons/external_dns.ts'
import { issuerOf, issuers, LETS_ENCRYPT, provesBy, serverOf } from './issuers.ts'
import { CERT_MANAGER, certManagerOn, DNS01, PLATFORM } from './materials.ts'
import { placeholder } from './placeholder.ts'
import { secretTargets } from './secrets.ts'
import type { Certificate } from './vars/certificates.ts'
import type { Vars } from './vars.ts'

const VARIABLE = 'k3s_platform_certificates'
const CERTIFICATE_SECONDS = 300
/** cert-manager's defaults and bounds: pkg/apis/certmanager/v1/const.go. */
const DEFAULT_DURATION = 90 * 86_400
const SHORTEST_DURATION = 3600
const SHORTEST_RENEWAL = 300
/** Of a common name: RFC 5280, ub-common-name. */
const COMMON_NAME = 64
/** Marks what was issued in place of what the inventory asks for. */
const FALLBACK = 'k3s-platform/fallback'

const secretOf = ({ name, secretName }: Certificate) => secretName ?? name
const all = (v: Vars) => v.k3s_platform_certificates.map((certificate, i) => ({ certificate, path: [VARIABLE, i] }))

/** After the issuers. All are made first, so that they are issued side by side; then each is waited for. */
export function certificateStages(v: Vars, context: RoleContext): Stage<ClusterResource>[] {
  if (!certManagerOn(v) || v.k3s_platform_certificates.length === 0) return []
  const made = v.k3s_platform_certificates.flatMap((certificate) =>
    certificate.namespaces.map((namespace) => ({
      namespace,
      name: certificate.name,
      resource: object(manifest(v, certificate, namespace), remarkOf(v, certificate)),
    })),
  )
  const gate = {
    boundSeconds: CERTIFICATE_SECONDS,
    ...(isIP(context.address) > 0 && { nodeAddresses: [context.address] }),
  }
  return [
    {
      role: 'k3s_platform_addon',
      name: 'certificates',
      resources: [
        ...v.k3s_platform_certificates.flatMap((one) => placeholderOf(v, one, context)).map((one) => object(one)),
        ...made.map(({ resource }) => resource),
        ...(v.k3s_platform_certificates_wait
          ? made.map(({ name, namespace, resource }) =>
              certificateReady({ namespace, name, inputs: [resource.id], ...gate }),
            )
          : []),
      ],
    },
  ]
}

/** Each Certificate with the placeholder of its host, as it is applied. */
export function certificateManifests(
  v: Vars,
  context: At,
): { readonly certificate: Manifest; readonly namespace: string; readonly placeholder: readonly Manifest[] }[] {
  return v.k3s_platform_certificates.flatMap((one) =>
    one.namespaces.map((namespace) => ({
      certificate: manifest(v, one, namespace),
      namespace,
      placeholder: placeholderOf(v, one, context).filter(({ metadata }) => metadata.namespace === namespace),
    })),
  )
}

/** PostgreSQL speaks no HTTP: no application's Ingress lists its host. */
function placeholderOf(v: Vars, certificate: Certificate, context: At): readonly Manifest[] {
  const { name, namespaces, dnsNames } = certificate
  const secretName = secretOf(certificate)
  const namespace = namespaces.find((one) => one === PLATFORM) ?? namespaces[0]
  if (!(certificate.placeholder ?? secretName === 'postgresql-tls') || namespace === undefined) return []
  const ingressClass = v.k3s_platform_acme_ingress_class
  return placeholder({ name, namespace, dnsNames, secretName, ingressClass, annotations: leadingTo(v, context) })
}

type At = Pick<RoleContext, 'address'>

/** Caddy on the node's own ports has no Service that tells Ingresses their address: external-dns is told it here. */
function leadingTo(v: Vars, { address }: At): Readonly<Record<string, string>> {
  const target = v.k3s_platform_external_dns_target ?? (isIP(address) > 0 ? address : undefined)
  if (exposureOf(v) !== 'hostport' || target === undefined) return {}
  return { [`${annotationPrefix(v)}target`]: target }
}

function remarkOf(v: Vars, certificate: Certificate): { readonly remark?: string } {
  return issuerOf(v, certificate).fallback ? { remark: `self-signed in place of ${certificate.issuer}` } : {}
}

function manifest(v: Vars, certificate: Certificate, namespace: string): Manifest {
  const { name, dnsNames, duration, renewBefore, privateKey, usages, secretTemplate } = certificate
  const issuer = issuerOf(v, certificate)
  const commonName = dnsNames.find((one) => one.length <= COMMON_NAME)
  return {
    apiVersion: 'cert-manager.io/v1',
    kind: 'Certificate',
    metadata: {
      name,
      namespace,
      ...(issuer.fallback && {
        labels: { [FALLBACK]: 'selfsigned' },
        annotations: { [`${FALLBACK}-for`]: certificate.issuer },
      }),
    },
    spec: {
      secretName: secretOf(certificate),
      issuerRef: { group: 'cert-manager.io', kind: 'ClusterIssuer', name: issuer.name },
      ...(commonName === undefined ? {} : { commonName }),
      dnsNames,
      ...(duration === undefined ? {} : { duration: goDuration(duration) }),
      ...(renewBefore === undefined ? {} : { renewBefore: goDuration(renewBefore) }),
      ...(privateKey === undefined ? {} : { privateKey: given(privateKey) }),
      ...(usages === undefined ? {} : { usages }),
      ...(secretTemplate === undefined ? {} : { secretTemplate: given(secretTemplate) }),
    },
  }
}

/** Without the keys that are undefined. */
function given<T>(map: { readonly [key: string]: T | undefined }): { readonly [key: string]: T } {
  return Object.fromEntries(
    Object.entries(map).flatMap(([key, value]) => (value === undefined ? [] : [[key, value] as const])),
  )
}

/** What is wrong with certificates, before anything is touched. */
export function certificateFindings(v: Vars, _context: Pick<RoleContext, 'host'>, written: Written): Finding[] {
  if ([VARIABLE, 'k3s_platform_issuers'].some((name) => written.broken(name))) return []
  if (!certManagerOn(v)) {
    return written.given(VARIABLE) && v.k3s_platform_certificates.length > 0
      ? [
          {
            path: [VARIABLE],
            what: 'certificates need cert-manager, which is turned off',
            hint: `remove them: ${VARIABLE}: []`,
          },
        ]
      : []
  }
  return [
    ...all(v).flatMap(({ certificate, path }) => [
      ...issuerOfFindings(v, certificate, path),
      ...times(certificate, path),
      ...key(certificate, path),
    ]),
    ...twice(v),
    ...limits(v),
    ...fallback(v),
  ]
}

function issuerOfFindings(v: Vars, { issuer, dnsNames }: Certificate, path: readonly PropertyKey[]): Finding[] {
  const at = [...path, 'issuer']
  const ways = provesBy(v, issuer)
  if (ways === undefined && v.k3s_platform_issuers[issuer] !== 'existing') {
    if (issuer === DNS01) {
      const hint = 'set CLOUDFLARE_API_TOKEN, or k3s_platform_cloudflare_mode'
      return [{ path: at, what: `${issuer} is not made: it has no token of Cloudflare`, hint }]
    }
    const near = nearest(issuer, Object.keys(issuers(v)))
    const declare = `one that is in the cluster already: k3s_platform_issuers: { ${issuer}: existing }`
    return [{ path: at, what: `no issuer "${issuer}" is declared`, hint: near ? `did you mean ${near}?` : declare }]
  }
  if (ways === undefined || ways.includes('none') || ways.includes('dns01')) return []
  return dnsNames.flatMap((name, i): Finding[] =>
    name.startsWith('*.')
      ? [{ path: [...path, 'dnsNames', i], what: `${name}: HTTP-01 cannot prove a wildcard`, hint: `issuer: ${DNS01}` }]
      : [],
  )
}

function times({ duration = DEFAULT_DURATION, renewBefore }: Certificate, path: readonly PropertyKey[]): Finding[] {
  const short: Finding[] =
    duration < SHORTEST_DURATION ? [{ path: [...path, 'duration'], what: 'cert-manager takes one hour or more' }] : []
  if (renewBefore === undefined) return short
  const at = [...path, 'renewBefore']
  if (renewBefore < SHORTEST_RENEWAL) return [...short, { path: at, what: 'cert-manager takes 5 minutes or more' }]
  if (renewBefore < duration) return short
  const what = `renewal ${goDuration(renewBefore)} before the end of ${goDuration(duration)} never stops`
  return [...short, { path: at, what, hint: 'renewBefore must be shorter than duration, whose default is 90d' }]
}

/** internal/apis/certmanager/validation/certificate.go */
function key({ privateKey }: Certificate, path: readonly PropertyKey[]): Finding[] {
  const { algorithm = 'RSA', size } = privateKey ?? {}
  if (size === undefined) return []
  const at = [...path, 'privateKey', 'size']
  if (algorithm === 'Ed25519') return [{ path: at, what: 'an Ed25519 key has one size', hint: 'remove it' }]
  if (algorithm === 'RSA')
    return size >= 2048 && size <= 8192 ? [] : [{ path: at, what: `RSA: expected 2048 to 8192, got ${size}` }]
  return [256, 384, 521].includes(size) ? [] : [{ path: at, what: `ECDSA: expected 256, 384 or 521, got ${size}` }]
}

/** One name or one Secret that two ask for. */
function twice(v: Vars): Finding[] {
  const accounts = Object.keys(issuers(v)).map((name) => ({
    path: ['k3s_platform_issuers', name],
    target: `${CERT_MANAGER}/${name}-account-key`,
  }))
  const of = (pick: (one: Certificate) => string, field: string) =>
    all(v).flatMap(({ certificate, path }) =>
      certificate.namespaces.map((namespace) => ({
        path: [...path, field],
        target: `${namespace}/${pick(certificate)}`,
      })),
    )
  const names = of(({ name }) => name, 'name')
  const secrets = [...accounts, ...secretTargets(v), ...of(secretOf, 'secretName')]
  const again = (list: typeof secrets, what: (target: string) => string): Finding[] => {
    const at = new Map<string, Finding>()
    for (const [i, { target, path }] of list.entries()) {
      if (list.findIndex((one) => one.target === target) < i) at.set(path.join('.'), { path, what: what(target) })
    }
    return [...at.values()]
  }
  const named = again(names, (target) => `another certificate is ${target}, too`)
  const taken = new Set(named.map(({ path }) => String(path[1])))
  return [
    ...named,
    ...again(secrets, (target) => `the Secret ${target} is written by another, too`).filter(
      ({ path }) => path[0] !== VARIABLE || !taken.has(String(path[1])),
    ),
  ]
}

/** Each namespace's certificate counts on its own: that is what no copies costs. */
function limits(v: Vars): Finding[] {
  const wanted = all(v).flatMap(({ certificate, path }) => {
    const server = serverOf(v, issuerOf(v, certificate).name)
    const { dnsNames, namespaces } = certificate
    return server === LETS_ENCRYPT ? namespaces.map(() => ({ dnsNames, issuer: server, path })) : []
  })
  return duplicates(wanted)
    .filter(({ count }) => count > DUPLICATES_A_WEEK)
    .map(({ dnsNames, count }) => ({
      path: wanted.findLast((one) => same(one.dnsNames, dnsNames))?.path ?? [VARIABLE],
      what: `${count} certificates for ${dnsNames.join(', ')}: Let's Encrypt issues ${DUPLICATES_A_WEEK} a week for the same names`,
      hint: 'fewer namespaces, another name in each, or k3s_platform_acme_server: staging',
      warning: true,
    }))
}

const same = (some: readonly string[], others: readonly string[]) =>
  [...new Set(some)].toSorted().join() === [...others].toSorted().join()

function fallback(v: Vars): Finding[] {
  const replaced = v.k3s_platform_certificates.filter((one) => issuerOf(v, one).fallback).map(({ name }) => name)
  if (replaced.length === 0) return []
  return [
    {
      path: ['k3s_platform_certificates_fallback'],
      what: `${replaced.join(', ')}: self-signed as a recovery, clients that check it will refuse it`,
      hint: 'the next run without it asks the issuer again',
      warning: true,
    },
  ]
}
