// Values of charts: what several addons say alike, versions, and the text that helm-controller is given.

import { stringify } from 'yaml'
import type { Json } from '../../src/engine/state.ts'
import { isMap, type JsonMap } from '../../src/supply/values.ts'

export { isMap, type JsonMap as Values }

/** The path to a value, from the root of a chart's values. */
export type Path = readonly string[]

/** What a container asks for and may use; each workload of ours says both. `64Mi`, `256Mi`. */
export function resources(memory: string, limit: string, cpu = '10m', cpuLimit = '500m'): JsonMap {
  return { requests: { cpu, memory }, limits: { cpu: cpuLimit, memory: limit } }
}

/**
 * The order of keys means nothing to Helm: sorted, so that a reordered inventory changes nothing. Helm reads YAML 1.1, where
 * `yes` and `0777` are no texts.
 */
export function valuesText(values: JsonMap): string {
  return stringify(values, { sortMapEntries: true, lineWidth: 0, aliasDuplicateObjects: false, compat: 'yaml-1.1' })
}

export function at(values: Json | undefined, path: Path): Json | undefined {
  return path.reduce<Json | undefined>((value, key) => (isMap(value) ? value[key] : undefined), values)
}

/** Paths of everything in it that is no map, or an empty one. */
export function leaves(values: JsonMap, path: Path = []): Path[] {
  return Object.entries(values).flatMap(([key, value]) =>
    isMap(value) && Object.keys(value).length > 0 ? leaves(value, [...path, key]) : [[...path, key]],
  )
}

/** Whether `version` (`v1.21.2`) is `from` (`1.15`) or later; a pre-release counts as its release. */
export function isFrom(version: string, from: string): boolean {
  const numbers = (text: string) => text.replace(/^v/, '').split(/[-+]/, 1).join('').split('.').map(Number)
  const has = numbers(version)
  for (const [i, wanted] of numbers(from).entries()) {
    const one = has[i] ?? 0
    if (one !== wanted) return one > wanted
  }
  return true
}
