// Creates an Ingress that lists a certificate's hosts under tls, so that Caddy uses the Secret and requests no certificate.

import type { Manifest } from '../../src/cluster/object.ts'
import { sha256 } from '../../src/files/digest.ts'
import { provesBy } from './issuers.ts'
import { caddyOn, PLATFORM } from './materials.ts'
import type { CertificateEntry } from './vars/certificates.ts'
import type { AddonVars } from './vars.ts'

const PORT = 80
/** With `-placeholder` behind it, 63. */
const LONGEST = 51

/** Nothing else routes this path, and it takes none of an application: Caddy goes by the order in which Ingresses came. */
const PATH = '/.well-known/k3s-platform/placeholder'
/** Caddy publishes the addresses of all Services whose selector fits it as those of its Ingresses; one without any fits. */
const NO_PODS = { 'k3s-platform/placeholder': 'none' }

/**
 * For a host that nothing else may list under tls. It routes one path, to a Service without pods. Caddy knows backends by port
 * number only, and the class as text.
 */
export function placeholder(of: {
  readonly name: string
  readonly namespace: string
  readonly dnsNames: readonly string[]
  readonly secretName: string
  readonly ingressClass: string
  /** Of the Ingress. */
  readonly annotations: Readonly<Record<string, string>>
}): readonly Manifest[] {
  const metadata = { name: `${labelOf(of.name)}-placeholder`, namespace: of.namespace }
  const backend = { service: { name: metadata.name, port: { number: PORT } } }
  return [
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata,
      spec: {
        type: 'ClusterIP',
        selector: NO_PODS,
        ports: [{ name: 'http', port: PORT, protocol: 'TCP', targetPort: PORT }],
      },
    },
    {
      apiVersion: 'networking.k8s.io/v1',
      kind: 'Ingress',
      metadata: { ...metadata, ...(Object.keys(of.annotations).length > 0 && { annotations: of.annotations }) },
      spec: {
        ingressClassName: of.ingressClass,
        tls: [{ hosts: of.dnsNames, secretName: of.secretName }],
        rules: of.dnsNames.map((host) => ({ host, http: { paths: [{ path: PATH, pathType: 'Exact', backend }] } })),
      },
    },
  ]
}

/** A Service's name has no dots and 63 characters at most, a Certificate's may have both. Two long ones may begin alike. */
function labelOf(name: string): string {
  const label = name.replaceAll('.', '-')
  return label.length <= LONGEST ? label : `${label.slice(0, LONGEST - 9)}-${sha256(name).slice(0, 8)}`
}

export const secretOf = ({ name, secretName }: Pick<CertificateEntry, 'name' | 'secretName'>) => secretName ?? name

/** Where it is made: the namespace whose Secret Caddy serves. */
export const placeholderNamespace = ({ namespaces }: Pick<CertificateEntry, 'namespaces'>) =>
  namespaces.find((one) => one === PLATFORM) ?? namespaces[0]

/**
 * Every certificate that Caddy proves by HTTP-01: it would order one of its own for a host that it routes a challenge for, and
 * that nothing lists under tls. And that of PostgreSQL, which speaks no HTTP: no application's Ingress lists its host. Where a
 * Service is named, the Ingress to it is in the placeholder's place.
 */
export function hasPlaceholder(v: AddonVars, certificate: CertificateEntry): boolean {
  const proven =
    caddyOn(v) && v.k3s_platform_acme_ingress_class === 'caddy' && provesBy(v, certificate.issuer)?.includes('http01')
  if (certificate.service !== undefined) return true
  return certificate.placeholder ?? (proven === true || secretOf(certificate) === 'postgresql-tls')
}
