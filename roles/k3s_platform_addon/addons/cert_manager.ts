// cert-manager: issues and renews certificates, and owns their Secrets.

import { acceptsCertificate } from '../../../src/cluster/proofs.ts'
import type { Addon } from '../addon.ts'
import { CERT_MANAGER } from '../materials.ts'
import { isFrom, resources } from '../values.ts'

/** Chart: https://cert-manager.io/docs/installation/helm/ */
export const certManager: Addon = {
  key: 'cert_manager',
  component: 'certManager',
  name: 'cert-manager',
  chart: 'cert-manager',
  namespace: CERT_MANAGER,
  on: true,
  boundSeconds: 600,
  values: (v) => ({
    // Kept when the chart goes: with a CRD go all objects of its kind.
    ...(isFrom(v.k3s_platform_cert_manager_chart_version, '1.15')
      ? { crds: { enabled: true, keep: true } }
      : { installCRDs: true }),
    replicaCount: 1,
    resources: resources('64Mi', '256Mi'),
    webhook: { replicaCount: 1, resources: resources('32Mi', '128Mi') },
    cainjector: { replicaCount: 1, resources: resources('64Mi', '256Mi') },
    startupapicheck: { resources: resources('32Mi', '128Mi') },
    // The monitoring has a ServiceMonitor of its own.
    prometheus: {
      enabled: true,
      servicemonitor: { enabled: v.k3s_platform_service_monitors && !v.k3s_platform_monitoring_enabled },
    },
  }),
  workloads: [
    { replicas: ['replicaCount'], resources: ['resources'] },
    { replicas: ['webhook', 'replicaCount'], resources: ['webhook', 'resources'] },
    { replicas: ['cainjector', 'replicaCount'], resources: ['cainjector', 'resources'] },
  ],
  proof: () => acceptsCertificate(CERT_MANAGER),
  goesWith:
    'uninstalls cert-manager: certificates are no longer issued or renewed; its CRDs, Certificates, issuers and their Secrets remain',
}
