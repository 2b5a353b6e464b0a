// The table that explains a Certificate: what is wrong, from what decides everything down to what may just take time.

import type { Facts } from './facts.ts'
import { ISSUER_RULES, issuerFacts, issuerReady } from './issuer.ts'
import { limitWords } from './limits.ts'
import { problemWords } from './problems.ts'
import { judge, type Rule, type Words } from './rule.ts'
import { SELF_CHECK_RULES } from './self-check.ts'
import { seconds, short, span, when } from './words.ts'

const APPLY = 'k3s-platform apply -t certificates'
/** A lease that was not renewed for this long has no living holder: cert-manager renews it every 15 s. */
const LEASE_SILENT_SECONDS = 30
/** An approver and a new controller get this long before their silence means anything. */
const SILENT_SECONDS = 30
const RENEWAL_LATE_SECONDS = 3_600

export const renew = ({ bundle }: Facts) => `k3s-platform certs renew -n ${bundle.namespace} ${bundle.name}`
const secretOf = (f: Facts) => f.certificate?.spec.secretName ?? f.bundle.name

const issuerOf = (f: Facts) => {
  const facts = f.issuer && issuerFacts(f.issuer, f.now)
  return facts === undefined || issuerReady(facts) ? null : judge(ISSUER_RULES, facts)
}

/** How long the Certificate or its request has been silent: without a word since it was made. */
const silence = (f: Facts) => seconds((f.request ?? f.certificate)?.metadata.creationTimestamp, f.now) ?? 0

/** A Secret that is not the pair while nothing is under way to replace it. */
const flaw = (name: string, faults: RegExp, words: (f: Facts, fault: string) => Words): Rule<Facts> => ({
  name: `secret-${name}`,
  match: (f) => {
    const fault = f.faults.find((text) => faults.test(text))
    return f.issued || fault === undefined ? null : words(f, fault)
  },
})

