// Helpers for chart values: shared defaults, version comparison, and the text for helm-controller.

import coerce from 'semver/functions/coerce.js'
import compare from 'semver/functions/compare.js'
import { stringify } from 'yaml'
import { isMap, type Json, type JsonMap } from '../../src/engine/state.ts'

export { isMap, type JsonMap as Values }

export const mapsIn = (list: readonly Json[]): JsonMap[] => list.flatMap((one) => (isMap(one) ? [one] : []))

/** The path to a value, from the root of a chart's values. */
export type ValuePath = readonly string[]

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

export function at(values: Json | undefined, path: ValuePath): Json | undefined {
  return path.reduce<Json | undefined>((value, key) => (isMap(value) ? value[key] : undefined), values)
}

/** Paths of everything in it that is no map, or an empty one. */
export function leaves(values: JsonMap, path: ValuePath = []): ValuePath[] {
  return Object.entries(values).flatMap(([key, value]) =>
    isMap(value) && Object.keys(value).length > 0 ? leaves(value, [...path, key]) : [[...path, key]],
  )
}

/** Whether `version` (`v1.21.2`) is `from` (`1.15`) or later; a pre-release counts as its release. */
export function isFrom(version: string, from: string): boolean {
  return compare(coerce(version) ?? '0.0.0', coerce(from) ?? '0.0.0') >= 0
}
