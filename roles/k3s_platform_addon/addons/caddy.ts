// Caddy: routes HTTP to Services and serves the HTTP-01 challenges, nothing else.

import { answersHttp } from '../../../src/cluster/proofs.ts'
import type { JsonMap } from '../../../src/supply/values.ts'
import { disabledOf } from '../../k3s_platform_bootstrap/config.ts'
import type { Addon } from '../addon.ts'
import { directory, LETS_ENCRYPT } from '../issuers.ts'
import { PLATFORM } from '../materials.ts'
import { portsFirst } from '../rollout.ts'
import { resources } from '../values.ts'
import type { Vars } from '../vars.ts'

/** The class of Ingresses that Caddy serves; it matches the name and needs no IngressClass object. */
const INGRESS_CLASS = 'caddy'
/** The Secret whose renewal restarts Caddy: it reads a renewed one only with its next change of configuration. */
const RELOADED_FOR = 'postgresql-tls'
const CHART = 'caddy-ingress-controller'

/** Whether k3s gives LoadBalancer Services an address. */
export const hasServicelb = (v: Vars): boolean => !disabledOf(v).includes('servicelb')

export function exposureOf(v: Vars): 'loadbalancer' | 'hostport' {
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
      config: { acmeCA: caOf(v), email: v.k3s_platform_acme_email ?? '', metrics: true },
    },
    ...exposed[exposureOf(v)],
    podAnnotations: { 'secret.reloader.stakater.com/reload': RELOADED_FOR },
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
  proof: (v, release) =>
    answersHttp(
      exposureOf(v) === 'hostport'
        ? { namespace: PLATFORM, hostPort: 80 }
        : { namespace: PLATFORM, service: fullName(release) },
    ),
  after: (v, release, gate) => (exposureOf(v) === 'hostport' ? [portsFirst(fullName(release), PLATFORM, [gate])] : []),
  goesWith: 'uninstalls Caddy: no Ingress is served, HTTP-01 challenges are not answered; Ingresses stay',
}

const exposed: Readonly<Record<'loadbalancer' | 'hostport', JsonMap>> = {
  loadbalancer: { minikube: false, loadBalancer: { enabled: true } },
  // `minikube` is the chart's only way to host ports. Its ClusterIP Service may have no externalTrafficPolicy,
  // which the API server refuses there.
  hostport: { minikube: true, loadBalancer: { enabled: false }, service: { externalTrafficPolicy: '' } },
}

/** Of its Deployment and its Service, as the chart makes it. */
const fullName = (release: string) => (release.includes(CHART) ? release : `${release}-${CHART}`)

const caOf = (v: Vars) => (directory(v) === LETS_ENCRYPT ? '' : directory(v))

function imageOf(image: string): JsonMap {
  const colon = image.lastIndexOf(':')
  return { repository: image.slice(0, colon), tag: image.slice(colon + 1) }
}
