// What an ACME server says when it refuses a challenge or an order, by the type of its problem document (RFC 8555, 6.7).

import type { Words } from './rule.ts'

/** `says`: the text without a type, as a Challenge that was read back holds it (Boulder's and Pebble's words). */
interface Problem {
  readonly type: string
  readonly says?: RegExp
  /** Where the same type means something else. */
  readonly unless?: RegExp
  readonly cause: string
  readonly fix: string
}

/** `$name` is the name that is asked for. Ordered: the more exact text first. */
const PROBLEMS: readonly Problem[] = [
  {
    type: 'caa',
    says: /CAA record/,
    cause: 'a CAA record forbids this ACME server to issue for $name',
    fix: 'dig CAA $name; add to the zone: 0 issue "letsencrypt.org"',
  },
  {
    type: 'dns',
    says: /DNS problem|NXDOMAIN|could not resolve URL|no valid A records/,
    cause: 'the ACME server cannot resolve $name',
    fix: 'dig +trace $name; create the record (external-dns does it for an Ingress host: kubectl -n platform logs deploy/external-dns)',
  },
  {
    type: 'connection',
    says: /Connection refused|connection refused|Timeout during connect|Network unreachable|Error getting validation data/,
    cause: 'the ACME server cannot connect to port 80 of $name, which can be reached from here',
    fix: 'open port 80 to the internet (firewall, security group, router), and check that DNS tells the public address',
  },
  {
    type: 'tls',
    cause: 'the ACME server was redirected to https at $name and got no TLS connection',
    fix: 'k3s-platform apply -t issuers: the solver Ingress must carry disable-ssl-redirect',
  },
  {
    type: 'unauthorized',
    unless: /Failed to create Order/,
    says: /Invalid response from|Non-200 status code|key authorization file|No TXT record|Incorrect TXT/,
    cause:
      'the ACME server got another answer from $name than this cluster gives: DNS points elsewhere for it, or at several places',
    fix: 'dig A $name; dig AAAA $name: all addresses must be those of this node',
  },
  {
    type: 'rejectedIdentifier',
    cause: 'the ACME server issues no certificates for $name (its policy)',
    fix: 'take a name that is public and not blocked, or another ACME server',
  },
  {
    type: 'unsupportedIdentifier',
    cause: 'the ACME server issues no certificates for this kind of name',
    fix: 'take a DNS name, or another ACME server',
  },
  {
    type: 'accountDoesNotExist',
    cause: 'the ACME server does not know the account: it was reset, or is another one than before',
    fix: "delete the issuer's account key: kubectl delete secret -n cert-manager with the name in spec.acme.privateKeySecretRef",
  },
  {
    type: 'userActionRequired',
    cause: 'the ACME server has new terms that want agreement',
    fix: "delete the issuer's account key Secret: a new account agrees to them",
  },
  {
    type: 'badCSR',
    cause: 'the ACME server refuses the request: its key or its names',
    fix: 'check privateKey and dnsNames',
  },
  {
    type: 'serverInternal',
    cause: 'the ACME server has an error of its own',
    fix: "see its status page (letsencrypt.status.io for Let's Encrypt)",
  },
]

/** Words for what the ACME server said of `name`, or null when it is none of its known problems. */
export function problemWords(message: string, name: string): Words | null {
  const typed = new Set([...message.matchAll(/urn:(?:ietf:params:)?acme:error:(\w+)/g)].map(([, type]) => type))
  const found =
    PROBLEMS.find(({ type, unless }) => typed.has(type) && !unless?.test(message)) ??
    PROBLEMS.find(({ says }) => says?.test(message))
  if (found === undefined) return null
  return { cause: found.cause.replaceAll('$name', name), fix: found.fix.replaceAll('$name', name) }
}
