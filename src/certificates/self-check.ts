// Rules for a presented challenge that cert-manager's self check does not see yet.

import { isIP } from 'node:net'
import { diagnose, type Row } from '../diagnosis/diagnose.ts'
import { HTTP01 } from '../diagnosis/http01.ts'
import { shellWords } from '../engine/shell-words.ts'
import type { Challenge, Ingress } from './bundle.ts'
import type { CertificateFacts } from './facts.ts'
import type { Rule, Words } from './rule.ts'
import { short } from './words.ts'

const NO_REDIRECT = 'caddy.ingress.kubernetes.io/disable-ssl-redirect'
const ACME_PATH = '/.well-known/acme-challenge/'
const DNS_OWNER = 'kubectl -n platform logs deploy/external-dns (external-dns sets records from Ingress hosts)'

/** The open challenge while cert-manager still checks it. */
const pending = ({ open }: CertificateFacts): Challenge | undefined =>
  open && ['', 'pending', 'processing', undefined].includes(open.status.state) ? open : undefined

/** A rule about a pending challenge of one type. */
const check = (
  name: string,
  type: 'HTTP-01' | 'DNS-01',
  match: (facts: CertificateFacts, dnsName: string, challenge: Challenge) => Words | null | undefined | false,
): Rule<CertificateFacts> => ({
  name: `challenge-${name}`,
  match: (facts) => {
    const challenge = pending(facts)
    return challenge?.spec.type === type && match(facts, shellWords([challenge.spec.dnsName]), challenge)
  },
})

/** A row about the words of the check, ours or cert-manager's, as a rule. */
const says = (row: Row): Rule<CertificateFacts> =>
  check(row.name, 'HTTP-01', (f, name) => {
    const values = { name, host: name, server: `port 80 of ${name}` }
    const found =
      diagnose([row], { text: f.check, values }) ?? diagnose([row], { text: pending(f)?.status.reason ?? '', values })
    return found && { cause: found.cause, fix: found.hint ?? '' }
  })

export const annotated = ({ ingress }: CertificateFacts) => ingress?.metadata.annotations[NO_REDIRECT] === 'true'
export const classOf = ({ ingress }: Pick<CertificateFacts, 'ingress'>) =>
  ingress?.spec.ingressClassName ?? ingress?.metadata.annotations['kubernetes.io/ingress.class']

/** An Ingress of an application that Caddy, which goes by the order in which they came, hands the challenge to. */
const swallowing = ({ bundle: { routes } }: CertificateFacts, dnsName: string): Ingress | undefined =>
  routes.find(
    (ingress) =>
      classOf({ ingress }) === 'caddy' &&
      ingress.metadata.annotations[NO_REDIRECT] === 'true' &&
      ingress.spec.rules.some(
        ({ host, http }) =>
          [undefined, dnsName].includes(host) &&
          http?.paths.some(({ path = '/' }) => ACME_PATH.startsWith(path.replace(/\/$/, ''))),
      ),
  )

