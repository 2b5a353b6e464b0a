// Summarizes a Certificate in one row for `certs list`, from its own status.

import { type Certificate, certificate as shape, whole } from './bundle.ts'
import { type CertificateState, certificateState, type TlsStatus, tlsStatusOf } from './state.ts'
import { seconds, span } from './words.ts'

export interface CertificateRow {
  readonly namespace: string
  readonly name: string
  readonly state: CertificateState
  readonly status: TlsStatus
  readonly issuer: string
  /** `ClusterIssuer`, `Issuer`, or the kind of an external issuer. */
  readonly issuerKind: string
  readonly names: readonly string[]
  readonly secretName: string
  /** `61 d`; left out when unknown. */
  readonly age?: string
  /** `in 61 d`, `3 d ago`; left out when unknown. */
  readonly expires?: string
  readonly renews?: string
  /** The same as times: RFC 3339. */
  readonly createdAt?: string
  readonly notBefore?: string
  readonly notAfter?: string
  readonly renewalTime?: string
}

/** `live` is the API's JSON of a Certificate; undefined when it is none. The Secret is not looked at: see `readiness`. */
export function row(live: unknown, now: Date): CertificateRow | undefined {
  const { data } = shape.safeParse(whole(live))
  if (data === undefined) return undefined
  const { metadata, spec, status } = data
  const state = certificateState(data, now)
  const { ipAddresses, uris, emailAddresses, commonName } = spec
  const alternative = [...spec.dnsNames, ...ipAddresses, ...uris, ...emailAddresses]
  const age = seconds(metadata.creationTimestamp, now)
  return {
    namespace: metadata.namespace ?? '',
    name: metadata.name,
    state,
    status: tlsStatusOf(state),
    issuer: spec.issuerRef.name,
    issuerKind: spec.issuerRef.kind,
    names: alternative.length === 0 && commonName !== undefined ? [commonName] : alternative,
    secretName: spec.secretName,
    ...(age === undefined ? {} : { age: span(age) }),
    ...times(data, now),
    ...given({
      createdAt: metadata.creationTimestamp,
      notBefore: status.notBefore,
      notAfter: status.notAfter,
      renewalTime: status.renewalTime,
    }),
  }
}

const given = (fields: Readonly<Record<string, string | undefined>>) =>
  Object.fromEntries(Object.entries(fields).flatMap(([key, value]) => (value === undefined ? [] : [[key, value]])))

/** When the certificate in use expires and when it is renewed, as words. */
export function times({ status }: Certificate, now: Date): Pick<CertificateRow, 'expires' | 'renews'> {
  const words = (at: string | undefined) => {
    const left = seconds(now, at)
    return left === undefined ? undefined : left < 0 ? `${span(-left)} ago` : `in ${span(left)}`
  }
  const [expires, renews] = [words(status.notAfter), words(status.renewalTime)]
  return { ...(expires && { expires }), ...(renews && { renews }) }
}
