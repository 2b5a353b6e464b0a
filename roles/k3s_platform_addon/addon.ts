// Defines an addon, and builds its HelmChart and its gate from the declaration and the variables.

import { chartReady } from '../../src/cluster/kinds/chart.ts'
import { object } from '../../src/cluster/kinds/object.ts'
import type { Manifest, Ref } from '../../src/cluster/object.ts'
import type { Proof } from '../../src/cluster/proofs.ts'
import type { ClusterResource } from '../../src/cluster/resource.ts'
import { ProblemError } from '../../src/engine/problem.ts'
import type { Stage } from '../../src/engine/resource.ts'
import type { JsonMap } from '../../src/engine/state.ts'
import { fluxApplier } from '../../src/gitops/applier.ts'
import { helmRelease } from '../../src/gitops/flux.ts'
import { FLUX_ROOT } from '../../src/gitops/handover.ts'
import { type AdoptedRelease, gitsOwn, keeperOf, keptChart, retired } from '../../src/gitops/kinds/adopted.ts'
import { type ChartSource, ociReference } from '../../src/supply/chart-source.ts'
import { layerValues } from '../../src/supply/values.ts'
import { handoffBy } from '../handoff/vars.ts'
import type { RoleContext } from '../role.ts'
import { type ValuePath, valuesText } from './values.ts'
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
  values(v: AddonVars, context: AddonContext): JsonMap
  /** Values that variables of their own make: said in both, they must agree. */
  readonly made?: { readonly [variable: `k3s_platform_${string}`]: ValuePath }
  /** Where its values say how many there are of each workload, and what each may use. */
  readonly workloads: readonly Workload[]
  /** That it works, not only runs. */
  proof?(v: AddonVars, release: string): Proof
  /** What is done before its HelmChart changes. */
  before?(setting: AddonSetting): readonly ClusterResource[]
  /** What is done once it is ready: `gate` is its id. */
  after?(v: AddonVars, release: string, gate: string): readonly ClusterResource[]
  /** What is lost when it is turned off, and what stays. */
  readonly goesWith: string
}

interface Workload {
  readonly replicas?: ValuePath
  readonly resources: ValuePath
}

export type AddonContext = Pick<RoleContext, 'host' | 'address' | 'boundSeconds' | 'supply' | 'chartContent'>

/** An addon as the inventory wants it. */
export interface AddonSetting {
  readonly enabled: boolean
  readonly release: string
  readonly version: string
  readonly values: JsonMap
  /** Of these, what the inventory gives. */
  readonly given: JsonMap
  readonly source: ChartSource
}

export function settingOf(addon: Addon, v: AddonVars, context: AddonContext): AddonSetting {
  const { key } = addon
  const component = v.k3s_platform_values?.components?.[addon.component]
  const given = layerValues(component?.values ?? {}, v[`k3s_platform_${key}_values` as const] ?? {})
  const version = v[`k3s_platform_${key}_chart_version` as const]
  const file = v[`k3s_platform_${key}_chart_file` as const]
  return {
    enabled: v[`k3s_platform_${key}_enabled` as const] ?? component?.enabled ?? addon.on,
    release: component?.releaseName ?? addon.name,
    version,
    values: layerValues(addon.values(v, context), given),
    given,
    source: {
      name: addon.chart,
      version,
      url: v[`k3s_platform_${key}_chart_repo_url` as const],
      plainHttp: v[`k3s_platform_${key}_chart_plain_http` as const],
      ca: v[`k3s_platform_${key}_chart_ca` as const],
      file: file === undefined ? undefined : (context.supply?.locate(file) ?? file),
      variables: `k3s_platform_${key}`,
    },
  }
}

/** HelmCharts of one addon live where k3s's own controller looks for those of the cluster's administrator. */
const CHARTS = 'kube-system'
const ROLE = 'k3s_platform_addon'

/** spec: https://github.com/k3s-io/helm-controller v0.17, pkg/apis/helm.cattle.io/v1/types.go. */
export function helmChart(addon: Addon, v: AddonVars, context: AddonContext): Manifest {
  const { release, version, values, source } = settingOf(addon, v, context)
  const { url, name, ca, plainHttp, file } = source
  const at = url.startsWith('oci://') ? { chart: ociReference(source) } : { chart: name, repo: url }
  const from =
    file === undefined
      ? { ...at, version, ...(ca !== undefined && { repoCA: ca }), ...(plainHttp && { plainHTTP: true }) }
      : { chartContent: contentOf(file, addon, context) }
  return {
    apiVersion: 'helm.cattle.io/v1',
    kind: 'HelmChart',
    metadata: { name: release, namespace: CHARTS },
    spec: {
      ...from,
      targetNamespace: addon.namespace,
      createNamespace: true,
      valuesContent: valuesText(values),
      // The default, reinstall, uninstalls a release that failed, and all that it holds with it.
      failurePolicy: 'abort',
      backOffLimit: 4,
      // As the controller writes it: it puts the whole object back, and another form would be another manager's value.
      timeout: '10m0s',
    },
  }
}

