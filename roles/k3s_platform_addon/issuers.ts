// Creates the ClusterIssuers: one per solver, so that a missing Secret of one does not affect the others.

import { issuerReady } from '../../src/cluster/kinds/issuance.ts'
import { object } from '../../src/cluster/kinds/object.ts'
import { present } from '../../src/cluster/kinds/present.ts'
import type { Manifest } from '../../src/cluster/object.ts'
import type { ClusterResource } from '../../src/cluster/resource.ts'
import type { Stage } from '../../src/engine/resource.ts'
import type { Finding, RoleContext, Written } from '../role.ts'
import { base64 } from '../shapes.ts'
import { CLOUDFLARE_SECRET, caddyOn, certManagerOn, DNS01 } from './materials.ts'
import { cloudflareIs } from './secrets.ts'
import { isMap, mapsIn, type Values } from './values.ts'
import type { CertificateEntry } from './vars/certificates.ts'
import type { AddonVars } from './vars.ts'

const API = 'cert-manager.io/v1'
const SELF_SIGNED = 'svc-plus-selfsigned'
const HTTP01 = 'svc-plus-acme-http01'

/** https://letsencrypt.org/docs/acme-protocol-updates/ and /docs/staging-environment/ */
export const LETS_ENCRYPT = 'https://acme-v02.api.letsencrypt.org/directory'
const DIRECTORIES: Readonly<Record<string, string>> = {
  production: LETS_ENCRYPT,
  staging: 'https://acme-staging-v02.api.letsencrypt.org/directory',
}

/** An ACME account is registered within seconds; a new leader of cert-manager waits up to 60 s for the lease of a killed one. */
const ISSUER_SECONDS = 120

/** Caddy sends plain HTTP to https, unless the Ingress of the challenge says this. */
const PLAIN_HTTP = { 'caddy.ingress.kubernetes.io/disable-ssl-redirect': 'true' }

/** URL of the ACME directory that the role's own issuers use. */
export function directory(v: AddonVars): string {
  const given = v.k3s_platform_acme_server ?? v.k3s_platform_environment
  return DIRECTORIES[given] ?? given
}

function acme(v: AddonVars, name: string, solver: Values): Values {
  const { k3s_platform_acme_email: email, k3s_platform_acme_ca_bundle: ca } = v
  return {
    acme: {
      server: directory(v),
      ...(email === undefined ? {} : { email }),
      ...(ca === undefined ? {} : { caBundle: base64(ca) }),
      privateKeySecretRef: { name: `${name}-account-key` },
      solvers: [solver],
    },
  }
}

/** Name to spec of every issuer that is made. A missing Secret makes a whole issuer not ready: no token, no DNS-01. */
export function issuers(v: AddonVars): Readonly<Record<string, Values>> {
  const ingress = {
    // Caddy compares it as text; no object of kind IngressClass is needed.
    ingressClassName: v.k3s_platform_acme_ingress_class,
    ingressTemplate: { metadata: { annotations: PLAIN_HTTP } },
  }
  const apiTokenSecretRef = CLOUDFLARE_SECRET
  return {
    [SELF_SIGNED]: { selfSigned: {} },
    [HTTP01]: acme(v, HTTP01, { http01: { ingress } }),
    ...(cloudflareIs(v) === 'none'
      ? {}
      : { [DNS01]: acme(v, DNS01, { dns01: { cloudflare: { apiTokenSecretRef } } }) }),
    ...Object.fromEntries(
      Object.entries(v.k3s_platform_issuers).flatMap(([name, spec]) =>
        spec === 'existing' ? [] : [[name, spec] as const],
      ),
    ),
  }
}

/** How an issuer has names proven; undefined: it is known to the cluster only. */
export function provesBy(v: AddonVars, issuer: string): readonly ('http01' | 'dns01' | 'none')[] | undefined {
  const spec = issuers(v)[issuer]
  if (spec === undefined) return undefined
  if (!isMap(spec.acme)) return ['none']
  return solversOf(spec).flatMap((solver) => (['http01', 'dns01'] as const).filter((way) => solver[way] !== undefined))
}

/** The ACME server that an issuer of ours asks; undefined: it asks none, or is none of ours. */
export function serverOf(v: AddonVars, issuer: string): string | undefined {
  const server = isMap(issuers(v)[issuer]?.acme) ? acmeOf(issuers(v)[issuer]).server : undefined
  return typeof server === 'string' ? server : undefined
}

