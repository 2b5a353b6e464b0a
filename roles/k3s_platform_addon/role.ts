// The role that installs the platform on a k3s node. Read the stages from top to bottom.

import type { ClusterFacts } from '../../src/cluster/backend.ts'
import type { Cluster } from '../../src/cluster/cluster.ts'
import { object } from '../../src/cluster/kinds/object.ts'
import { prune } from '../../src/cluster/kinds/prune.ts'
import { record } from '../../src/cluster/kinds/record.ts'
import type { Manifest, Ref } from '../../src/cluster/object.ts'
import type { ClusterResource } from '../../src/cluster/resource.ts'
import { uninstallWords } from '../../src/cluster/uninstall.ts'
import type { Problem } from '../../src/engine/problem.ts'
import type { Stage } from '../../src/engine/resource.ts'
import { driftWarnings, rootStages, underGit } from '../handoff/stages.ts'
import { handoffBy } from '../handoff/vars.ts'
import type { Role } from '../role.ts'
import { settingOf } from './addon.ts'
import { addons } from './addons/index.ts'
import { caddyWarnings, reloadStages } from './caddy-reload.ts'
import { certificateFindings } from './certificate-rules.ts'
import { certificateStages } from './certificates.ts'
import { chartChecks, chartFindings, chartLocks } from './charts.ts'
import { copyFindings } from './copies.ts'
import { crdsGone } from './crds.ts'
import { customChartFindings } from './custom-chart-rules.ts'
import { locateInCharts, withCustomCharts } from './custom-charts.ts'
import { locateFindings, withCustomDomains } from './custom-domains.ts'
import { handoffFindings, handover } from './handoff.ts'
import { issuerFindings, issuerStages } from './issuers.ts'
import { monitoringFindings, monitoringStages, operatorFindings, operatorStages } from './monitoring.ts'
import { chartStages, gateStages, type ReleaseContext, retiredCharts, rotationStages } from './release.ts'
import { groupedReleases, releasesOf } from './releases.ts'
import { addonFindings } from './rules.ts'
import { leftAlone, namespacesOf, secretFindings, secretStages } from './secrets.ts'
import { type AddonVars, vars } from './vars.ts'
import { externalSecretStages } from './vault.ts'
import { vaultInitFindings, vaultInitStages } from './vault-init.ts'

