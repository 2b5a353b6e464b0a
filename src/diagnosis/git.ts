// Why git on this workstation could not read a repository.

import type { Row } from './diagnose.ts'
import { SHARED } from './shared.ts'

export interface GitRow extends Row {
  /** What has to be changed. */
  readonly about: 'url' | 'branch' | 'path' | 'login' | 'key' | 'passphrase' | 'hosts' | 'ca' | 'program'
}

const CLUSTER = 'if only the cluster can reach it, set k3s_platform_git_check: false'
const TRY = "try it: git ls-remote '{url}'"
const REFUSED = '{server} refuses the login'
const CHANGED = /REMOTE HOST IDENTIFICATION HAS CHANGED|REVOKED HOST KEY/
const DENIED =
  /Permission denied|could not read Username|could not read Password|Authentication failed|error: 40[13]|HTTP 40[13]/i

/**
 * Words of git, curl and ssh. Values: `{server}`, `{host}`, `{url}`; `{scan}`, the command that prints the host keys of the server;
 * `{key}`, the public part of the deploy key after a colon; and what rows ask for: `mode` of the login, `ca` and `knownHosts`, whether they are set.
 */
export const GIT: readonly GitRow[] = [
  {
    name: 'proxy',
    about: 'url',
    pattern: /Could not resolve proxy: (\S+)/i,
    cause: 'the host name $1 of the proxy does not resolve',
    hint: `correct the proxy of this workstation (https_proxy); ${CLUSTER}`,
    example: "fatal: unable to access 'https://git.example/tree.git/': Could not resolve proxy: proxy.example",
  },
  {
    ...SHARED.unresolved,
    about: 'url',
    hint: CLUSTER,
    example: "fatal: unable to access 'https://git.example/tree.git/': Could not resolve host: git.example",
  },
  {
    name: 'host-key-changed',
    about: 'hosts',
    pattern: new RegExp(
      `(?:${CHANGED.source})[^]*fingerprint for the (\\S+) key sent by the remote host is\\s+(SHA256:[^\\s.]+)`,
    ),
    cause: 'the host key of {server} changed (offered $1 $2)',
    hint: "ask the server's operator for its new key, then correct k3s_platform_git_known_hosts: {scan}",
    example:
      '@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\nThe fingerprint for the ED25519 key sent by the remote host is\nSHA256:9Qm.\nPlease contact your system administrator.',
  },
  {
    name: 'host-key-revoked',
    about: 'hosts',
    pattern: CHANGED,
    cause: 'the host key of {server} changed, or is revoked',
    hint: "ask the server's operator for its new key, then correct k3s_platform_git_known_hosts: {scan}",
    example: '@       WARNING: REVOKED HOST KEY DETECTED!               @',
  },
  {
    name: 'no-host-key',
    about: 'hosts',
    pattern: /Host key verification failed|No \S+ host key is known/,
    when: { knownHosts: 'scanned' },
    cause: 'the host key of {server} is not known',
    hint: 'the server offered no key to {scan}',
    example: 'No ED25519 host key is known for git.example and you have requested strict checking.',
  },
  {
    name: 'host-key-unknown',
    about: 'hosts',
    pattern: /Host key verification failed|No \S+ host key is known/,
    cause: 'the host key of {server} is not known',
    hint: 'compare with its operator what this prints, and add it to k3s_platform_git_known_hosts: {scan}',
    example: 'Host key verification failed.\nfatal: Could not read from remote repository.',
  },
  {
    ...SHARED.refused,
    about: 'url',
    hint: CLUSTER,
    example: 'ssh: connect to host git.example port 22: Connection refused',
  },
  {
    ...SHARED.timeout,
    about: 'url',
    hint: CLUSTER,
    example: 'ssh: connect to host git.example port 22: Connection timed out',
  },
  { ...SHARED.unroutable, about: 'url', hint: CLUSTER },
  {
    // curl does not say why.
    name: 'unreachable',
    about: 'url',
    pattern: /Couldn't connect to server|Failed to connect/i,
    cause: '{server} cannot be reached',
    hint: CLUSTER,
    example: "Failed to connect to git.example port 443 after 0 ms: Couldn't connect to server",
  },
  {
    ...SHARED.closed,
    about: 'url',
    hint: CLUSTER,
    example: 'kex_exchange_identification: Connection closed by remote host',
  },
  {
    name: 'redirect',
    about: 'url',
    pattern: /error: 30[1278]/,
    cause: '{server} redirects to another address, where a login is not sent',
    hint: "set k3s_platform_git_url to the address that this prints: curl -sI '{url}/info/refs?service=git-upload-pack' | grep -i ^location",
    example: 'The requested URL returned error: 301',
  },
  { ...SHARED.failing, about: 'url', hint: `ask the server's operator; ${TRY}` },
  {
    ...SHARED.names,
    about: 'url',
    hint: 'use a host name that the certificate has: k3s_platform_git_url',
    example: "SSL: no alternative certificate subject name matches target host name 'git.example'",
  },
  { ...SHARED.expired, about: 'url', example: 'SSL certificate problem: certificate has expired' },
  {
    ...SHARED.untrusted,
    name: 'other-ca',
    about: 'ca',
    when: { ca: 'set' },
    hint: 'k3s_platform_git_ca is not the CA that signed it: correct it',
    // Of Debian 13's git; that of 12 says `server certificate verification failed`.
    example: 'server verification failed: certificate signer not trusted. (CAfile: /tmp/ca.pem CRLfile: none)',
  },
  {
    ...SHARED.untrusted,
    about: 'ca',
    hint: 'set k3s_platform_git_ca to the CA that signed it (PEM)',
    example: 'SSL certificate problem: unable to get local issuer certificate',
  },
  {
    ...SHARED.handshake,
    about: 'url',
    hint: TRY,
    example: 'gnutls_handshake() failed: Handshake failed',
  },
  {
    name: 'login-required',
    about: 'login',
    pattern: DENIED,
    when: { mode: 'public' },
    cause: '{server} requires authentication',
    hint: 'set k3s_platform_git_auth_mode; or correct k3s_platform_git_url: some servers ask for a login where there is no repository',
    example: "fatal: could not read Username for 'https://git.example': terminal prompts disabled",
  },
  {
    name: 'password-refused',
    about: 'login',
    pattern: DENIED,
    when: { mode: 'https-basic' },
    cause: REFUSED,
    hint: 'check that k3s_platform_git_http_password is still valid and may read this repository, and that k3s_platform_git_http_username is its user',
    example: "fatal: Authentication failed for 'https://git.example/tree.git/'",
  },
  {
    name: 'token-refused',
    about: 'login',
    pattern: DENIED,
    when: { mode: 'https-bearer' },
    cause: REFUSED,
    hint: 'check that k3s_platform_git_bearer_token is still valid; many servers accept tokens only as a password: https-basic',
    example: 'The requested URL returned error: 403',
  },
  {
    name: 'key-refused',
    about: 'key',
    pattern: DENIED,
    when: { mode: 'ssh' },
    cause: `${REFUSED} with the deploy key`,
    hint: 'let this key read the repository{key}',
    example: 'git@git.example: Permission denied (publickey).',
  },
  {
    name: 'no-repository',
    about: 'url',
    pattern: /not found|does not appear to be a git repository|could not be found|error: 404|does not exist/i,
    cause: 'there is no repository at {url}, or this login may not see it',
    hint: 'correct k3s_platform_git_url, or let the login read it',
    example: "fatal: repository 'https://git.example/tree.git/' not found",
  },
]
