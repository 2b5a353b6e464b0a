// Explains why an issuer is not ready.

import { z } from 'zod'
import { ACME_ISSUER, type IssuerRow, RESTART } from '../diagnosis/acme.ts'
import { diagnose } from '../diagnosis/diagnose.ts'
import { CA_ISSUER, VAULT_ISSUER, VENAFI_ISSUER } from '../diagnosis/issuers.ts'
import { shellWords } from '../engine/shell-words.ts'
import { type Condition, type Issuer, issuer as shape, whole } from './bundle.ts'
import { conditionOf } from './facts.ts'
import { limitWords } from './limits.ts'
import { type CertificateReadiness, judge, type Rule } from './rule.ts'
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
const SETTINGS = z.looseObject({ server: z.string() })

/** A row about the message of an issuer of one type, as a rule. */
const messageRule =
  (type: keyof Issuer['spec'], prefix: string) =>
  (row: IssuerRow): Rule<IssuerFacts> => ({
    name: `issuer-${prefix}${row.name}`,
    fails: row.passing === true ? longEnough : true,
    match: ({ message, issuer }) => {
      if (issuer.spec[type] === undefined) return null
      const found = diagnose([row], { text: message, values: valuesOf(issuer, type) })
      if (found === undefined) return null
      const { cause, hint = describe(issuer), after } = found
      return { cause, fix: hint, ...(after !== undefined && { after }) }
    },
  })

function valuesOf(issuer: Issuer, type: keyof Issuer['spec']) {
  const { metadata, spec } = issuer
  const url = SETTINGS.safeParse(spec[type]).data?.server
  const title = TITLES[String(type)] ?? 'the server'
  return {
    server: url === undefined ? title : `${title} ${url}`,
    url: url ?? 'URL',
    host: type === 'acme' ? 'of the ACME server' : `of ${title}`,
    namespace: metadata.namespace ?? 'cert-manager',
  }
}

const TITLES: Readonly<Record<string, string>> = { acme: 'the ACME server', vault: 'Vault' }

/** Ours is put right by its stage; another one has to be looked at. */
const describe = ({ kind, metadata, spec }: Issuer) =>
  spec.acme !== undefined
    ? APPLY
    : shellWords([
        ...['kubectl', 'describe', kind.toLowerCase(), metadata.name],
        ...(metadata.namespace === undefined ? [] : ['-n', metadata.namespace]),
      ])

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
          cause: `the Secret ${name} of the DNS-01 solver is missing${key ? `, or its key ${key}` : ''}; without it the issuer does not become ready`,
          fix: `${APPLY}: with the token set, or with an ExternalSecret that has synced`,
        }
      )
    },
  },
  ...ACME_ISSUER.map(messageRule('acme', '')),
  ...CA_ISSUER.map(messageRule('ca', 'ca-')),
  ...VAULT_ISSUER.map(messageRule('vault', 'vault-')),
  ...VENAFI_ISSUER.map(messageRule('venafi', 'venafi-')),
  {
    name: 'issuer-not-ready',
    fails: longEnough,
    match: ({ ready, message, issuer }) =>
      ready && { cause: `the issuer is not ready: ${ready.reason}, ${short(message)}`, fix: describe(issuer) },
  },
  {
    name: 'issuer-new',
    match: () => ({
      cause: 'the issuer is new or changed, and cert-manager has not processed it yet',
      fix: 'kubectl get pods -n cert-manager',
      after: "no action: a new controller waits up to 75 s for the previous leader's lease",
    }),
  },
]

/**
 * What `apiTokenSecretRef: { name, key }` and its like in the DNS-01 solvers name, at any depth: a webhook's `config` calls
 * them as it likes, `applicationKeyRef` for one.
 */
function secretsOf(issuer: Issuer): { name: string; key: string }[] {
  const found: { name: string; key: string }[] = []
  const walk = (value: unknown, field: string) => {
    const { data: ref } = REF.safeParse(value)
    if (ref !== undefined && /Ref$/.test(field)) found.push(ref)
    else if (typeof value === 'object' && value !== null)
      for (const [key, inner] of Object.entries(value)) walk(inner, Array.isArray(value) ? field : key)
  }
  for (const { dns01 } of issuer.spec.acme?.solvers ?? []) walk(dns01, '')
  return found
}

const REF = z.object({ name: z.string(), key: z.string() })

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
export function explainIssuer(live: unknown, now: Date, secrets?: KnownSecrets): CertificateReadiness {
  const { data } = shape.safeParse(whole(live))
  if (data === undefined) return { is: 'waiting', why: 'the issuer does not exist', hint: APPLY }
  const facts = issuerFacts(data, now, secrets)
  if (issuerReady(facts)) return { is: 'ready' }
  const found = judge(ISSUER_RULES, facts)
  if (found === null) return { is: 'waiting', why: 'not ready' }
  return { is: found.fails ? 'failed' : 'waiting', why: found.words.cause, hint: found.words.fix }
}
