// From the versions that an inventory wants to digests: what releases publish, and how the lock file differs from it.

import { type Problem, ProblemError } from '../engine/problem.ts'
import { fetchChart } from './chart.ts'
import { type ChartSource, shown } from './chart-source.ts'
import { digestIn, type LockEntry, type LockFile } from './lock.ts'
import { fetchSums, NotThere } from './sums.ts'
import { reasonOf } from './web.ts'

/** A digest that belongs into the lock file, and where it comes from: a release's file of sums, or the chart itself. */
export type Lockable =
  | {
      readonly entry: LockEntry
      readonly sums: { readonly url: string; readonly name: string }
      /** How the variables that say where it comes from begin, for hints; default `k3s_platform_k3s`. */
      readonly variables?: string
    }
  | { readonly entry: LockEntry; readonly chart: ChartSource }

export interface Difference {
  readonly entry: LockEntry
  /** null: not locked yet. */
  readonly from: string | null
  readonly to: string
}

export interface Resolved {
  readonly differences: readonly Difference[]
  /** Locked already, as published. */
  readonly same: number
  /** Architectures that a source does not have, while it has others of the same. */
  readonly missing: readonly LockEntry[]
  readonly problems: readonly Problem[]
}

/** What a source says of an entry: its digest, or why there is none; `gap`: because it does not have it. */
type Said = { readonly to: string } | { readonly problems: readonly Problem[]; readonly gap: boolean }

/** Asks every source once; `boundMs` bounds each answer. */
export async function resolveLock(
  lock: LockFile,
  wanted: readonly Lockable[],
  { cache, boundMs }: { readonly cache: string; readonly boundMs: number },
): Promise<Resolved> {
  const { signal } = new AbortController()
  const sums = once((url: string) => fetchSums(url, AbortSignal.timeout(boundMs)))
  const charts = once((_: string, source: ChartSource) => fetchChart(source, { cache, signal, boundMs, fresh: true }))
  const ask = async (one: Lockable): Promise<Said> => {
    if ('sums' in one) return publishedIn(one, await sums(one.sums.url).catch(asError))
    const chart = await charts(JSON.stringify(one.chart), one.chart).catch(asError)
    if (!(chart instanceof Error)) return { to: chart.sha256 }
    if (chart instanceof ProblemError) return { problems: chart.problems, gap: false }
    throw chart
  }
  const published = new Map<string, Difference>()
  const gaps = new Map<string, { readonly entry: LockEntry; readonly problems: readonly Problem[] }>()
  const problems: Problem[] = []
  const answers = await Promise.all(wanted.map(async (one) => [one, await ask(one)] as const))
  for (const [one, said] of answers) {
    const { entry } = one
    const key = entry.join(' ')
    if (!('to' in said)) {
      if (said.gap) gaps.set(key, { entry, problems: said.problems })
      else problems.push(...said.problems)
      continue
    }
    const other = published.get(key)
    if (other !== undefined && other.to !== said.to) problems.push(disagree(one, other.to, said.to))
    published.set(key, { entry, from: digestIn(lock, entry) ?? null, to: said.to })
  }
  const found = [...published.values()]
  const missing: LockEntry[] = []
  for (const { entry, problems: why } of gaps.values()) {
    if (found.some((one) => one.entry.slice(0, 3).join(' ') === entry.slice(0, 3).join(' '))) missing.push(entry)
    else problems.push(...why)
  }
  const differences = found.filter(({ from, to }) => from !== to)
  return { differences, same: found.length - differences.length, missing, problems }
}

function publishedIn(
  { entry, sums: { url, name }, variables = K3S }: Extract<Lockable, { sums: unknown }>,
  answer: ReadonlyMap<string, string> | Error,
): Said {
  const to = answer instanceof Error ? undefined : answer.get(name)
  if (to !== undefined) return { to }
  const why = answer instanceof Error ? reasonOf(answer) : `it has no line for ${name}`
  const what = `the digest of ${titleOf(entry)} could not be fetched`
  const gap = !(answer instanceof Error) || answer instanceof NotThere
  const hint = `check ${variables}_version, ${variables}_mirror_url, and whether this workstation can reach it`
  return { problems: [{ kind: 'failed', where: url, what, why, hint }], gap }
}

/** `how`, called once for each key. */
function once<T, Rest extends unknown[]>(
  how: (key: string, ...rest: Rest) => Promise<T>,
): (key: string, ...rest: Rest) => Promise<T> {
  const under = new Map<string, Promise<T>>()
  return (key, ...rest) => {
    const found = under.get(key) ?? how(key, ...rest)
    under.set(key, found)
    return found
  }
}

const asError = (error: unknown): Error => (error instanceof Error ? error : new Error(String(error)))

/** `k3s v1.36.5+k3s1 binary amd64`, `chart cert-manager v1.20.0`, `manifest flux v2.9.5` */
export function titleOf(entry: LockEntry): string {
  return entry.join(' ').replace(/^(chart|manifest)s/, '$1')
}

/** A release does not change: one that did is not taken over silently. */
export function changed({ entry, from, to }: Difference, where: string): Problem {
  return {
    kind: 'failed',
    where: `${where} ${titleOf(entry)}`,
    what: 'the published digest differs from the locked one',
    why: `locked     ${from}\npublished  ${to}\nreleases are immutable: it was replaced, the source differs, or an attacker intercepts the connection`,
    hint: 'find out why before you trust it; to accept the new one: k3s-platform lock --yes',
  }
}

const K3S = 'k3s_platform_k3s'

function disagree(lockable: Lockable, one: string, other: string): Problem {
  const title = titleOf(lockable.entry)
  const { variables = K3S } = 'sums' in lockable ? lockable : {}
  const [url, hint] =
    'sums' in lockable
      ? [
          lockable.sums.url,
          `use one ${variables}_mirror_url per version, or ${variables}_sha256 for the hosts with another build`,
        ]
      : [shown(lockable.chart.url), `use one ${lockable.chart.settings.url} per version`]
  return {
    kind: 'failed',
    where: `${url} ${title}`,
    what: 'two sources publish different digests of the same version',
    why: `one    ${one}\nother  ${other}`,
    hint,
  }
}
