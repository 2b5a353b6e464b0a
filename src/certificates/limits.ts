// An ACME server's limits: what it says when one is reached, and what an inventory asks of one beforehand.

import { ACME_LIMIT } from '../diagnosis/acme.ts'
import { diagnose } from '../diagnosis/diagnose.ts'
import type { Words } from './rule.ts'
import { when } from './words.ts'

/** Let's Encrypt's limit of certificates for one exact set of names within seven days (its page on rate limits). */
export const DUPLICATES_A_WEEK = 5

/** Words for a message that tells of a reached limit (`429 urn:ietf:params:acme:error:rateLimited: ...`), or null. */
export function limitWords(message: string, now: Date): Words | null {
  if (!/rateLimited|\b429 urn:/.test(message)) return null
  const limit = diagnose(ACME_LIMIT, { text: message, values: { duplicates: String(DUPLICATES_A_WEEK) } })
  const [, day, time] = /retry after (\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d)/i.exec(message) ?? []
  const until = day === undefined ? undefined : when(new Date(`${day}T${time}Z`), now)
  return {
    cause: `rate limited: ${limit?.cause}${until ? `; it accepts new orders ${until}` : ''}`,
    fix: limit?.hint ?? '',
  }
}

export interface Wanted {
  readonly dnsNames: readonly string[]
  /** The ACME server or the issuer: limits are counted per server. */
  readonly issuer: string
}

export interface Duplicate {
  readonly issuer: string
  /** Sorted, in lower case. */
  readonly dnsNames: readonly string[]
  /** How many certificates for exactly these names are asked of it. */
  readonly count: number
}

/** Name sets that are asked of one issuer more than once, the most frequent first: each counts against its limit. */
export function duplicates(wanted: readonly Wanted[]): Duplicate[] {
  const sets = new Map<string, Duplicate>()
  for (const { dnsNames, issuer } of wanted) {
    const names = [...new Set(dnsNames.map((name) => name.toLowerCase()))].toSorted()
    const key = JSON.stringify([issuer, names])
    sets.set(key, { issuer, dnsNames: names, count: (sets.get(key)?.count ?? 0) + 1 })
  }
  return [...sets.values()].filter(({ count }) => count > 1).toSorted((a, b) => b.count - a.count)
}
