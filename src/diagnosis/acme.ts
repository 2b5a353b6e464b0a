// Why an ACME server issues nothing: its problem documents (RFC 8555, 6.7), its limits, and what cert-manager says of an issuer.

import type { Row } from './diagnose.ts'
import { quoting, SHARED } from './shared.ts'

/**
 * The type of the problem document, or the text without a type that a Challenge which was read back holds (words of Boulder
 * and Pebble). `{name}`: the DNS name that is asked for.
 */
export const ACME_PROBLEM: readonly Row[] = [
  {
    name: 'caa',
    pattern: /acme:error:caa\b|CAA record/,
    cause: 'a CAA record forbids this ACME server to issue for {name}',
    hint: 'dig CAA {name}; add to the zone: 0 issue "letsencrypt.org"',
    example: 'CAA record for svc.plus prevents issuance',
  },
  {
    name: 'dns',
    pattern: /acme:error:dns\b|DNS problem|NXDOMAIN|could not resolve URL|no valid A records/,
    cause: 'the ACME server cannot resolve {name}',
    hint: 'dig +trace {name}; create the record (external-dns does it for an Ingress host: kubectl -n platform logs deploy/external-dns)',
    example: 'DNS problem: NXDOMAIN looking up A for svc.plus',
  },
  {
    name: 'connection',
    pattern:
      /acme:error:connection\b|[Cc]onnection refused|Timeout during connect|Network unreachable|Error getting validation data/,
    cause: 'the ACME server cannot connect to port 80 of {name}, which can be reached from here',
    hint: 'open port 80 to the internet (firewall, security group, router), and check that DNS has the public address',
    example: 'Timeout during connect (likely firewall problem)',
  },
  {
    name: 'tls',
    pattern: /acme:error:tls\b/,
    cause: 'the ACME server was redirected to https at {name} and got no TLS connection',
    hint: 'k3s-platform apply -t issuers: the solver Ingress must carry disable-ssl-redirect',
    example: 'urn:ietf:params:acme:error:tls',
  },
  {
    name: 'unauthorized',
    pattern:
      /acme:error:unauthorized\b|Invalid response from|Non-200 status code|key authorization file|No TXT record|Incorrect TXT/,
    cause:
      'the ACME server got another answer from {name} than this cluster gives: DNS has another address for it, or several',
    hint: 'dig A {name}; dig AAAA {name}: all addresses must be those of this node',
    example: 'Invalid response from http://svc.plus/.well-known/acme-challenge/x: 404',
  },
  {
    name: 'rejected-name',
    pattern: /acme:error:rejectedIdentifier\b/,
    cause: 'the ACME server issues no certificates for {name} (its policy)',
    hint: 'use a name that is public and not blocked, or another ACME server',
    example: 'urn:ietf:params:acme:error:rejectedIdentifier',
  },
  {
    name: 'unsupported-name',
    pattern: /acme:error:unsupportedIdentifier\b/,
    cause: 'the ACME server issues no certificates for this kind of name',
    hint: 'use a DNS name, or another ACME server',
    example: 'urn:ietf:params:acme:error:unsupportedIdentifier',
  },
  {
    name: 'no-account',
    pattern: /acme:error:accountDoesNotExist\b/,
    cause:
      'the ACME server does not know the account: it was reset, or it is not the server that the account was made with',
    hint: "delete the issuer's account key: kubectl delete secret -n cert-manager with the name in spec.acme.privateKeySecretRef",
    example: 'urn:ietf:params:acme:error:accountDoesNotExist',
  },
  {
    name: 'terms',
    pattern: /acme:error:userActionRequired\b/,
    cause: 'the ACME server has new terms of service to agree to',
    hint: "delete the issuer's account key Secret: a new account agrees to them",
    example: 'urn:ietf:params:acme:error:userActionRequired',
  },
  {
    name: 'csr',
    pattern: /acme:error:badCSR\b/,
    cause: 'the ACME server refuses the request: its key or its names',
    hint: 'check privateKey and dnsNames',
    example: 'urn:ietf:params:acme:error:badCSR',
  },
  {
    name: 'server-error',
    pattern: /acme:error:serverInternal\b/,
    cause: 'the ACME server answered with an internal error',
    hint: "see its status page (letsencrypt.status.io for Let's Encrypt)",
    example: 'urn:ietf:params:acme:error:serverInternal',
  },
]

