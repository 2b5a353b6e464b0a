// Derives the facts of a Certificate from its live objects: the newest request, its status, and faults of the Secret.

import type {
  Bundle,
  Certificate,
  CertificateRequest,
  Challenge,
  Condition,
  Ingress,
  Issuer,
  Order,
  Pod,
  Secret,
} from './bundle.ts'
import { seconds, short, span } from './words.ts'

export interface CertificateFacts {
  readonly bundle: Bundle
  readonly now: Date
  readonly certificate?: Certificate | undefined
  readonly ready?: Condition | undefined
  readonly issuing?: Condition | undefined
  /** `ClusterIssuer svc-plus-acme-http01`: the one that is asked, there or not. */
  readonly issuerTitle: string
  readonly issuer?: Issuer | undefined
  /** Of the newest revision; its conditions by type. */
  readonly request?: CertificateRequest | undefined
  readonly on: { readonly [type: string]: Condition | undefined }
  readonly order?: Order | undefined
  readonly challenges: readonly Challenge[]
  /** The first challenge that is not valid yet: what issuance waits for. */
  readonly open?: Challenge | undefined
  readonly ingress?: Ingress | undefined
  readonly pods: readonly Pod[]
  /** What came of the open challenge's check, in words. */
  readonly check: string
  readonly secret?: Secret | undefined
  /** What the Secret lacks to be the pair that is asked for; empty: a valid pair. */
  readonly faults: readonly string[]
  /** Ready at its newest version, and the Secret holds the pair. */
  readonly issued: boolean
  /** After failures: how many, and when cert-manager tries again. */
  readonly backoff?: { readonly attempts: number; readonly next: Date } | undefined
  /** The deepest object that is not done, with its words. */
  readonly stand: string
  /** All that cert-manager's objects say, deepest first. */
  readonly said: string
}

export const conditionOf = (object: { status: { conditions: Condition[] } } | undefined, type: string) =>
  object?.status.conditions.find((c) => c.type === type)

const owned = (object: Pick<CertificateRequest, 'metadata'>, kind: string, name: string | undefined) =>
  name !== undefined && object.metadata.ownerReferences.some((o) => o.kind === kind && o.name === name)

const newest = <T extends Pick<CertificateRequest, 'metadata'>>(objects: readonly T[]) =>
  objects.toSorted(
    (a, b) =>
      revision(b) - revision(a) ||
      +new Date(b.metadata.creationTimestamp ?? 0) - +new Date(a.metadata.creationTimestamp ?? 0),
  )[0]
const revision = ({ metadata }: Pick<CertificateRequest, 'metadata'>) =>
  Number(metadata.annotations['cert-manager.io/certificate-revision'] ?? 0)

/** cert-manager's defaults: 1 h after the first failure, twice as long after each more, at most 32 h. */
const BACKOFF_SECONDS = { first: 3_600, longest: 32 * 3_600 }

