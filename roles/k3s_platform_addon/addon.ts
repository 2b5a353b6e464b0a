// Defines a built-in addon, and resolves it to a release by the variables.

import type { Proof } from '../../src/cluster/proofs.ts'
import type { ClusterResource } from '../../src/cluster/resource.ts'
import type { JsonMap } from '../../src/engine/state.ts'
import { prefixedSettings } from '../../src/supply/chart-source.ts'
import { layerValues } from '../../src/supply/values.ts'
import type { Finding } from '../role.ts'
import type { Release, ReleaseContext } from './release.ts'
import { at, type ValuePath } from './values.ts'
import type { AddonVars } from './vars.ts'

/** As in `k3s_platform_<key>_chart_version`. */
type AddonKey = 'cert_manager' | 'external_secrets' | 'caddy' | 'external_dns' | 'reloader' | 'apisix'

export interface Addon {
  readonly key: AddonKey
  /** In `k3s_platform_values.components`. */
  readonly component: keyof NonNullable<NonNullable<AddonVars['k3s_platform_values']>['components']>
  /** Its stages, and its release where no other name is given. */
  readonly name: string
  /** Of its chart. */
  readonly chart: string
  readonly namespace: string
  /** Where neither variable says so. */
  readonly on: boolean
  /** How long until it must work, seconds. */
  readonly boundSeconds: number
  /** What the inventory's values are merged over. */
  values(v: AddonVars, context: ReleaseContext): JsonMap
  /** Values that variables of their own make: said in both, they must agree. */
  readonly made?: { readonly [variable: `k3s_platform_${string}`]: ValuePath }
  /** Where its values say how many there are of each workload, and what each may use. */
  readonly workloads: readonly Workload[]
  /** That it works, not only runs. */
  proof?(v: AddonVars, release: string): Proof
  /** What is done before its HelmChart changes. */
  before?(setting: Pick<Release, 'release' | 'values'>): readonly ClusterResource[]
  /** What is done once it is ready: `gate` is its id. */
  after?(v: AddonVars, release: string, gate: string): readonly ClusterResource[]
  /** What is lost when it is turned off, and what stays. */
  readonly goesWith: string
}

interface Workload {
  readonly replicas?: ValuePath
  readonly resources: ValuePath
}

/** An addon as the inventory wants it. */
export interface AddonSetting extends Release {
  readonly enabled: boolean
}

export function settingOf(addon: Addon, v: AddonVars, context: ReleaseContext): AddonSetting {
  const { key, name, namespace, boundSeconds } = addon
  const component = formerly(v, addon)
  const given = layerValues(component.values ?? {}, v[`k3s_platform_${key}_values` as const] ?? {})
  const version = v[`k3s_platform_${key}_chart_version` as const]
  const file = v[`k3s_platform_${key}_chart_file` as const]
  const release = component.releaseName ?? name
  const values = layerValues(addon.values(v, context), given)
  const settings = prefixedSettings(`k3s_platform_${key}`, version)
  return {
    enabled: v[`k3s_platform_${key}_enabled` as const] ?? component.enabled ?? addon.on,
    ...{ name, release, namespace, boundSeconds, values, given },
    source: {
      name: addon.chart,
      version,
      url: v[`k3s_platform_${key}_chart_repo_url` as const],
      plainHttp: v[`k3s_platform_${key}_chart_plain_http` as const],
      ca: v[`k3s_platform_${key}_chart_ca` as const],
      file: file === undefined ? undefined : (context.supply?.locate(file) ?? file),
      settings,
    },
    proof: addon.proof?.(v, release),
    before: addon.before?.({ release, values }) ?? [],
    after: (gate) => addon.after?.(v, release, gate) ?? [],
    ...{ needs: [], certificates: [], prune: true },
    place: (path) => placeOf(v, addon, path),
    sourcePlaces: [[settings.file], [settings.version], [settings.url]],
    filePlace: [settings.file],
    urlPlace: [settings.url],
  }
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

/** Releases of those that are on, in their order. */
export function enabled(addons: readonly Addon[], v: AddonVars, context: ReleaseContext): Release[] {
  return addons.map((addon) => settingOf(addon, v, context)).filter((one) => one.enabled)
}
