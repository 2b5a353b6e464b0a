// external-secrets: creates Secrets from Vault.

import { acceptsExternalSecret } from '../../../src/cluster/proofs.ts'
import type { Addon } from '../addon.ts'
import { PLATFORM } from '../materials.ts'
import { resources } from '../values.ts'

/** Chart: https://external-secrets.io/latest/introduction/getting-started/ */
export const externalSecrets: Addon = {
  key: 'external_secrets',
  component: 'externalSecrets',
  name: 'external-secrets',
  chart: 'external-secrets',
  namespace: PLATFORM,
  on: true,
  boundSeconds: 600,
  values: (v) => ({
    installCRDs: true,
    // Kept when the chart goes: with a CRD go all ExternalSecrets, and with them the Secrets that they own.
    crds: { annotations: { 'helm.sh/resource-policy': 'keep' } },
    replicaCount: 1,
    resources: resources('64Mi', '256Mi'),
    webhook: { replicaCount: 1, resources: resources('32Mi', '128Mi') },
    certController: { replicaCount: 1, resources: resources('64Mi', '256Mi') },
    serviceMonitor: { enabled: v.k3s_platform_service_monitors },
  }),
  workloads: [
    { replicas: ['replicaCount'], resources: ['resources'] },
    { replicas: ['webhook', 'replicaCount'], resources: ['webhook', 'resources'] },
    { replicas: ['certController', 'replicaCount'], resources: ['certController', 'resources'] },
  ],
  proof: () => acceptsExternalSecret(PLATFORM),
  goesWith:
    'uninstalls external-secrets: Secrets from Vault are no longer refreshed; its CRDs and their objects remain',
}
