// Variables of the addons: whether each is installed, its chart repository, and its values.

import { z } from 'zod'
import { k3sVars } from '../../k3s/vars.ts'
import { certificatePem } from '../../shapes.ts'
import { chartRepo, chartVersion, RELEASE_NAME } from './chart-fields.ts'

const IMAGE = /^[a-z0-9][\w./:-]*(?::\w[\w.-]{0,127}(?:@sha256:[0-9a-f]{64})?|@sha256:[0-9a-f]{64})$/
const map = z.record(z.string(), z.json())
const names = z.array(z.string().regex(/\S/, 'expected a name'))
const dnsName = z
  .string()
  .regex(
    /^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/,
    'expected a domain in lowercase',
  )

const enabled = (title: string, on: boolean) =>
  z.boolean().optional().describe(`Whether ${title} is installed; default \`${on}\`. If disabled, it is uninstalled.`)
const version = (title: string, pinned: string) =>
  chartVersion(pinned).default(pinned).describe(`Chart version of ${title}.`)
const repo = (title: string, url: string) =>
  chartRepo.default(url).describe(`Chart repository (https, http) or OCI registry path (oci) of the chart of ${title}.`)
const file = (title: string) =>
  z
    .string()
    .min(1)
    .optional()
    .describe(
      `The chart of ${title} as a .tgz file on the workstation, for nodes that cannot reach the repository; \`~\` or relative to the inventory.`,
    )
const ca = (title: string) => certificatePem.optional().describe(`CA of the chart repository of ${title}, PEM.`)
const plainHttp = (title: string) =>
  z.boolean().default(false).describe(`Whether the OCI registry of the chart of ${title} uses plain http.`)
const values = (title: string) =>
  map.optional().describe(`Values for the chart of ${title}, deep-merged over the role's defaults.`)

/** What the original roles call an addon in k3s_platform_values. */
const component = z.strictObject({
  enabled: z.boolean().optional(),
  releaseName: z.string().regex(RELEASE_NAME.form, RELEASE_NAME.message).optional(),
  values: map.nullish(),
})