const acmeOf = (spec: Values | undefined): Values => (isMap(spec?.acme) ? spec.acme : {})
const solversOf = (spec: Values): Values[] => {
  const { solvers } = acmeOf(spec)
  return Array.isArray(solvers) ? mapsIn(solvers) : []
}

/** Every issuer that is made, and whether something asks it. */
export function issuerManifests(v: AddonVars): { readonly manifest: Manifest; readonly needed: boolean }[] {
  return Object.entries(issuers(v)).map(([name, spec]) => ({ manifest: manifest(name, spec), needed: needed(v, name) }))
}

const manifest = (name: string, spec: Values): Manifest => ({
  apiVersion: API,
  kind: 'ClusterIssuer',
  metadata: { name },
  spec,
})

/** After cert-manager works. All are made first, so that their accounts are registered side by side. */
export function issuerStages(v: AddonVars, _context: RoleContext): Stage<ClusterResource>[] {
  if (!certManagerOn(v)) return []
  const made = issuerManifests(v).map((one) => ({
    ...one,
    name: one.manifest.metadata.name,
    resource: object(one.manifest),
  }))
  const existing = Object.entries(v.k3s_platform_issuers).flatMap(([name, spec]) => (spec === 'existing' ? [name] : []))
  return [
    {
      role: 'k3s_platform_addon',
      name: 'issuers',
      resources: [
        ...existing.map((name) =>
          present({
            ref: { apiVersion: API, kind: 'ClusterIssuer', name },
            hint: `create it, or set its spec: k3s_platform_issuers: { ${name}: { ... } }`,
          }),
        ),
        ...made.map(({ resource }) => resource),
        ...made
          .filter((one) => one.needed)
          .map(({ name, resource }) => issuerReady({ name, inputs: [resource.id], boundSeconds: ISSUER_SECONDS })),
      ],
    },
  ]
}

/** The issuer that is asked: the recovery takes the place of whatever has names proven to it. */
export function issuerOf(
  v: AddonVars,
  { issuer }: Pick<CertificateEntry, 'issuer'>,
): { readonly name: string; readonly fallback: boolean } {
  const fallback = v.k3s_platform_certificates_fallback === 'selfsigned' && !provesBy(v, issuer)?.includes('none')
  return { name: fallback ? SELF_SIGNED : issuer, fallback }
}

/** An ACME server that no certificate asks may be down, as in a recovery: its issuer is made, and not waited for. */
function needed(v: AddonVars, issuer: string): boolean {
  const asked = v.k3s_platform_certificates.some((certificate) => issuerOf(v, certificate).name === issuer)
  return asked || provesBy(v, issuer)?.includes('none') === true
}

/** Let's Encrypt refuses these domains in an account's address (its error invalidContact). */
const NO_MAIL = /@(.+\.)?example\.(com|net|org)$/i

/** What is wrong with the issuers by themselves. */
export function issuerFindings(v: AddonVars, _context: Pick<RoleContext, 'host'>, written: Written): Finding[] {
  const variable = 'k3s_platform_issuers'
  const email = v.k3s_platform_acme_email
  const found = [SELF_SIGNED, HTTP01, DNS01]
    .filter((name) => v.k3s_platform_issuers[name] !== undefined)
    .map((name) => ({
      path: [variable, name],
      what: `${name} is an issuer that the role creates`,
      hint: 'choose another name',
    }))
  const letsEncrypt = Object.values(DIRECTORIES).includes(directory(v)) && !written.broken('k3s_platform_acme_server')
  return [
    ...found,
    ...(email !== undefined && letsEncrypt && NO_MAIL.test(email)
      ? [{ path: ['k3s_platform_acme_email'], what: `Let's Encrypt rejects accounts with the address ${email}` }]
      : []),
    ...(written.given('k3s_platform_acme_ca_bundle') && letsEncrypt
      ? [
          {
            path: ['k3s_platform_acme_ca_bundle'],
            what: "it replaces all trusted CAs for the ACME server, which is Let's Encrypt",
            hint: 'remove it, or set the server: k3s_platform_acme_server',
          },
        ]
      : []),
    ...(certManagerOn(v) && !caddyOn(v) && v.k3s_platform_acme_ingress_class === 'caddy'
      ? [
          {
            path:
              v.k3s_platform_caddy_enabled === undefined
                ? ['k3s_platform_values', 'components', 'caddy', 'enabled']
                : ['k3s_platform_caddy_enabled'],
            what: 'Caddy is disabled: no controller of the class caddy answers HTTP-01',
            hint: 'set the class of the installed controller: k3s_platform_acme_ingress_class',
            warning: true as const,
          },
        ]
      : []),
  ]
}
