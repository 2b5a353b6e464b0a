// Creates a Certificate in each namespace that consumes it. Certificates are never copied.

import { isIP } from 'node:net'
import { certificateReady } from '../../src/cluster/kinds/issuance.ts'
import { object } from '../../src/cluster/kinds/object.ts'
import type { Manifest } from '../../src/cluster/object.ts'
import type { ClusterResource } from '../../src/cluster/resource.ts'
import { goDuration } from '../../src/engine/duration.ts'
import type { Stage } from '../../src/engine/resource.ts'
import type { RoleContext } from '../role.ts'
import { exposureOf } from './addons/caddy.ts'
import { annotationPrefix } from './addons/external_dns.ts'
import { servedGates } from './caddy-reload.ts'
import { serviceIngress } from './custom-domains.ts'
import { issuerOf } from './issuers.ts'
import { certManagerOn } from './materials.ts'
import { hasPlaceholder, placeholder, placeholderNamespace, secretOf } from './placeholder.ts'
import type { CertificateEntry } from './vars/certificates.ts'
import type { AddonVars } from './vars.ts'

const CERTIFICATE_SECONDS = 300
/** Of a common name: RFC 5280, ub-common-name. */
const COMMON_NAME = 64
/** Marks what was issued in place of what the inventory asks for. */
export const FALLBACK = 'k3s-platform/fallback'

/** After the issuers. All are made first, so that they are issued side by side; then each is waited for. */
export function certificateStages(v: AddonVars, context: RoleContext): Stage<ClusterResource>[] {
  if (!certManagerOn(v) || v.k3s_platform_certificates.length === 0) return []
  const made = v.k3s_platform_certificates.flatMap((certificate) =>
    certificate.namespaces.map((namespace) => ({
      namespace,
      name: certificate.name,
      resource: object(manifest(v, certificate, namespace), remarkOf(v, certificate)),
    })),
  )
  return [
    {
      role: 'k3s_platform_addon',
      name: 'certificates',
      resources: [
        ...v.k3s_platform_certificates.flatMap((one) => placeholderOf(v, one, context)).map((one) => object(one)),
        ...made.map(({ resource }) => resource),
        ...(v.k3s_platform_certificates_wait
          ? made.map(({ name, namespace, resource }) => issuedGate(context, namespace, name, [resource.id]))
          : []),
        ...(v.k3s_platform_certificates_wait ? v.k3s_platform_certificates : []).flatMap((one) =>
          servedGates(
            v,
            context,
            one,
            made.filter(({ name }) => name === one.name).map(({ resource }) => resource.id),
          ),
        ),
      ],
    },
  ]
}

/** Open once the Certificate is issued. */
export function issuedGate({ address }: At, namespace: string, name: string, inputs: readonly string[]) {
  const nodeAddresses = isIP(address) > 0 && { nodeAddresses: [address] }
  return certificateReady({ namespace, name, inputs, boundSeconds: CERTIFICATE_SECONDS, ...nodeAddresses })
}

/** Each Certificate with the placeholder of its host, as it is applied. */
export function certificateManifests(
  v: AddonVars,
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

function placeholderOf(v: AddonVars, certificate: CertificateEntry, context: At): readonly Manifest[] {
  const { name, dnsNames } = certificate
  const secretName = secretOf(certificate)
  const namespace = placeholderNamespace(certificate)
  // The application's Ingress lists the hosts under tls, as the placeholder does for others.
  if (certificate.service !== undefined && namespace !== undefined)
    return [serviceIngress(certificate, namespace, v.k3s_platform_acme_ingress_class, leadingTo(v, context))]
  if (!hasPlaceholder(v, certificate) || namespace === undefined) return []
  const ingressClass = v.k3s_platform_acme_ingress_class
  return placeholder({ name, namespace, dnsNames, secretName, ingressClass, annotations: leadingTo(v, context) })
}

type At = Pick<RoleContext, 'address'>

/** Caddy on the node's own ports has no Service that tells Ingresses their address: external-dns is told it here. */
function leadingTo(v: AddonVars, { address }: At): Readonly<Record<string, string>> {
  const target = v.k3s_platform_external_dns_target ?? (isIP(address) > 0 ? address : undefined)
  if (exposureOf(v) !== 'hostport' || target === undefined) return {}
  return { [`${annotationPrefix(v)}target`]: target }
}

export function remarkOf(v: AddonVars, certificate: CertificateEntry): { readonly remark?: string } {
  return issuerOf(v, certificate).fallback ? { remark: `self-signed in place of ${certificate.issuer}` } : {}
}

function manifest(v: AddonVars, certificate: CertificateEntry, namespace: string): Manifest {
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
