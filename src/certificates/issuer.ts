// Why an issuer is not ready.

import { type Condition, type Issuer, issuer as shape, whole } from './bundle.ts'
import { conditionOf } from './facts.ts'
import { limitWords } from './limits.ts'
import { judge, type Readiness, type Rule } from './rule.ts'
import { seconds, short } from './words.ts'

/** The Secrets of the issuers' namespace (cert-manager's own for a ClusterIssuer): names and the names of their entries. */
export type KnownSecrets = readonly { readonly name: string; readonly keys: readonly string[] }[]

export interface IssuerFacts {
  readonly issuer: Issuer
  readonly ready: Condition | undefined
  readonly message: string
  readonly secrets: KnownSecrets | undefined
  readonly now: Date
}

const APPLY = 'k3s-platform apply -t issuers'
/** A server that is away for a moment is tried again by cert-manager; after this long it is down. */
const PATIENCE_SECONDS = 60
const longEnough = ({ ready, now }: IssuerFacts) => (seconds(ready?.lastTransitionTime, now) ?? 0) >= PATIENCE_SECONDS
/** cert-manager does not register again after a refusal (4xx), until the issuer or its Secrets change or it restarts. */
const RESTART = 'kubectl rollout restart -n cert-manager deployment/cert-manager: it does not register again by itself'

/** A message of the issuer explained: the pattern's first group, if any, is put in place of `$1`, the server in place of `$server`. */
const said = (
  name: string,
  says: RegExp,
  cause: string,
  fix: string,
  more: { after?: string; fails?: Rule<IssuerFacts>['fails'] } = {},
): Rule<IssuerFacts> => ({
  name: `issuer-${name}`,
  fails: more.fails ?? true,
  match: ({ message, issuer }) => {
    const found = says.exec(message)
    if (found === null) return null
    const fill = (words: string) =>
      words.replaceAll('$1', found[1] ?? '').replaceAll('$server', issuer.spec.acme?.server ?? 'the ACME server')
    return { cause: fill(cause), fix: fill(fix), ...(more.after !== undefined && { after: more.after }) }
  },
})