export const SELF_CHECK_RULES: readonly Rule<CertificateFacts>[] = [
  {
    name: 'challenge-queued',
    match: (f) =>
      pending(f)?.status.processing === false && {
        cause: 'it is queued: challenges for the same name are solved one at a time, across all namespaces',
        fix: 'no action if another Certificate for this name is being issued; otherwise run certs explain for that one',
      },
  },
  check('solver-refused', 'DNS-01', (_, __, { status }) =>
    status.presented || !status.reason
      ? null
      : {
          cause: /secret/i.test(status.reason)
            ? "the Secret with the DNS provider's token is missing or incomplete"
            : "the DNS provider refuses to write the challenge's record: the token has expired or lacks permissions on the zone",
          fix: 'k3s-platform apply -t issuers, with a token that has Zone:Read and DNS:Edit on this zone',
        },
  ),
  check('dns-record', 'DNS-01', (f, name) =>
    f.check === ''
      ? null
      : {
          cause: 'the TXT record of the challenge is written, but the name servers do not return it yet',
          fix: `wait some minutes; then: dig TXT _acme-challenge.${name}`,
        },
  ),
  check('not-presented', 'HTTP-01', (f, _, { status }) =>
    status.presented || !status.reason
      ? null
      : {
          cause: `cert-manager cannot create the solver's Pod, Service or Ingress: ${f.check}`,
          fix: 'remove the cause in this message (a quota, an admission webhook, missing RBAC permissions)',
        },
  ),
  check('solver-pod', 'HTTP-01', ({ pods, open, bundle }) => {
    const pod = pods[0]
    if (pod === undefined)
      return (
        open?.status.presented &&
        bundle.ingresses.length > 0 && {
          cause: "the solver's Pod no longer exists",
          fix: 'no action: cert-manager recreates it on its next check',
        }
      )
    const stuck = pod.status.containerStatuses.map(({ state }) => state?.waiting).find((w) => w !== undefined)
    const unplaced = pod.status.conditions.find((c) => c.type === 'PodScheduled' && c.status === 'False')
    if (unplaced)
      return {
        cause: `the solver's Pod cannot be scheduled: ${short(unplaced.message ?? unplaced.reason ?? '')}`,
        fix: 'free its resource requests (10m CPU, 64 Mi memory), or remove the taint',
      }
    const image = /Image|ErrPull/.test(stuck?.reason ?? '')
    return (
      pod.status.phase !== 'Running' && {
        cause: `the solver's Pod is not running: ${short([stuck?.reason ?? pod.status.phase, stuck?.message].filter(Boolean).join(', '))}`,
        fix: image
          ? 'make the image quay.io/jetstack/cert-manager-acmesolver available to the node (registry mirror, air-gap images)'
          : `kubectl describe pod -n ${bundle.namespace} ${pod.metadata.name}`,
      }
    )
  }),
  says(HTTP01.unresolved),
  check('dns-elsewhere', 'HTTP-01', ({ bundle: { addresses } }, name) => {
    const { name: told = [], node = [] } = addresses ?? {}
    return (
      addresses !== undefined &&
      node.length > 0 &&
      !told.some((address) => node.includes(address)) && {
        cause: `DNS does not point to this node: ${name} is ${told.join(', ') || 'nowhere'}, this node is ${node.join(', ')}`,
        evidence: [`dig ${name}: ${told.join(', ') || 'no address'}`],
        fix: `point its A record to ${node[0]}, without a proxy: ${DNS_OWNER}`,
      }
    )
  }),
  check('ipv6-elsewhere', 'HTTP-01', ({ bundle: { addresses }, check: seen }, name) => {
    const { name: told = [], node = [] } = addresses ?? {}
    const others = told.filter((address) => isIP(address) === 6 && !node.includes(address))
    return (
      seen !== '' &&
      others.length > 0 && {
        cause: `${name} has an IPv6 address that is not known as this node's: ${others.join(', ')}; clients prefer IPv6`,
        evidence: [`dig AAAA ${name}: ${others.join(', ')}`],
        fix: `if it belongs to another machine, remove the AAAA record, or point it to this node: ${DNS_OWNER}`,
      }
    )
  }),
  check('swallowed', 'HTTP-01', (f, name) => {
    const { status } = f.bundle.probe ?? {}
    const other = swallowing(f, name)
    const { namespace = '', name: title = '' } = other?.metadata ?? {}
    const answered = status !== undefined && (status < 300 || status >= 400)
    return (
      answered &&
      annotated(f) &&
      other && {
        cause: `Ingress ${namespace}/${title} intercepts the challenge of ${name}: Caddy matches Ingresses in the order of their creation, and this one also routes the path over http`,
        fix: 'make Caddy sort routes by path: k3s_platform_caddy_values: { ingressController: { config: { experimentalSmartSort: true } } }; then: k3s-platform apply -t caddy',
      }
    )
  }),
  check('redirect', 'HTTP-01', (f) => {
    const redirected = /^30\d/.test(f.check) || /Get "https:/.test(f.open?.status.reason ?? '')
    if (
      classOf(f) === 'caddy' &&
      !annotated(f) &&
      f.ingress &&
      f.check !== '' &&
      !/^(?:did not|.*refused)/.test(f.check)
    )
      return {
        cause: "Caddy redirects the challenge to https: the solver's Ingress lacks disable-ssl-redirect",
        evidence: [`Ingress ${f.ingress.metadata.name}: no annotation ${NO_REDIRECT}`],
        fix: 'k3s-platform apply -t issuers',
        after: 'no action: cert-manager replaces the challenge and repeats its check every 10 s',
      }
    // It answers so for all that it does not route.
    if (f.bundle.probe?.server === 'Caddy' && redirected && f.ingress) {
      const known = classOf(f)
      return known === 'caddy'
        ? {
            cause: "Caddy redirects the challenge to https: it has not loaded the solver's Ingress yet",
            fix: 'wait some seconds; if it does not change, Caddy hangs: k3s-platform apply -t caddy',
          }
        : {
            cause: `Caddy answers, but does not serve the ingress class of the solver's Ingress: ${known ?? '(none)'}`,
            fix: 'set ingressClassName caddy in the issuer: k3s-platform apply -t issuers',
          }
    }
    return (
      redirected && {
        cause: 'something redirects the challenge to https before it reaches the solver',
        fix: 'allow http for /.well-known/acme-challenge/ (if a proxy is in front of the node, such as Cloudflare, disable it for this name)',
      }
    )
  }),
  says(HTTP01.wrongKey),
  check('not-found', 'HTTP-01', (f, name) => {
    if (!/^404|wrong status code '404'/.test(f.check)) return null
    const known = classOf(f)
    return known === 'caddy'
      ? {
          cause: `the challenge is not found (404): Caddy has not loaded the solver's Ingress, or ${name} points to another server`,
          fix: `kubectl logs -n platform -l app.kubernetes.io/name=caddy-ingress-controller; dig ${name}`,
        }
      : {
          cause: `the challenge is not found (404): no controller serves the Ingress class ${known ?? '(none)'} of the solver`,
          fix: 'set ingressClassName caddy in the issuer: k3s-platform apply -t issuers',
        }
  }),
  says(HTTP01.refused),
  says(HTTP01.unroutable),
  says(HTTP01.timeout),
  says(HTTP01.gateway),
]
