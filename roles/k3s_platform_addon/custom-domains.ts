// Turns the domains of applications into certificates, and completes each certificate with the default issuer.

import type { Manifest } from '../../src/cluster/object.ts'
import type { Finding } from '../role.ts'
import { locateInCharts, withCustomCharts } from './custom-charts.ts'
import { DNS01 } from './materials.ts'
import { secretOf } from './placeholder.ts'
import type { CertificateEntry, CustomDomain } from './vars/certificates.ts'
import type { AddonVars } from './vars.ts'

const CERTIFICATES = 'k3s_platform_certificates'
const VARIABLE = 'k3s_platform_custom_domains'

/** The variables with one list of certificates: those of the inventory, then one for each entry of the custom domains. */
export function withCustomDomains(v: AddonVars): AddonVars {
  const issuer = v.k3s_platform_issuer_default
  return {
    ...v,
    k3s_platform_certificates: [
      ...v.k3s_platform_certificates.map((one) => ({ ...one, issuer: one.issuer || issuer })),
      ...v.k3s_platform_custom_domains.map((one) => certificateOf(one, issuer)),
    ],
  }
}

/** The first domain names the certificate. HTTP-01 cannot prove a wildcard. */
export function certificateOf(
  { app, domains, namespace, issuer, service }: CustomDomain,
  byDefault: string,
): CertificateEntry {
  const [first = ''] = domains
  const name = `${app}-${first.replace('*', 'wildcard').replaceAll('.', '-')}`
  const isWildcard = domains.some((domain) => domain.startsWith('*.'))
  return {
    name: `cert-${name}`,
    secretName: `tls-${name}`,
    namespaces: [namespace],
    dnsNames: domains,
    issuer: issuer ?? (isWildcard ? DNS01 : byDefault),
    service,
  }
}

/** Places findings about a certificate that an entry generated at that entry. */
export function locateFindings(v: AddonVars, findings: readonly Finding[]): Finding[] {
  const own = v.k3s_platform_certificates.length
  return findings.map((finding) => {
    const [variable, at, field, ...rest] = finding.path
    if (variable !== CERTIFICATES || typeof at !== 'number' || at < own) return finding
    const to = field === 'dnsNames' ? ['domains', ...rest] : field === 'issuer' ? ['issuer'] : []
    return { ...finding, path: [VARIABLE, at - own, ...to] }
  })
}

/** The certificate of that name and namespace that the inventory asks for, among all, and where it does; undefined: it asks for none. */
export function declared(
  given: AddonVars,
  name: string,
  namespace: string,
):
  | { readonly v: AddonVars; readonly certificate: CertificateEntry; readonly path: readonly PropertyKey[] }
  | undefined {
  const v = withCustomCharts(withCustomDomains(given))
  const all = v.k3s_platform_certificates
  const at = all.findIndex((one) => one.name === name && one.namespaces.includes(namespace))
  const certificate = all[at]
  if (certificate === undefined) return undefined
  const found = locateInCharts(withCustomDomains(given), [{ path: [CERTIFICATES, at], what: '' }])
  const [first] = locateFindings(given, found)
  return { v, certificate, path: first?.path ?? [] }
}

/** Routes the names of a certificate to its Service, with TLS by its Secret. */
export function serviceIngress(
  certificate: CertificateEntry,
  namespace: string,
  ingressClassName: string,
  annotations: Readonly<Record<string, string>>,
): Manifest {
  const [name = '', port = ''] = (certificate.service ?? '').split(':')
  const backend = { service: { name, port: { number: Number(port) } } }
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'Ingress',
    metadata: { name: certificate.name, namespace, ...(Object.keys(annotations).length > 0 && { annotations }) },
    spec: {
      ingressClassName,
      tls: [{ hosts: certificate.dnsNames, secretName: secretOf(certificate) }],
      rules: certificate.dnsNames.map((host) => ({
        host,
        http: { paths: [{ path: '/', pathType: 'Prefix', backend }] },
      })),
    },
  }
}
