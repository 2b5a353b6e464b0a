// Explains a Certificate: its status, the tree of its objects, the cause, the evidence and the fix.

import type { Bundle, Pod } from './bundle.ts'
import { type CertificateFacts, challengeTitle, conditionOf, factsOf } from './facts.ts'
import { issuerFacts, issuerReady } from './issuer.ts'
import { times } from './row.ts'
import { type CertificateReadiness, judge } from './rule.ts'
import { afterOf, RULES } from './rules.ts'
import { annotated, classOf } from './self-check.ts'
import { certificateState } from './state.ts'
import { seconds, short, span } from './words.ts'

export interface Line {
  /** `ClusterIssuer svc-plus-acme-http01` */
  readonly object: string
  /** `Ready`, `pending`, `308 to https` */
  readonly state: string
  readonly under: readonly Line[]
}

interface Because {
  /** The rule that spoke. */
  readonly rule: string
  readonly cause: string
  readonly evidence: readonly string[]
  readonly fix: string
  readonly after: string
}

export interface Explanation {
  readonly tree: Line
  /** null: nothing is wrong; what is not done yet is under way. */
  readonly because: Because | null
}

/**
 * `ready`: Ready=True at the newest version and the Secret holds the pair that was asked for. `failed`: waiting does not
 * help, until somebody changes something or cert-manager's next try, which may be hours away. Else `waiting`, with where
 * it stands.
 */
export function readiness(bundle: Bundle): CertificateReadiness {
  const facts = factsOf(bundle)
  if (facts.issued) {
    const recovery =
      facts.issuer?.spec.selfSigned &&
      `self-signed by ${facts.issuer.metadata.name} as a fallback: browsers do not trust it`
    const failing =
      facts.certificate !== undefined &&
      certificateState(facts.certificate, facts.now) === 'RenewalFailing' &&
      `its renewal fails: ${judge(RULES, facts)?.words.cause ?? facts.stand}`
    const note = failing || recovery
    return { is: 'ready', ...(note && { note }) }
  }
  const found = judge(RULES, facts)
  if (found === null) return { is: 'waiting', why: facts.stand }
  const { cause, fix, after = afterOf(facts) } = found.words
  return found.fails
    ? { is: 'failed', why: `${cause}\n${facts.stand}`, hint: facts.backoff ? `${fix}; ${after}` : fix }
    : { is: 'waiting', why: facts.stand, hint: `${cause}; ${fix}` }
}

/** The story of one Certificate, as `certs explain` tells it. */
export function explain(bundle: Bundle): Explanation {
  const facts = factsOf(bundle)
  const found = judge(RULES, facts)
  if (found === null) return { tree: treeOf(facts), because: null }
  const { cause, evidence = [], fix, after = afterOf(facts) } = found.words
  const { probe, here } = bundle
  const [there, too] = [probe && answer(probe), here && answer(here)]
  const also =
    too === undefined ? '' : too === there ? ', and the same from the workstation' : `; from the workstation: ${too}`
  const seen = [
    ...(there && facts.open
      ? [`GET http://${facts.open.spec.dnsName}/.well-known/acme-challenge/…: ${there}${also}`]
      : []),
  ]
  return {
    tree: treeOf(facts),
    because: { rule: found.name, cause, evidence: [facts.stand, ...seen, ...evidence], fix, after },
  }
}

const answer = ({ status, error, location }: NonNullable<Bundle['probe']>) =>
  `${status ?? error}${location ? `, to ${short(location)}` : ''}`

const line = (object: string, state: string, under: readonly (Line | null)[] = []): Line => ({
  object,
  state,
  under: under.filter((l) => l !== null),
})

