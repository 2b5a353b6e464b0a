// The facts of a certificate and its key as they lie in a TLS Secret.

import { createPrivateKey, X509Certificate } from 'node:crypto'

export interface Pair {
  /** DNS names and IP addresses of the subject alternative names, in lower case. */
  readonly names: readonly string[]
  readonly notBefore: Date
  readonly notAfter: Date
  /** The issuer's distinguished name on one line: `C=US, O=Let's Encrypt, CN=R11`; may be empty. */
  readonly issuer: string
  /** Hexadecimal. */
  readonly serial: string
  readonly selfSigned: boolean
  readonly keyFits: boolean
}

/** The first certificate of a PEM chain and whether the PEM key fits it; undefined when it is no certificate. */
export function readPair(certificate: string, key: string): Pair | undefined {
  let x509: X509Certificate
  try {
    x509 = new X509Certificate(certificate)
  } catch {
    return undefined
  }
  return {
    names: (x509.subjectAltName ?? '').split(', ').flatMap((name) => /^(?:DNS|IP Address):(.+)$/.exec(name)?.[1] ?? []),
    notBefore: new Date(x509.validFrom),
    notAfter: new Date(x509.validTo),
    // An empty name comes as undefined, though its type says string: cert-manager's self-signed certificates have one.
    issuer: (x509.issuer ?? '').replaceAll('\n', ', '),
    serial: x509.serialNumber,
    selfSigned: x509.checkIssued(x509) && x509.verify(x509.publicKey),
    keyFits: fits(x509, key),
  }
}

function fits(certificate: X509Certificate, key: string): boolean {
  try {
    return certificate.checkPrivateKey(createPrivateKey(key))
  } catch {
    return false
  }
}
