// Where a chart comes from, and how it is told when it does not.

import { type Problem, ProblemError } from '../engine/problem.ts'
import { nearest } from '../engine/suggest.ts'
import { natural } from './lock.ts'
import { type Asking, explainDownload, get, type HttpAnswer } from './web.ts'

export interface ChartSource {
  /** As in the chart's own Chart.yaml. */
  readonly name: string
  /** Exactly as in Chart.yaml and in the index; of an OCI tag, too, where `+` is written `_`. */
  readonly version: string
  /** `https://`, `http://`: a repository that has an index.yaml. `oci://`: the chart itself, or what it lies in. */
  readonly url: string
  /** For `oci://`: the registry speaks HTTP. Default: HTTPS. */
  readonly plainHttp?: boolean
  /** PEM; trusted besides the well-known ones. */
  readonly ca?: string | undefined
  /** A .tgz of the workstation, absolute: it is the chart, and nothing is fetched. */
  readonly file?: string | undefined
  readonly settings: ChartSettings
}

/** What the inventory calls what is said of a source, for hints: `k3s_platform_caddy_chart_version`. */
export interface ChartSettings {
  readonly version: string
  readonly url: string
  readonly file: string
  readonly ca: string
  readonly plainHttp: string
  /** The command that locks the chart. */
  readonly lock: string
}

/** Of variables that begin alike: `k3s_platform_caddy` of `k3s_platform_caddy_chart_version`. */
export function prefixedSettings(prefix: string, version: string): ChartSettings {
  return {
    version: `${prefix}_chart_version`,
    url: `${prefix}_chart_repo_url`,
    file: `${prefix}_chart_file`,
    ca: `${prefix}_chart_ca`,
    plainHttp: `${prefix}_chart_plain_http`,
    lock: `k3s-platform lock -e ${prefix}_chart_version=${version}`,
  }
}

/** How the source is asked; of `Asking` what is the same for each request. */
export type Way = Pick<Asking, 'signal' | 'boundMs'>

/** A chart that was found, but not fetched yet. */
export interface Located {
  /** As the source says it; null: it does not. */
  readonly sha256: string | null
  /** For people. */
  readonly from: string
  fetch(): Promise<Buffer>
}

/** A chart's .tgz; those in use are below 1 MiB. */
export const CHART_BYTES = 16_777_216

/** `oci://host/path`; the name is added unless the path ends in it: what Helm wants as the chart. */
export function ociReference({ url, name }: Pick<ChartSource, 'url' | 'name'>): string {
  const plain = url.replace(/\/+$/, '')
  return plain.endsWith(`/${name}`) ? plain : `${plain}/${name}`
}

/** Nothing can be said of the chart: the source cannot be asked from here. A node may reach it all the same. */
export class Unreached extends ProblemError {}

/** The answer to a GET; rejects with Unreached when there is none. */
export async function ask(
  source: ChartSource,
  url: string,
  { signal, boundMs, ...more }: Way & Pick<Asking, 'maxBytes' | 'headers'>,
): Promise<HttpAnswer> {
  try {
    return await get(url, { signal, boundMs, ca: source.ca, ...more })
  } catch (error) {
    signal.throwIfAborted()
    const { protocol: scheme } = new URL(source.url)
    const { why, hint } = explainDownload(error, url, {
      chart_ca: source.settings.ca,
      chart_plain_http: source.settings.plainHttp,
      scheme,
    })
    const { problems } = failed(source, url, why, hint)
    throw new Unreached(problems)
  }
}

/** The chart cannot be had, and why; `url` without the credentials that it may hold. */
export function failed(source: ChartSource, url: string, why: string, hint?: string): ProblemError {
  return new ProblemError({
    kind: 'failed',
    where: shown(url),
    what: `the chart ${source.name} ${source.version} could not be fetched`,
    why,
    hint: hint ?? checkUrl(source),
  })
}

/** `known`: the names that the source has. */
export function noChart(source: ChartSource, url: string, known: readonly string[]): ProblemError {
  const near = nearest(source.name, known)
  return new ProblemError({
    kind: 'failed',
    where: shown(url),
    what: `the chart ${source.name} does not exist`,
    why: known.length === 0 ? 'the repository has no charts' : `the repository has ${few(known)}`,
    hint: near === undefined ? checkUrl(source) : `did you mean ${near}? otherwise ${checkUrl(source)}`,
  })
}

/** `known`: the versions that the source has, in any order. */
export function noVersion(source: ChartSource, url: string, known: readonly string[]): ProblemError {
  const plain = (version: string) => version.replace(/^v/, '')
  const newest = known.toSorted((a, b) => natural(plain(b), plain(a)))
  const stable = newest.filter((version) => !version.includes('-'))
  const wanted = plain(source.version)
  const near = newest.find((version) => plain(version) === wanted) ?? nearest(source.version, newest)
  const variable = source.settings.version
  return new ProblemError({
    kind: 'failed',
    where: shown(url),
    what: `version ${source.version} of the chart ${source.name} does not exist`,
    why: `the newest versions are ${few(stable.length === 0 ? newest : stable)}`,
    hint: near === undefined ? `set ${variable}` : `did you mean ${near}? set ${variable}`,
  })
}

/** What is published, or lies in the file, is not what is expected. */
export function otherDigest(
  source: ChartSource,
  where: string,
  by: 'locked' | 'named',
  expected: string,
  got: string,
): ProblemError {
  const said = by === 'locked' ? 'locked' : 'index '
  const problem: Problem = {
    kind: 'failed',
    where: shown(where),
    what: `the digest of the chart ${source.name} ${source.version} differs from the ${by === 'locked' ? 'locked' : 'published'} one`,
    why: `${said}  ${expected}\ngot     ${got}\nchart versions are immutable: it was replaced, the source differs, or an attacker intercepts the connection`,
    hint:
      by === 'locked'
        ? 'find out why before you trust it; to accept the new one: k3s-platform lock --yes'
        : 'the repository contradicts itself: try again, then contact its operator',
  }
  return new ProblemError(problem)
}

/** Without what logs in. */
export function shown(url: string): string {
  return url.replace(/^([a-z]+:\/\/)[^/@]*@/, '$1')
}

function checkUrl({ settings, file }: ChartSource): string {
  if (file !== undefined) return `check ${settings.file}`
  return `check ${settings.url} and whether this workstation can reach it; if it cannot: ${settings.file}`
}

function few(all: readonly string[]): string {
  return all.length > 5 ? `${all.slice(0, 5).join(', ')} and ${all.length - 5} more` : all.join(', ')
}
