// Reports the certificates of a cluster that need somebody, for doctor.

import { shellWords } from '../engine/shell-words.ts'
import { type CertificateRow, row } from './row.ts'
import { seconds, span } from './words.ts'

export interface CertificateFinding {
  /** `Certificate database/postgresql-tls` */
  readonly where: string
  readonly what: string
  readonly why?: string
  readonly hint: string
}

/** An issuance that takes longer needs a look. */
const SLOW_SECONDS = 3_600

/** `live`: Certificates, the API's JSON. What is in progress, and not for long, is left out. */
export function certificateFindings(live: readonly unknown[], host: string, now: Date): CertificateFinding[] {
  return live.flatMap((one) => {
    const found = row(one, now)
    const what = found && wrong(found, now)
    if (found === undefined || what === undefined) return []
    const { namespace, name, expires, notAfter } = found
    return [
      {
        where: `Certificate ${namespace}/${name}`,
        what,
        ...(expires !== undefined && { why: `valid until ${notAfter}, ${expires}` }),
        hint: shellWords(['k3s-platform', 'certs', 'explain', '-n', namespace, name, '-l', host]),
      },
    ]
  })
}

function wrong({ state, createdAt }: CertificateRow, now: Date): string | undefined {
  const age = seconds(createdAt, now) ?? 0
  switch (state) {
    case 'Expired':
      return 'the certificate has expired'
    case 'RenewalFailing':
      return 'its renewal has failed or is overdue'
    case 'Error':
      return 'it could not be issued'
    case 'Issuing':
    case 'Pending':
      return age >= SLOW_SECONDS ? `it is not issued after ${span(age)}` : undefined
    default:
      return undefined
  }
}
