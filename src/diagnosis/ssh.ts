// Why a login over SSH was not possible.

import type { Row } from './diagnose.ts'
import { SHARED } from './shared.ts'

/**
 * Words of sockets, of ssh2 and of OpenSSH. A server's own words can stand among them: patterns are as narrow as before they
 * came here, and what may be tried again is decided elsewhere. Values: `{server}` (`203.0.113.9:22`), `{host}`, `{port}`, `{user}`.
 */
export const SSH = {
  ratelimited: {
    name: 'ratelimited',
    pattern: /not allowed at this time/i,
    cause: '{server} is rate limiting logins from this address',
    hint: 'if logins from here failed before, correct what failed and wait a minute (PerSourcePenalties in its sshd_config); if many are in progress, use fewer --forks or raise MaxStartups there',
    example: 'Not allowed at this time',
  },
  full: {
    name: 'full',
    pattern: /exceeded maxstartups/i,
    cause: '{server} has too many unauthenticated connections',
    hint: 'use fewer --forks, or raise MaxStartups in its sshd_config',
    example: 'Exceeded MaxStartups',
  },
  refused: {
    ...SHARED.refused,
    hint: 'check that sshd runs there, and that ansible_port is right',
    example: 'ssh: connect to host edge-1 port 22: Connection refused',
  },
  resolver: {
    ...SHARED.resolver,
    pattern: /EAI_|name resolution/i,
    hint: 'set ansible_host to an address, or check the DNS servers of this workstation',
    example: 'ssh: Could not resolve hostname edge-1: Temporary failure in name resolution',
  },
  unresolved: {
    ...SHARED.unresolved,
    pattern: /ENOTFOUND|could not resolve hostname|name or service not known/i,
    hint: 'set ansible_host to an address',
    example: 'ssh: Could not resolve hostname edge-1: Name or service not known',
  },
  unroutable: { ...SHARED.unroutable, hint: 'check the address; it may need a VPN' },
  silent: {
    name: 'silent',
    pattern: /timed out during banner exchange|Timed out while waiting for handshake/i,
    cause: '{server} accepts connections, but did not answer the login',
    hint: 'check that it is an SSH server, and that the machine is not overloaded',
    example: 'Connection timed out during banner exchange',
  },
  timeout: {
    ...SHARED.timeout,
    pattern: /ETIMEDOUT|connection timed out|operation timed out/i,
    hint: 'check that the host is up, that its address is right, and that no firewall drops port {port}',
    example: 'ssh: connect to host edge-1 port 22: Connection timed out',
  },
  algorithm: {
    name: 'algorithm',
    pattern: /no matching|unable to negotiate/i,
    cause: '{server} and this program have no algorithm in common',
    hint: 'update the SSH server, or allow its algorithms with ansible_ssh_common_args (then the system ssh is used)',
    example: 'Unable to negotiate with 203.0.113.9 port 22: no matching cipher found. Their offer: 3des-cbc',
  },
  login: {
    name: 'login',
    pattern: /permission denied|too many authentication failures|authentication methods failed/i,
    cause: '{server} refused the login of {user}',
    hint: 'try: ssh -v -p {port} {user}@{host}',
    example: 'deploy@203.0.113.9: Permission denied (publickey).',
  },
  notssh: {
    name: 'notssh',
    pattern: /invalid (identification|header|packet)|bad packet|protocol version|banner line/i,
    cause: '{server} does not speak SSH',
    hint: 'check ansible_port',
    example: 'ssh_dispatch_run_fatal: Connection to 203.0.113.9 port 22: invalid packet',
  },
  dropped: {
    ...SHARED.closed,
    name: 'dropped',
    pattern: /ECONNRESET|EPIPE|lost before handshake|closed by|reset by|no response from server|connection closed/i,
    cause: '{server} closed the connection before the login was done',
    hint: 'look at the log of sshd there: journalctl -u ssh -n 20',
    example: 'kex_exchange_identification: Connection closed by remote host',
  },
  other: {
    name: 'other',
    pattern: /^/,
    cause: 'no connection to {server} could be made',
    example: 'ssh_config line 3: Bad configuration option',
  },
} as const satisfies Readonly<Record<string, Row>>

export type SshCause = keyof typeof SSH
