// A chart that is to be installed, whoever declares it: builds its HelmChart, its gate, and what Git has of it.

import { randomInt } from 'node:crypto'
import { chartReady } from '../../src/cluster/kinds/chart.ts'
import { type Kept, keptSecret } from '../../src/cluster/kinds/kept-secret.ts'
import { object } from '../../src/cluster/kinds/object.ts'
import { PRUNE_MARK } from '../../src/cluster/kinds/prune.ts'
import type { Manifest } from '../../src/cluster/object.ts'
import type { Proof } from '../../src/cluster/proofs.ts'
import type { ClusterResource } from '../../src/cluster/resource.ts'
import { ProblemError } from '../../src/engine/problem.ts'
import type { Stage } from '../../src/engine/resource.ts'
import { fluxApplier } from '../../src/gitops/applier.ts'
import { helmRelease } from '../../src/gitops/flux.ts'
import { FLUX_ROOT, type GivenSecret } from '../../src/gitops/handover.ts'
import { type AdoptedRelease, gitsOwn, keeperOf, keptChart, retired } from '../../src/gitops/kinds/adopted.ts'
import { type ChartSource, ociReference } from '../../src/supply/chart-source.ts'
import {
  documentAt,
  generatedKey,
  givenDocuments,
  type SecretValues,
  secretKeys,
} from '../../src/supply/secret-values.ts'
import { handoffBy } from '../handoff/vars.ts'
import type { ChartCheck, Finding, RoleContext } from '../role.ts'
import { type ValuePath, valuesText } from './values.ts'
import type { AddonVars } from './vars.ts'

/** What a built-in addon and an entry of k3s_platform_charts both become: all that follows knows nothing else. */
export interface Release extends ChartCheck {
  /** How long until it must work, seconds. */
  readonly boundSeconds: number
  /** That it works, not only runs. */
  readonly proof?: Proof | undefined
  /** What is done before its HelmChart changes. */
  readonly before: readonly ClusterResource[]
  /** What is done once it is ready: `gate` is its id. */
  after(gate: string): readonly ClusterResource[]
  /** Where the inventory says the value at a path, or as much of it as it says. */
  place(path: ValuePath): Finding['path']
  /** Names of releases that have to work before it is installed. */
  readonly needs: readonly string[]
  /** Names of Certificates in its namespace that have to be issued before it is installed. */
  readonly certificates: readonly string[]
  /** Whether it is uninstalled when it leaves the inventory. */
  readonly prune: boolean
  /** Where it says that the chart is a file. */
  readonly filePlace: Finding['path']
  readonly urlPlace: Finding['path']
}

export type ReleaseContext = Pick<RoleContext, 'host' | 'address' | 'boundSeconds' | 'supply' | 'chartContent'>

/** HelmCharts live where k3s's own controller looks for those of the cluster's administrator. */
const CHARTS = 'kube-system'
const ROLE = 'k3s_platform_addon'

/** spec: https://github.com/k3s-io/helm-controller v0.17, pkg/apis/helm.cattle.io/v1/types.go. */
export function helmChart(one: Release, context: ReleaseContext): Manifest {
  const { release, namespace, source, values, prune } = one
  const { url, name, version, ca, plainHttp, file } = source
  const at = url.startsWith('oci://') ? { chart: ociReference(source) } : { chart: name, repo: url }
  const from =
    file === undefined
      ? { ...at, version, ...(ca !== undefined && { repoCA: ca }), ...(plainHttp && { plainHTTP: true }) }
      : { chartContent: contentOf(file, source, context) }
  return {
    apiVersion: 'helm.cattle.io/v1',
    kind: 'HelmChart',
    metadata: { name: release, namespace: CHARTS, ...(!prune && { annotations: { [PRUNE_MARK]: 'disabled' } }) },
    spec: {
      ...from,
      targetNamespace: namespace,
      createNamespace: true,
      valuesContent: valuesText(values),
      ...(one.secrets && { valuesSecrets: [valuesSecret(one.release, one.secrets)] }),
      // The default, reinstall, uninstalls a release that failed, and all that it holds with it.
      failurePolicy: 'abort',
      backOffLimit: 4,
      // As the controller writes it: it puts the whole object back, and another form would be another manager's value.
      timeout: '10m0s',
    },
  }
}

/** As a HelmChart and a HelmRelease name it. */
function valuesSecret(release: string, secrets: SecretValues) {
  return { name: `${release}-secret-values`, keys: secretKeys(secrets) }
}

/**
 * Where its secret values are for whoever installs it. What is generated is made once and outlives the release; `rotates`: it is
 * made once more.
 */
function secretsOf({ release, secrets, prune }: Release, v: AddonVars, rotates = false): ClusterResource[] {
  if (secrets === undefined) return []
  const { name } = valuesSecret(release, secrets)
  const mark = prune ? (secrets.generated.length > 0 ? 'generated' : undefined) : 'disabled'
  const data = givenDocuments(secrets)
  const kept = secrets.generated.map(({ path, length }): Kept => {
    let isDue = rotates
    return {
      keys: [generatedKey(path)],
      good: () => !isDue,
      make: async () => {
        isDue = false
        return { [generatedKey(path)]: documentAt(path, randomText(length)) }
      },
    }
  })
  return [CHARTS, ...(flux(v) ? [v.k3s_platform_flux_namespace] : [])].map((namespace) =>
    keptSecret({ namespace, name, data, ...(mark && { annotations: { [PRUNE_MARK]: mark } }) }, kept),
  )
}

