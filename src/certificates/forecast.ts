// Simulates the renewals of all certificates against Let's Encrypt's limits: a calendar, and what will fail on which day.

import { goDuration, span } from '../engine/duration.ts'
import { shellWords } from '../engine/shell-words.ts'
import {
  type AcmeOrder,
  type Admission,
  type BucketRef,
  type Ledger,
  type LedgerEntry,
  type OrderRefusal,
  openLedger,
  refusalText,
} from './buckets.ts'
import { backoffSeconds } from './facts.ts'
import { ACME_ENVIRONMENTS, type AcmeEnvironment, LIMITS, type LimitName } from './limits.ts'
import { profileValidity, type RenewalSettings, renewBeforeSeconds, validityChanges } from './validity.ts'

/** A Certificate as the simulation needs it. Times are milliseconds since the epoch. */
export interface ForecastCertificate extends RenewalSettings {
  readonly host: string
  readonly namespace: string
  readonly name: string
  readonly names: readonly string[]
  /** `ClusterIssuer letsencrypt` */
  readonly issuer: string
  /** null: another authority, whose limits are not known. */
  readonly environment: AcmeEnvironment | null
  /** Of an ACME issuer; null: another type of issuer. */
  readonly profile: string | null
  readonly account: string
  /** Renewals name the certificate that they replace, and are exempt from all limits. */
  readonly ari: boolean
  /** Seconds that the current certificate is valid, or that were requested; where a profile decides, it wins. */
  readonly validity: number
  /** False: `spec.renewal.policy: Disabled`. */
  readonly isRenewed: boolean
  /** null: not issued yet. */
  readonly notAfter: number | null
  /** cert-manager's plan; null: not known. */
  readonly renewalTime: number | null
  /** After a failure; null: there was none. */
  readonly nextAttempt: number | null
  /** An Order for it is in progress. */
  readonly isOrdering: boolean
  /** What the ACME server has counted for it. */
  readonly history: readonly LedgerEntry[]
}

export interface CertificateRef {
  readonly host: string
  readonly namespace: string
  readonly name: string
}

/** Times are RFC 3339. */
export interface ForecastRenewal extends CertificateRef {
  readonly at: string
  readonly validitySeconds: number
  readonly notAfter: string
  /** first: no certificate has been issued for these names yet. */
  readonly kind: 'first' | 'renewal'
  /** Whether Let's Encrypt's limits apply to it. */
  readonly limited: boolean
}

export interface ForecastFinding extends CertificateRef {
  readonly at: string
  /**
   * expires: there is no valid certificate from then on. refused: a limit delays the renewal. too-frequent: it is renewed so often
   * that its calendar ends before the forecast does. ignored-setting: its renewBefore is not less than its validity.
   */
  readonly kind: 'expires' | 'refused' | 'too-frequent' | 'ignored-setting'
  readonly what: string
  readonly hint: string
  /** How often this happens to it within the forecast; `at` and `what` are of the first time. */
  readonly occurrences: number
}

export interface ForecastChange {
  readonly at: string
  readonly environment: AcmeEnvironment
  readonly profile: string
  readonly fromSeconds: number
  readonly toSeconds: number
  /** How many of the certificates have this profile. */
  readonly certificates: number
}

export interface ForecastBucket extends BucketRef {
  readonly burst: number
  /** Requests left now, and at the lowest point. */
  readonly level: number
  readonly lowest: number
  readonly lowestAt: string
}

export interface Forecast {
  readonly from: string
  readonly until: string
  readonly days: number
  /** False: it ends before the time that was asked for, because it has too many renewals. */
  readonly isComplete: boolean
  readonly certificates: number
  readonly renewals: readonly ForecastRenewal[]
  readonly changes: readonly ForecastChange[]
  /** The most important first. */
  readonly findings: readonly ForecastFinding[]
  /** The lowest first, relative to its size. */
  readonly buckets: readonly ForecastBucket[]
}

const DAY_MS = 86_400_000
/** Of one certificate: 400 days of renewals every 5 hours. */
const MOST_RENEWALS = 2_000
/** Of all: the forecast ends where it has so many. */
const MOST_OF_ALL = 100_000
const IMPORTANCE: readonly ForecastFinding['kind'][] = ['expires', 'refused', 'too-frequent', 'ignored-setting']

interface Pending {
  readonly certificate: ForecastCertificate
  readonly at: number
  /** When the certificate in use ends; null: there is none. */
  readonly notAfter: number | null
  readonly renewals: number
  /** The first refusal of the order that is tried again now. */
  readonly refused?: { readonly at: number; readonly attempts: number; readonly by: OrderRefusal }
}

export const orderOf = ({ environment, account, names, ari, notAfter }: ForecastCertificate): AcmeOrder | null =>
  environment === null ? null : { environment, account, names, ari: ari && notAfter !== null }

