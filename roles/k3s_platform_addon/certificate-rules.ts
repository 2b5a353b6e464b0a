// Checks the certificates of the inventory before anything is touched.

import { DUPLICATES_A_WEEK, duplicates } from '../../src/certificates/limits.ts'
import { goDuration } from '../../src/engine/duration.ts'
import { nearest } from '../../src/engine/suggest.ts'
import type { Finding, RoleContext, Written } from '../role.ts'
import { issuerOf, issuers, LETS_ENCRYPT, provesBy, serverOf } from './issuers.ts'
import { CERT_MANAGER, certManagerOn, DNS01 } from './materials.ts'
import { hasPlaceholder, placeholderNamespace, secretOf } from './placeholder.ts'
import { secretTargets } from './secrets.ts'
import type { CertificateEntry } from './vars/certificates.ts'
import type { AddonVars } from './vars.ts'

const VARIABLE = 'k3s_platform_certificates'
/** cert-manager's defaults and bounds: pkg/apis/certmanager/v1/const.go. */
const DEFAULT_DURATION = 90 * 86_400
const SHORTEST_DURATION = 3600
const SHORTEST_RENEWAL = 300

const all = (v: AddonVars) =>
  v.k3s_platform_certificates.map((certificate, i) => ({ certificate, path: [VARIABLE, i] }))

/** What is wrong with certificates, before anything is touched. */
export function certificateFindings(v: AddonVars, _context: Pick<RoleContext, 'host'>, written: Written): Finding[] {
  const asking = [VARIABLE, 'k3s_platform_custom_domains']
  if ([...asking, 'k3s_platform_issuers'].some((name) => written.broken(name))) return []
  if (!certManagerOn(v)) {
    const custom = v.k3s_platform_custom_domains.length
    const ofCharts = v.k3s_platform_charts.flatMap(({ certificates }) => certificates).length
    const counts = [v.k3s_platform_certificates.length - custom - ofCharts, custom]
    return asking
      .filter((name, i) => written.given(name) && counts[i] !== 0)
      .map((name) => ({
        path: [name],
        what: 'certificates require cert-manager, which is disabled',
        hint: `remove them: ${name}: []`,
      }))
  }
  return [
    ...all(v).flatMap(({ certificate, path }) => [
      ...issuerOfFindings(v, certificate, path),
      ...times(certificate, path),
      ...key(certificate, path),
    ]),
    ...twice(v),
    ...atCaddy(v),
    ...limits(v),
    ...fallback(v),
  ]
}

function issuerOfFindings(
  v: AddonVars,
  { issuer, dnsNames }: CertificateEntry,
  path: readonly PropertyKey[],
): Finding[] {
  const at = [...path, 'issuer']
  const ways = provesBy(v, issuer)
  if (ways === undefined && v.k3s_platform_issuers[issuer] !== 'existing') {
    if (issuer === DNS01) {
      const hint = 'set CLOUDFLARE_API_TOKEN, or k3s_platform_cloudflare_mode'
      return [{ path: at, what: `${issuer} is not created: it has no Cloudflare token`, hint }]
    }
    const near = nearest(issuer, Object.keys(issuers(v)))
    const declare = `if it already exists in the cluster: k3s_platform_issuers: { ${issuer}: existing }`
    return [{ path: at, what: `no issuer "${issuer}" is declared`, hint: near ? `did you mean ${near}?` : declare }]
  }
  if (ways === undefined || ways.includes('none') || ways.includes('dns01')) return []
  return dnsNames.flatMap((name, i): Finding[] =>
    name.startsWith('*.')
      ? [{ path: [...path, 'dnsNames', i], what: `${name}: HTTP-01 cannot prove a wildcard`, hint: `issuer: ${DNS01}` }]
      : [],
  )
}

function times(
  { duration = DEFAULT_DURATION, renewBefore }: CertificateEntry,
  path: readonly PropertyKey[],
): Finding[] {
  const short: Finding[] =
    duration < SHORTEST_DURATION
      ? [{ path: [...path, 'duration'], what: 'cert-manager requires one hour or more' }]
      : []
  if (renewBefore === undefined) return short
  const at = [...path, 'renewBefore']
  if (renewBefore < SHORTEST_RENEWAL) return [...short, { path: at, what: 'cert-manager requires 5 minutes or more' }]
  if (renewBefore < duration) return short
  const what = `renewing ${goDuration(renewBefore)} before the end of ${goDuration(duration)} never stops`
  return [...short, { path: at, what, hint: 'renewBefore must be shorter than duration, whose default is 90d' }]
}

