// Adds one application's domain to a cluster, or removes it, with the objects that an entry of the custom domains has.

import { z } from 'zod'
import { absent } from '../../src/cluster/kinds/absent.ts'
import { mergedObject, object } from '../../src/cluster/kinds/object.ts'
import { type Live, type Manifest, type Ref, refOf, titleOf } from '../../src/cluster/object.ts'
import { ownerOf } from '../../src/cluster/ownership.ts'
import type { ClusterResource } from '../../src/cluster/resource.ts'
import { ProblemError } from '../../src/engine/problem.ts'
import type { Stage } from '../../src/engine/resource.ts'
import type { Finding, RoleContext } from '../role.ts'
import { servedGates } from './caddy-reload.ts'
import { certificateFindings } from './certificate-rules.ts'
import { certificateManifests, FALLBACK, issuedGate, remarkOf } from './certificates.ts'
import { certificateOf, declared, locateFindings, withCustomDomains } from './custom-domains.ts'
import { provesBy } from './issuers.ts'
import { certManagerOn } from './materials.ts'
import { secretOf } from './placeholder.ts'
import type { CertificateEntry, CustomDomain } from './vars/certificates.ts'
import type { AddonVars } from './vars.ts'

type At = Pick<RoleContext, 'host' | 'address' | 'boundSeconds'>

/** A domain of an application on one host: its Certificate, and where it comes from. */
export interface EnsuredDomain {
  readonly domain: CustomDomain
  /** The variables with all certificates of the inventory and this one. */
  readonly v: AddonVars
  readonly certificate: CertificateEntry
  /** Where the inventory has it; undefined: nowhere. */
  readonly path: readonly PropertyKey[] | undefined
}

const VARIABLE = 'k3s_platform_custom_domains'

/** `given` are the variables as the inventory has them. An entry that the inventory has under the same name is taken as it is. */
export function ensuredDomain(given: AddonVars, domain: CustomDomain): EnsuredDomain {
  const { name } = certificateOf(domain, given.k3s_platform_issuer_default)
  const found = declared(given, name, domain.namespace)
  if (found !== undefined) return { domain, ...found }
  const v = withCustomDomains({ ...given, [VARIABLE]: [...given[VARIABLE], domain] })
  const certificate = v.k3s_platform_certificates.at(-1)
  if (certificate === undefined) throw new Error('a domain makes a certificate')
  return { domain, v, certificate, path: undefined }
}

/** What is wrong with it, by the rules of the inventory. A path is a field of the domain: `issuer`, `domains` and an index. */
export function domainFindings(given: AddonVars, { domain, v, certificate, path }: EnsuredDomain, at: At): Finding[] {
  if (path !== undefined) return declaredFindings(domain, certificate)
  if (!certManagerOn(given)) {
    const hint = 'enable it: k3s_platform_cert_manager_enabled: true'
    return [{ path: [], what: 'certificates require cert-manager, which is disabled', hint }]
  }
  const own = given[VARIABLE].length
  const asked = { ...given, [VARIABLE]: [...given[VARIABLE], domain] }
  const found = certificateFindings(v, at, { given: () => true, broken: () => false })
  return locateFindings(asked, found).flatMap(({ path: [variable, index, ...rest], ...finding }) =>
    variable === VARIABLE && (index === own || index === undefined) ? [{ ...finding, path: rest }] : [],
  )
}

/** The inventory's word counts: the next run would restore it. */
function declaredFindings({ domains, issuer, service }: CustomDomain, certificate: CertificateEntry): Finding[] {
  const hint = 'change it there, then run: k3s-platform apply'
  const missing = domains.flatMap((name, i) => (certificate.dnsNames.includes(name) ? [] : [{ name, i }]))
  return [
    ...missing.map(({ name, i }) => ({
      path: ['domains', i],
      what: `the inventory declares Certificate ${certificate.name} without ${name}`,
      hint,
    })),
    ...(issuer !== undefined && issuer !== certificate.issuer
      ? [{ path: ['issuer'], what: `the inventory sets the issuer ${certificate.issuer}`, hint }]
      : []),
    ...(service !== undefined && service !== certificate.service
      ? [{ path: ['service'], what: `the inventory sets ${certificate.service ?? 'no Service'}`, hint }]
      : []),
  ]
}

export interface EnsureOptions {
  /** Also waits until it is issued and, where Caddy serves it, until Caddy does. */
  readonly wait: boolean
  /** Told the Certificate at each look. */
  readonly seen: (live: Live | null) => void
}

/** First what is written, then what is waited for. Each domain that the Certificate has already stays. */
export function domainStages(one: EnsuredDomain, at: At, { wait, seen }: EnsureOptions): Stage<ClusterResource>[] {
  const { domain, v, certificate } = one
  const { namespace } = domain
  const role = 'certs'
  const beside = manifestsOf(v, certificate, namespace, at).placeholder.map((manifest) =>
    manifest.kind === 'Ingress' ? mergedIngress(v, certificate, namespace, manifest, at) : object(manifest),
  )
  const ref = certificateRef(one)
  const made = mergedObject(ref, (live) => merged(one, live, at), { seen, ...remarkOf(v, certificate) })
  const space: Manifest = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } }
  return [
    { role, name: 'ensure', resources: [object(space), ...beside, made] },
    ...(wait
      ? [
          {
            role,
            name: 'wait',
            unlocked: true as const,
            resources: [
              issuedGate(at, namespace, certificate.name, [made.id]),
              ...servedGates(v, at, certificate, [made.id]),
            ],
          },
        ]
      : []),
  ]
}

