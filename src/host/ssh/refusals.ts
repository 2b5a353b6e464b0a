// Explains why a login was not possible, for both transports.

import { diagnose, explained, type Row } from '../../diagnosis/diagnose.ts'
import { SSH, type SshCause } from '../../diagnosis/ssh.ts'
import { type Problem, ProblemError } from '../../engine/problem.ts'

/** Who was to be reached, for messages. */
export interface Address {
  /** The inventory's name. */
  readonly name: string
  readonly host: string
  readonly port: number
  readonly user: string
}

/** `deploy@203.0.113.9:22`; an IPv6 address stands in brackets. */
export function addressed(at: Address): string {
  return `${at.user}@${endpoint(at)}`
}

function endpoint({ host, port }: Address): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}

/** `why` is what the library, ssh or the server said. */
export function unreachable(at: Address, cause: SshCause, why?: string): ProblemError {
  const values = { server: endpoint(at), host: at.host, port: String(at.port), user: at.user }
  const { cause: what, hint } = explained<Row>(SSH[cause], values)
  const detail = why?.trim()
  return refusal(at.name, { what, ...(detail ? { why: detail } : {}), ...(hint !== undefined && { hint }) })
}

/** What a server that ended the connection had said in place of its protocol: the line with which sshd turns away, or another's. */
export function greeted(at: Address, line: string): ProblemError {
  const cause = causeOf(line)
  return unreachable(at, cause === 'ratelimited' || cause === 'full' ? cause : 'notssh', `it says: ${line}`)
}

/** Whether this is the line of an sshd that takes no login now. Since OpenSSH 9.8 it is the same for MaxStartups as for penalties. */
export function isTurnedAway(line: string): boolean {
  return ['full', 'ratelimited'].includes(causeOf(line))
}

export function refusal(where: string, rest: Omit<Problem, 'kind' | 'where'>): ProblemError {
  return new ProblemError({ kind: 'unreachable', where, ...rest })
}

export function causeOf(text: string): SshCause {
  return diagnose(Object.values(SSH), { text })?.name ?? 'other'
}