export const addon: Role<typeof vars, ClusterResource> = {
  name: 'k3s_platform_addon',
  vars,
  rules: (given, context, written) => {
    const withDomains = withCustomDomains(given)
    const v = withCustomCharts(withDomains)
    const findings = [
      ...addonFindings(v, context, written),
      ...chartFindings(v, context),
      ...secretFindings(v, context, written),
      ...vaultInitFindings(v, context, written),
      ...issuerFindings(v, context, written),
      ...certificateFindings(v, context, written),
      ...copyFindings(v),
      ...handoffFindings(v, context, written),
      ...customChartFindings(v, context),
      ...monitoringFindings(v, context, written),
    ]
    return locateFindings(given, locateInCharts(withDomains, findings))
  },
  tree: (v, context) => handover(completed(v), context),
  preflight: (v, look, context) => [
    ...apiProblems(look.facts.api, look.observations.has('k3s:ready'), context.host),
    ...driftWarnings(look, handover(completed(v), context), context),
    // A run mends what these tell.
    ...(context.supply === undefined ? caddyWarnings(look, context.host) : []),
  ],
  findings: (v, look) => operatorFindings(v, look),
  checks: 1,
  locks: chartLocks,
  charts: chartChecks,
  rotations: (given, context) => {
    const v = completed(given)
    return rotationStages(releasesOf(v, context), v, context)
  },
  stages: (given, context) => {
    const v = completed(given)
    const { first, others, custom } = groupedReleases(v, context)
    const [atOnce = [], ...early] = custom.early
    const inTurn = (steps: typeof custom.late) =>
      steps.flatMap((step) => [...chartStages(step, v, context), ...gateStages(step, v, context)])
    const role = addon.name
    const stages = [
      { role, name: 'namespaces', resources: namespaces(v, context).map((name) => object(namespace(name))) },
      ...secretStages(v, context),
      // All charts first: their jobs run side by side.
      ...chartStages([...first, ...others, ...atOnce], v, context),
      ...gateStages(first, v, context),
      ...vaultInitStages(v, context, 'pre_flux'),
      ...externalSecretStages(v, context),
      ...gateStages(others, v, context),
      ...reloadStages(v, context),
      ...gateStages(atOnce, v, context),
      ...inTurn(early),
      ...issuerStages(v, context),
      ...certificateStages(v, context),
      ...inTurn(custom.late),
      ...monitoringStages(v, context),
    ]
    // A Vault that Git brings is there once the tree is applied, and what is in the tree may wait for it.
    const afterHandoff = vaultInitStages(v, context, 'post_flux')
    const wanted = written([...stages, ...afterHandoff])
    // Without cert-manager these are not applied, but they stay, as its CRDs do.
    const on = { ...v, k3s_platform_cert_manager_enabled: true }
    const kept = context.deleteCrds ? [] : written([...issuerStages(on, context), ...certificateStages(on, context)])
    const goesWith = (ref: Ref, cluster: Cluster) => lost(ref, v, context, cluster)
    const replaced = wanted.flatMap((ref) => makerOf(ref) ?? [])
    const git = handover(v, context)
    const handoff = rootStages(role, git, context, afterHandoff)
    return [
      ...operatorStages(v),
      { role, name: 'record', always: true, resources: [record({ role, wanted })] },
      ...(replaced.length === 0
        ? []
        : [{ role, name: 'secrets', resources: [prune({ role, wanted, goesWith, only: replaced })] }]),
      ...handoff.before,
      ...underGit(stages, git, context),
      ...handoff.after,
      ...(handoffBy(v) === 'flux' && v.k3s_platform_handoff_addons
        ? [{ role, name: 'handoff', resources: retiredCharts(releasesOf(v, context), v) }]
        : []),
      {
        role,
        name: 'prune',
        resources: [
          prune({ role, wanted: [...wanted, ...kept, ...replaced, ...leftAlone(v)], goesWith }),
          ...(context.deleteCrds ? leftBehind(v, context) : []),
        ],
      },
    ]
  },
}

/** With the certificates and ExternalSecrets that entries of other lists stand for. */
const completed = (v: AddonVars) => withCustomCharts(withCustomDomains(v))

/** `coming`: this run sees to k3s, too. */
function apiProblems(api: ClusterFacts, coming: boolean, host: string): Problem[] {
  const hint = 'run both roles: k3s-platform apply, without a role name'
  if (coming) return []
  if (api.is === 'none')
    return [{ kind: 'failed', where: host, what: 'k3s, which the addons require, is not installed', hint }]
  if (api.is !== 'silent') return []
  return [{ kind: 'failed', where: host, what: 'the k3s API does not answer', why: api.why, hint }]
}

const written = (stages: readonly Stage<ClusterResource>[]): Ref[] =>
  stages.flatMap(({ resources }) => resources).flatMap(({ writes }) => writes ?? [])

function namespaces(v: AddonVars, context: ReleaseContext): string[] {
  const charts = releasesOf(v, context).map((one) => one.namespace)
  return [...new Set([...charts, ...namespacesOf(v)])].toSorted()
}

const leftBehind = (v: AddonVars, context: ReleaseContext) =>
  addons.flatMap((one) => {
    const { enabled, release } = settingOf(one, v, context)
    return enabled ? [] : [crdsGone({ name: one.name, release, namespace: one.namespace })]
  })

const namespace = (name: string): Manifest => ({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } })

/** Where an earlier run had external-secrets make a Secret that this one writes itself. */
function makerOf({ kind, namespace, name }: Ref): Ref | null {
  return kind === 'Secret' ? { apiVersion: 'external-secrets.io/v1', kind: 'ExternalSecret', namespace, name } : null
}

/** What is lost and what stays when an object goes. */
async function lost(ref: Ref, v: AddonVars, context: ReleaseContext, cluster: Cluster): Promise<string | null> {
  if (ref.kind === 'HelmChart') {
    const addon = addons.find((one) => [one.name, settingOf(one, v, context).release].includes(ref.name))
    return addon?.goesWith ?? uninstallWords(cluster, ref)
  }
  if (ref.kind === 'Certificate') return 'its Secret remains, but is no longer renewed'
  if (ref.kind === 'ExternalSecret') return 'the Secret that it created is deleted too'
  return null
}