export function forecast(certificates: readonly ForecastCertificate[], now: number, days: number): Forecast {
  const wanted = now + days * DAY_MS
  let until = wanted
  const ledger = openLedger(certificates.flatMap(({ history }) => history))
  const levels = levelsOf(ledger)
  const findings = openFindings()
  const renewals: ForecastRenewal[] = []
  const orders = certificates.map(orderOf).filter((order) => order !== null)
  for (const bucket of orders.flatMap(ledger.bucketsOf)) levels.see(bucket, now)

  const queue = openQueue<Pending>(({ at }) => at)
  for (const certificate of certificates) {
    if (certificate.isRenewed || certificate.notAfter === null) {
      const { notAfter } = certificate
      queue.add({ certificate, at: Math.max(now, firstAttempt(certificate, now)), notAfter, renewals: 0 })
    } else if (certificate.notAfter <= until)
      findings.add(expires(certificate, Math.max(now, certificate.notAfter), NOT_RENEWED))
    findings.add(ignoredSetting(certificate, certificate.validity, now))
  }
  for (let one = queue.next(until); one !== undefined; one = queue.next(until)) {
    const { certificate, at } = one
    if (renewals.length === MOST_OF_ALL) {
      until = at
      break
    }
    const order = orderOf({ ...certificate, notAfter: one.notAfter })
    const admission: Admission = order === null ? { fits: true } : ledger.admit(order, at)
    if (!admission.fits) {
      const { attempts = 0, by = admission, at: first = at } = one.refused ?? {}
      const next = at + backoffSeconds(attempts + 1) * 1000
      queue.add({ ...one, at: next, refused: { at: first, attempts: attempts + 1, by } })
      continue
    }
    if (one.refused !== undefined) findings.add(refused(one, one.refused.at, one.refused.by, at))
    const isKnown = order === null ? one.notAfter !== null : ledger.isKnown(order)
    if (order !== null) {
      ledger.issue(order, at)
      for (const bucket of ledger.bucketsOf(order)) levels.see(bucket, at)
    }
    const validity = validityOf(certificate, at)
    const notAfter = at + validity * 1000
    renewals.push({
      ...refOf(certificate),
      at: time(at),
      validitySeconds: validity,
      notAfter: time(notAfter),
      kind: isKnown ? 'renewal' : 'first',
      limited: order !== null && order.ari !== true,
    })
    findings.add(ignoredSetting(certificate, validity, at))
    if (!certificate.isRenewed) {
      if (notAfter <= until) findings.add(expires(certificate, notAfter, NOT_RENEWED))
    } else if (one.renewals + 1 === MOST_RENEWALS) findings.add(tooFrequent(certificate, at, validity))
    else {
      const next = notAfter - renewBeforeSeconds(validity, certificate) * 1000
      queue.add({ certificate, at: next, notAfter, renewals: one.renewals + 1 })
    }
  }
  for (const one of queue.rest())
    if (one.refused !== undefined) findings.add(refused(one, one.refused.at, one.refused.by, null))

  return {
    from: time(now),
    until: time(until),
    days: Math.floor((until - now) / DAY_MS),
    isComplete: until === wanted,
    certificates: certificates.length,
    renewals,
    changes: changesFor(certificates, now, until),
    findings: findings.all(),
    buckets: levels.all(),
  }
}

/** When it is requested next; `now` for what is late. */
function firstAttempt({ nextAttempt, renewalTime, notAfter, validity, ...settings }: ForecastCertificate, now: number) {
  if (nextAttempt !== null) return nextAttempt
  if (notAfter === null) return now
  return renewalTime ?? notAfter - renewBeforeSeconds(validity, settings) * 1000
}

/** Seconds that a certificate issued at `at` will be valid. */
function validityOf({ environment, profile, validity }: ForecastCertificate, at: number): number {
  return (environment !== null && profile !== null ? profileValidity(environment, profile, at) : undefined) ?? validity
}

const NOT_RENEWED = 'its renewal is disabled (spec.renewal.policy)'

function expires(certificate: ForecastCertificate, at: number, why: string): FirstFinding {
  return {
    ...refOf(certificate),
    at: time(at),
    kind: 'expires',
    what: `${titleOf(certificate)} expires: ${why}`,
    hint: `renew it before that day: ${renewCommand(certificate)}`,
  }
}

const ADVICE: Readonly<Record<LimitName, string>> = {
  names:
    'give each certificate its own set of names, use one of them for all consumers of a namespace, or renew some of them earlier',
  domain: 'request fewer new names at a time, or one wildcard certificate for them',
  orders: 'request fewer certificates at a time',
  failures: 'k3s-platform certs explain',
}

/** `acceptedAt`: when a later attempt succeeds; null: not within the forecast. */
function refused(one: Pending, at: number, by: OrderRefusal, acceptedAt: number | null): FirstFinding {
  const { certificate, notAfter } = one
  const isLate = notAfter !== null && notAfter < (acceptedAt ?? by.acceptedAt)
  const tight = by.limit === 'names' ? tooTight(certificate, at, LIMITS[by.environment].names.refillSeconds) : undefined
  const later = acceptedAt === null ? `accepted from ${minute(by.acceptedAt)}` : `issued ${minute(acceptedAt)}`
  return {
    ...refOf(certificate),
    at: time(isLate ? Math.max(at, notAfter) : at),
    kind: isLate ? 'expires' : 'refused',
    what: `${titleOf(certificate)} ${isLate ? 'expires before it is renewed' : 'is refused'}: ${refusalText(by)}; ${later}`,
    hint: tight ?? ADVICE[by.limit],
  }
}

