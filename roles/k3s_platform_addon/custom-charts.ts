// Custom charts: resolves the entries of k3s_platform_charts to releases, in the order in which they need each other.

import type { Proof } from '../../src/cluster/proofs.ts'
import { allOf, certificateIssued, serviceAnswers, workloadReady } from '../../src/cluster/ready-checks.ts'
import { isMap } from '../../src/engine/state.ts'
import type { ChartSettings } from '../../src/supply/chart-source.ts'
import { hasSecretValues } from '../../src/supply/secret-values.ts'
import type { Finding } from '../role.ts'
import type { Release, ReleaseContext } from './release.ts'
import type { ValuePath } from './values.ts'
import type { ChartEntry, ReadyCheck } from './vars/charts.ts'
import type { AddonVars } from './vars.ts'

export const CHARTS_VARIABLE = 'k3s_platform_charts'
const CERTIFICATES = 'k3s_platform_certificates'
const EXTERNAL_SECRETS = 'k3s_platform_external_secrets'
const BOUND_SECONDS = 300

/** The variables with the certificates and ExternalSecrets of the entries behind those of the inventory. */
export function withCustomCharts(v: AddonVars): AddonVars {
  const issuer = v.k3s_platform_issuer_default
  return {
    ...v,
    [CERTIFICATES]: [
      ...v[CERTIFICATES],
      ...v[CHARTS_VARIABLE].flatMap(({ namespace, certificates }) =>
        certificates.map((one) => ({ ...one, namespaces: [namespace], issuer: one.issuer || issuer })),
      ),
    ],
    [EXTERNAL_SECRETS]: [
      ...v[EXTERNAL_SECRETS],
      ...v[CHARTS_VARIABLE].flatMap(({ namespace, external_secrets }) =>
        external_secrets.map((one) => ({ ...one, namespaces: [namespace] })),
      ),
    ],
  }
}

/** Places findings about an entry's certificates and ExternalSecrets at the entry. `before`: the variables without them. */
export function locateInCharts(before: AddonVars, findings: readonly Finding[]): Finding[] {
  const places = (field: 'certificates' | 'external_secrets') =>
    before[CHARTS_VARIABLE].flatMap((one, i) => one[field].map((_, j) => [CHARTS_VARIABLE, i, field, j]))
  const lists = {
    [CERTIFICATES]: places('certificates'),
    [EXTERNAL_SECRETS]: places('external_secrets'),
  }
  return findings.map((finding) => {
    const [variable, at, ...rest] = finding.path
    if ((variable !== CERTIFICATES && variable !== EXTERNAL_SECRETS) || typeof at !== 'number') return finding
    const place = lists[variable][at - before[variable].length]
    return place === undefined ? finding : { ...finding, path: [...place, ...rest] }
  })
}

/** In steps: each needs only what is in those before it. */
export interface CustomReleases {
  /** Before the issuers: one may be what an issuer works with. The first of them need nothing. */
  readonly early: readonly (readonly Release[])[]
  /** After the certificates. */
  readonly late: readonly (readonly Release[])[]
}

export function customReleases(v: AddonVars, context: ReleaseContext): CustomReleases {
  const entries = v[CHARTS_VARIABLE]
  const places = placesInOrder(entries)
  const all = entries.map((entry, i) => ({
    release: releaseOf(entry, i, context),
    ...(places.get(entry.name) ?? FIRST),
  }))
  const steps = (isLate: boolean) => {
    const some = all.filter((one) => one.isLate === isLate)
    const depths = [...new Set(some.map(({ depth }) => depth))].toSorted((a, b) => a - b)
    return depths.map((depth) => some.filter((one) => one.depth === depth).map(({ release }) => release))
  }
  const [early, late] = [steps(false), steps(true)]
  const startsAtOnce = all.some(({ isLate, depth }) => !isLate && depth === 0)
  return { early: startsAtOnce ? early : [[], ...early], late }
}

