// The charts of an inventory as the workstation can ask for them, and where the inventory says each of their values.

import type { Lockable } from '../../src/supply/resolve.ts'
import type { ChartCheck, Finding } from '../role.ts'
import { type Addon, type AddonContext, settingOf } from './addon.ts'
import { addons } from './addons/index.ts'
import { at, type Path } from './values.ts'
import type { Vars } from './vars.ts'

/** Of every addon that is on. */
export function chartChecks(v: Vars, context: AddonContext): ChartCheck[] {
  return addons.flatMap((addon) => {
    const { enabled, source, values } = settingOf(addon, v, context)
    if (!enabled) return []
    return [{ name: addon.name, source, values, place: (path) => placeOf(v, addon, path.map(String)) }]
  })
}

/** A chart that is a file of the workstation is what it is: its digest is no business of the lock file. */
export function chartLocks(v: Vars): Lockable[] {
  return chartChecks(v, { host: '', address: '', boundSeconds: undefined }).flatMap(({ source }) =>
    source.file === undefined ? [{ entry: ['charts', source.name, source.version], chart: source }] : [],
  )
}

/** A variable of the addon wins over the original roles' map; a value of the role itself is said in neither. */
export function placeOf(v: Vars, addon: Addon, path: Path): Finding['path'] {
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
export function formerly(v: Vars, addon: Addon) {
  return v.k3s_platform_values?.components?.[addon.component] ?? {}
}
