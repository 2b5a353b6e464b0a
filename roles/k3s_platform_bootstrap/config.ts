// config.yaml of k3s, made from data.

import { parse, stringify } from 'yaml'
import type { RoleContext } from '../role.ts'
import type { Vars } from './vars.ts'

type Config = Record<string, unknown>

const HEADER = '# Managed by k3s-platform (k3s_platform_bootstrap); changes here are put back.\n'

/** The keys in the order of the original role, then what `k3s_platform_k3s_config` adds. */
export function configOf(vars: Vars, { address }: Pick<RoleContext, 'address'>): Config {
  const sans = vars.k3s_platform_tls_sans
  const config: Config = {
    'write-kubeconfig-mode': vars.k3s_platform_write_kubeconfig_mode,
    'cluster-cidr': vars.k3s_platform_cluster_cidr,
    'service-cidr': vars.k3s_platform_service_cidr,
    'data-dir': vars.k3s_platform_install_dir,
    'cluster-init': true,
    disable: vars.k3s_platform_disable_components,
    'kube-apiserver-arg': vars.k3s_platform_kube_apiserver_args,
    'tls-san': sans.includes(address) ? sans : [...sans, address],
  }
  if (vars.k3s_platform_kubeconfig_path !== '/etc/rancher/k3s/k3s.yaml') {
    config['write-kubeconfig'] = vars.k3s_platform_kubeconfig_path
  }
  for (const [key, value] of Object.entries(vars.k3s_platform_k3s_config)) {
    const name = key.replace(/\+$/, '')
    config[name] = key.endsWith('+') ? [...listOf(config[name]), ...listOf(value)] : value
  }
  return config
}

export function configText(config: Config): string {
  return HEADER + stringify(config, { lineWidth: 0 })
}

/** Comments, the order of keys and the style of quoting mean nothing to k3s. */
export function meaningOfConfig(text: string): string {
  try {
    const config: unknown = parse(text)
    return JSON.stringify(config, (_, value: unknown) =>
      typeof value === 'object' && value !== null && !Array.isArray(value)
        ? Object.fromEntries(Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1)))
        : value,
    )
  } catch {
    return text
  }
}

function listOf(value: unknown): readonly unknown[] {
  if (value === undefined || value === null) return []
  return Array.isArray(value) ? value : [value]
}