export function factsOf(bundle: Bundle): CertificateFacts {
  const { now, name } = bundle
  const certificate = bundle.certificates.find((c) => c.metadata.name === name)
  const ref = certificate?.spec.issuerRef
  const issuer = bundle.issuers.find((i) => i.kind === ref?.kind && i.metadata.name === ref.name)
  const ready = conditionOf(certificate, 'Ready')
  const issuing = conditionOf(certificate, 'Issuing')
  // A request that failed before this issuance began is on its way out.
  const past = ({ status }: CertificateRequest) =>
    issuing?.status === 'True' && (seconds(status.failureTime, issuing.lastTransitionTime) ?? 0) > 0
  const request = newest(
    bundle.requests.filter(
      (r) =>
        (r.metadata.annotations['cert-manager.io/certificate-name'] === name || owned(r, 'Certificate', name)) &&
        !past(r),
    ),
  )
  const on = Object.fromEntries((request?.status.conditions ?? []).map((c) => [c.type, c]))
  const order = newest(bundle.orders.filter((o) => owned(o, 'CertificateRequest', request?.metadata.name)))
  const challenges = bundle.challenges.filter((c) => owned(c, 'Order', order?.metadata.name))
  const open =
    challenges.find((c) => ['invalid', 'errored', 'expired'].includes(c.status.state ?? '')) ??
    challenges.find((c) => c.status.state !== 'valid')
  const ofOpen = (o: Pick<CertificateRequest, 'metadata'>) => owned(o, 'Challenge', open?.metadata.name)
  const secret = bundle.secrets.find((s) => s.name === certificate?.spec.secretName)
  const faults = certificate ? faultsOf(certificate, secret, issuer, now) : []
  const current = ready?.status === 'True' && (ready.observedGeneration ?? 0) >= (certificate?.metadata.generation ?? 0)
  const known = {
    bundle,
    now,
    certificate,
    ready,
    issuing,
    issuerTitle: ref ? `${ref.kind} ${ref.name}` : 'Issuer',
    issuer,
    request,
    on,
    order,
    challenges,
    open,
    ingress: bundle.ingresses.find(ofOpen),
    pods: bundle.pods.filter(ofOpen),
    check: open === undefined ? '' : checkOf(bundle, open),
    secret,
    faults,
    issued: current && faults.length === 0,
    backoff: backoffOf(certificate, issuing),
  }
  return {
    ...known,
    stand: standOf(known, current),
    said: [
      bundle.refusal,
      open?.status.reason,
      order?.status.reason,
      ...(request?.status.conditions ?? []).map((c) => c.message),
      issuing?.message,
    ]
      .filter((s) => s !== undefined)
      .join('\n'),
  }
}

/** The Issuing condition's words without what they always begin with. */
export const failure = (message = '') =>
  short(message).replace(/^The certificate request has failed to complete and will be retried: /, '')

/** What keeps the Secret from being the pair that the Certificate asks for, each as the end of "Secret NAME ...". */
function faultsOf({ spec }: Certificate, secret: Secret | undefined, issuer: Issuer | undefined, now: Date): string[] {
  if (secret === undefined) return ['is absent']
  const missing = ['tls.crt', 'tls.key'].filter((key) => !secret.keys.includes(key))
  if (missing.length > 0) return [`lacks ${missing.join(' and ')}`]
  const { pair } = secret
  if (pair === undefined) return ['contains no readable certificate']
  const names = new Set(pair.names.map((n) => n.toLowerCase()))
  const unnamed = spec.dnsNames.filter((n) => !names.has(n.toLowerCase()))
  const by = secret.annotations['cert-manager.io/issuer-name']
  const foreign = by !== spec.issuerRef.name
  return [
    !pair.keyFits && 'contains a key that does not match its certificate',
    unnamed.length > 0 && `does not include ${unnamed.join(', ')}`,
    pair.notAfter <= now && `expired ${span(seconds(pair.notAfter, now) ?? 0)} ago`,
    pair.notBefore > now && `becomes valid only in ${span(seconds(now, pair.notBefore) ?? 0)}`,
    foreign && (by ? `was issued by ${by}, not by ${spec.issuerRef.name}` : "lacks cert-manager's annotations"),
    !foreign && pair.selfSigned && issuer?.spec.acme && 'contains a temporary self-signed certificate',
  ].filter((fault) => typeof fault === 'string')
}

/** After failures: when cert-manager tries again. */
export function backoffOf(
  certificate: Certificate | undefined,
  issuing: Condition | undefined,
): CertificateFacts['backoff'] {
  const { lastFailureTime, failedIssuanceAttempts: attempts = 1 } = certificate?.status ?? {}
  if (lastFailureTime === undefined || issuing?.status === 'True') return undefined
  // A Certificate that was changed after the failure is tried at once.
  if ((issuing?.observedGeneration ?? Number.POSITIVE_INFINITY) < (certificate?.metadata.generation ?? 0))
    return undefined
  return { attempts, next: new Date(+new Date(lastFailureTime) + backoffSeconds(attempts) * 1000) }
}

