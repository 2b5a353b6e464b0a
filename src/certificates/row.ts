// A Certificate on one line, from its own status alone: what `certs list` shows.

import { type Certificate, certificate as shape, whole } from './bundle.ts'
import { conditionOf } from './facts.ts'
import { seconds, span } from './words.ts'

export interface Row {
  readonly namespace: string
  readonly name: string
  readonly status: 'issued' | 'pending' | 'failed'
  readonly issuer: string
  readonly names: readonly string[]
  readonly secretName: string
  /** `in 61 d`, `3 d ago`; left out when unknown. */
  readonly expires?: string
  readonly renews?: string
  /** The same as times: RFC 3339. */
  readonly notAfter?: string
  readonly renewalTime?: string
}

/** `live` is the API's JSON of a Certificate; undefined when it is none. The Secret is not looked at: see `readiness`. */
export function row(live: unknown, now: Date): Row | undefined {
  const { data } = shape.safeParse(whole(live))
  if (data === undefined) return undefined
  const { metadata, spec, status } = data
  const [ready, issuing] = [conditionOf(data, 'Ready'), conditionOf(data, 'Issuing')]
  return {
    namespace: metadata.namespace ?? '',
    name: metadata.name,
    status:
      ready?.status === 'True'
        ? 'issued'
        : status.lastFailureTime !== undefined && issuing?.status !== 'True'
          ? 'failed'
          : 'pending',
    issuer: spec.issuerRef.name,
    names: spec.dnsNames,
    secretName: spec.secretName,
    ...times(data, now),
    ...(status.notAfter === undefined ? {} : { notAfter: status.notAfter }),
    ...(status.renewalTime === undefined ? {} : { renewalTime: status.renewalTime }),
  }
}

/** When the certificate in use expires and when it is renewed, as words. */
export function times({ status }: Certificate, now: Date): Pick<Row, 'expires' | 'renews'> {
  const words = (at: string | undefined) => {
    const left = seconds(now, at)
    return left === undefined ? undefined : left < 0 ? `${span(-left)} ago` : `in ${span(left)}`
  }
  const [expires, renews] = [words(status.notAfter), words(status.renewalTime)]
  return { ...(expires && { expires }), ...(renews && { renews }) }
}
