// Lists what to read from a cluster to explain one Certificate.

/** One read: an object by name, or a list. A missing object or kind is no error: it is part of the story. */
export interface Ask {
  readonly apiVersion: string
  readonly kind: string
  /** Left out for what is cluster-wide. */
  readonly namespace?: string
  /** One object; without it, all of the list. */
  readonly name?: string
  /** Label selector of a list. */
  readonly labels?: string
}

/** cert-manager sets it on the Pod and the Service of each HTTP-01 challenge. */
const SOLVER = 'acme.cert-manager.io/http01-solver=true'

/**
 * Everything that `readBundle` understands, to be read in parallel; give all objects to it in one list.
 * `secretName` is the Certificate's spec.secretName, when it is another than the name.
 */
export function asks(namespace: string, name: string, secretName = name): Ask[] {
  const acme = 'acme.cert-manager.io/v1'
  const certManager = 'cert-manager.io/v1'
  const solver = { namespace, labels: SOLVER }
  return [
    { apiVersion: 'v1', kind: 'Namespace', name: namespace },
    { apiVersion: certManager, kind: 'Certificate', namespace },
    { apiVersion: certManager, kind: 'ClusterIssuer' },
    { apiVersion: certManager, kind: 'Issuer', namespace },
    { apiVersion: certManager, kind: 'CertificateRequest', namespace },
    { apiVersion: acme, kind: 'Order', namespace },
    { apiVersion: acme, kind: 'Challenge', namespace },
    // Of all namespaces: one of an application may take what is for the solver's.
    { apiVersion: 'networking.k8s.io/v1', kind: 'Ingress' },
    { apiVersion: 'v1', kind: 'Pod', ...solver },
    { apiVersion: 'v1', kind: 'Service', ...solver },
    { apiVersion: 'v1', kind: 'Secret', namespace, name: secretName },
    { apiVersion: 'v1', kind: 'Event', namespace },
    // The chart's default namespace for leader election (global.leaderElection.namespace).
    { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', namespace: 'kube-system', name: 'cert-manager-controller' },
  ]
}
