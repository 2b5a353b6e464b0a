// Says how long a certificate is valid, by Let's Encrypt's profile and the day of its issuance, and when cert-manager renews it.

import type { AcmeEnvironment } from './limits.ts'

const DAY = 86_400

interface ValidityRow {
  readonly profile: string
  /** Certificates issued from then on, by server; null: the first row of the profile. */
  readonly from: Readonly<Record<AcmeEnvironment, string>> | null
  readonly seconds: number
}

/**
 * https://letsencrypt.org/docs/profiles/ and https://letsencrypt.org/2025/12/02/from-90-to-45: staging changes about a month earlier.
 * Of each profile in the order of time.
 */
const VALIDITY: readonly ValidityRow[] = [
  { profile: 'classic', from: null, seconds: 90 * DAY },
  { profile: 'classic', from: { production: '2027-02-10', staging: '2027-01-10' }, seconds: 64 * DAY },
  { profile: 'classic', from: { production: '2028-02-16', staging: '2028-01-16' }, seconds: 45 * DAY },
  { profile: 'tlsserver', from: null, seconds: 90 * DAY },
  { profile: 'tlsserver', from: { production: '2026-05-13', staging: '2026-04-13' }, seconds: 45 * DAY },
  { profile: 'shortlived', from: null, seconds: 160 * 3_600 },
]

/** What an issuer without `acme.profile` gets. */
export const DEFAULT_PROFILE = 'classic'

/** Seconds that a certificate of the profile is valid if it is issued at `at` (ms); undefined: a profile that is not known. */
export function profileValidity(environment: AcmeEnvironment, profile: string, at: number): number | undefined {
  return VALIDITY.findLast((row) => row.profile === profile && startOf(row, environment) <= at)?.seconds
}

export interface ValidityChange {
  readonly profile: string
  /** Milliseconds. */
  readonly at: number
  readonly fromSeconds: number
  readonly toSeconds: number
}

/** The changes after `after` until `until` (ms), in the order of time. */
export function validityChanges(environment: AcmeEnvironment, after: number, until: number): ValidityChange[] {
  return VALIDITY.flatMap((row) => {
    const at = startOf(row, environment)
    const fromSeconds = profileValidity(environment, row.profile, at - 1)
    if (fromSeconds === undefined || at <= after || at > until) return []
    return { profile: row.profile, at, fromSeconds, toSeconds: row.seconds }
  }).toSorted((a, b) => a.at - b.at)
}

const startOf = ({ from }: ValidityRow, environment: AcmeEnvironment) =>
  from === null ? Number.NEGATIVE_INFINITY : Date.parse(from[environment])

export interface RenewalSettings {
  /** Seconds; null: not set. */
  readonly renewBefore: number | null
  readonly renewBeforePercentage: number | null
}

/**
 * How many seconds before its end a certificate is renewed. A `renewBefore` that is not less than the validity is ignored:
 * https://github.com/cert-manager/cert-manager/blob/master/pkg/util/pki/renewaltime.go
 */
export function renewBeforeSeconds(
  validity: number,
  { renewBefore, renewBeforePercentage: percentage }: RenewalSettings,
): number {
  if (renewBefore !== null && renewBefore > 0 && renewBefore < validity) return renewBefore
  if (percentage !== null && percentage > 0 && percentage < 100) return Math.floor((validity * percentage) / 100)
  return Math.floor(validity / 3)
}

/** Seconds of a duration as the API has it: `2160h0m0s`, `90m`; undefined for anything else. */
export function goSeconds(text: string): number | undefined {
  const [all, h = '0', m = '0', s = '0'] = /^(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s)?$/.exec(text) ?? []
  return all ? Number(h) * 3_600 + Number(m) * 60 + Number(s) : undefined
}
