// Rules for a challenge that is presented but not yet seen by cert-manager's own check.

import type { Challenge } from './bundle.ts'
import type { Facts } from './facts.ts'
import type { Rule, Words } from './rule.ts'
import { short } from './words.ts'

const NO_REDIRECT = 'caddy.ingress.kubernetes.io/disable-ssl-redirect'
const DNS_OWNER = 'kubectl -n platform logs deploy/external-dns (external-dns sets records from Ingress hosts)'

/** The open challenge while cert-manager still checks it. */
const pending = ({ open }: Facts): Challenge | undefined =>
  open && ['', 'pending', 'processing', undefined].includes(open.status.state) ? open : undefined

/** A rule about a pending challenge of one type. */
const check = (
  name: string,
  type: 'HTTP-01' | 'DNS-01',
  match: (facts: Facts, dnsName: string, challenge: Challenge) => Words | null | undefined | false,
): Rule<Facts> => ({
  name: `challenge-${name}`,
  match: (facts) => {
    const challenge = pending(facts)
    return challenge?.spec.type === type && match(facts, challenge.spec.dnsName, challenge)
  },
})

/** A rule about the words of the check, ours or cert-manager's; `$name` is the name, `$1` the pattern's first group. */
const says = (name: string, pattern: RegExp, cause: string, fix: string): Rule<Facts> =>
  check(name, 'HTTP-01', (f, dnsName) => {
    const found = pattern.exec(f.check) ?? pattern.exec(pending(f)?.status.reason ?? '')
    const fill = (words: string) => words.replaceAll('$name', dnsName).replaceAll('$1', found?.[1] ?? '')
    return found && { cause: fill(cause), fix: fill(fix) }
  })

export const annotated = ({ ingress }: Facts) => ingress?.metadata.annotations[NO_REDIRECT] === 'true'
export const classOf = ({ ingress }: Facts) =>
  ingress?.spec.ingressClassName ?? ingress?.metadata.annotations['kubernetes.io/ingress.class']