/** The Certificate first: cert-manager would issue a Secret that is missing again. Other Ingresses to the Service stay. */
export function domainRemoval(
  one: EnsuredDomain,
  at: At,
  { deleteSecret }: { readonly deleteSecret: boolean },
): ClusterResource[] {
  const { domain, v, certificate } = one
  const { namespace } = domain
  const { service: _, ...plain } = certificate
  const ingress = { apiVersion: 'networking.k8s.io/v1', kind: 'Ingress', namespace, name: certificate.name }
  const { placeholder } = manifestsOf(v, { ...plain, placeholder: true }, namespace, at)
  const secret = { apiVersion: 'v1', kind: 'Secret', namespace, name: secretOf(certificate) }
  return [
    absent(certificateRef(one)),
    ...[ingress, ...placeholder.map(refOf)].map((ref) => absent(ref, { ours: true })),
    ...(deleteSecret ? [absent(secret)] : []),
  ]
}

export const certificateRef = ({ domain: { namespace }, certificate: { name } }: EnsuredDomain): Ref => ({
  apiVersion: 'cert-manager.io/v1',
  kind: 'Certificate',
  namespace,
  name,
})

/** As `apply` makes them of one entry. */
function manifestsOf(v: AddonVars, certificate: CertificateEntry, namespace: string, at: At) {
  const only = { ...v, k3s_platform_certificates: [{ ...certificate, namespaces: [namespace] }] }
  const [found] = certificateManifests(only, at)
  if (found === undefined) throw new Error('an entry makes a Certificate')
  return found
}

const liveCertificate = z.looseObject({
  spec: z.looseObject({
    dnsNames: z.array(z.string()).catch([]),
    issuerRef: z.looseObject({ name: z.string(), kind: z.string().catch('Issuer') }),
  }),
})
const liveIngress = z.looseObject({
  spec: z.looseObject({ tls: z.array(z.looseObject({ hosts: z.array(z.string()).catch([]) })).catch([]) }),
})

const union = (some: readonly string[], more: readonly string[]) => [...new Set([...some, ...more])]

/** The Certificate with the domains of both. Throws ProblemError where the one that is there is another domain's. */
function merged(one: EnsuredDomain, live: Live | null, at: At): Manifest {
  const { domain, v, certificate } = one
  const spec = liveCertificate.safeParse(live).data?.spec
  const [first = ''] = domain.domains
  const title = titleOf(certificateRef(one))
  const where = `${at.host} ${title}`
  if (live !== null && !spec?.dnsNames.includes(first)) {
    const what = `it is the Certificate of ${spec?.dnsNames[0] ?? 'another domain'}: two domains map to one name`
    throw new ProblemError({ kind: 'failed', where, what, hint: 'use another --app for one of them' })
  }
  const dnsNames = one.path ? certificate.dnsNames : union(spec?.dnsNames ?? [], domain.domains)
  const owner = live && ownerOf(live)
  const lost = dnsNames.filter((name) => !spec?.dnsNames.includes(name))
  if (owner !== null && lost.length > 0) {
    const hint = `add ${lost.join(', ')} in the tree that ${owner} applies`
    throw new ProblemError({ kind: 'failed', where, what: `${owner} manages it, without ${lost.join(', ')}`, hint })
  }
  const issuer = domain.issuer ?? (one.path ? certificate.issuer : issuerFor(one, dnsNames, spec?.issuerRef, live))
  return manifestsOf(v, { ...certificate, dnsNames, issuer }, domain.namespace, at).certificate
}

/** An issuer that was named earlier stays, unless it cannot prove a wildcard that came. */
function issuerFor(
  { domain, v }: EnsuredDomain,
  dnsNames: readonly string[],
  ref: { readonly name: string; readonly kind: string } | undefined,
  live: Live | null,
): string {
  const isFallback = live?.metadata.labels?.[FALLBACK] !== undefined
  const ways = ref && provesBy(v, ref.name)
  const proves = !dnsNames.some((name) => name.startsWith('*.')) || !ways || ways.some((way) => way !== 'http01')
  if (ref?.kind === 'ClusterIssuer' && !isFallback && proves) return ref.name
  return certificateOf({ ...domain, domains: [...dnsNames] }, v.k3s_platform_issuer_default).issuer
}

function mergedIngress(
  v: AddonVars,
  certificate: CertificateEntry,
  namespace: string,
  manifest: Manifest,
  at: At,
): ClusterResource {
  return mergedObject(refOf(manifest), (live) => {
    const hosts = (liveIngress.safeParse(live).data?.spec.tls ?? []).flatMap((tls) => tls.hosts)
    const wider = { ...certificate, dnsNames: union(hosts, certificate.dnsNames) }
    return manifestsOf(v, wider, namespace, at).placeholder.find(({ kind }) => kind === manifest.kind) ?? manifest
  })
}
