// Causes that every subject meets: network, DNS, TLS, HTTP. A subject's table takes a row and adds its own hint.

import type { Row } from './diagnose.ts'

/**
 * Values: `{server}`, whom it was meant for (`203.0.113.9:22`, `the Git server`), and `{host}`, whose name was looked up
 * (`vault.svc.plus`, `of the Git server`). Words of Node.js, Go, curl, OpenSSL, GnuTLS and OpenSSH.
 */
export const SHARED = {
  refused: {
    name: 'refused',
    pattern: /connection refused|ECONNREFUSED/i,
    cause: '{server} refused the connection',
    example: 'dial tcp 10.43.0.10:443: connect: connection refused',
  },
  unroutable: {
    name: 'unroutable',
    pattern: /EHOSTUNREACH|ENETUNREACH|EHOSTDOWN|no route to host|network is unreachable|host is down/i,
    cause: 'there is no route to {server}',
    example: 'connect EHOSTUNREACH 203.0.113.9:443',
  },
  timeout: {
    name: 'timeout',
    pattern: /ETIMEDOUT|timed out|\btimeout\b(?!=)|deadline exceeded|no answer within|operation too slow/i,
    cause: '{server} did not answer in time',
    example: 'dial tcp 203.0.113.9:443: i/o timeout',
  },
  closed: {
    name: 'closed',
    pattern: /ECONNRESET|EPIPE|socket hang up|connection (?:was )?(?:reset|closed)|reset by peer|\bEOF\b/i,
    cause: '{server} closed the connection',
    example: 'read tcp 10.42.0.7:51512->203.0.113.9:443: read: connection reset by peer',
  },
  unresolved: {
    name: 'unresolved',
    pattern:
      /ENOTFOUND|no such host|could not (?:be )?resolve|name or service not known|no address associated with host|unknown host|NXDOMAIN/i,
    cause: 'the host name {host} does not resolve',
    example: 'dial tcp: lookup vault.svc.plus on 10.43.0.10:53: no such host',
  },
  resolver: {
    name: 'resolver',
    pattern: /EAI_AGAIN|server misbehaving|temporary failure in name resolution|lookup .*: (?:i\/o timeout|.*refused)/i,
    cause: 'no DNS server answered for the host name {host}',
    example: 'getaddrinfo EAI_AGAIN vault.svc.plus',
  },
  names: {
    name: 'names',
    pattern: /altnames?\b|ALTNAME|certificate is (?:not )?valid for|IP SANs|subject name .*(?:match|target)/i,
    cause: 'the TLS certificate of {server} is for other names',
    example: 'tls: failed to verify certificate: x509: certificate is valid for a.example, not b.example',
  },
  expired: {
    name: 'expired',
    pattern: /CERT_HAS_EXPIRED|CERT_NOT_YET_VALID|certificate (?:has expired|is not yet valid|is expired)/i,
    cause: 'the TLS certificate of {server} has expired or is not valid yet',
    hint: 'renew it; if it is valid, set the clock of the machine that checks it',
    example: 'tls: failed to verify certificate: x509: certificate has expired or is not yet valid',
  },
  untrusted: {
    name: 'untrusted',
    pattern:
      /SELF_SIGNED|UNABLE_TO_(?:GET|VERIFY)|self.signed|unable to (?:get|verify)|unknown authority|x509: |(?:certificate|server) verif/i,
    cause: 'the TLS certificate of {server} is not trusted',
    example: 'tls: failed to verify certificate: x509: certificate signed by unknown authority',
  },
  plaintext: {
    name: 'plaintext',
    pattern:
      /wrong version number|WRONG_VERSION_NUMBER|packet length too long|PACKET_LENGTH_TOO_LONG|does not look like a TLS handshake|HTTP response to HTTPS client/i,
    cause: '{server} does not speak TLS',
    example: 'http: server gave HTTP response to HTTPS client',
  },
  handshake: {
    name: 'handshake',
    pattern: /\btls: |\bSSL\b|SSL_|EPROTO|gnutls_handshake|TLS connection/i,
    cause: 'the TLS handshake with {server} failed',
    example: 'remote error: tls: handshake failure',
  },
  failing: {
    name: 'failing',
    pattern: /\b(?:HTTP|error:|status|status code:?) (5\d\d)\b|\b(50[0234]) (?:Internal|Bad|Service|Gateway)/i,
    cause: '{server} answered with a server error: HTTP $1$2',
    example: 'The requested URL returned error: 503',
  },
} as const satisfies Readonly<Record<string, Row>>

/** Adds the matched line to the cause, for a message that is shown without its evidence. */
export const quoting = (row: Row): Row => ({
  ...row,
  pattern: new RegExp(`.*(?:${row.pattern.source}).*`, row.pattern.flags),
  cause: `${row.cause}: $0`,
})
