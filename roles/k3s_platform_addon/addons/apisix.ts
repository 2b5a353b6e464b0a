// APISIX: an API gateway without a control plane, with its routes in a ConfigMap.

import { stringify } from 'yaml'
import type { Addon } from '../addon.ts'
import { PLATFORM } from '../materials.ts'
import { resources } from '../values.ts'

/** Chart: https://github.com/apache/apisix-helm-chart/tree/master/charts/apisix */
export const apisix: Addon = {
  key: 'apisix',
  component: 'apisix',
  name: 'apisix',
  chart: 'apisix',
  namespace: PLATFORM,
  on: false,
  boundSeconds: 300,
  values: (v) => ({
    replicaCount: 1,
    resources: resources('128Mi', '512Mi', '50m', '1'),
    service: { type: 'ClusterIP' },
    etcd: { enabled: false },
    'ingress-controller': { enabled: false },
    metrics: { serviceMonitor: { enabled: v.k3s_platform_service_monitors } },
    apisix: {
      admin: { enabled: false },
      prometheus: { enabled: v.k3s_platform_service_monitors },
      deployment: {
        mode: 'standalone',
        role: 'data_plane',
        standalone: { config: routesText(v.k3s_platform_apisix_routes) },
      },
    },
  }),
  made: { k3s_platform_apisix_routes: ['apisix', 'deployment', 'standalone', 'config'] },
  workloads: [{ replicas: ['replicaCount'], resources: ['resources'] }],
  goesWith: 'uninstalls APISIX: its routes are no longer served',
}

/** https://apisix.apache.org/docs/apisix/deployment-modes/#standalone */
function routesText(routes: Readonly<Record<string, string>>): string {
  const list = Object.entries(routes)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([host, service]) => ({
      id: host,
      host,
      uri: '/*',
      upstream: { type: 'roundrobin', nodes: { [service]: 1 } },
    }))
  return stringify({ routes: list }, { lineWidth: 0 })
}