/** A certificate that alone uses up the limit of its names. */
function tooTight(certificate: ForecastCertificate, at: number, refillSeconds: number): string | undefined {
  const validity = validityOf(certificate, at)
  const interval = validity - renewBeforeSeconds(validity, certificate)
  if (interval >= refillSeconds) return undefined
  return `renewBefore leaves ${span(interval)} of ${span(validity)} between renewals: set renewBeforePercentage: 33 in its place`
}

function tooFrequent(certificate: ForecastCertificate, at: number, validity: number): FirstFinding {
  const interval = validity - renewBeforeSeconds(validity, certificate)
  return {
    ...refOf(certificate),
    at: time(at),
    kind: 'too-frequent',
    what: `${titleOf(certificate)} is renewed every ${span(interval)}: the forecast ends here after ${MOST_RENEWALS} renewals`,
    hint: 'set a longer duration, or a shorter renewBefore',
  }
}

function ignoredSetting(certificate: ForecastCertificate, validity: number, at: number): FirstFinding | null {
  const { renewBefore } = certificate
  if (renewBefore === null || renewBefore < validity) return null
  return {
    ...refOf(certificate),
    at: time(at),
    kind: 'ignored-setting',
    what: `${titleOf(certificate)} has renewBefore ${goDuration(renewBefore)}, but is valid for ${span(validity)}: cert-manager ignores the setting and renews after two thirds`,
    hint: 'set renewBeforePercentage: 33 in its place',
  }
}

type FirstFinding = Omit<ForecastFinding, 'occurrences'>

/** One of each kind for each certificate: the first. */
function openFindings() {
  const byKey = new Map<string, ForecastFinding>()
  return {
    add(finding: FirstFinding | null) {
      if (finding === null) return
      const { host, namespace, name, kind } = finding
      const key = JSON.stringify([host, namespace, name, kind])
      const first = byKey.get(key) ?? { ...finding, occurrences: 0 }
      byKey.set(key, { ...first, occurrences: first.occurrences + 1 })
    },
    all: () =>
      [...byKey.values()].toSorted(
        (a, b) => IMPORTANCE.indexOf(a.kind) - IMPORTANCE.indexOf(b.kind) || (a.at < b.at ? -1 : a.at > b.at ? 1 : 0),
      ),
  }
}

function changesFor(certificates: readonly ForecastCertificate[], now: number, until: number): ForecastChange[] {
  return ACME_ENVIRONMENTS.flatMap((environment) =>
    validityChanges(environment, now, until).flatMap(({ profile, at, fromSeconds, toSeconds }) => {
      const affected = certificates.filter((one) => one.environment === environment && one.profile === profile)
      if (affected.length === 0) return []
      return { at: time(at), environment, profile, fromSeconds, toSeconds, certificates: affected.length }
    }),
  ).toSorted((a, b) => (a.at < b.at ? -1 : 1))
}

/** The level of each bucket at its lowest. */
function levelsOf(ledger: Ledger) {
  const seen = new Map<string, ForecastBucket>()
  return {
    see(bucket: BucketRef, at: number) {
      const key = `${bucket.environment} ${bucket.limit} ${bucket.subject}`
      const level = ledger.level(bucket, at)
      const known = seen.get(key)
      const { burst } = LIMITS[bucket.environment][bucket.limit]
      if (known === undefined) seen.set(key, { ...bucket, burst, level, lowest: level, lowestAt: time(at) })
      else if (level < known.lowest) seen.set(key, { ...known, lowest: level, lowestAt: time(at) })
    },
    all: () => [...seen.values()].toSorted((a, b) => a.lowest / a.burst - b.lowest / b.burst),
  }
}

/** In the order of time; what has the same time, as it was added. */
function openQueue<T>(timeOf: (one: T) => number) {
  const waiting: T[] = []
  return {
    add(one: T) {
      let [low, high] = [0, waiting.length]
      while (low < high) {
        const middle = (low + high) >> 1
        const other = waiting[middle]
        // The next one is the last of the list.
        if (other !== undefined && timeOf(other) > timeOf(one)) low = middle + 1
        else high = middle
      }
      waiting.splice(low, 0, one)
    },
    next(until: number) {
      const one = waiting.at(-1)
      return one !== undefined && timeOf(one) <= until ? waiting.pop() : undefined
    },
    rest: (): readonly T[] => waiting,
  }
}

const refOf = ({ host, namespace, name }: CertificateRef): CertificateRef => ({ host, namespace, name })
const titleOf = ({ host, namespace, name }: CertificateRef) => `${namespace}/${name} on ${host}`
const renewCommand = ({ host, namespace, name }: CertificateRef) =>
  shellWords(['k3s-platform', 'certs', 'renew', '-n', namespace, name, '-l', host])
const time = (at: number) => new Date(at).toISOString().replace(/\.\d+Z$/, 'Z')
const minute = (at: number) => `${new Date(at).toISOString().slice(0, 16).replace('T', ' ')} UTC`
