// Derives the state of a Certificate from its own status: what can be used, what is in progress, and what fails.

import type { Certificate } from './bundle.ts'
import { conditionOf } from './facts.ts'
import { seconds } from './words.ts'

/** What a program that needs the certificate asks: is there a key pair that clients accept? */
export type TlsStatus = 'issued' | 'pending' | 'failed'

export const CERTIFICATE_STATES = [
  'Ready',
  'Renewing',
  'RenewalFailing',
  'Issuing',
  'Pending',
  'Error',
  'Expired',
] as const

/**
 * Pending: cert-manager has not processed it yet. Renewing and RenewalFailing: the previous key pair is valid and in use; the
 * renewal is in progress, or has failed or is overdue. Error: issuance failed, and cert-manager tries again after its backoff.
 */
export type CertificateState = (typeof CERTIFICATE_STATES)[number]

const STATUS: Readonly<Record<CertificateState, TlsStatus>> = {
  Ready: 'issued',
  Renewing: 'issued',
  RenewalFailing: 'issued',
  Issuing: 'pending',
  Pending: 'pending',
  Error: 'failed',
  Expired: 'failed',
}

/** A renewal takes minutes; after this long it is overdue. */
export const RENEWAL_LATE_SECONDS = 3_600

export const tlsStatusOf = (state: CertificateState): TlsStatus => STATUS[state]

/** Nobody has to do anything. */
export const isHealthy = (state: CertificateState): boolean => state === 'Ready' || state === 'Renewing'

export function certificateState({ metadata, status }: Certificate, now: Date): CertificateState {
  const [ready, issuing] = [conditionOf({ status }, 'Ready'), conditionOf({ status }, 'Issuing')]
  const isSince = (time: string | undefined, duration = 0) => (seconds(time, now) ?? -1) >= duration
  if (isSince(status.notAfter)) return 'Expired'
  const isIssuing = issuing?.status === 'True'
  // cert-manager clears the failure when it succeeds.
  const hasFailed = status.lastFailureTime !== undefined
  const isCurrent = (ready?.observedGeneration ?? Number.POSITIVE_INFINITY) >= (metadata.generation ?? 0)
  if (ready?.status === 'True' && isCurrent) {
    const starts = [status.renewalTime, isIssuing ? issuing.lastTransitionTime : undefined]
    if (hasFailed || starts.some((start) => isSince(start, RENEWAL_LATE_SECONDS))) return 'RenewalFailing'
    return isIssuing ? 'Renewing' : 'Ready'
  }
  if (isIssuing) return 'Issuing'
  return hasFailed ? 'Error' : 'Pending'
}
