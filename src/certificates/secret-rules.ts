// Rules for a Secret that is not the pair that was asked for.

import type { Facts } from './facts.ts'
import type { Rule, Words } from './rule.ts'

export const renew = ({ bundle }: Facts) => `k3s-platform certs renew -n ${bundle.namespace} ${bundle.name}`
const secretOf = (f: Facts) => f.certificate?.spec.secretName ?? f.bundle.name
const UNDER_WAY = 'nothing: the new one is under way'
const idle = ({ issuing }: Facts) => issuing?.status !== 'True'

/** A rule about a Secret that is not the pair. */
const flaw = (name: string, faults: RegExp, words: (fault: string, f: Facts) => Words | false): Rule<Facts> => ({
  name: `secret-${name}`,
  match: (f) => {
    const fault = f.faults.find((text) => faults.test(text))
    return f.issued || fault === undefined ? null : words(fault, f)
  },
})

export const SECRET_RULES: readonly Rule<Facts>[] = [
  flaw(
    'absent',
    /^is absent/,
    (_, f) =>
      f.ready !== undefined &&
      f.ready !== undefined &&
      idle(f) && {
        cause: `the Secret ${secretOf(f)} is not there`,
        fix: 'nothing: cert-manager issues again',
      },
  ),
  flaw('foreign', /^holds no readable|^lacks|does not fit/, (fault, f) => ({
    cause: `the Secret ${secretOf(f)} ${fault}: something else than cert-manager wrote it`,
    fix: `find who writes it (kubectl get secret -n ${f.bundle.namespace} ${secretOf(f)} --show-managed-fields -o yaml); then delete it: cert-manager issues again`,
  })),
  flaw('other-issuer', /was issued by/, (fault, f) => ({
    cause: `the Secret ${secretOf(f)} ${fault}: ${f.secret?.pair?.selfSigned ? 'it is the self-signed recovery, and still serves' : 'the issuer was changed, and the old certificate still serves'}`,
    fix: idle(f) ? renew(f) : UNDER_WAY,
  })),
  flaw('temporary', /temporary/, (_, f) => ({
    cause: 'the Secret holds a temporary certificate until the real one is issued',
    fix: idle(f) ? renew(f) : UNDER_WAY,
  })),
  flaw('expired', /expired/, (fault, f) => ({
    cause: `the certificate in the Secret ${fault}`,
    fix: idle(f) ? renew(f) : UNDER_WAY,
  })),
  flaw('early', /from now/, (fault) => ({
    cause: `clocks differ: the certificate in the Secret ${fault}`,
    fix: 'timedatectl, here and on the node: set them right',
  })),
  flaw('names', /does not name/, (fault, f) => ({
    cause: `the names have changed: the certificate in the Secret ${fault}`,
    fix: idle(f) ? renew(f) : UNDER_WAY,
  })),
]
