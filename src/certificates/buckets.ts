// Keeps the level of Let's Encrypt's token buckets, and answers when it accepts an order.

import { span } from '../engine/duration.ts'
import { type AcmeEnvironment, type BucketLimit, COUNTED, LIMITS, type LimitName } from './limits.ts'
import { nameSet, registeredDomain } from './registered-domain.ts'

export interface AcmeOrder {
  readonly environment: AcmeEnvironment
  /** What tells the ACME account from others: each issuer of each cluster has its own. */
  readonly account: string
  readonly names: readonly string[]
  /** The order names the certificate that it replaces (ARI): it is exempt from all limits. */
  readonly ari?: boolean
}

/** Something that the ACME server has counted already. */
export interface LedgerEntry {
  readonly order: AcmeOrder
  /** Milliseconds since the epoch, as all times here. */
  readonly at: number
  readonly is: 'issued' | 'failed'
}

export type Admission = { readonly fits: true } | OrderRefusal

/** The limit that is free last, what it counts, and when it accepts the order if nothing else is ordered until then. */
export interface OrderRefusal {
  readonly fits: false
  readonly environment: AcmeEnvironment
  readonly limit: LimitName
  readonly subject: string
  readonly acceptedAt: number
}

/** `the limit of certificates for exactly shop.example.com is reached (5, one more every 34 h)` */
export function refusalText({ environment, limit, subject }: OrderRefusal): string {
  const { burst, refillSeconds } = LIMITS[environment][limit]
  return `the limit of ${COUNTED[limit]} ${subject} is reached (${burst}, one more every ${span(refillSeconds)})`
}

export interface BucketRef {
  readonly environment: AcmeEnvironment
  readonly limit: LimitName
  /** A set of names, a registered domain, an account, or one name. */
  readonly subject: string
}

export interface Ledger {
  /** Whether the server accepts this order at this time; changes nothing. */
  admit(order: AcmeOrder, at: number): Admission
  /** Counts a certificate that is issued. Times must not go back. */
  issue(order: AcmeOrder, at: number): void
  /** The buckets of the first order for these names. */
  bucketsOf(order: AcmeOrder): readonly BucketRef[]
  /** Requests left, 0 to the limit's burst. */
  level(bucket: BucketRef, at: number): number
  /** Whether the set of names has a certificate: another order for it is a renewal. */
  isKnown(order: AcmeOrder): boolean
}

/**
 * `history` is what is known of the time before. All of it counts in full: what was a renewal then, and exempt, cannot be told from
 * the rest, and a level that is too low only delays.
 */
export function openLedger(history: readonly LedgerEntry[]): Ledger {
  /** When each bucket is full again. */
  const fullAt = new Map<string, number>()
  const known = new Set<string>()
  /** By the list of names: an order comes again and again. */
  const seen = new WeakMap<readonly string[], NamesOfOrder>()
  const namesOf = ({ names }: AcmeOrder): NamesOfOrder => {
    const parts = seen.get(names) ?? partsOf(names)
    seen.set(names, parts)
    return parts
  }
  const bucketsOf = (order: AcmeOrder) => allBuckets(order, namesOf(order))
  const keyOf = ({ environment, limit, subject }: BucketRef) => `${environment} ${limit} ${subject}`
  const limitOf = ({ environment, limit }: BucketRef) => LIMITS[environment][limit]
  const setKey = (order: AcmeOrder) => `${order.environment} ${namesOf(order).set.join()}`

  const take = (bucket: BucketRef, at: number) => {
    const key = keyOf(bucket)
    fullAt.set(key, Math.max(fullAt.get(key) ?? 0, at) + refillMs(limitOf(bucket)))
  }
  const freeAt = (bucket: BucketRef) => {
    const limit = limitOf(bucket)
    return (fullAt.get(keyOf(bucket)) ?? 0) - (limit.burst - 1) * refillMs(limit)
  }
  /** The buckets that it takes from. */
  const chargedBy = (order: AcmeOrder): BucketRef[] => {
    if (order.ari === true) return []
    const all = bucketsOf(order)
    return known.has(setKey(order)) ? all.filter(({ limit }) => limit === 'names') : all
  }
  const failuresOf = (order: AcmeOrder): BucketRef[] =>
    namesOf(order).set.map((name) => ({
      environment: order.environment,
      limit: 'failures',
      subject: `${name} (${order.account})`,
    }))

  for (const { order, at, is } of history.toSorted((a, b) => a.at - b.at)) {
    for (const bucket of is === 'issued' ? bucketsOf(order) : failuresOf(order)) take(bucket, at)
    if (is === 'failed') take(ordersOf(order), at)
  }
  for (const { order, is } of history) if (is === 'issued') known.add(setKey(order))

  return {
    bucketsOf,
    isKnown: (order) => known.has(setKey(order)),
    admit: (order, at) => {
      const checked = order.ari === true ? [] : [...chargedBy(order), ...failuresOf(order)]
      const [last] = checked
        .map((bucket) => ({ ...bucket, acceptedAt: freeAt(bucket) }))
        .filter(({ acceptedAt }) => acceptedAt > at)
        .toSorted((a, b) => b.acceptedAt - a.acceptedAt)
      if (last === undefined) return { fits: true }
      return { fits: false, ...last }
    },
    issue: (order, at) => {
      for (const bucket of chargedBy(order)) take(bucket, at)
      known.add(setKey(order))
    },
    level: (bucket, at) => {
      const limit = limitOf(bucket)
      const missing = Math.max(0, (fullAt.get(keyOf(bucket)) ?? 0) - at) / refillMs(limit)
      return Math.max(0, Math.floor(limit.burst - missing))
    },
  }
}

const refillMs = ({ refillSeconds }: BucketLimit) => refillSeconds * 1000

const ordersOf = ({ environment, account }: AcmeOrder): BucketRef => ({
  environment,
  limit: 'orders',
  subject: account,
})

interface NamesOfOrder {
  readonly set: readonly string[]
  readonly domains: readonly string[]
}

function partsOf(names: readonly string[]): NamesOfOrder {
  const set = nameSet(names)
  return { set, domains: [...new Set(set.map(registeredDomain))] }
}

function allBuckets(order: AcmeOrder, { set, domains }: NamesOfOrder): BucketRef[] {
  const { environment } = order
  return [
    { environment, limit: 'names', subject: set.join(', ') },
    ...domains.map((subject): BucketRef => ({ environment, limit: 'domain', subject })),
    ordersOf(order),
  ]
}
