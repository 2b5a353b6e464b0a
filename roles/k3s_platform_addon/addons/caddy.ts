// Caddy: routes HTTP to Services and serves the HTTP-01 challenges, nothing else.

import { answersHttp, type HttpPlace } from '../../../src/cluster/proofs.ts'
import type { JsonMap } from '../../../src/engine/state.ts'
import { disabledOf } from '../../k3s/config.ts'
import type { Addon } from '../addon.ts'
import { directory, LETS_ENCRYPT } from '../issuers.ts'
import { PLATFORM } from '../materials.ts'
import { portsFirst, replacedService } from '../rollout.ts'
import { at, resources } from '../values.ts'
import type { AddonVars } from '../vars.ts'

/** The class of Ingresses that Caddy serves; it matches the name and needs no IngressClass object. */
export const INGRESS_CLASS = 'caddy'
const CHART = 'caddy-ingress-controller'

/** Whether k3s gives LoadBalancer Services an address. */
export const hasServicelb = (v: AddonVars): boolean => !disabledOf(v).includes('servicelb')

export function exposureOf(v: AddonVars): 'loadbalancer' | 'hostport' {
  if (v.k3s_platform_caddy_exposure !== undefined) return v.k3s_platform_caddy_exposure
  return hasServicelb(v) || v.k3s_platform_caddy_external_loadbalancer ? 'loadbalancer' : 'hostport'
}

/** Chart: https://github.com/caddyserver/ingress/tree/main/charts/caddy-ingress-controller */
export const caddy: Addon = {
  key: 'caddy',
  component: 'caddy',
  name: 'caddy',
  chart: CHART,
  namespace: PLATFORM,
  on: true,
  boundSeconds: 300,
  values: (v) => ({
    ...(v.k3s_platform_caddy_image !== undefined && { image: imageOf(v.k3s_platform_caddy_image) }),
    replicaCount: 1,
    ingressController: {
      className: INGRESS_CLASS,
      // It asks a CA only for hosts that no Ingress lists under tls: the same CA as the issuers. Empty: Let's Encrypt.
      // Ports of the node are open to all who reach it, and the chart's only way to them opens that of the metrics, too.
      config: {
        acmeCA: caOf(v),
        email: v.k3s_platform_acme_email ?? '',
        metrics: exposureOf(v) !== 'hostport',
        // By path, not by age: an application that routes all of http would take the challenges of its host.
        experimentalSmartSort: true,
      },
    },
    ...exposed[exposureOf(v)],
    // The chart's minAvailable of 1 would keep a node with the only pod from being drained.
    podDisruptionBudget: { minAvailable: 0, maxUnavailable: 1 },
    resources: resources('64Mi', '512Mi', '50m', '1'),
  }),
  made: {
    k3s_platform_acme_email: ['ingressController', 'config', 'email'],
    k3s_platform_caddy_exposure: ['minikube'],
    k3s_platform_caddy_image: ['image'],
  },
  workloads: [{ replicas: ['replicaCount'], resources: ['resources'] }],
  proof: (v, release) => answersHttp(placeOf(v, release)),
  before: ({ release, values }) => {
    const headless = at(values, ['service', 'clusterIP']) === 'None' && at(values, ['loadBalancer', 'enabled']) !== true
    return [replacedService(fullName(release), PLATFORM, headless)]
  },
  after: (v, release, gate) => (exposureOf(v) === 'hostport' ? [portsFirst(fullName(release), PLATFORM, [gate])] : []),
  goesWith: 'uninstalls Caddy: Ingresses remain but are no longer served, and HTTP-01 challenges are not answered',
}

const exposed: Readonly<Record<'loadbalancer' | 'hostport', JsonMap>> = {
  loadbalancer: { minikube: false, loadBalancer: { enabled: true } },
  hostport: {
    minikube: true,
    loadBalancer: { enabled: false },
    // The chart makes a Service all the same. The API server refuses the chart's externalTrafficPolicy there, its schema all
    // but that and nothing; and Caddy would publish a cluster address as that of its Ingresses.
    service: { externalTrafficPolicy: null, clusterIP: 'None' },
  },
}

/** Where the node reaches it. */
export const placeOf = (v: AddonVars, release: string): HttpPlace =>
  exposureOf(v) === 'hostport'
    ? { namespace: PLATFORM, hostPort: 80, pods: `app.kubernetes.io/instance=${release}` }
    : { namespace: PLATFORM, service: fullName(release) }

/** Of its Deployment and its Service, as the chart makes it. */
export const fullName = (release: string) => (release.includes(CHART) ? release : `${release}-${CHART}`)

const caOf = (v: AddonVars) => (directory(v) === LETS_ENCRYPT ? '' : directory(v))

function imageOf(image: string): JsonMap {
  // The chart writes both with a colon between them, which may be that of a digest.
  const colon = image.indexOf(':', image.lastIndexOf('/'))
  return { repository: image.slice(0, colon), tag: image.slice(colon + 1) }
}
