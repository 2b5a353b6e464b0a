// Explains why a Vault gave no answer, or none of its API.

import { diagnose } from '../diagnosis/diagnose.ts'
import { VAULT_ANSWER, VAULT_CONNECTION } from '../diagnosis/vault.ts'

export interface ConnectionError {
  readonly why: string
  readonly hint?: string | undefined
}

const valuesOf = ({ host, hostname, origin }: URL) => ({ server: host, host: hostname, url: origin })

/** Of an error that came in place of an answer. */
export function explainError(error: unknown, server: URL): ConnectionError {
  const code = error instanceof Error && 'code' in error ? `${String(error.code)} ` : ''
  const text = `${code}${error instanceof Error ? error.message : String(error)}`.replace(/\s+/g, ' ').trim()
  const found = diagnose(VAULT_CONNECTION, { text, values: valuesOf(server) })
  return found === undefined ? { why: text } : { why: `${found.cause}: ${text}`, hint: found.hint }
}

/** Of an answer that is not one of Vault's API. */
export function explainAnswer(status: number, body: string, server: URL): ConnectionError {
  const text = `HTTP ${status} ${body}`
  const found = diagnose(VAULT_ANSWER, { text, values: valuesOf(server) })
  return { why: found?.cause ?? `HTTP ${status}`, hint: found?.hint }
}
