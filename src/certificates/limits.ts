// An ACME server's limits: what it says when one is reached, and what an inventory asks of one beforehand.

import type { Words } from './rule.ts'
import { when } from './words.ts'

/** Let's Encrypt's limit of certificates for one exact set of names within seven days (its page on rate limits). */
export const DUPLICATES_A_WEEK = 5

/** What Let's Encrypt calls each limit, by the words of its message. */
const LIMITS: readonly { readonly says: RegExp; readonly cause: string; readonly fix: string }[] = [
  {
    says: /exact set of (?:identifiers|domains)/,
    cause: `the ACME server issued its limit of certificates for exactly these names (Let's Encrypt: ${DUPLICATES_A_WEEK} in 7 days)`,
    fix: 'k3s-platform apply --fallback selfsigned, until then; fewer namespaces with the same names, or staging for tests',
  },
  {
    says: /too many failed authorizations/,
    cause: 'too many challenges for this name have failed lately',
    fix: 'find out first why they failed, with k3s_platform_acme_server: staging',
  },
  {
    says: /too many certificates/,
    cause: 'the ACME server issued its limit of certificates for this registered domain',
    fix: 'wait, or take names of another domain; staging for tests',
  },
  {
    says: /too many new orders/,
    cause: 'this ACME account ordered too much in too short a time',
    fix: 'wait; staging for tests',
  },
  {
    says: /too many new registrations/,
    cause: 'too many ACME accounts were registered from this address',
    fix: "wait; keep an account's key Secret when a node is set up again",
  },
]

/** Words for a message that tells of a reached limit (`429 urn:ietf:params:acme:error:rateLimited: ...`), or null. */
export function limitWords(message: string, now: Date): Words | null {
  if (!/rateLimited|\b429 urn:/.test(message)) return null
  const limit = LIMITS.find(({ says }) => says.test(message))
  const [, day, time] = /retry after (\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d)/i.exec(message) ?? []
  const until = day === undefined ? undefined : when(new Date(`${day}T${time}Z`), now)
  return {
    cause: `rate limited: ${limit?.cause ?? 'the ACME server was asked too often'}${until ? `; it takes new orders ${until}` : ''}`,
    fix: limit?.fix ?? 'wait; staging for tests',
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