export const SELF_CHECK_RULES: readonly Rule<Facts>[] = [
  {
    name: 'challenge-queued',
    match: (f) =>
      pending(f)?.status.processing === false && {
        cause: 'it waits its turn: challenges for one name are solved one after the other, in all namespaces',
        fix: 'nothing, if another Certificate for this name is being issued; else explain that one',
      },
  },
  check('solver-refused', 'DNS-01', (_, __, { status }) =>
    status.presented || !status.reason
      ? null
      : {
          cause: /secret/i.test(status.reason)
            ? "the Secret with the DNS provider's token is missing or incomplete"
            : "the DNS provider refuses to write the challenge's record: the token lacks rights on the zone, or is old",
          fix: 'k3s-platform apply -t issuers, with a token that may read zones and edit DNS of this zone',
        },
  ),
  check('dns-record', 'DNS-01', (f, name) =>
    f.check === ''
      ? null
      : {
          cause: 'the TXT record of the challenge is written, and the name servers do not tell it yet',
          fix: `nothing for some minutes; then: dig TXT _acme-challenge.${name}`,
        },
  ),
  check('not-presented', 'HTTP-01', (f, _, { status }) =>
    status.presented || !status.reason
      ? null
      : {
          cause: `cert-manager cannot make the solver's Pod, Service or Ingress: ${f.check}`,
          fix: 'read who refuses it (a quota, an admission webhook, a missing right) and let it pass',
        },
  ),
  check('solver-pod', 'HTTP-01', ({ pods, open, bundle }) => {
    const pod = pods[0]
    if (pod === undefined)
      return (
        open?.status.presented &&
        bundle.ingresses.length > 0 && {
          cause: "the solver's Pod is gone",
          fix: 'nothing: cert-manager makes it again at its next check',
        }
      )
    const stuck = pod.status.containerStatuses.map(({ state }) => state?.waiting).find((w) => w !== undefined)
    const unplaced = pod.status.conditions.find((c) => c.type === 'PodScheduled' && c.status === 'False')
    if (unplaced)
      return {
        cause: `the solver's Pod finds no node: ${short(unplaced.message ?? unplaced.reason ?? '')}`,
        fix: 'free what it needs (10m CPU, 64 Mi memory), or remove the taint',
      }
    const image = /Image|ErrPull/.test(stuck?.reason ?? '')
    return (
      pod.status.phase !== 'Running' && {
        cause: `the solver's Pod does not run: ${short([stuck?.reason ?? pod.status.phase, stuck?.message].filter(Boolean).join(', '))}`,
        fix: image
          ? 'make the image quay.io/jetstack/cert-manager-acmesolver available to the node (registry mirror, air-gapped images)'
          : `kubectl describe pod -n ${bundle.namespace} ${pod.metadata.name}`,
      }
    )
  }),
  says(
    'no-such-host',
    /no such host|NXDOMAIN|ENOTFOUND|could not be resolved/,
    '$name does not exist in DNS',
    `create its A record: ${DNS_OWNER}; for nodes without DNS yet: k3s_platform_certificates_wait: false`,
  ),
  check('dns-elsewhere', 'HTTP-01', ({ bundle: { addresses } }, name) => {
    const { name: told = [], node = [] } = addresses ?? {}
    return (
      addresses !== undefined &&
      node.length > 0 &&
      !told.some((address) => node.includes(address)) && {
        cause: `DNS points elsewhere: ${name} is ${told.join(', ') || 'nowhere'}, this node is ${node.join(', ')}`,
        evidence: [`dig ${name}: ${told.join(', ') || 'no address'}`],
        fix: `point its A record at ${node[0]}, not through a proxy: ${DNS_OWNER}`,
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
        after: 'nothing: cert-manager replaces the challenge and repeats its check every 10 s',
      }
    return (
      redirected && {
        cause: 'something redirects the challenge to https before it comes to the solver',
        fix: 'let http pass for /.well-known/acme-challenge/ (a proxy before the node: in Cloudflare turn off the proxy for this name)',
      }
    )
  }),
  says(
    'wrong-key',
    /did not get expected response/,
    'another program answers the challenge: the key is not the one of this challenge',
    'look for a second cert-manager or an ACME client that answers for $name (Caddy itself, certbot), or for a cache before the node',
  ),
  check('not-found', 'HTTP-01', (f, name) => {
    if (!/^404|wrong status code '404'/.test(f.check)) return null
    const known = classOf(f)
    return known === 'caddy'
      ? {
          cause: `the challenge is not found (404): Caddy has not taken up the solver's Ingress, or ${name} leads to another server`,
          fix: `kubectl logs -n platform -l app.kubernetes.io/name=caddy-ingress-controller; dig ${name}`,
        }
      : {
          cause: `the challenge is not found (404): no controller serves the Ingress class ${known ?? '(none)'} of the solver`,
          fix: 'set ingressClassName caddy in the issuer: k3s-platform apply -t issuers',
        }
  }),
  says(
    'refused',
    /connection refused|ECONNREFUSED/i,
    'nothing listens on port 80 of $name',
    'k3s-platform apply -t caddy; check that Caddy has the port: ss -ltnp sport = :80',
  ),
  says(
    'unreachable',
    /i\/o timeout|deadline exceeded|Client\.Timeout|ETIMEDOUT|no route to host|EHOSTUNREACH|network is unreachable|timed out/,
    'port 80 of $name does not answer: a firewall drops it, or the node cannot reach its own public address',
    'open port 80; where the router does not lead back in (no hairpin NAT), let the cluster resolve $name to the node itself',
  ),
  says(
    'gateway',
    /^(50\d)|wrong status code '(?:50\d)'/,
    'the ingress does not reach the solver yet',
    "nothing for a minute; then the solver's Pod: kubectl get pods -A -l acme.cert-manager.io/http01-solver=true",
  ),
]
