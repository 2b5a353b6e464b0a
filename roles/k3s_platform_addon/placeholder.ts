// An Ingress that lists a certificate's hosts under tls, so that Caddy takes the Secret and asks no CA for them itself.

import type { Manifest } from '../../src/cluster/object.ts'

const PORT = 80

/**
 * For a host that Caddy routes nothing for: its Service has no pods, https answers 502. Where an application has its own
 * Ingress with tls.hosts, none is needed. Caddy knows backends by port number only, and the class as text.
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
  // A Service's name has no dots and 63 characters at most, a Certificate's may have both.
  const metadata = { name: `${of.name.replaceAll('.', '-').slice(0, 51)}-placeholder`, namespace: of.namespace }
  const backend = { service: { name: metadata.name, port: { number: PORT } } }
  return [
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata,
      spec: { type: 'ClusterIP', ports: [{ name: 'http', port: PORT, protocol: 'TCP', targetPort: PORT }] },
    },
    {
      apiVersion: 'networking.k8s.io/v1',
      kind: 'Ingress',
      metadata: { ...metadata, ...(Object.keys(of.annotations).length > 0 && { annotations: of.annotations }) },
      spec: {
        ingressClassName: of.ingressClass,
        tls: [{ hosts: of.dnsNames, secretName: of.secretName }],
        rules: of.dnsNames.map((host) => ({ host, http: { paths: [{ path: '/', pathType: 'Prefix', backend }] } })),
      },
    },
  ]
}
