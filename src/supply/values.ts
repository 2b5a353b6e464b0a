// Values of a chart, laid over each other as Helm does it.

import type { Json } from '../engine/state.ts'

export type JsonMap = { readonly [key: string]: Json }

/**
 * `over` laid over the chart's own `base`, as Helm lays a user's values: maps are merged, lists and scalars replaced, null
 * deletes. What results has no null from `over`.
 */
export function mergeValues(base: JsonMap, over: JsonMap): JsonMap {
  return merged(base, over, false)
}

/**
 * `over` laid over `base` where both are a user's values, as Helm lays one `--values` file over the other: null stays, because
 * it is still to delete the default of the chart.
 */
export function layerValues(base: JsonMap, over: JsonMap): JsonMap {
  return merged(base, over, true)
}

export function isMap(value: Json | undefined): value is JsonMap {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function merged(base: JsonMap, over: JsonMap, keepNull: boolean): JsonMap {
  const all = new Map(Object.entries(base))
  for (const [key, value] of Object.entries(over)) {
    const under = all.get(key)
    if (value === null && !keepNull) all.delete(key)
    else all.set(key, isMap(value) ? merged(isMap(under) ? under : {}, value, keepNull) : value)
  }
  return Object.fromEntries(all)
}
