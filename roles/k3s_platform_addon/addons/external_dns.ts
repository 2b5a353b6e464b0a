// external-dns: manages DNS records at Cloudflare from Ingresses, nothing else.

import { secretThere } from '../../../src/cluster/proofs.ts'
import type { Addon } from '../addon.ts'
import { CLOUDFLARE_SECRET, PLATFORM } from '../materials.ts'
import type { ReleaseContext } from '../release.ts'
import { isFrom, resources } from '../values.ts'
import type { AddonVars } from '../vars.ts'

const { name: SECRET, key: KEY } = CLOUDFLARE_SECRET

/**
 * The prefix of the annotations that this version reads. Since 0.22 (chart 1.22) it is external-dns.kubernetes.io/;
 * before that external-dns.alpha.kubernetes.io/.
 */
export function annotationPrefix(v: AddonVars): string {
  return isFrom(v.k3s_platform_external_dns_chart_version, '1.22')
    ? 'external-dns.kubernetes.io/'
    : 'external-dns.alpha.kubernetes.io/'
}

export function ownerId(v: AddonVars, { host }: Pick<ReleaseContext, 'host'>): string {
  const made = `${v.k3s_platform_cluster_name ?? 'svc-plus'}-${host}`.replace(/[^\w.-]+/g, '-').slice(0, 63)
  return v.k3s_platform_external_dns_owner_id ?? made.replace(/\W+$/, '')
}

/** Chart: https://github.com/kubernetes-sigs/external-dns/tree/master/charts/external-dns */
export const externalDns: Addon = {
  key: 'external_dns',
  component: 'externalDns',
  name: 'external-dns',
  chart: 'external-dns',
  namespace: PLATFORM,
  on: true,
  boundSeconds: 300,
  values: (v, context) => ({
    provider: { name: 'cloudflare' },
    env: [{ name: 'CF_API_TOKEN', valueFrom: { secretKeyRef: { name: SECRET, key: KEY } } }],
    registry: 'txt',
    txtOwnerId: ownerId(v, context),
    policy: v.k3s_platform_external_dns_policy,
    domainFilters: v.k3s_platform_external_dns_domain_filters,
    sources: v.k3s_platform_external_dns_sources,
    // The value is new in 1.20.
    ...(isFrom(v.k3s_platform_external_dns_chart_version, '1.20') && { annotationPrefix: annotationPrefix(v) }),
    resources: resources('64Mi', '256Mi'),
    serviceMonitor: { enabled: v.k3s_platform_service_monitors },
  }),
  made: {
    k3s_platform_external_dns_owner_id: ['txtOwnerId'],
    k3s_platform_external_dns_policy: ['policy'],
    k3s_platform_external_dns_domain_filters: ['domainFilters'],
    k3s_platform_external_dns_sources: ['sources'],
  },
  workloads: [{ resources: ['resources'] }],
  proof: () => secretThere({ namespace: PLATFORM, name: SECRET }, [KEY]),
  goesWith: 'uninstalls external-dns: DNS records are no longer updated; existing records remain',
}