/** Whether Git has the releases. */
const flux = (v: AddonVars) => handoffBy(v) === 'flux' && v.k3s_platform_handoff_addons

function contentOf(file: string, { settings }: ChartSource, { chartContent, supply }: ReleaseContext): string {
  // The rules report a file that cannot be read.
  const content = chartContent?.(file) ?? (supply?.digestOf(file) === undefined ? '' : undefined)
  if (content !== undefined) return content
  const hint = `check ${settings.file}`
  throw new ProblemError({ kind: 'usage', where: file, what: 'the chart was not read', hint })
}

/** The HelmCharts, a stage each: applied one after the other, they install side by side. */
export function chartStages(
  releases: readonly Release[],
  v: AddonVars,
  context: ReleaseContext,
): Stage<ClusterResource>[] {
  return releases.map((one) => ({
    role: ROLE,
    name: one.name,
    resources: [...one.before, ...secretsOf(one, v), keptBy(one, v, object(helmChart(one, context)))],
  }))
}

/** A stage for each release with generated values: generates them again, and waits for the resulting upgrade. */
export function rotationStages(
  releases: readonly Release[],
  v: AddonVars,
  context: ReleaseContext,
): Stage<ClusterResource>[] {
  return releases.flatMap((one) => {
    if (one.secrets === undefined || one.secrets.generated.length === 0) return []
    const [gates] = gateStages([one], v, context)
    const secrets = secretsOf(one, v, true)
    const ids = secrets.map(({ id }) => id)
    // Its HelmChart has no part in it.
    const waits = (gates?.resources ?? []).map((gate) => ({ ...gate, inputs: ids }))
    return [{ role: ROLE, name: one.name, resources: [...secrets, ...waits] }]
  })
}

/** Their gates, with what is made beside a chart once it is there. */
export function gateStages(
  releases: readonly Release[],
  v: AddonVars,
  context: ReleaseContext,
): Stage<ClusterResource>[] {
  return releases.map((one) => {
    const { name, release, namespace, source, values, secrets, proof } = one
    const chart = object(helmChart(one, context))
    const gate = chartReady({
      name: release,
      release,
      namespace,
      version: source.version,
      values,
      inputs: [chart.id, ...secretsOf(one, v).map(({ id }) => id)],
      ...(secrets && { valuesSecret: valuesSecret(release, secrets) }),
      boundSeconds: context.boundSeconds ?? one.boundSeconds,
      ...(handoffBy(v) === 'flux' && { keeper: (cluster) => keeperOf(cluster, adopted(one, v)) }),
      ...(proof && { proof }),
    })
    const resources = [gate, ...one.after(gate.id)]
    return { role: ROLE, name, resources: resources.map((resource) => underGit(one, v, resource)) }
  })
}

function keptBy(release: Release, v: AddonVars, chart: ClusterResource): ClusterResource {
  if (handoffBy(v) !== 'flux') return chart
  const [, manifest] = releaseManifests(release, v)
  return underGit(release, v, keptChart(chart, adopted(release, v), object(manifest)))
}

function underGit(release: Release, v: AddonVars, resource: ClusterResource): ClusterResource {
  if (!flux(v) || v.k3s_platform_git_url === undefined) return resource
  return gitsOwn(resource, adopted(release, v), fluxApplier(v.k3s_platform_flux_namespace, FLUX_ROOT))
}

/** What Git has of it: where its chart is, and the HelmRelease. */
export function releaseManifests(
  { release: name, namespace, source, values, boundSeconds, secrets, prune }: Release,
  v: AddonVars,
): [Manifest, Manifest] {
  const from = secrets && valuesSecret(name, secrets)
  const spec = { name, namespace, source, values, boundSeconds, prune, valuesSecret: from }
  return helmRelease(spec, v.k3s_platform_flux_namespace)
}

/** The Secret that Flux reads beside the HelmRelease, and that Git has not. */
export function fluxSecret({ release, secrets, name }: Release, v: AddonVars): GivenSecret[] {
  if (secrets === undefined) return []
  const title = `the secret values of ${name}`
  return [{ namespace: v.k3s_platform_flux_namespace, ...valuesSecret(release, secrets), title }]
}

/** HelmCharts of releases that Flux keeps by now. */
export function retiredCharts(releases: readonly Release[], v: AddonVars): ClusterResource[] {
  return releases.map((one) => retired(adopted(one, v)))
}

const adopted = ({ release: name, namespace }: Release, v: AddonVars): AdoptedRelease => ({
  name,
  namespace,
  fluxNamespace: v.k3s_platform_flux_namespace,
})

const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789'

/** Letters and digits: fit for every place that takes a password. */
const randomText = (length: number) => Array.from({ length }, () => LETTERS[randomInt(LETTERS.length)]).join('')