export const RULES: readonly Rule<Facts>[] = [
  {
    name: 'namespace-terminating',
    fails: true,
    match: ({ bundle: { namespaces, namespace }, said }) =>
      (namespaces.some((n) => n.metadata.name === namespace && n.status.phase === 'Terminating') ||
        said.includes('because it is being terminated')) && {
        cause: `the namespace ${namespace} is being deleted: nothing new can be made in it`,
        fix: `kubectl get namespace ${namespace} -o yaml says in status.conditions what holds it; when it is gone: ${APPLY}`,
      },
  },
  {
    name: 'webhook-silent',
    match: ({ said, bundle: { events, name } }) => {
      const told = [
        said,
        ...events
          .filter((e) => e.involvedObject.name === name)
          .slice(-3)
          .map((e) => e.message ?? ''),
      ]
      const [, hook, why = ''] = told.map((t) => /failed calling webhook "([^"]+)":?(.*)/.exec(t)).find(Boolean) ?? []
      return (
        hook !== undefined && {
          cause: `the webhook ${hook} does not answer, so the API takes no new objects: ${short(why).replace(/^.*": /, '')}`,
          fix: 'kubectl get pods -n cert-manager; after a start its CA arrives some seconds later; then: k3s-platform apply -t cert-manager',
        }
      )
    },
  },
  {
    name: 'certificate-absent',
    fails: true,
    match: ({ certificate }) =>
      !certificate && { cause: 'there is no such Certificate', fix: APPLY, after: 'cert-manager issues it' },
  },
  {
    name: 'secret-shared',
    fails: true,
    match: ({ certificate, bundle, ready }) => {
      const other = bundle.certificates.find(
        (c) => c.spec.secretName === certificate?.spec.secretName && c.metadata.name !== certificate.metadata.name,
      )
      const named =
        other?.metadata.name ??
        (ready?.reason === 'IncorrectCertificate' ? /issued for "([^"]+)"/.exec(ready.message ?? '')?.[1] : undefined)
      return (
        named !== undefined && {
          cause: `two Certificates write the Secret ${certificate?.spec.secretName}: this one and ${named}; cert-manager serves only the first`,
          fix: `give one of them another secretName, or remove it: kubectl delete certificate -n ${bundle.namespace} ${named}`,
        }
      )
    },
  },
  {
    name: 'issuer-missing',
    fails: true,
    match: ({ issuer, issuerTitle, certificate, bundle }) =>
      !issuer &&
      ['cert-manager.io', undefined, ''].includes(certificate?.spec.issuerRef.group) && {
        cause: `${issuerTitle} does not exist`,
        evidence: bundle.issuers.map((i) => `there is ${i.kind} ${i.metadata.name}`),
        fix: 'k3s-platform apply -t issuers',
      },
  },
  {
    name: 'issuer',
    fails: (f) => issuerOf(f)?.fails ?? false,
    match: (f) => {
      const found = issuerOf(f)
      const said = short(f.issuer?.status.conditions.find((c) => c.type === 'Ready')?.message ?? 'nothing yet')
      return found && { evidence: [`${f.issuerTitle} says: ${said}`], ...found.words }
    },
  },
  {
    name: 'key-conflict',
    fails: true,
    match: ({ certificate, bundle, issued }) => {
      const told = bundle.events.find(
        (e) => e.reason === 'CannotRegenerateKey' && e.involvedObject.name === certificate?.metadata.name,
      )
      return (
        told &&
        !issued &&
        certificate?.spec.privateKey?.rotationPolicy === 'Never' && {
          cause: `the key in the Secret is of another kind than asked for (${/mismatching fields: \[([^\]]*)/.exec(told.message ?? '')?.[1] ?? 'algorithm or size'}), and rotationPolicy Never forbids a new one`,
          fix: `set privateKey.rotationPolicy to Always, or back the old algorithm and size; then: ${APPLY}`,
        }
      )
    },
  },
  {
    name: 'request-denied',
    fails: true,
    match: ({ on, request }) =>
      on.Denied?.status === 'True' && {
        cause: `an approver denied the request: ${on.Denied.reason ?? ''}, ${short(on.Denied.message ?? '')}`,
        fix: 'change what the approval policy objects to, or the policy',
        evidence: [`CertificateRequest ${request?.metadata.name}: Denied`],
      },
  },
  {
    name: 'request-invalid',
    fails: true,
    match: ({ on }) =>
      on.InvalidRequest?.status === 'True' && {
        cause: `the request is not valid: ${short(on.InvalidRequest.message ?? '')}`,
        fix: `correct the certificate in k3s_platform_certificates; then: ${APPLY}`,
      },
  },
  {
    name: 'rate-limited',
    fails: true,
    match: (f) => (f.issued || f.order?.status.state === 'valid' ? null : limitWords(f.said, f.now)),
  },
  ...SELF_CHECK_RULES,
  {
    name: 'acme-refused',
    fails: true,
    match: (f) => {
      const failed = [f.open?.status.state, f.order?.status.state].some(
        (s) => s === 'invalid' || s === 'errored' || s === 'expired',
      )
      return (
        (failed || f.backoff) && problemWords(f.said, f.open?.spec.dnsName ?? f.certificate?.spec.dnsNames[0] ?? '')
      )
    },
  },
  {
    name: 'request-failed',
    fails: true,
    match: (f) => {
      const why = f.backoff ? f.issuing?.message : f.on.Ready?.reason === 'Failed' ? f.on.Ready.message : undefined
      return why === undefined
        ? null
        : { cause: `issuance failed: ${short(why)}`, fix: `put right what it says; then: ${renew(f)}` }
    },
  },
  {
    name: 'controller-idle',
    match: (f) => {
      const nothing = f.issuing?.status !== 'True' ? !f.ready : !f.request
      const lease = f.bundle.leases[0]
      const silent = seconds(lease?.spec.renewTime, f.now)
      return (
        nothing &&
        silence(f) >= 5 &&
        (silent === undefined || silent >= LEASE_SILENT_SECONDS) && {
          cause: 'cert-manager is not at work: no controller holds its lease',
          evidence: [
            lease
              ? `Lease cert-manager-controller: last renewed ${span(silent ?? 0)} ago`
              : 'Lease cert-manager-controller: absent',
          ],
          fix: 'kubectl get pods -n cert-manager',
          after: 'nothing, if its Pod has just started: it waits up to 75 s for the lease of the old one',
        }
      )
    },
  },
  {
    name: 'request-unapproved',
    match: (f) =>
      f.request &&
      !f.on.Approved &&
      silence(f) >= SILENT_SECONDS && {
        cause:
          'nobody approves the request: the approver of cert-manager is turned off, or its policy does not know this issuer',
        fix: 'see disableAutoApproval in the values of cert-manager, and the approver that you installed instead',
      },
  },
  {
    name: 'renewal-overdue',
    match: ({ certificate, now, issued, issuing }) => {
      const late = seconds(certificate?.status.renewalTime, now) ?? 0
      return (
        issued &&
        late >= RENEWAL_LATE_SECONDS && {
          cause: `the renewal is ${span(late)} late${issuing?.status === 'True' ? ', and under way' : ''}`,
          fix: 'kubectl get pods -n cert-manager: it must run; then ask for it: k3s-platform certs renew',
        }
      )
    },
  },
  flaw('absent', /^is absent/, (f) => ({
    cause:
      f.issuing?.status === 'True'
        ? 'the Secret comes with the issuance, which is under way'
        : `the Secret ${secretOf(f)} was deleted`,
    fix: 'nothing: cert-manager issues again',
  })),
  flaw('foreign', /was not written by cert-manager|^holds no readable|^lacks|does not fit/, (f, fault) => ({
    cause: `the Secret ${secretOf(f)} ${fault}: something else than cert-manager wrote it`,
    fix: `find who writes it (kubectl get secret -n ${f.bundle.namespace} ${secretOf(f)} --show-managed-fields -o yaml); then delete it: cert-manager issues again`,
  })),
  flaw('other-issuer', /was issued by/, (f, fault) => ({
    cause: `the Secret ${secretOf(f)} ${fault}: ${f.secret?.pair?.selfSigned ? 'it is the self-signed recovery, and still serves' : 'the issuer was changed, and the old certificate still serves'}`,
    fix: f.issuing?.status === 'True' ? 'nothing: the new one is under way' : renew(f),
  })),
  flaw('temporary', /temporary/, () => ({
    cause: 'the Secret holds a temporary certificate until the real one is issued',
    fix: 'nothing: the real one is under way',
  })),
  flaw('expired', /expired|from now/, (f, fault) => ({ cause: `the certificate ${fault}`, fix: renew(f) })),
  flaw('names', /does not name/, (f, fault) => ({
    cause: `the names have changed: the certificate in the Secret ${fault}`,
    fix: f.issuing?.status === 'True' ? 'nothing: a new one is under way' : renew(f),
  })),
]

/** What comes after a fix, when the rule does not say it: cert-manager's next try. */
export const afterOf = (f: Facts): string =>
  f.backoff
    ? `cert-manager tries again ${when(f.backoff.next, f.now)} after ${f.backoff.attempts} failed; at once: ${renew(f)}`
    : 'nothing: cert-manager goes on by itself'
