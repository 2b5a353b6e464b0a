// Compares the certificate that a TLS server shows with the one in a Secret.

import { X509Certificate } from 'node:crypto'
import { z } from 'zod'
import { alignColumns } from './align.ts'

/**
 * Current: it is the one of the Secret. Outdated: it ends earlier, so the server has not loaded the Secret since it was issued.
 * Different: neither. Unreachable: no certificate was shown.
 */
type ServedState = 'Current' | 'Outdated' | 'Different' | 'Unreachable'

/** A certificate by what tells it from others. */
export interface Leaf {
  /** Of SHA-256, as `X509Certificate.fingerprint256` has it. */
  readonly fingerprint: string
  readonly notAfter: Date
}

export interface ServedComparison {
  readonly state: ServedState
  /** RFC 3339; null: none was shown. */
  readonly notAfter: string | null
  /** Why none was shown, or why it is another one. */
  readonly why: string | null
}

const secret = z.looseObject({ data: z.looseObject({ 'tls.crt': z.string() }) })

/** The leaf of a TLS Secret, the API's JSON; undefined when there is no readable certificate in it. */
export function leafOf(live: unknown): Leaf | undefined {
  const { data } = secret.safeParse(live)
  if (data === undefined) return undefined
  try {
    const leaf = new X509Certificate(Buffer.from(data.data['tls.crt'], 'base64'))
    return { fingerprint: leaf.fingerprint256, notAfter: new Date(leaf.validTo) }
  } catch {
    return undefined
  }
}

/** `shown`: what the server showed, or why it showed nothing. `held`: what the Secret has. */
export function compareServed(shown: Leaf | string, held: Leaf | undefined): ServedComparison {
  if (typeof shown === 'string') return { state: 'Unreachable', notAfter: null, why: shown }
  const notAfter = time(shown.notAfter)
  if (held === undefined) return { state: 'Different', notAfter, why: 'the Secret contains no readable certificate' }
  if (shown.fingerprint === held.fingerprint) return { state: 'Current', notAfter, why: null }
  const why = `the certificate in the Secret is valid until ${time(held.notAfter)}`
  return { state: shown.notAfter < held.notAfter ? 'Outdated' : 'Different', notAfter, why }
}

/**
 * Why a server showed no certificate, of the error that ended the handshake. OpenSSL's words for an alert stand between its codes:
 * `…:ssl3_read_bytes:tlsv1 alert internal error:…:SSL alert number 80`.
 */
export function handshakeFailure(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error)
  const [, alert] = /:(\w+ alert [^:]+):/.exec(message) ?? []
  return alert === undefined ? message : `TLS alert: ${alert.replace(/^\w+ alert /, '')}`
}

const time = (date: Date) => date.toISOString().replace(/\.\d+Z$/, 'Z')

export interface ServedRow {
  readonly host: string
  readonly namespace: string
  readonly name: string
  /** As in SNI. */
  readonly servername: string
  /** Asked from the node, at Caddy. */
  readonly node: ServedComparison
  /** Asked from the workstation, where DNS leads; null: the name is a wildcard. */
  readonly outside: ServedComparison | null
}

/** From outside a name may be out of reach for good reasons; another certificate never is one. */
export const isServed = ({ node, outside }: ServedRow): boolean =>
  node.state === 'Current' && (outside === null || ['Current', 'Unreachable'].includes(outside.state))

/** A line for each name, then one for each reason. */
export function servedText(rows: readonly ServedRow[], hosts: boolean): string {
  if (rows.length === 0) return 'no certificate is served by Caddy\n'
  const head = [...(hosts ? ['HOST'] : []), 'NAMESPACE', 'NAME', 'SERVERNAME', 'NODE', 'OUTSIDE', 'VALID UNTIL']
  const lines = rows.map(({ host, namespace, name, servername, node, outside }) => [
    ...(hosts ? [host] : []),
    ...[namespace, name, servername, node.state, outside?.state ?? '-', node.notAfter ?? outside?.notAfter ?? '-'],
  ])
  const reasons = rows.flatMap(({ servername, node, outside }) => [
    ...(node.why === null ? [] : [`${servername} on the node: ${node.why}`]),
    ...(outside === null || outside.why === null ? [] : [`${servername} from outside: ${outside.why}`]),
  ])
  return `${[...alignColumns([head, ...lines]), ...reasons].join('\n')}\n`
}
