// Values of a chart, laid over each other as Helm does it.

import { isMap, type JsonMap } from '../engine/state.ts'

/**
 * `over` laid over the chart's own `base`, as Helm lays a user's values: maps are merged, lists and scalars replaced. A null
 * deletes a default, and stays where there is none; a default that is null is none (seen with Helm 4.2).
 */
export function mergeValues(base: JsonMap, over: JsonMap): JsonMap {
  return merged(base, over, true)
}

/**
 * `over` laid over `base` where both are a user's values, as Helm lays one `--values` file over the other: null stays, because
 * it is still to delete the default of the chart.
 */
export function layerValues(base: JsonMap, over: JsonMap): JsonMap {
  return merged(base, over, false)
}

/** `defaults`: whether `base` is the chart's own. */
function merged(base: JsonMap, over: JsonMap, defaults: boolean): JsonMap {
  const all = new Map(Object.entries(defaults ? withoutNulls(base) : base))
  for (const [key, value] of Object.entries(over)) {
    const under = Object.hasOwn(base, key) ? base[key] : undefined
    if (value === null && defaults && under !== undefined) all.delete(key)
    else all.set(key, isMap(value) ? merged(isMap(under) ? under : {}, value, defaults) : value)
  }
  return Object.fromEntries(all)
}

function withoutNulls(map: JsonMap): JsonMap {
  return Object.fromEntries(
    Object.entries(map).flatMap(([key, value]) =>
      value === null ? [] : [[key, isMap(value) ? withoutNulls(value) : value]],
    ),
  )
}
