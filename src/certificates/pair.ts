// Reads the facts of a certificate and its key from a TLS Secret.

import { createPrivateKey, X509Certificate } from 'node:crypto'
import { rootCertificates } from 'node:tls'

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

export interface Chain {
  /** Certificates in it, the leaf included. */
  readonly length: number
  /** Each is signed by the next one. */
  readonly isOrdered: boolean
  /** What the last one leads to: itself (it is self-signed), the Secret's `ca.crt`, an authority that Node.js trusts, or nothing known. */
  readonly endsAt: 'self' | 'ca.crt' | 'public root' | 'unknown'
}

/** More than any authority sends. */
const LONGEST_CHAIN = 10

/** Of a PEM chain, leaf first; undefined when there is no readable certificate in it. */
export function readChain(certificates: string, ca: string): Chain | undefined {
  const chain = parsePem(certificates)
  const last = chain.at(-1)
  if (last === undefined) return undefined
  const isSignedBy = (one: X509Certificate, by: X509Certificate) => one.checkIssued(by) && one.verify(by.publicKey)
  return {
    length: chain.length,
    isOrdered: chain.every((one, i) => i === chain.length - 1 || isSignedBy(one, chain[i + 1] ?? one)),
    endsAt: isSignedBy(last, last)
      ? 'self'
      : parsePem(ca).some((one) => isSignedBy(last, one))
        ? 'ca.crt'
        : rootCertificates.some((pem) => isSignedBy(last, new X509Certificate(pem)))
          ? 'public root'
          : 'unknown',
  }
}

/** What is no certificate is left out. */
function parsePem(text: string): X509Certificate[] {
  const blocks = text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []
  return blocks.slice(0, LONGEST_CHAIN).flatMap((pem) => {
    try {
      return [new X509Certificate(pem)]
    } catch {
      return []
    }
  })
}
