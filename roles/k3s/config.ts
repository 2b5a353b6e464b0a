// Merges settings of k3s as k3s does: config.yaml, then the drop-ins in the order of their names.

import { longName } from './flags.ts'
import type { K3sVars } from './vars.ts'

export type Config = Record<string, unknown>

/** Packaged components that k3s leaves out, from all variables that can say so. */
export function disabledOf(vars: Omit<K3sVars, 'k3s_platform_cluster_name'>): string[] {
  const config: Config = { disable: vars.k3s_platform_disable_components }
  for (const more of [vars.k3s_platform_k3s_config, ...dropins(vars).map(([, map]) => map)]) merge(config, more)
  return listOf(config.disable).flatMap((one) =>
    String(one)
      .split(',')
      .map((name) => name.trim()),
  )
}

/** By file name with its ending, sorted as k3s reads them. */
export function dropins({
  k3s_platform_k3s_config_dropins: given,
}: Pick<K3sVars, 'k3s_platform_k3s_config_dropins'>): [string, Config][] {
  return Object.entries(given)
    .map(([name, map]): [string, Config] => [dropinFile(name), map])
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
}

/** `name` and `name.yaml` are the same file. */
export function dropinFile(name: string): string {
  return `${name.replace(/\.ya?ml$/, '')}.yaml`
}

/** Adds `more` to `config`: a key that ends in + appends, any other replaces. */
export function merge(config: Config, more: Config): void {
  for (const [key, value] of Object.entries(more)) {
    const name = longName(key.replace(/\+$/, ''))
    config[name] = key.endsWith('+') ? [...listOf(config[name]), ...listOf(value)] : value
  }
}

/** A list, one value for a list of one, or nothing. */
export function listOf(value: unknown): readonly unknown[] {
  if (value === undefined || value === null) return []
  return Array.isArray(value) ? value : [value]
}