/** How long cert-manager waits after so many failures, 1 or more. */
export const backoffSeconds = (attempts: number): number =>
  Math.min(BACKOFF_SECONDS.first * 2 ** (Math.max(attempts, 1) - 1), BACKOFF_SECONDS.longest)

/** Our own look at the challenge's URL is newer and, as it follows no redirect, more exact than cert-manager's words. */
function checkOf({ probe }: Bundle, { status, spec }: Challenge): string {
  if (probe && spec.type === 'HTTP-01' && status.state === 'pending') {
    const to = probe.location && ` to ${/^https:/i.test(probe.location) ? 'https' : short(probe.location)}`
    const came = probe.status === undefined ? probe.error : `${probe.status}${to ?? ''}`
    if (came !== undefined && probe.status !== 200) return came
  }
  return short(status.reason ?? '')
    .replace(/^Waiting for \S+ challenge propagation: /, '')
    .replace(/^failed to perform self check GET request '[^']*': /, '')
    .replace(/^Get "http:[^"]*": /, '')
    .replace(/^Get "https:[^"]*": /, 'redirected to https, which answers: ')
    .replace(/^Error accepting authorization: acme: authorization error for \S+ /, '')
}

type Chain = Omit<CertificateFacts, 'stand' | 'said'>

/** `Challenge http-01 for NAME: pending, self check: ...`, of the deepest object that is not done. */
function standOf(f: Chain, current: boolean): string {
  const { certificate, request, order, open, ready, issuing, on, now } = f
  const line = (title: string, state: string | undefined, words = '') =>
    `${title}: ${[state, short(words)].filter(Boolean).join(', ')}`
  if (certificate === undefined) return line(`Certificate ${f.bundle.namespace}/${f.bundle.name}`, 'absent')
  if (f.issued && f.backoff) return line('Certificate', 'issued, but not renewed', failure(issuing?.message))
  const renewing = f.issued && issuing?.status === 'True'
  if (f.issued && !renewing) return line(`Secret ${certificate.spec.secretName}`, 'valid pair')
  if (current && !renewing) return `Secret ${certificate.spec.secretName} ${f.faults[0]}`
  if (issuing?.status === 'True' || f.backoff) {
    if (order && open) return line(challengeTitle(open, true), open.status.state || 'new', checkWords(open, f.check))
    if (order && order.status.state !== 'valid')
      return line(`Order ${order.metadata.name}`, order.status.state || 'new', order.status.reason)
    const told = ['Denied', 'InvalidRequest', 'Ready'].map((type) => on[type]).find((c) => c !== undefined)
    const issuer = conditionOf(f.issuer, 'Ready')
    if (issuer && issuer.status !== 'True') return line(f.issuerTitle, 'not ready', issuer.message)
    if (request && told?.status !== 'True')
      return line(
        `CertificateRequest ${request.metadata.name}`,
        told?.reason ?? (on.Approved ? 'Approved' : 'new'),
        told?.message,
      )
    if (request && told && told.type !== 'Ready')
      return line(`CertificateRequest ${request.metadata.name}`, told.type, told.message)
  }
  const since = seconds(issuing?.lastTransitionTime, now)
  if (issuing?.status === 'True') return `Certificate: Issuing${since === undefined ? '' : ` for ${span(since)}`}`
  if (ready?.status === 'True') return 'Certificate: changed, but not processed by cert-manager yet'
  return line('Certificate', ready?.reason ?? 'new, not processed yet', ready?.message)
}

const checkWords = (open: Challenge, check: string) =>
  open.spec.type === 'HTTP-01' && open.status.state === 'pending' && open.status.presented && check !== ''
    ? `self check: ${check}`
    : check

/** `Challenge http-01`, and `for NAME` when it does not go without saying. */
export const challengeTitle = ({ spec }: Challenge, named: boolean) =>
  `Challenge ${spec.type.toLowerCase()}${named ? ` for ${spec.dnsName}` : ''}`
