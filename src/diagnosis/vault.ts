// Why a Vault does not answer as one, asked from the node: the way there, TLS, and what answers in its place.

import type { Row } from './diagnose.ts'
import { SHARED } from './shared.ts'

const REACH = "check that the node reaches {server}: curl -v '{url}'"

/** Words of sshd, which connects for us, and of Node.js. */
export const VAULT_CONNECTION: readonly Row[] = [
  { ...SHARED.refused, hint: 'start Vault, or correct k3s_platform_vault_server' },
  {
    ...SHARED.resolver,
    hint: 'check the DNS servers of the node; a Service of the cluster is <name>.<namespace>.svc: k3s_platform_vault_server',
  },
  {
    ...SHARED.unresolved,
    hint: "correct k3s_platform_vault_server: the node's DNS must know the name; a Service of the cluster is <name>.<namespace>.svc",
  },
  { ...SHARED.unroutable, hint: REACH },
  { ...SHARED.names, hint: 'use a name that the certificate has: k3s_platform_vault_server' },
  SHARED.expired,
  { ...SHARED.untrusted, hint: 'set k3s_platform_vault_ca to the CA that signed it (PEM)' },
  { ...SHARED.plaintext, hint: 'correct k3s_platform_vault_server: http:// is for a Vault without TLS' },
  { ...SHARED.handshake, hint: REACH },
  { ...SHARED.timeout, hint: REACH },
  { ...SHARED.closed, hint: REACH },
]

/** Status and body of an answer that is not one of Vault's API. */
export const VAULT_ANSWER: readonly Row[] = [
  {
    name: 'tls-only',
    pattern: /^HTTP 400 Client sent an HTTP request to an HTTPS server/,
    cause: '{server} speaks only TLS',
    hint: 'use https:// in k3s_platform_vault_server',
    example: 'HTTP 400 Client sent an HTTP request to an HTTPS server.',
  },
  {
    ...SHARED.failing,
    pattern: /^HTTP (5\d\d)\b/,
    hint: 'check the log of Vault, and of a proxy in front of it',
    example: 'HTTP 502 Bad Gateway',
  },
  {
    name: 'not-vault',
    pattern: /^HTTP (\d+)/,
    cause: '{server} answered HTTP $1, and not as Vault does at the root of its URL',
    hint: 'correct k3s_platform_vault_server',
    example: 'HTTP 404 404 page not found',
  },
]
