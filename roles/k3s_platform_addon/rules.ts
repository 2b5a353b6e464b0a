// Rules for well-formed variables of the addons. Each rule reads some variables and reports all findings.

import type { Json } from '../../src/engine/state.ts'
import type { Finding, RoleContext, Written } from '../role.ts'
import { findingsOf, givenIn, quoted, type RoleRule } from '../rules/rule.ts'
import { type Addon, type AddonSetting, formerly, placeOf, settingOf } from './addon.ts'
import { caddy, exposureOf, hasServicelb } from './addons/caddy.ts'
import { externalDns, ownerId } from './addons/external_dns.ts'
import { addons } from './addons/index.ts'
import type { ReleaseContext } from './release.ts'
import { cloudflareIs } from './secrets.ts'
import { at, isFrom, leaves, type ValuePath } from './values.ts'
import type { AddonVars } from './vars.ts'

type Name = keyof AddonVars & `k3s_platform_${string}`

interface Asked {
  readonly v: AddonVars
  readonly context: ReleaseContext
  given(variable: string): boolean
  /** The addon as it is wanted. */
  of(addon: Addon): AddonSetting
  /** Where the inventory says the value at that path of an addon's values, or as much of it as it says. */
  place(addon: Addon, path: ValuePath): Finding['path']
}

const VALUES = addons.map(({ key }) => `k3s_platform_${key}_values` as const)
const each = (find: (addon: Addon, asked: Asked) => readonly Finding[]) => (asked: Asked) =>
  addons.filter((addon) => asked.of(addon).enabled).flatMap((addon) => find(addon, asked))

