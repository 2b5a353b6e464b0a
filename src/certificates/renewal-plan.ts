// Decides which certificates can be renewed now, and when the others can: what Let's Encrypt's limits leave.

import { type Admission, type OrderRefusal, openLedger } from './buckets.ts'
import { type CertificateRef, type ForecastCertificate, orderOf } from './forecast.ts'

export interface LaterRenewal {
  readonly certificate: CertificateRef
  /** The limit that refuses it now. */
  readonly refusal: OrderRefusal
  /** Milliseconds: when it fits, if those before it are renewed when they fit. */
  readonly at: number
}

export interface RenewalPlan {
  readonly now: readonly CertificateRef[]
  /** In the order of time. */
  readonly later: readonly LaterRenewal[]
}

/**
 * `certificates`: all that share the limits. `isSelected`: those to renew; what expires first comes first. Orders in progress
 * count, and ARI does not: an order by hand may come too early for it.
 */
export function planRenewals(
  certificates: readonly ForecastCertificate[],
  isSelected: (one: CertificateRef) => boolean,
  now: number,
): RenewalPlan {
  const ledger = openLedger(certificates.flatMap(({ history }) => history))
  const selected = certificates
    .filter(isSelected)
    .toSorted((a, b) => (a.notAfter ?? Number.NEGATIVE_INFINITY) - (b.notAfter ?? Number.NEGATIVE_INFINITY))
  const fitting: CertificateRef[] = []
  const later: LaterRenewal[] = []
  const orders = (one: ForecastCertificate) => orderOf({ ...one, ari: false })

  // An order in progress is taken for the renewal.
  const [ordering, rest] = [certificates.filter((one) => one.isOrdering), selected.filter((one) => !one.isOrdering)]
  for (const order of ordering.map(orders)) if (order !== null) ledger.issue(order, now)
  fitting.push(...ordering.filter(isSelected))

  const waiting: { certificate: ForecastCertificate; refusal: OrderRefusal; at: number }[] = []
  for (const certificate of rest) {
    const order = orders(certificate)
    const admission: Admission = order === null ? { fits: true } : ledger.admit(order, now)
    if (!admission.fits) waiting.push({ certificate, refusal: admission, at: admission.acceptedAt })
    else {
      fitting.push(certificate)
      if (order !== null) ledger.issue(order, now)
    }
  }
  for (let next = soonest(waiting); next !== undefined; next = soonest(waiting)) {
    const { certificate, refusal, at } = next
    const order = orders(certificate)
    const admission: Admission = order === null ? { fits: true } : ledger.admit(order, at)
    if (!admission.fits) next.at = admission.acceptedAt
    else {
      if (order !== null) ledger.issue(order, at)
      later.push({ certificate, refusal, at })
      waiting.splice(waiting.indexOf(next), 1)
    }
  }
  return { now: fitting, later }
}

/** The first one of those with the earliest time. */
function soonest<T extends { readonly at: number }>(waiting: readonly T[]): T | undefined {
  return waiting.reduce<T | undefined>((best, one) => (best === undefined || one.at < best.at ? one : best), undefined)
}
