// Renders the config.yaml of k3s.

import { parse, stringify } from 'yaml'
import { type Config, dropins, merge } from '../k3s/config.ts'
import type { RoleContext } from '../role.ts'
import type { BootstrapVars } from './vars.ts'

/** The first line of every file of ours begins so: by it we know them again. */
export const OURS = '# Managed by k3s-platform'
const HEADER = `${OURS} (k3s_platform_bootstrap); manual changes are reverted.\n`

const DEFAULT_DIRECTORY = '/etc/rancher/k3s'

/** Files beside config.yaml. */
export function paths({ k3s_platform_k3s_config_path: config }: BootstrapVars) {
  const directory = config.slice(0, config.lastIndexOf('/'))
  return {
    directory,
    config,
    dropins: `${config}.d`,
    registries: `${directory}/registries.yaml`,
    kubelet: `${directory}/kubelet.yaml`,
  }
}

interface Own {
  readonly key: string
  /** The variables that it is made from; a later one wins. */
  readonly from: readonly (keyof BootstrapVars)[]
  /** undefined: k3s decides. */
  value(vars: BootstrapVars, context: Pick<RoleContext, 'address'>): unknown
}

const filled = <T>(list: readonly T[]) => (list.length > 0 ? list : undefined)
const textsOf = (entries: readonly { readonly text: string }[]) => entries.map(({ text }) => text)
const but = (value: string, normal: string) => (value === normal ? undefined : value)

/** Keys that variables of their own make, in the order of the original role. */
export const own: readonly Own[] = [
  {
    key: 'write-kubeconfig-mode',
    from: ['k3s_platform_write_kubeconfig_mode'],
    value: (v) => v.k3s_platform_write_kubeconfig_mode,
  },
  { key: 'cluster-cidr', from: ['k3s_platform_cluster_cidr'], value: (v) => v.k3s_platform_cluster_cidr },
  { key: 'service-cidr', from: ['k3s_platform_service_cidr'], value: (v) => v.k3s_platform_service_cidr },
  {
    key: 'data-dir',
    from: ['k3s_platform_install_dir', 'k3s_platform_data_dir'],
    value: (v) => v.k3s_platform_data_dir ?? v.k3s_platform_install_dir,
  },
  { key: 'cluster-init', from: [], value: (v) => (v.k3s_platform_datastore_endpoint ? undefined : true) },
  { key: 'disable', from: ['k3s_platform_disable_components'], value: (v) => v.k3s_platform_disable_components },
  {
    key: 'kube-apiserver-arg',
    from: ['k3s_platform_kube_apiserver_args'],
    value: (v) => v.k3s_platform_kube_apiserver_args,
  },
  {
    key: 'tls-san',
    from: ['k3s_platform_tls_sans'],
    value: ({ k3s_platform_tls_sans: sans }, { address }) => (sans.includes(address) ? sans : [...sans, address]),
  },
  {
    key: 'write-kubeconfig',
    from: ['k3s_platform_kubeconfig_path'],
    value: (v) => but(v.k3s_platform_kubeconfig_path, '/etc/rancher/k3s/k3s.yaml'),
  },
  { key: 'node-name', from: ['k3s_platform_node_name'], value: (v) => v.k3s_platform_node_name },
  { key: 'node-ip', from: ['k3s_platform_node_ip'], value: (v) => filled(v.k3s_platform_node_ip) },
  { key: 'node-label', from: ['k3s_platform_node_labels'], value: (v) => filled(textsOf(v.k3s_platform_node_labels)) },
  { key: 'node-taint', from: ['k3s_platform_node_taints'], value: (v) => filled(textsOf(v.k3s_platform_node_taints)) },
  { key: 'flannel-iface', from: ['k3s_platform_flannel_iface'], value: (v) => v.k3s_platform_flannel_iface },
  {
    key: 'secrets-encryption',
    from: ['k3s_platform_secrets_encryption'],
    value: (v) => v.k3s_platform_secrets_encryption || undefined,
  },
  {
    key: 'private-registry',
    from: ['k3s_platform_registries'],
    value: (v) => v.k3s_platform_registries && but(paths(v).registries, `${DEFAULT_DIRECTORY}/registries.yaml`),
  },
  {
    key: 'kubelet-arg',
    from: ['k3s_platform_kubelet_config'],
    value: (v) => v.k3s_platform_kubelet_config && [`config=${paths(v).kubelet}`],
  },
]

/** What variables make, then what `k3s_platform_k3s_config` adds. */
export function configOf(vars: BootstrapVars, context: Pick<RoleContext, 'address'>): Config {
  const config: Config = {}
  for (const { key, value } of own) {
    const made = value(vars, context)
    if (made !== undefined) config[key] = made
  }
  merge(config, vars.k3s_platform_k3s_config)
  return config
}

/** What k3s reads in the end: config.yaml and the drop-ins in the order of their names. */
export function wholeConfigOf(vars: BootstrapVars, context: Pick<RoleContext, 'address'>): Config {
  const config = configOf(vars, context)
  for (const [, more] of dropins(vars)) merge(config, more)
  return config
}

/** Where k3s keeps its data, from all variables that can say so. */
export function dataDirOf(vars: BootstrapVars): string {
  return String(wholeConfigOf(vars, { address: '' })['data-dir'])
}

export function configText(config: Config): string {
  return HEADER + stringify(config, { lineWidth: 0 })
}

/** Comments, the order of keys and the style of quoting mean nothing to k3s. */
export function meaningOfConfig(text: string): string {
  try {
    return canonical(parse(text))
  } catch {
    return text
  }
}

/** The same of the map that the text is made of: it need not be read. */
export function canonical(config: unknown): string {
  return JSON.stringify(config, (_, value: unknown) =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : value,
  )
}
