// Reloader: restarts annotated workloads of the platform's namespace when a Secret changes.

import type { Addon } from '../addon.ts'
import { PLATFORM } from '../materials.ts'
import { resources } from '../values.ts'

/** Chart: https://github.com/stakater/Reloader/tree/master/deployments/kubernetes/chart/reloader */
export const reloader: Addon = {
  key: 'reloader',
  component: 'reloader',
  name: 'reloader',
  chart: 'reloader',
  namespace: PLATFORM,
  on: true,
  boundSeconds: 300,
  values: (v) => ({
    reloader: {
      // Of its own namespace, Secrets alone, and only workloads that name one: Caddy does not, a restart would lose its certificates.
      watchGlobally: false,
      ignoreConfigMaps: true,
      autoReloadAll: false,
      // An annotation of the pod template, which Helm leaves alone, instead of a variable in the container.
      reloadStrategy: 'annotations',
      deployment: { replicas: 1, resources: resources('64Mi', '256Mi') },
      podMonitor: { enabled: v.k3s_platform_service_monitors },
    },
  }),
  workloads: [{ replicas: ['reloader', 'deployment', 'replicas'], resources: ['reloader', 'deployment', 'resources'] }],
  goesWith: 'uninstalls reloader: workloads keep the Secrets that they started with',
}
