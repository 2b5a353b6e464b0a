// Rules for the entries of k3s_platform_charts: names, sources, needs, and what is said twice.

import { nearest } from '../../src/engine/suggest.ts'
import { secretPaths } from '../../src/supply/secret-values.ts'
import type { Finding, RoleContext } from '../role.ts'
import { settingOf } from './addon.ts'
import { addons } from './addons/index.ts'
import { CHARTS_VARIABLE as VARIABLE } from './custom-charts.ts'
import { certManagerOn } from './materials.ts'
import { at, leaves } from './values.ts'
import type { ChartEntry } from './vars/charts.ts'
import type { AddonVars } from './vars.ts'

/** What tags name besides addons: a stage of that name would run along. */
export const STAGE_NAMES: readonly string[] = [
  ...['all', 'k3s_platform_bootstrap', 'k3s_platform_addon'],
  ...['baseline', 'k3s', 'ready', 'kubeconfig', 'flux', 'argocd', 'source'],
  ...['record', 'namespaces', 'secrets', 'vault', 'vault-init', 'issuers', 'certificates', 'handoff', 'prune'],
]
/** HelmCharts that k3s brings. */
const OF_K3S = ['traefik', 'traefik-crd']

export function customChartFindings(v: AddonVars, context: RoleContext): Finding[] {
  const entries = v[VARIABLE]
  return [
    ...entries.flatMap((entry, i) => {
      const path = [VARIABLE, i]
      return [
        ...nameFindings(entry, path, entries.slice(0, i), v, context),
        ...sourceFindings(entry, path, context),
        ...needFindings(entry, path, v, context),
        ...valueFindings(entry, path),
        ...certificateFindings(entry, path, v),
      ]
    }),
    ...cycleFindings(entries),
  ]
}

type Path = readonly (string | number)[]

function nameFindings(
  { name }: ChartEntry,
  path: Path,
  before: readonly ChartEntry[],
  v: AddonVars,
  context: RoleContext,
): Finding[] {
  const addon = addons.find((one) => [one.name, settingOf(one, v, context).release].includes(name))
  const taken = addon
    ? `${name} is the addon ${addon.name}`
    : before.some((one) => one.name === name)
      ? `another entry is named ${name}`
      : OF_K3S.includes(name)
        ? `${name} is a HelmChart of k3s itself`
        : STAGE_NAMES.includes(name)
          ? `the tag ${name} has another meaning`
          : undefined
  if (taken === undefined) return []
  const hint = addon
    ? `use another name, or set the addon itself: k3s_platform_${addon.key}_values`
    : 'use another name; chart keeps the name of the chart'
  return [{ path: [...path, 'name'], what: taken, hint }]
}

function sourceFindings(
  { name, repo, file, plain_http: plain }: ChartEntry,
  path: Path,
  { supply }: RoleContext,
): Finding[] {
  const located = file === undefined ? undefined : supply?.locate(file)
  const missing = located !== undefined && supply?.digestOf(located) === undefined
  return [
    ...(repo === undefined && file === undefined
      ? [
          {
            path,
            what: `the source of the chart ${name} is missing`,
            hint: 'set repo (https, http or oci) or file (.tgz)',
          },
        ]
      : []),
    ...(repo !== undefined && file !== undefined
      ? [
          {
            path: [...path, 'file'],
            what: `two sources for the chart ${name}: this file and ${repo}`,
            hint: 'keep one',
          },
        ]
      : []),
    ...(missing
      ? [{ path: [...path, 'file'], what: `${located} cannot be read`, hint: 'relative paths start at the inventory' }]
      : []),
    ...(plain && repo !== undefined && !repo.startsWith('oci://')
      ? [
          {
            path: [...path, 'plain_http'],
            what: `the chart ${name} is not in an OCI registry: ${repo}`,
            hint: 'the URL already selects http',
          },
        ]
      : []),
  ]
}

function needFindings({ needs }: ChartEntry, path: Path, v: AddonVars, context: RoleContext): Finding[] {
  const known = [...addons.map((one) => one.name), ...v[VARIABLE].map((one) => one.name)]
  return needs.flatMap((need, j): Finding[] => {
    const here = [...path, 'needs', j]
    const addon = addons.find((one) => one.name === need)
    if (addon !== undefined && !settingOf(addon, v, context).enabled) {
      return [{ path: here, what: `${need} is disabled`, hint: `k3s_platform_${addon.key}_enabled: true` }]
    }
    if (known.includes(need)) return []
    const near = nearest(need, known)
    const hint = near === undefined ? `known: ${known.join(', ')}` : `did you mean ${near}?`
    return [{ path: here, what: `no addon or chart is named ${JSON.stringify(need)}`, hint }]
  })
}

/** Each cycle once, at the need that closes it. */
function cycleFindings(entries: readonly ChartEntry[]): Finding[] {
  const findings: Finding[] = []
  const done = new Set<string>()
  const visit = (name: string, way: readonly string[]): void => {
    const i = entries.findIndex((one) => one.name === name)
    if (done.has(name) || i === -1) return
    for (const [j, need] of (entries[i]?.needs ?? []).entries()) {
      const from = [...way, name].indexOf(need)
      if (from === -1) visit(need, [...way, name])
      else {
        const cycle = [...[...way, name].slice(from), need].join(' needs ')
        const hint = 'remove one of these needs'
        findings.push({ path: [VARIABLE, i, 'needs', j], what: `a cycle: ${cycle}`, hint })
      }
    }
    done.add(name)
  }
  for (const { name } of entries) visit(name, [])
  return findings
}

function valueFindings({ values, secret_values: secrets }: ChartEntry, path: Path): Finding[] {
  if (secrets === undefined) return []
  return secretPaths(secrets).flatMap(({ path: inner, isEmpty }): Finding[] => {
    const here = [...path, 'secret_values', ...inner]
    const name = inner.join('.')
    // A list is replaced as a whole.
    const index = inner.findIndex((step) => typeof step === 'number')
    const whole = inner.slice(0, index === -1 ? inner.length : index).map(String)
    const twice = leaves(values).some(
      (leaf) => leaf.every((step, i) => whole[i] === step) || at(values, whole) !== undefined,
    )
    return [
      ...(twice ? [{ path: here, what: `two values for ${name}: one in values, one here`, hint: 'keep one' }] : []),
      ...(isEmpty
        ? [
            {
              path: here,
              what: `the secret value ${name} is empty`,
              hint: 'set it in an encrypted file or in the environment, or have it generated: { generate: { length: 32 } }',
              missing: true as const,
            },
          ]
        : []),
    ]
  })
}

function certificateFindings({ certificates, ready }: ChartEntry, path: Path, v: AddonVars): Finding[] {
  if (certManagerOn(v)) return []
  const hint = 'k3s_platform_cert_manager_enabled: true'
  const what = 'it requires cert-manager, which is disabled'
  return [
    ...(certificates.length > 0 ? [{ path: [...path, 'certificates'], what, hint }] : []),
    ...ready.flatMap(({ certificate }, j) =>
      certificate === undefined ? [] : [{ path: [...path, 'ready', j, 'certificate'], what, hint }],
    ),
  ]
}