function contentOf(file: string, { key }: Addon, { chartContent, supply }: AddonContext): string {
  // A file that cannot be read is told of by the rules.
  const content = chartContent?.(file) ?? (supply?.digestOf(file) === undefined ? '' : undefined)
  if (content !== undefined) return content
  const hint = `check k3s_platform_${key}_chart_file`
  throw new ProblemError({ kind: 'usage', where: file, what: 'the chart was not read', hint })
}

/** The HelmCharts, a stage each: applied one after the other, they install side by side. */
export function chartStages(addons: readonly Addon[], v: AddonVars, context: AddonContext): Stage<ClusterResource>[] {
  return enabled(addons, v, context).map((addon) => ({
    role: ROLE,
    name: addon.name,
    resources: [
      ...(addon.before?.(settingOf(addon, v, context)) ?? []),
      keptBy(addon, v, context, object(helmChart(addon, v, context))),
    ],
  }))
}

/** Their gates, with what is made beside a chart once it is there. */
export function gateStages(addons: readonly Addon[], v: AddonVars, context: AddonContext): Stage<ClusterResource>[] {
  return enabled(addons, v, context).map((addon) => {
    const { release, version, values } = settingOf(addon, v, context)
    const chart = object(helmChart(addon, v, context))
    const gate = chartReady({
      name: release,
      release,
      namespace: addon.namespace,
      version,
      values,
      inputs: [chart.id],
      boundSeconds: context.boundSeconds ?? addon.boundSeconds,
      ...(handoffBy(v) === 'flux' && { keeper: (cluster) => keeperOf(cluster, releaseOf(addon, v, context)) }),
      ...(addon.proof && { proof: addon.proof(v, release) }),
    })
    const resources = [gate, ...(addon.after?.(v, release, gate.id) ?? [])]
    return { role: ROLE, name: addon.name, resources: resources.map((one) => underGit(addon, v, context, one)) }
  })
}

function keptBy(addon: Addon, v: AddonVars, context: AddonContext, chart: ClusterResource): ClusterResource {
  if (handoffBy(v) !== 'flux') return chart
  const [, manifest] = releaseManifests(addon, v, context)
  return underGit(addon, v, context, keptChart(chart, releaseOf(addon, v, context), object(manifest)))
}

function underGit(addon: Addon, v: AddonVars, context: AddonContext, resource: ClusterResource): ClusterResource {
  if (handoffBy(v) !== 'flux' || !v.k3s_platform_handoff_addons || v.k3s_platform_git_url === undefined) return resource
  return gitsOwn(resource, releaseOf(addon, v, context), fluxApplier(v.k3s_platform_flux_namespace, FLUX_ROOT))
}

/** What Git has of an addon: where its chart is, and the HelmRelease. */
export function releaseManifests(addon: Addon, v: AddonVars, context: AddonContext): [Manifest, Manifest] {
  const { release: name, source, values } = settingOf(addon, v, context)
  const { namespace, boundSeconds } = addon
  return helmRelease({ name, namespace, source, values, boundSeconds }, v.k3s_platform_flux_namespace)
}

/** HelmCharts of releases that Flux keeps by now. */
export function retiredCharts(addons: readonly Addon[], v: AddonVars, context: AddonContext): ClusterResource[] {
  return enabled(addons, v, context).map((addon) => retired(releaseOf(addon, v, context)))
}

function releaseOf(addon: Addon, v: AddonVars, context: AddonContext): AdoptedRelease {
  const { release: name } = settingOf(addon, v, context)
  return { name, namespace: addon.namespace, fluxNamespace: v.k3s_platform_flux_namespace }
}

/** What is lost and what stays when a HelmChart of ours goes, for the plan. */
export function goesWith(addons: readonly Addon[], { name }: Ref, v: AddonVars, context: AddonContext): string {
  const addon = addons.find((one) => [one.name, settingOf(one, v, context).release].includes(name))
  return addon?.goesWith ?? `uninstalls the release ${name}`
}

export function enabled(addons: readonly Addon[], v: AddonVars, context: AddonContext): Addon[] {
  return addons.filter((addon) => settingOf(addon, v, context).enabled)
}
