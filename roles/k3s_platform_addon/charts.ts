// Lists the charts of an inventory for the workstation's checks, with the position of each of their values.

import type { Lockable } from '../../src/supply/resolve.ts'
import type { ChartCheck, Finding } from '../role.ts'
import { plainCharts } from '../rules/plain-http.ts'
import { type Addon, type AddonContext, settingOf } from './addon.ts'
import { addons } from './addons/index.ts'
import { at, type ValuePath } from './values.ts'
import type { AddonVars } from './vars.ts'

/** Of every addon that is on. */
export function chartChecks(v: AddonVars, context: AddonContext): ChartCheck[] {
  return addons.flatMap((addon) => {
    const { enabled, source, values, given } = settingOf(addon, v, context)
    if (!enabled) return []
    return [{ name: addon.name, source, values, given, place: (path) => placeOf(v, addon, path.map(String)) }]
  })
}

/** Once for a repository, however many charts come from it. */
export function chartFindings(v: AddonVars, context: AddonContext): Finding[] {
  if (context.supply === undefined) return []
  const remote = chartChecks(v, context).filter(({ source }) => source.file === undefined)
  const byUrl = new Map(remote.toReversed().map(({ source }) => [source.url, source]))
  return [...byUrl.values()].reverse().flatMap((source) => plainCharts(source.variables, source))
}

/** A chart that is a file of the workstation is what it is: its digest is no business of the lock file. */
export function chartLocks(v: AddonVars): Lockable[] {
  return chartChecks(v, { host: '', address: '', boundSeconds: undefined }).flatMap(({ source }) =>
    source.file === undefined ? [{ entry: ['charts', source.name, source.version], chart: source }] : [],
  )
}

/** A variable of the addon wins over the original roles' map; a value of the role itself is said in neither. */
export function placeOf(v: AddonVars, addon: Addon, path: ValuePath): Finding['path'] {
  const variable = `k3s_platform_${addon.key}_values` as const
  const former = ['k3s_platform_values', 'components', addon.component, 'values']
  for (const depth of path.keys()) {
    const part = path.slice(0, path.length - depth)
    if (at(v[variable], part) !== undefined) return [variable, ...path]
    if (at(formerly(v, addon).values ?? undefined, part) !== undefined) return [...former, ...path]
  }
  return [variable, ...path]
}

/** What the original roles' map says of an addon. */
export function formerly(v: AddonVars, addon: Addon) {
  return v.k3s_platform_values?.components?.[addon.component] ?? {}
}