interface Place {
  /** How many releases have to work before it, one after the other. */
  readonly depth: number
  readonly isLate: boolean
}

const FIRST: Place = { depth: 0, isLate: false }

/** By name. The rules report cycles; here a cycle only ends. */
function placesInOrder(entries: readonly ChartEntry[]): ReadonlyMap<string, Place> {
  const places = new Map<string, Place>()
  const byName = new Map(entries.map((one) => [one.name, one]))
  const placeOf = ({ name, needs, certificates, external_secrets }: ChartEntry): Place => {
    const known = places.get(name)
    if (known !== undefined) return known
    places.set(name, FIRST)
    const needed = needs.map((one) => {
      const entry = byName.get(one)
      return entry === undefined ? FIRST : placeOf(entry)
    })
    const waits = needed.length + external_secrets.length > 0
    const place = {
      depth: waits ? 1 + Math.max(0, ...needed.map(({ depth }) => depth)) : 0,
      isLate: certificates.length > 0 || needed.some(({ isLate }) => isLate),
    }
    places.set(name, place)
    return place
  }
  for (const entry of entries) placeOf(entry)
  return places
}

/** What hints call the parts of an entry's source. */
function settingsOf({ name }: ChartEntry): ChartSettings {
  const of = (field: string) => `${field} of ${name} (${CHARTS_VARIABLE})`
  return {
    version: of('version'),
    url: of('repo'),
    file: of('file'),
    ca: of('ca'),
    plainHttp: of('plain_http'),
    lock: 'k3s-platform lock',
  }
}

function releaseOf(entry: ChartEntry, i: number, { supply }: ReleaseContext): Release {
  const { name, namespace, chart = name, version, repo = '', file, ca, plain_http: plainHttp, values } = entry
  const secrets = entry.secret_values
  const at = (...path: readonly (string | number)[]) => [CHARTS_VARIABLE, i, ...path]
  return {
    ...{ name, release: name, namespace, values, given: values, boundSeconds: BOUND_SECONDS },
    source: {
      ...{ name: chart, version, url: repo, plainHttp, ca, settings: settingsOf(entry) },
      file: file === undefined ? undefined : (supply?.locate(file) ?? file),
    },
    secrets: secrets && hasSecretValues(secrets) ? secrets : undefined,
    proof: entry.ready.length === 0 ? undefined : allOf(entry.ready.map((one) => proofOf(one, namespace))),
    before: [],
    after: () => [],
    needs: entry.needs,
    certificates: entry.certificates.map((one) => one.name),
    prune: entry.prune,
    place: (path) => at(isSecret(entry, path) ? 'secret_values' : 'values', ...path),
    sourcePlaces: [at('file'), at('version')],
    filePlace: at('file'),
    urlPlace: at('repo'),
  }
}

/** Whether the value at a path of the chart's values is a secret one. */
function isSecret({ secret_values: secrets }: ChartEntry, path: ValuePath): boolean {
  const [first] = path
  if (secrets === undefined || first === undefined) return false
  const generated = secrets.generated.some((one) => one.path.every((step, i) => path[i] === step))
  return generated || hasPath(secrets.given, path)
}

function hasPath(tree: unknown, path: ValuePath): boolean {
  const [first, ...rest] = path
  if (first === undefined) return true
  const inner = isMap(tree) || Array.isArray(tree) ? Reflect.get(tree, first) : undefined
  return inner !== undefined && hasPath(inner, rest)
}

function proofOf({ http, deployment, job, certificate }: ReadyCheck, namespace: string): Proof {
  if (http !== undefined) return serviceAnswers({ namespace, ...http })
  if (certificate !== undefined) return certificateIssued(namespace, certificate)
  if (job !== undefined) return workloadReady({ apiVersion: 'batch/v1', kind: 'Job', namespace, name: job })
  return workloadReady({ apiVersion: 'apps/v1', kind: 'Deployment', namespace, name: deployment ?? '' })
}
