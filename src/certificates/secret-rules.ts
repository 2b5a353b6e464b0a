// Rules for a Secret whose key pair differs from the requested one.

import { shellWords } from '../engine/shell-words.ts'
import type { CertificateFacts } from './facts.ts'
import type { Rule, Words } from './rule.ts'

export const renew = ({ bundle }: CertificateFacts) => `k3s-platform certs renew -n ${bundle.namespace} ${bundle.name}`
const secretOf = (f: CertificateFacts) => f.certificate?.spec.secretName ?? f.bundle.name
const UNDER_WAY = 'no action: the new certificate is being issued'
const idle = ({ issuing }: CertificateFacts) => issuing?.status !== 'True'

/** A rule about a Secret that is not the pair. */
const flaw = (
  name: string,
  faults: RegExp,
  words: (fault: string, f: CertificateFacts) => Words | false,
): Rule<CertificateFacts> => ({
  name: `secret-${name}`,
  match: (f) => {
    const fault = f.faults.find((text) => faults.test(text))
    return f.issued || fault === undefined ? null : words(fault, f)
  },
})

export const SECRET_RULES: readonly Rule<CertificateFacts>[] = [
  flaw(
    'absent',
    /^is absent/,
    (_, f) =>
      f.ready !== undefined &&
      f.ready !== undefined &&
      idle(f) && {
        cause: `the Secret ${secretOf(f)} does not exist`,
        fix: 'no action: cert-manager issues it again',
      },
  ),
  flaw('foreign', /^contains no readable|^lacks|does not match/, (fault, f) => ({
    cause: `the Secret ${secretOf(f)} ${fault}: it was not written by cert-manager`,
    fix: `find its writer (kubectl get secret -n ${f.bundle.namespace} ${shellWords([secretOf(f)])} --show-managed-fields -o yaml); then delete it: cert-manager issues again`,
  })),
  flaw('other-issuer', /was issued by/, (fault, f) => ({
    cause: `the Secret ${secretOf(f)} ${fault}: ${f.secret?.pair?.selfSigned ? 'it is the self-signed fallback and is still in use' : 'the issuer has changed, and the previous certificate is still in use'}`,
    fix: idle(f) ? renew(f) : UNDER_WAY,
  })),
  flaw('temporary', /temporary/, (_, f) => ({
    cause: 'the Secret contains a temporary certificate until the requested one is issued',
    fix: idle(f) ? renew(f) : UNDER_WAY,
  })),
  flaw('expired', /expired/, (fault, f) => ({
    cause: `the certificate in the Secret ${fault}`,
    fix: idle(f) ? renew(f) : UNDER_WAY,
  })),
  flaw('early', /valid only in/, (fault) => ({
    cause: `clocks differ: the certificate in the Secret ${fault}`,
    fix: 'compare timedatectl on the workstation and on the node, and correct the clock',
  })),
  flaw('names', /does not include/, (fault, f) => ({
    cause: `the names have changed: the certificate in the Secret ${fault}`,
    fix: idle(f) ? renew(f) : UNDER_WAY,
  })),
]
