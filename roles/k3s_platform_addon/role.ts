// The role that installs the platform on a k3s node. Read the stages from top to bottom.

import type { ClusterFacts } from '../../src/cluster/backend.ts'
import { object } from '../../src/cluster/kinds/object.ts'
import { prune } from '../../src/cluster/kinds/prune.ts'
import { record } from '../../src/cluster/kinds/record.ts'
import type { Manifest, Ref } from '../../src/cluster/object.ts'
import type { ClusterResource } from '../../src/cluster/resource.ts'
import type { Problem } from '../../src/engine/problem.ts'
import type { Stage } from '../../src/engine/resource.ts'
import { driftWarnings, rootStages, underGit } from '../handoff/stages.ts'
import { handoffBy } from '../handoff/vars.ts'
import type { Role } from '../role.ts'
import { type AddonContext, chartStages, gateStages, goesWith, retiredCharts, settingOf } from './addon.ts'
import { certManager } from './addons/cert_manager.ts'
import { externalSecrets } from './addons/external_secrets.ts'
import { addons } from './addons/index.ts'
import { caddyWarnings, reloadStages } from './caddy-reload.ts'
import { certificateFindings } from './certificate-rules.ts'
import { certificateStages } from './certificates.ts'
import { chartChecks, chartFindings, chartLocks } from './charts.ts'
import { copyFindings } from './copies.ts'
import { crdsGone } from './crds.ts'
import { locateFindings, withCustomDomains } from './custom-domains.ts'
import { handoffFindings, handover } from './handoff.ts'
import { issuerFindings, issuerStages } from './issuers.ts'
import { addonFindings } from './rules.ts'
import { leftAlone, namespacesOf, secretFindings, secretStages } from './secrets.ts'
import { type AddonVars, vars } from './vars.ts'
import { externalSecretStages } from './vault.ts'
import { vaultInitFindings, vaultInitStages } from './vault-init.ts'

/** What the rest of the role stands on: others need what they bring. */
const first = [certManager, externalSecrets]
const others = addons.filter((addon) => !first.includes(addon))

export const addon: Role<typeof vars, ClusterResource> = {
  name: 'k3s_platform_addon',
  vars,
  rules: (given, context, written) => {
    const v = withCustomDomains(given)
    return locateFindings(given, [
      ...addonFindings(v, context, written),
      ...chartFindings(v, context),
      ...secretFindings(v, context, written),
      ...vaultInitFindings(v, context, written),
      ...issuerFindings(v, context, written),
      ...certificateFindings(v, context, written),
      ...copyFindings(v),
      ...handoffFindings(v, { first, others }, context, written),
    ])
  },
  tree: (v, context) => handover(withCustomDomains(v), { first, others }, context),
  preflight: (v, look, context) => [
    ...apiProblems(look.facts.api, look.observations.has('k3s:ready'), context.host),
    ...driftWarnings(look, handover(withCustomDomains(v), { first, others }, context), context),
    // A run mends what these tell.
    ...(context.supply === undefined ? caddyWarnings(look, context.host) : []),
  ],
  checks: 1,
  locks: chartLocks,
  charts: chartChecks,
  stages: (given, context) => {
    const v = withCustomDomains(given)
    const role = addon.name
    const stages = [
      { role, name: 'namespaces', resources: namespaces(v, context).map((name) => object(namespace(name))) },
      ...secretStages(v, context),
      // All charts first: their jobs run side by side.
      ...chartStages(addons, v, context),
      ...gateStages(first, v, context),
      ...vaultInitStages(v, context, 'pre_flux'),
      ...externalSecretStages(v, context),
      ...gateStages(others, v, context),
      ...reloadStages(v, context),
      ...issuerStages(v, context),
      ...certificateStages(v, context),
    ]
    // A Vault that Git brings is there once the tree is applied, and what is in the tree may wait for it.
    const afterHandoff = vaultInitStages(v, context, 'post_flux')
    const wanted = written([...stages, ...afterHandoff])
    // Without cert-manager these are not applied, but they stay, as its CRDs do.
    const on = { ...v, k3s_platform_cert_manager_enabled: true }
    const kept = context.deleteCrds ? [] : written([...issuerStages(on, context), ...certificateStages(on, context)])
    const goesWith = async (ref: Ref) => lost(ref, v, context)
    const replaced = wanted.flatMap((ref) => makerOf(ref) ?? [])
    const git = handover(v, { first, others }, context)
    const handoff = rootStages(role, git, context, afterHandoff)
    return [
      { role, name: 'record', always: true, resources: [record({ role, wanted })] },
      ...(replaced.length === 0
        ? []
        : [{ role, name: 'secrets', resources: [prune({ role, wanted, goesWith, only: replaced })] }]),
      ...handoff.before,
      ...underGit(stages, git, context),
      ...handoff.after,
      ...(handoffBy(v) === 'flux' && v.k3s_platform_handoff_addons
        ? [{ role, name: 'handoff', resources: retiredCharts(addons, v, context) }]
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

function namespaces(v: AddonVars, context: AddonContext): string[] {
  const charts = addons.filter((one) => settingOf(one, v, context).enabled).map((one) => one.namespace)
  return [...new Set([...charts, ...namespacesOf(v)])].toSorted()
}

const leftBehind = (v: AddonVars, context: AddonContext) =>
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
function lost(ref: Ref, v: AddonVars, context: AddonContext): string | null {
  if (ref.kind === 'HelmChart') return goesWith(addons, ref, v, context)
  if (ref.kind === 'Certificate') return 'its Secret remains, but is no longer renewed'
  if (ref.kind === 'ExternalSecret') return 'the Secret that it created is deleted too'
  return null
}
