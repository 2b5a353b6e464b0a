// From the versions that an inventory wants to digests: what releases publish, and how the lock file differs from it.

import type { Problem } from '../engine/problem.ts'
import { digestIn, type Entry, type Lock } from './lock.ts'
import { fetchSums, NotThere, reasonOf } from './sums.ts'

/** A digest that belongs into the lock file, and where it is published. */
export interface Lockable {
  readonly entry: Entry
  readonly sums: { readonly url: string; readonly name: string }
}

export interface Difference {
  readonly entry: Entry
  /** null: not locked yet. */
  readonly from: string | null
  readonly to: string
}

export interface Resolved {
  readonly differences: readonly Difference[]
  /** Locked already, as published. */
  readonly same: number
  /** Architectures that a source does not have, while it has others of the same. */
  readonly missing: readonly Entry[]
  readonly problems: readonly Problem[]
}

/** Asks every source once; `boundMs` bounds each answer. */
export async function resolveLock(lock: Lock, wanted: readonly Lockable[], boundMs: number): Promise<Resolved> {
  const urls = [...new Set(wanted.map(({ sums }) => sums.url))]
  const answers = new Map(
    await Promise.all(
      urls.map(async (url) => {
        const answer = await fetchSums(url, AbortSignal.timeout(boundMs)).catch((error: unknown) =>
          error instanceof Error ? error : new Error(String(error)),
        )
        return [url, answer] as const
      }),
    ),
  )
  const published = new Map<string, Difference>()
  const gaps = new Map<string, { readonly entry: Entry; readonly problem: Problem }>()
  const problems: Problem[] = []
  for (const { entry, sums } of wanted) {
    const { url, name } = sums
    const answer = answers.get(url) ?? new NotThere('not asked')
    const key = entry.join(' ')
    const to = answer instanceof Error ? undefined : answer.get(name)
    if (to === undefined) {
      const why = answer instanceof Error ? reasonOf(answer) : `it has no line for ${name}`
      const problem: Problem = {
        kind: 'failed',
        where: url,
        what: `no digest of ${titleOf(entry)} to be had`,
        why,
        hint: HINT,
      }
      if (answer instanceof Error && !(answer instanceof NotThere)) problems.push(problem)
      else gaps.set(key, { entry, problem })
      continue
    }
    const other = published.get(key)
    if (other !== undefined && other.to !== to) problems.push(disagree(entry, url, other.to, to))
    published.set(key, { entry, from: digestIn(lock, entry) ?? null, to })
  }
  const found = [...published.values()]
  const missing: Entry[] = []
  for (const { entry, problem } of gaps.values()) {
    if (found.some((one) => one.entry.slice(0, 3).join(' ') === entry.slice(0, 3).join(' '))) missing.push(entry)
    else problems.push(problem)
  }
  const differences = found.filter(({ from, to }) => from !== to)
  return { differences, same: found.length - differences.length, missing, problems }
}

/** `k3s v1.36.5+k3s1 binary amd64` */
export function titleOf(entry: Entry): string {
  return entry.join(' ')
}

/** A release does not change: one that did is not taken over silently. */
export function changed({ entry, from, to }: Difference, where: string): Problem {
  return {
    kind: 'failed',
    where: `${where} ${titleOf(entry)}`,
    what: 'another digest is published than the one that is locked',
    why: `locked     ${from}\npublished  ${to}\na release does not change: it was replaced, the source is another one, or something is between it and you`,
    hint: 'find out why before you trust it; to take over the new one: k3s-platform lock --yes',
  }
}

const HINT = 'check k3s_platform_k3s_version, k3s_platform_k3s_mirror_url, and the way there from this workstation'

function disagree(entry: Entry, url: string, one: string, other: string): Problem {
  return {
    kind: 'failed',
    where: `${url} ${titleOf(entry)}`,
    what: 'two sources publish different digests of the same',
    why: `one    ${one}\nother  ${other}`,
    hint: 'use one k3s_platform_k3s_mirror_url for a version, or k3s_platform_k3s_sha256 for the hosts that get another build',
  }
}
