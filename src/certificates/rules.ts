// The table that explains a Certificate: what is wrong, from what decides everything down to what may just take time.

import { shellWords } from '../engine/shell-words.ts'
import { type CertificateFacts, failure } from './facts.ts'
import { ISSUER_RULES, issuerFacts, issuerReady } from './issuer.ts'
import { limitWords } from './limits.ts'
import { problemWords } from './problems.ts'
import { judge, type Rule } from './rule.ts'
import { renew, SECRET_RULES } from './secret-rules.ts'
import { SELF_CHECK_RULES } from './self-check.ts'
import { RENEWAL_LATE_SECONDS } from './state.ts'
import { seconds, short, span, when } from './words.ts'

const APPLY = 'k3s-platform apply -t certificates'
/** A lease that was not renewed for this long has no living holder: cert-manager renews it every 15 s. */
const LEASE_SILENT_SECONDS = 30
/** An approver and a new controller get this long before their silence means anything. */
const SILENT_SECONDS = 30
/** An ACME server takes an order within a second or two. */
const ORDER_SILENT_SECONDS = 5

const issuerOf = (f: CertificateFacts) => {
  const facts = f.issuer && issuerFacts(f.issuer, f.now)
  return facts === undefined || issuerReady(facts) ? null : judge(ISSUER_RULES, facts)
}

/** How long the Certificate or its request has been silent: without a word since it was made. */
const silence = (f: CertificateFacts) => seconds((f.request ?? f.certificate)?.metadata.creationTimestamp, f.now) ?? 0

export const RULES: readonly Rule<CertificateFacts>[] = [
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
      !certificate && { cause: 'the Certificate does not exist', fix: APPLY, after: 'cert-manager issues it' },
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
          fix: `change the secretName of one of them, or remove it: kubectl delete certificate -n ${bundle.namespace} ${shellWords([named])}`,
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
      const evidence = f.stand.startsWith(f.issuerTitle) ? [] : [`${f.issuerTitle} says: ${said}`]
      return found && { evidence, ...found.words }
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
    match: ({ on }) =>
      on.Denied?.status === 'True' && {
        cause: `an approver denied the request: ${on.Denied.reason ?? ''}, ${short(on.Denied.message ?? '')}`,
        fix: 'change what the approval policy objects to, or the policy',
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
    match: (f) => {
      const words = f.order?.status.state === 'valid' && !f.backoff ? null : limitWords(f.said, f.now)
      const next = f.backoff ? when(f.backoff.next, f.now) : 'by itself'
      return (
        words && {
          ...words,
          after: `cert-manager retries ${next}; requests before the limit ends are rejected; after that: ${renew(f)}`,
        }
      )
    },
  },
  {
    name: 'no-solver',
    fails: true,
    match: ({ bundle: { events }, order, certificate }) => {
      const told = events.find(
        ({ involvedObject: o, reason }) => reason === 'Solver' && o.name === order?.metadata.name,
      )
      const wild = certificate?.spec.dnsNames.filter((name) => name.startsWith('*.')) ?? []
      return (
        told && {
          cause: `the issuer has no solver for these names${wild.length > 0 ? `: ${wild.join(', ')} needs DNS-01` : ''}`,
          evidence: [`Order ${order?.metadata.name} says: ${short(told.message ?? '')}`],
          fix: `ask an issuer with a DNS-01 solver (svc-plus-acme-dns01-cloudflare) in k3s_platform_certificates; then: ${APPLY}`,
        }
      )
    },
  },
  {
    name: 'order-unanswered',
    match: ({ order, issuer, now }) => {
      const server = issuer?.spec.acme?.server ?? 'the ACME server'
      return (
        order &&
        !order.status.state &&
        (seconds(order.metadata.creationTimestamp, now) ?? 0) >= ORDER_SILENT_SECONDS && {
          cause: `the ACME server has not answered to the order: ${server} is down, slow, or not to be reached from the cluster`,
          fix: `check from the node: curl -v ${shellWords([server])}; what it met: kubectl logs -n cert-manager deployment/cert-manager`,
          after: 'no action: cert-manager retries by itself',
        }
      )
    },
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
    match: ({ backoff, issuing, on }) => {
      const why = backoff ? issuing?.message : on.Ready?.reason === 'Failed' ? on.Ready.message : undefined
      return why === undefined
        ? null
        : { cause: `issuance failed: ${failure(why)}`, fix: 'fix the cause in this message' }
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
          after: "no action if its Pod has just started: it waits up to 75 s for the previous leader's lease",
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
          "the request is not approved: cert-manager's approver is disabled, or its policy does not allow this issuer",
        fix: 'see disableAutoApproval in the values of cert-manager, and the approver that you installed instead',
      },
  },
  {
    name: 'renewal-overdue',
    match: (f) => {
      const { certificate, now, issued, issuing } = f
      const late = seconds(certificate?.status.renewalTime, now) ?? 0
      return (
        issued &&
        late >= RENEWAL_LATE_SECONDS && {
          cause: `the renewal is ${span(late)} late${issuing?.status === 'True' ? ', in progress' : ''}`,
          fix: `kubectl get pods -n cert-manager: it must run; then: ${renew(f)}`,
        }
      )
    },
  },
  ...SECRET_RULES,
]

/** What comes after a fix, when the rule does not say it: cert-manager's next try. */
export function afterOf(f: CertificateFacts): string {
  if (f.certificate === undefined) return APPLY
  if (f.backoff === undefined) return 'no action: cert-manager continues by itself'
  const { attempts, next } = f.backoff
  return `cert-manager tries again ${when(next, f.now)}, as ${attempts} ${attempts === 1 ? 'try' : 'tries'} failed; at once: ${renew(f)}`
}