/** What Let's Encrypt calls each limit. `{duplicates}`: its limit for one exact set of names in 7 days. */
export const ACME_LIMIT: readonly Row[] = [
  {
    name: 'duplicates',
    pattern: /exact set of (?:identifiers|domains)/,
    cause:
      "the ACME server issued its limit of certificates for exactly these names (Let's Encrypt: {duplicates} in 7 days)",
    hint: 'k3s-platform apply --fallback selfsigned, until then; fewer namespaces with the same names, or staging for tests',
    example: 'too many certificates (5) already issued for this exact set of identifiers in the last 168h0m0s',
  },
  {
    name: 'failed-challenges',
    pattern: /too many failed authorizations/,
    cause: 'too many challenges for this name failed recently',
    hint: 'find out first why they failed, with k3s_platform_acme_server: staging',
    example: 'too many failed authorizations (5) for "svc.plus" in the last 1h0m0s',
  },
  {
    name: 'domain',
    pattern: /too many certificates/,
    cause: 'the ACME server issued its limit of certificates for this registered domain',
    hint: 'wait, or use names of another domain; staging for tests',
    example: 'too many certificates already issued for "svc.plus"',
  },
  {
    name: 'orders',
    pattern: /too many new orders/,
    cause: 'this ACME account ordered too much in too short a time',
    hint: 'wait; staging for tests',
    example: 'too many new orders (300) from this account in the last 3h0m0s',
  },
  {
    name: 'registrations',
    pattern: /too many new registrations/,
    cause: 'too many ACME accounts were registered from this address',
    hint: "wait; keep an account's key Secret when a node is set up again",
    example: 'too many new registrations (10) from this IP address in the last 3h0m0s',
  },
  {
    name: 'other',
    pattern: /^/,
    cause: 'the ACME server got too many requests',
    hint: 'wait; staging for tests',
    example: '429 urn:ietf:params:acme:error:rateLimited: slow down',
  },
]

export interface IssuerRow extends Row {
  /** It may pass by itself: a failure only when it lasts. */
  readonly passing?: true
  /** What happens after the fix; left out: cert-manager's next try. */
  readonly after?: string
}

const APPLY = 'k3s-platform apply -t issuers'
/** cert-manager does not register again after a refusal (4xx), until the issuer or its Secrets change or it restarts. */
export const RESTART =
  'kubectl rollout restart -n cert-manager deployment/cert-manager: it does not register again by itself'
const SERVER = 'check k3s_platform_acme_server'
const REACH = 'check from the node: curl -v {url}; cert-manager tries again by itself'
const DNS = `${SERVER}, and the DNS of the cluster: kubectl logs -n kube-system deployment/coredns`

/** Messages of an issuer's Ready condition. `{server}`, `{host}` and `{url}` are of the ACME server. */
export const ACME_ISSUER: readonly IssuerRow[] = [
  { ...quoting(SHARED.names), passing: true, hint: `${SERVER}: use a host name that the certificate has` },
  { ...quoting(SHARED.expired), passing: true },
  {
    ...quoting(SHARED.untrusted),
    passing: true,
    hint: `set k3s_platform_acme_ca_bundle to the CA of that server (PEM), then: ${APPLY}`,
  },
  {
    ...quoting(SHARED.resolver),
    passing: true,
    hint: DNS,
    example: 'Get "https://acme.example/dir": dial tcp: lookup acme.example on 10.43.0.10:53: server misbehaving',
  },
  { ...quoting(SHARED.unresolved), passing: true, hint: DNS },
  { ...SHARED.refused, passing: true, hint: REACH },
  {
    ...SHARED.unroutable,
    passing: true,
    hint: REACH,
    example: 'dial tcp 203.0.113.7:14000: connect: network is unreachable',
  },
  { ...SHARED.timeout, passing: true, hint: REACH },
  { ...SHARED.closed, passing: true, hint: REACH },
  {
    name: 'email',
    pattern: /(?:invalidContact|unsupportedContact|invalidEmail)(.*)/,
    cause: 'the ACME server refuses the e-mail address of the account$1',
    hint: `set k3s_platform_acme_email to a real address, then: ${APPLY}`,
    example: '400 urn:ietf:params:acme:error:invalidContact: Contact emails @example.com are forbidden',
  },
  {
    name: 'eab',
    pattern: /externalAccountRequired|External Account Binding/,
    cause: '{server} requires an account that was registered with it beforehand (external account binding)',
    hint: 'use another ACME server; this one needs keys that the issuer does not have',
    example: "403 urn:ietf:params:acme:error:externalAccountRequired: include a value for 'externalAccountBinding'",
  },
  {
    name: 'not-acme',
    pattern: /returned an HTTP \d+ response which is not an RFC 8555 problem document|v1 endpoint|\b40[45] /,
    cause: '{url} is not the directory of an ACME server',
    hint: 'set k3s_platform_acme_server to production, staging or the URL of a directory',
    example: 'the ACME server returned an HTTP 404 response which is not an RFC 8555 problem document',
  },
  {
    name: 'account-key',
    pattern: /(Account private key is invalid.*|is not of type RSA|disableAccountKeyGeneration.*)/,
    cause: "the Secret with the ACME account's key is not usable: $1",
    hint: 'delete that Secret: cert-manager registers a new account',
    example: 'Account private key is invalid: no data for "tls.key" in secret',
  },
  {
    name: 'acme',
    pattern: /Failed to \w+ ACME account: ?(.+)/,
    cause: 'the ACME server refused the account: $1',
    hint: APPLY,
    after: RESTART,
    example: 'Failed to register ACME account: 403 urn:ietf:params:acme:error:unauthorized: account is deactivated',
  },
]
