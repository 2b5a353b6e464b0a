// An ACME server's limits: what it says when one is reached, and what an inventory asks of one beforehand.

import { ACME_LIMIT } from '../diagnosis/acme.ts'
import { diagnose } from '../diagnosis/diagnose.ts'
import type { Words } from './rule.ts'
import { when } from './words.ts'

/** A token bucket: `burst` requests at once, then one more after each `refillSeconds`. */
export interface BucketLimit {
  readonly burst: number
  readonly refillSeconds: number
}

/**
 * names: certificates for one exact set of names, whoever asks. domain: certificates below one registered domain, whoever asks.
 * orders: new orders of one account. failures: failed validations of one name by one account.
 */
export type LimitName = 'names' | 'domain' | 'orders' | 'failures'

/** What each counts, before the subject that it counts for. */
export const COUNTED: Readonly<Record<LimitName, string>> = {
  names: 'certificates for exactly',
  domain: 'new certificates below',
  orders: 'new orders of',
  failures: 'failed validations of',
}

export const ACME_ENVIRONMENTS = ['production', 'staging'] as const
/** Let's Encrypt's servers: each counts for itself. */
export type AcmeEnvironment = (typeof ACME_ENVIRONMENTS)[number]

const [MINUTE, HOUR] = [60, 3_600]

/**
 * Let's Encrypt's limits, refills rounded up as its pages have them: https://letsencrypt.org/docs/rate-limits/ and
 * https://letsencrypt.org/docs/staging-environment/. An order that ARI names as a renewal is exempt from all of them; one for a
 * set of names that has a certificate already is exempt from `domain` and `orders`.
 */
export const LIMITS: Readonly<Record<AcmeEnvironment, Readonly<Record<LimitName, BucketLimit>>>> = {
  production: {
    names: { burst: 5, refillSeconds: 34 * HOUR },
    domain: { burst: 50, refillSeconds: 202 * MINUTE },
    orders: { burst: 300, refillSeconds: 36 },
    failures: { burst: 5, refillSeconds: 12 * MINUTE },
  },
  staging: {
    names: { burst: 30_000, refillSeconds: 21 },
    domain: { burst: 30_000, refillSeconds: 21 },
    orders: { burst: 1_500, refillSeconds: 8 },
    failures: { burst: 60, refillSeconds: MINUTE },
  },
}

const HOSTS: Readonly<Record<string, AcmeEnvironment>> = {
  'acme-v02.api.letsencrypt.org': 'production',
  'acme-staging-v02.api.letsencrypt.org': 'staging',
}

/** Of an ACME directory's URL; null: a server whose limits are not known. */
export function environmentOf(server: string | undefined): AcmeEnvironment | null {
  return server !== undefined && URL.canParse(server) ? (HOSTS[new URL(server).hostname] ?? null) : null
}

/** Let's Encrypt's limit of certificates for one exact set of names within seven days. */
export const DUPLICATES_A_WEEK = LIMITS.production.names.burst

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