export const addonVars = {
  k3s_platform_cert_manager_enabled: enabled('cert-manager', true),
  k3s_platform_cert_manager_chart_version: version('cert-manager', 'v1.21.2'),
  k3s_platform_cert_manager_chart_repo_url: repo('cert-manager', 'oci://quay.io/jetstack/charts'),
  k3s_platform_cert_manager_chart_file: file('cert-manager'),
  k3s_platform_cert_manager_chart_ca: ca('cert-manager'),
  k3s_platform_cert_manager_chart_plain_http: plainHttp('cert-manager'),
  k3s_platform_cert_manager_values: values('cert-manager'),

  k3s_platform_external_secrets_enabled: enabled('external-secrets', true),
  k3s_platform_external_secrets_chart_version: version('external-secrets', '2.13.0'),
  k3s_platform_external_secrets_chart_repo_url: repo('external-secrets', 'https://charts.external-secrets.io'),
  k3s_platform_external_secrets_chart_file: file('external-secrets'),
  k3s_platform_external_secrets_chart_ca: ca('external-secrets'),
  k3s_platform_external_secrets_chart_plain_http: plainHttp('external-secrets'),
  k3s_platform_external_secrets_values: values('external-secrets'),

  k3s_platform_caddy_enabled: enabled('Caddy', true),
  k3s_platform_caddy_chart_version: version('Caddy', '1.3.0'),
  k3s_platform_caddy_chart_repo_url: repo('Caddy', 'https://caddyserver.github.io/ingress'),
  k3s_platform_caddy_chart_file: file('Caddy'),
  k3s_platform_caddy_chart_ca: ca('Caddy'),
  k3s_platform_caddy_chart_plain_http: plainHttp('Caddy'),
  k3s_platform_caddy_values: values('Caddy'),
  k3s_platform_caddy_exposure: z
    .enum(['loadbalancer', 'hostport'])
    .optional()
    .describe(
      'How Caddy is exposed: a Service of type LoadBalancer, or ports 80 and 443 of its node; default `hostport` if servicelb is disabled in k3s, else `loadbalancer`.',
    ),
  k3s_platform_caddy_external_loadbalancer: z
    .boolean()
    .default(false)
    .describe('Whether another controller than servicelb assigns LoadBalancer addresses (MetalLB, a cloud).'),
  k3s_platform_caddy_image: z
    .string()
    .regex(IMAGE, 'expected an image with its tag or digest, such as caddy/ingress:v0.2.1')
    .optional()
    .describe("Image of Caddy with its tag, its digest, or both; default: the chart's."),
  k3s_platform_caddy_reload_image: z
    .string()
    .regex(IMAGE, 'expected an image with its tag or digest, such as curlimages/curl:8.14.1')
    .default('curlimages/curl:8.14.1')
    .describe(
      'Image with curl and a shell, with its tag, its digest, or both, for the CronJob that has Caddy load renewed certificates.',
    ),

  k3s_platform_external_dns_enabled: enabled('external-dns', true),
  k3s_platform_external_dns_chart_version: version('external-dns', '1.22.0'),
  k3s_platform_external_dns_chart_repo_url: repo('external-dns', 'https://kubernetes-sigs.github.io/external-dns'),
  k3s_platform_external_dns_chart_file: file('external-dns'),
  k3s_platform_external_dns_chart_ca: ca('external-dns'),
  k3s_platform_external_dns_chart_plain_http: plainHttp('external-dns'),
  k3s_platform_external_dns_values: values('external-dns'),
  k3s_platform_external_dns_owner_id: z
    .string()
    .regex(/^[A-Za-z0-9]([\w.-]{0,61}[A-Za-z0-9])?$/, 'expected letters, digits, dots, dashes, underscores, at most 63')
    .optional()
    .describe(
      'Owner ID with which external-dns marks its DNS records, unique per cluster; default `<k3s_platform_cluster_name>-<host>`, with svc-plus if no cluster name is set.',
    ),
  k3s_platform_external_dns_policy: z
    .enum(['upsert-only', 'create-only', 'sync'])
    .default('upsert-only')
    .describe('What external-dns may do to DNS records; `sync` also deletes its own records.'),
  k3s_platform_external_dns_domain_filters: z
    .array(dnsName)
    .default(['svc.plus'])
    .describe('Domains that external-dns may write to.'),
  k3s_platform_external_dns_target: z
    .string()
    .regex(/^[0-9A-Za-z.:-]+$/, 'expected an address or a DNS name')
    .optional()
    .describe(
      'Target of the DNS records of hosts with certificates while Caddy uses host ports; default: `ansible_host`, if that is an address.',
    ),
  k3s_platform_external_dns_sources: names
    .default(['ingress'])
    .describe('Kinds of objects that external-dns reads host names from.'),

  k3s_platform_reloader_enabled: enabled('reloader', true),
  k3s_platform_reloader_chart_version: version('reloader', '2.2.12'),
  k3s_platform_reloader_chart_repo_url: repo('reloader', 'https://stakater.github.io/stakater-charts'),
  k3s_platform_reloader_chart_file: file('reloader'),
  k3s_platform_reloader_chart_ca: ca('reloader'),
  k3s_platform_reloader_chart_plain_http: plainHttp('reloader'),
  k3s_platform_reloader_values: values('reloader'),

  k3s_platform_apisix_enabled: enabled('APISIX', false),
  k3s_platform_apisix_chart_version: version('APISIX', '2.13.0'),
  k3s_platform_apisix_chart_repo_url: repo('APISIX', 'https://charts.apiseven.com'),
  k3s_platform_apisix_chart_file: file('APISIX'),
  k3s_platform_apisix_chart_ca: ca('APISIX'),
  k3s_platform_apisix_chart_plain_http: plainHttp('APISIX'),
  k3s_platform_apisix_values: values('APISIX'),
  k3s_platform_apisix_routes: z
    .record(
      dnsName,
      z.string().regex(/^[a-z0-9.-]+:\d{1,5}$/, 'expected a service and its port, such as api.core-prod.svc:8080'),
    )
    .default({})
    .describe('APISIX routes, host name to `service:port`, such as `api.svc.plus: api.core-prod.svc:8080`.'),

  k3s_platform_values: z
    .looseObject({
      components: z
        .strictObject({
          certManager: component.optional(),
          externalSecrets: component.optional(),
          caddy: component.optional(),
          externalDns: component.optional(),
          reloader: component.optional(),
          apisix: component.optional(),
        })
        .optional(),
    })
    .optional()
    .describe(
      'Map of the original roles: `components.<certManager ...>` with `enabled`, `releaseName` and `values`; variables of a single addon win.',
    ),
  k3s_platform_service_monitors: z
    .boolean()
    .default(false)
    .describe("Whether the charts create ServiceMonitors; requires the Prometheus operator's CRDs."),
  k3s_platform_environment: z
    .enum(['production', 'staging'])
    .default('production')
    .describe(
      "Environment of the inventory; `staging` uses Let's Encrypt's staging directory unless another ACME server is set.",
    ),

  // What k3s runs with and what the cluster is called decide here, too.
  ...k3sVars,
}