const rules: readonly RoleRule<Name, Asked>[] = [
  // One setting, two values.
  {
    reads: ['k3s_platform_values', ...VALUES],
    find: ({ v, place }) =>
      addons.flatMap((addon): Finding[] => {
        const { enabled, values } = formerly(v, addon)
        const variable = `k3s_platform_${addon.key}_enabled` as const
        const own = v[`k3s_platform_${addon.key}_values` as const] ?? {}
        const on = v[variable]
        return [
          ...(on !== undefined && enabled !== undefined && on !== enabled
            ? [two([variable], 'enabled', `k3s_platform_values.components.${addon.component}`, enabled, on)]
            : []),
          ...leaves(own).flatMap((path): Finding[] => {
            const [here, there] = [at(own, path), at(values ?? {}, path)]
            if (there === undefined || JSON.stringify(here) === JSON.stringify(there)) return []
            return [
              two(place(addon, path), path.join('.'), `k3s_platform_values.components.${addon.component}`, there, here),
            ]
          }),
        ]
      }),
  },
  {
    reads: ['k3s_platform_values', ...VALUES],
    find: ({ v, context, given, place }) =>
      addons.flatMap((addon) =>
        Object.entries(addon.made ?? {}).flatMap(([variable, path]): Finding[] => {
          const said = place(addon, path)
          const [own, other] = [at(addon.values(v, context), path), at(settingOf(addon, v, context).values, path)]
          if (!given(variable) || JSON.stringify(own) === JSON.stringify(other)) return []
          return [two(said, path.join('.'), variable, own, other)]
        }),
      ),
  },
  // Where charts come from.
  {
    reads: addons.flatMap(
      ({ key }) => [`k3s_platform_${key}_chart_file`, `k3s_platform_${key}_chart_repo_url`] as const,
    ),
    find: ({ v, given, context }) =>
      addons.flatMap(({ key, name }): Finding[] => {
        const [file, url] = [`k3s_platform_${key}_chart_file`, `k3s_platform_${key}_chart_repo_url`] as const
        const plain = `k3s_platform_${key}_chart_plain_http` as const
        const path = v[file] === undefined ? undefined : context.supply?.locate(v[file])
        return [
          ...(given(file) && given(url)
            ? [
                {
                  path: [file],
                  what: `two sources for the chart of ${name}: this file and ${v[url]}`,
                  hint: 'keep one',
                },
              ]
            : []),
          ...(path !== undefined && context.supply?.digestOf(path) === undefined
            ? [{ path: [file], what: `${path} cannot be read`, hint: 'relative paths start at the inventory' }]
            : []),
          ...(v[plain] && !v[url].startsWith('oci://')
            ? [
                {
                  path: [plain],
                  what: `the chart of ${name} is not in an OCI registry: ${v[url]}`,
                  hint: 'the URL already selects http',
                },
              ]
            : []),
        ]
      }),
  },
  {
    reads: ['k3s_platform_cert_manager_chart_version'],
    find: ({ v }) =>
      isFrom(v.k3s_platform_cert_manager_chart_version, '1.11')
        ? []
        : [
            {
              path: ['k3s_platform_cert_manager_chart_version'],
              what: `cert-manager ${v.k3s_platform_cert_manager_chart_version} is too old: issuers need 1.11 or newer`,
              hint: 'remove the line to use the version that this release was tested with',
            },
          ],
  },
  {
    reads: ['k3s_platform_values'],
    find: ({ v, context }) =>
      addons.flatMap((addon, i): Finding[] => {
        const { release } = settingOf(addon, v, context)
        const other = addons.slice(0, i).find((one) => settingOf(one, v, context).release === release)
        if (other === undefined) return []
        const path = ['k3s_platform_values', 'components', addon.component, 'releaseName']
        return [
          {
            path,
            what: `${other.name} already uses the release name ${release}`,
            hint: 'use a different release name for each addon',
          },
        ]
      }),
  },
  // Workloads.
  {
    reads: ['k3s_platform_values', ...VALUES],
    find: each((addon, { of, place }) =>
      addon.workloads.flatMap(({ replicas, resources }): Finding[] => {
        const { values } = of(addon)
        const count = replicas && at(values, replicas)
        const limits = [...resources, 'limits']
        return [
          ...(replicas !== undefined && !(typeof count === 'number' && Number.isInteger(count) && count >= 1)
            ? [
                {
                  path: place(addon, replicas),
                  what: `${replicas.join('.')}: expected at least 1, got ${quoted(count ?? null)}`,
                  hint: `to disable ${addon.name}: k3s_platform_${addon.key}_enabled: false`,
                },
              ]
            : []),
          ...(at(values, [...limits, 'memory']) === undefined || at(values, [...limits, 'memory']) === null
            ? [
                {
                  path: place(addon, limits),
                  what: `${addon.name}: ${limits.join('.')} sets no memory`,
                  hint: 'a workload without a memory limit can exhaust the node: set memory, such as 256Mi',
                },
              ]
            : []),
        ]
      }),
    ),
  },
  // Caddy.
  {
    reads: [
      'k3s_platform_caddy_exposure',
      'k3s_platform_disable_components',
      'k3s_platform_k3s_config',
      'k3s_platform_k3s_config_dropins',
    ],
    find: ({ v, of }) =>
      of(caddy).enabled &&
      exposureOf(v) === 'loadbalancer' &&
      !hasServicelb(v) &&
      !v.k3s_platform_caddy_external_loadbalancer
        ? [
            {
              path: ['k3s_platform_caddy_exposure'],
              what: 'no controller assigns LoadBalancer addresses: servicelb is disabled',
              hint: 'use hostport, remove servicelb from k3s_platform_disable_components, or, if another controller assigns addresses, set k3s_platform_caddy_external_loadbalancer: true',
            },
          ]
        : [],
  },
  {
    reads: ['k3s_platform_caddy_values', 'k3s_platform_values', 'k3s_platform_caddy_exposure'],
    find: ({ v, of, place }) => {
      const path = ['replicaCount']
      const { enabled, values } = of(caddy)
      const count = Number(at(values, path))
      if (!enabled || exposureOf(v) !== 'hostport' || !(count > 1)) return []
      const what = `${count} replicas of Caddy require ${count} nodes: each uses ports 80 and 443 of its node`
      return [{ path: place(caddy, path), what, hint: 'use 1 on a single node', warning: true }]
    },
  },
  {
    reads: ['k3s_platform_caddy_values', 'k3s_platform_values', 'k3s_platform_caddy_exposure'],
    find: ({ v, of, place }) => {
      const path = ['ingressController', 'config', 'metrics']
      const { enabled, values } = of(caddy)
      if (!enabled || exposureOf(v) !== 'hostport' || at(values, path) !== true) return []
      const what =
        "Caddy's metrics are readable by anyone who can reach the node: with host ports the chart also opens port 9765"
      return [{ path: place(caddy, path), what, hint: 'remove it, or close port 9765 in a firewall', warning: true }]
    },
  },
  // external-dns.
  {
    reads: ['k3s_platform_external_dns_values', 'k3s_platform_values', 'k3s_platform_external_dns_owner_id'],
    find: ({ v, context, of, place }) => {
      const { enabled, values } = of(externalDns)
      if (!enabled) return []
      const [owner, registry, policy] = ['txtOwnerId', 'registry', 'policy'].map((key) => at(values, [key]))
      return [
        ...(typeof owner === 'string' && owner.trim() !== ''
          ? []
          : [
              {
                path: place(externalDns, ['txtOwnerId']),
                what: 'external-dns requires a txtOwnerId: without one it treats the records of other clusters as its own',
                hint: `remove it to use ${ownerId(v, context)}`,
              },
            ]),
        ...(registry === 'noop' && policy === 'sync'
          ? [
              {
                path: place(externalDns, ['registry']),
                what: 'without a registry the policy sync deletes DNS records that external-dns did not create',
                hint: 'use registry txt, or the policy upsert-only',
              },
            ]
          : []),
      ]
    },
  },
  {
    reads: ['k3s_platform_external_dns_enabled', 'k3s_platform_cloudflare_mode', 'k3s_platform_cloudflare_api_token'],
    find: ({ v, of }) => {
      const { enabled, values } = of(externalDns)
      if (!enabled || cloudflareIs(v) !== 'none' || at(values, ['provider', 'name']) !== 'cloudflare') return []
      return [
        {
          path: ['k3s_platform_external_dns_enabled'],
          what: 'external-dns requires a Cloudflare token, but none is set or configured',
          missing: true,
          hint: 'set CLOUDFLARE_API_TOKEN or k3s_platform_cloudflare_mode, or disable external-dns: k3s_platform_external_dns_enabled: false',
        },
      ]
    },
  },
]

function two(
  path: Finding['path'],
  what: string,
  where: string,
  there: Json | undefined,
  here: Json | undefined,
): Finding {
  const text = `two values for ${what}: ${quoted(there)} from ${where}, here ${quoted(here)}`
  return { path, what: text, hint: 'keep one' }
}

/** All findings of all rules. */
export function addonFindings(v: AddonVars, context: RoleContext, written: Written): Finding[] {
  const asked: Asked = {
    v,
    context,
    given: givenIn(written),
    of: (addon) => settingOf(addon, v, context),
    place: (addon, path) => placeOf(v, addon, path),
  }
  return findingsOf(rules, asked, written)
}
