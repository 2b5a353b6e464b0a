// Why a login was not possible, in words: one table for both transports.

import { type Problem, ProblemError } from '../../engine/problem.ts'

/** Who was to be reached, for messages. */
export interface Address {
  /** The inventory's name. */
  readonly name: string
  readonly host: string
  readonly port: number
  readonly user: string
}

export type Cause =
  | 'refused'
  | 'timeout'
  | 'silent'
  | 'name'
  | 'route'
  | 'notssh'
  | 'turnedaway'
  | 'dropped'
  | 'algorithm'
  | 'login'
  | 'other'

/** `deploy@203.0.113.9:22`; an IPv6 address stands in brackets. */
export function addressed(at: Address): string {
  return `${at.user}@${endpoint(at)}`
}

function endpoint({ host, port }: Address): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}

const sentences: Record<Cause, (at: Address) => Omit<Problem, 'kind' | 'where'>> = {
  refused: (at) => ({
    what: `connection refused by ${endpoint(at)}`,
    hint: 'is sshd running there, and is ansible_port right?',
  }),
  timeout: (at) => ({
    what: `no answer from ${endpoint(at)}`,
    hint: `is the host up, is its address right, does a firewall drop port ${at.port}?`,
  }),
  silent: (at) => ({
    what: `${endpoint(at)} accepts connections, but the login got no answer`,
    hint: 'is it an SSH server, and is the machine overloaded or hanging?',
  }),
  name: (at) => ({ what: `the name ${at.host} does not resolve`, hint: 'set ansible_host to an address' }),
  route: (at) => ({ what: `no route to ${endpoint(at)}`, hint: 'is the address right, is a VPN missing?' }),
  notssh: (at) => ({ what: `${endpoint(at)} does not speak SSH`, hint: 'is ansible_port right?' }),
  turnedaway: (at) => ({
    what: `${endpoint(at)} turns logins from here away for a while`,
    hint: 'too many came at once or failed (PerSourcePenalties, MaxStartups in sshd_config): wait a minute, correct what failed',
  }),
  dropped: (at) => ({
    what: `${endpoint(at)} closed the connection before the login was done`,
    hint: 'look at the log of sshd there: journalctl -u ssh -n 20',
  }),
  algorithm: (at) => ({
    what: `${endpoint(at)} and this program have no algorithm in common`,
    hint: 'update the SSH server, or allow its algorithms with ansible_ssh_common_args (then the system ssh is used)',
  }),
  login: (at) => ({
    what: `${endpoint(at)} refused the login of ${at.user}`,
    hint: `try: ssh -v -p ${at.port} ${at.user}@${at.host}`,
  }),
  other: (at) => ({ what: `no connection to ${endpoint(at)}` }),
}

/** `why` is what the library, ssh or the server said. */
export function unreachable(at: Address, cause: Cause, why?: string): ProblemError {
  const detail = why?.trim()
  return refusal(at.name, { ...sentences[cause](at), ...(detail ? { why: detail } : {}) })
}

/** What a server that ended the connection had said in place of its protocol: the line with which sshd turns away, or another's. */
export function greeted(at: Address, line: string): ProblemError {
  return unreachable(at, causeOf(line) === 'turnedaway' ? 'turnedaway' : 'notssh', `it says: ${line}`)
}

export function refusal(where: string, rest: Omit<Problem, 'kind' | 'where'>): ProblemError {
  return new ProblemError({ kind: 'unreachable', where, ...rest })
}

/** What the errors of sockets, ssh2 and OpenSSH say; the first that matches counts. */
const signs: readonly [RegExp, Cause][] = [
  [/not allowed at this time|exceeded maxstartups/i, 'turnedaway'],
  [/ECONNREFUSED|connection refused/i, 'refused'],
  [/ENOTFOUND|EAI_|could not resolve hostname|name or service not known|name resolution/i, 'name'],
  [/EHOSTUNREACH|ENETUNREACH|EHOSTDOWN|no route to host|network is unreachable|host is down/i, 'route'],
  [/timed out during banner exchange|Timed out while waiting for handshake/i, 'silent'],
  [/ETIMEDOUT|connection timed out|operation timed out/i, 'timeout'],
  [/no matching|unable to negotiate/i, 'algorithm'],
  [/permission denied|too many authentication failures|authentication methods failed/i, 'login'],
  [/invalid (identification|header|packet)|bad packet|protocol version|banner line/i, 'notssh'],
  [/ECONNRESET|EPIPE|lost before handshake|closed by|reset by|no response from server|connection closed/i, 'dropped'],
]

export function causeOf(text: string): Cause {
  return signs.find(([sign]) => sign.test(text))?.[1] ?? 'other'
}