/** internal/apis/certmanager/validation/certificate.go */
function key({ privateKey }: CertificateEntry, path: readonly PropertyKey[]): Finding[] {
  const { algorithm = 'RSA', size } = privateKey ?? {}
  if (size === undefined) return []
  const at = [...path, 'privateKey', 'size']
  if (algorithm === 'Ed25519') return [{ path: at, what: 'an Ed25519 key has a fixed size', hint: 'remove it' }]
  if (algorithm === 'RSA')
    return size >= 2048 && size <= 8192 ? [] : [{ path: at, what: `RSA: expected 2048 to 8192, got ${size}` }]
  return [256, 384, 521].includes(size) ? [] : [{ path: at, what: `ECDSA: expected 256, 384 or 521, got ${size}` }]
}

/** One name or one Secret that two ask for. */
function twice(v: AddonVars): Finding[] {
  const accounts = Object.keys(issuers(v)).map((name) => ({
    path: ['k3s_platform_issuers', name],
    target: `${CERT_MANAGER}/${name}-account-key`,
  }))
  const of = (pick: (one: CertificateEntry) => string, field: string) =>
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
  const named = again(names, (target) => `another certificate has the same name: ${target}`)
  const taken = new Set(named.map(({ path }) => String(path[1])))
  return [
    ...named,
    ...again(secrets, (target) => `another certificate writes the same Secret: ${target}`).filter(
      ({ path }) => path[0] !== VARIABLE || !taken.has(String(path[1])),
    ),
  ]
}

/** Caddy keeps certificates in files by the name of their Secret alone; of one Certificate in several namespaces it reads one. */
function atCaddy(v: AddonVars): Finding[] {
  const served = all(v).filter(({ certificate }) => hasPlaceholder(v, certificate))
  return served.flatMap(({ certificate, path }, i): Finding[] => {
    const secret = secretOf(certificate)
    const other = served.slice(0, i).find((one) => secretOf(one.certificate) === secret)
    if (other === undefined || placeholderNamespace(other.certificate) === placeholderNamespace(certificate)) return []
    const what = `Caddy stores certificates by the name of their Secret: ${secret} in ${placeholderNamespace(certificate)} and in ${placeholderNamespace(other.certificate)} overwrite each other`
    return [{ path: [...path, 'secretName'], what, hint: 'change the secretName of one of them' }]
  })
}

/** Each namespace's certificate counts on its own: that is what no copies costs. */
function limits(v: AddonVars): Finding[] {
  const wanted = all(v).flatMap(({ certificate, path }) => {
    const server = serverOf(v, issuerOf(v, certificate).name)
    const { dnsNames, namespaces } = certificate
    return server === LETS_ENCRYPT ? namespaces.map(() => ({ dnsNames, issuer: server, path })) : []
  })
  return duplicates(wanted)
    .filter(({ count }) => count > DUPLICATES_A_WEEK)
    .map(({ dnsNames, count }) => ({
      path: wanted.findLast((one) => same(one.dnsNames, dnsNames))?.path ?? [VARIABLE],
      what: `${count} certificates for ${dnsNames.join(', ')}: Let's Encrypt issues at most ${DUPLICATES_A_WEEK} per week for the same names`,
      hint: 'use fewer namespaces, a different name in each, or k3s_platform_acme_server: staging',
      warning: true,
    }))
}

const same = (some: readonly string[], others: readonly string[]) =>
  [...new Set(some)].toSorted().join() === [...others].toSorted().join()

function fallback(v: AddonVars): Finding[] {
  const replaced = v.k3s_platform_certificates.filter((one) => issuerOf(v, one).fallback).map(({ name }) => name)
  if (replaced.length === 0) return []
  return [
    {
      path: ['k3s_platform_certificates_fallback'],
      what: `${replaced.join(', ')}: self-signed as a fallback; clients that verify it will reject it`,
      hint: 'the next run without this flag requests it from the issuer again',
      warning: true,
    },
  ]
}