function treeOf(f: CertificateFacts): Line {
  const { bundle, certificate, order, request, secret, challenges } = f
  const title = `Certificate ${bundle.namespace}/${bundle.name}`
  if (certificate === undefined) return line(title, 'absent')
  return line(title, stateOf(f), [
    line(f.issuerTitle, issuerState(f)),
    request ? line(`CertificateRequest ${request.metadata.name}`, requestState(f)) : null,
    order
      ? line(
          `Order ${order.metadata.name}`,
          order.status.state || 'new',
          challenges.map((c) =>
            line(challengeTitle(c, challenges.length > 1), challengeState(c.status), c === f.open ? solverOf(f) : []),
          ),
        )
      : null,
    line(`Secret ${certificate.spec.secretName}`, secretState(f, secret?.pair?.notAfter)),
  ])
}

function stateOf({ issued, certificate, issuing, ready, backoff, now, faults }: CertificateFacts): string {
  if (issued && certificate) {
    const { expires, renews } = times(certificate, now)
    const again = backoff && `renewal failed, next try in ${span(seconds(now, backoff.next) ?? 0)}`
    return ['issued', expires && `expires ${expires}`, again ?? (renews && `renews ${renews}`)]
      .filter(Boolean)
      .join(', ')
  }
  if (backoff)
    return `failed ${backoff.attempts === 1 ? 'once' : `${backoff.attempts} times`}, next try in ${span(seconds(now, backoff.next) ?? 0)}`
  if (issuing?.status === 'True') return `pending: Issuing for ${span(seconds(issuing.lastTransitionTime, now) ?? 0)}`
  return `not ready: ${ready?.status === 'True' ? (faults[0] ?? 'changed') : (ready?.reason ?? 'new')}`
}

function issuerState({ issuer, now }: CertificateFacts): string {
  if (issuer === undefined) return 'absent'
  const facts = issuerFacts(issuer, now)
  return issuerReady(facts) ? 'Ready' : `not ready: ${facts.ready?.reason ?? 'new'}`
}

function requestState({ on }: CertificateFacts): string {
  const final = ['Denied', 'InvalidRequest'].find((type) => on[type]?.status === 'True')
  if (final) return final
  if (on.Ready?.status === 'True') return 'Issued'
  if (on.Ready?.reason === 'Failed') return 'Failed'
  return on.Approved ? 'Approved' : 'waiting for approval'
}

const challengeState = ({ state, presented, processing }: CertificateFacts['challenges'][number]['status']) =>
  state && state !== 'pending' ? state : presented ? 'Presented' : processing === false ? 'queued' : 'pending'

function solverOf(f: CertificateFacts): (Line | null)[] {
  const { open, ingress, pods, check } = f
  if (open?.spec.type !== 'HTTP-01')
    return [check ? line(open?.status.presented ? 'propagation' : 'DNS provider', check) : null]
  const cls = ingress && [`class ${classOf(f) ?? '(none)'}`, ...(annotated(f) ? ['no redirect'] : [])].join(', ')
  if (open.status.processing === false && open.status.state === 'pending') return []
  const over = open.status.state !== 'pending'
  if (over) return [check ? line('ACME server', check) : null]
  return [
    ingress ? line(`Ingress ${ingress.metadata.name}`, cls ?? '') : line('Ingress', 'absent'),
    line('Pod, Service', pods[0] ? podState(pods[0]) : 'absent'),
    check ? line(open.status.presented ? 'self check' : 'refused', check) : null,
  ]
}

const podState = ({ status }: Pod) =>
  status.containerStatuses.map(({ state }) => state?.waiting?.reason).find((r) => r !== undefined) ??
  (conditionOf({ status }, 'PodScheduled')?.status === 'False' ? 'Unschedulable' : (status.phase ?? 'unknown'))

function secretState({ faults, now, secret }: CertificateFacts, notAfter: Date | undefined): string {
  if (faults.length === 0)
    return `valid key pair, issued by ${secret?.pair?.issuer}, expires in ${span(seconds(now, notAfter) ?? 0)}`
  return faults.join('; ').replace(/^is /, '')
}