export const ISSUER_RULES: readonly Rule<IssuerFacts>[] = [
  {
    name: 'issuer-rate-limited',
    fails: true,
    match: ({ message, now }) => {
      const words = limitWords(message, now)
      return words && { ...words, after: RESTART }
    },
  },
  {
    name: 'issuer-secret-missing',
    fails: true,
    match: ({ issuer, message, secrets }) => {
      const lost =
        secrets &&
        secretsOf(issuer).find(({ name, key }) => !secrets.some((s) => s.name === name && s.keys.includes(key)))
      const [, name, key] = lost
        ? ['', lost.name, lost.key]
        : (/(?:failed to get secret|the secret) "([^"]+)"(?:.* key "([^"]+)")?/.exec(message) ?? [])
      return (
        name !== undefined && {
          cause: `the Secret ${name} of the DNS-01 solver is missing${key ? `, or its entry ${key}` : ''}; without it the whole issuer is not ready`,
          fix: `${APPLY}: with the token as an input, or an ExternalSecret that has synced`,
        }
      )
    },
  },
  said(
    'tls',
    /(x509: .*|tls: failed to verify certificate.*)/,
    'cert-manager does not trust the ACME server $server: $1',
    'set k3s_platform_acme_ca_bundle to the CA of that server (PEM), then: k3s-platform apply -t issuers',
    { fails: longEnough },
  ),
  said(
    'server-unknown',
    /(lookup .*: (?:no such host|server misbehaving|i\/o timeout).*)/,
    "the ACME server's name does not resolve: $1",
    "check k3s_platform_acme_server, and the cluster's DNS: kubectl logs -n kube-system deployment/coredns",
    { fails: longEnough },
  ),
  said(
    'server-down',
    /(connection refused|i\/o timeout|context deadline exceeded|no route to host|network is unreachable|connection reset by peer|EOF)/,
    'the ACME server $server cannot be reached: $1',
    'curl -v $server, from the node; then nothing: cert-manager tries again by itself',
    { fails: longEnough },
  ),
  said(
    'email',
    /(?:invalidContact|unsupportedContact|invalidEmail)(.*)/,
    'the ACME server refuses the e-mail address of the account$1',
    `set k3s_platform_acme_email to a real address, then: ${APPLY}`,
  ),
  said(
    'eab',
    /(externalAccountRequired|External Account Binding)/,
    'the ACME server $server wants an account that was made with it beforehand (external account binding)',
    'take another ACME server; this one needs keys that the issuer does not have',
  ),
  said(
    'not-acme',
    /(returned an HTTP \d+ response which is not an RFC 8555 problem document|v1 endpoint|\b40[45] )/,
    '$server is not the directory of an ACME server',
    'set k3s_platform_acme_server to production, staging or the URL of a directory',
  ),
  said(
    'account-key',
    /(Account private key is invalid.*|is not of type RSA|disableAccountKeyGeneration.*)/,
    "the Secret with the ACME account's key is not usable: $1",
    'delete that Secret: cert-manager registers a new account',
  ),
  said('acme', /Failed to \w+ ACME account: ?(.+)/, 'the ACME server refused the account: $1', APPLY, {
    after: RESTART,
  }),
  {
    name: 'issuer-not-ready',
    fails: longEnough,
    match: ({ ready, message }) =>
      ready && { cause: `the issuer is not ready: ${ready.reason}, ${short(message)}`, fix: APPLY },
  },
  {
    name: 'issuer-new',
    match: () => ({
      cause: 'the issuer is new or was changed, and cert-manager has not looked at it yet',
      fix: 'kubectl get pods -n cert-manager',
      after: 'nothing: a new controller waits up to 75 s for the lease of the old one',
    }),
  },
]

/** What `apiTokenSecretRef: { name, key }` and its like in the DNS-01 solvers name. */
function secretsOf(issuer: Issuer): { name: string; key: string }[] {
  return (issuer.spec.acme?.solvers ?? [])
    .flatMap(({ dns01 }) => Object.values(dns01 ?? {}))
    .flatMap((provider) => Object.entries(Object(provider)))
    .flatMap(([field, ref]) => {
      const { name, key } = Object(ref)
      return /SecretRef$/.test(field) && typeof name === 'string' && typeof key === 'string' ? [{ name, key }] : []
    })
}

export function issuerFacts(issuer: Issuer, now: Date, secrets?: KnownSecrets): IssuerFacts {
  const told = conditionOf(issuer, 'Ready')
  // What is said of an older version says nothing of this one.
  const ready =
    (told?.observedGeneration ?? Number.POSITIVE_INFINITY) < (issuer.metadata.generation ?? 0) ? undefined : told
  return { issuer, ready, message: ready?.message ?? '', secrets, now }
}

/** Ready=True at its newest version. */
export const issuerReady = ({ ready }: IssuerFacts): boolean => ready?.status === 'True'

/**
 * How far a ClusterIssuer or Issuer (the API's JSON) is, and why not further. `secrets`, when given, are those of the
 * namespace where it looks for its own: a DNS-01 Secret that is missing there is told before cert-manager says it.
 */
export function explainIssuer(live: unknown, now: Date, secrets?: KnownSecrets): Readiness {
  const { data } = shape.safeParse(whole(live))
  if (data === undefined) return { is: 'waiting', why: 'the issuer is absent', hint: APPLY }
  const facts = issuerFacts(data, now, secrets)
  if (issuerReady(facts)) return { is: 'ready' }
  const found = judge(ISSUER_RULES, facts)
  if (found === null) return { is: 'waiting', why: 'not ready' }
  return { is: found.fails ? 'failed' : 'waiting', why: found.words.cause, hint: found.words.fix }
}
