// Formats times and server messages.

import { span } from '../engine/duration.ts'

export { span }

/** Seconds from `from` to `to`; undefined when either is missing or no time. */
export function seconds(from: string | Date | undefined, to: string | Date | undefined): number | undefined {
  const value = (new Date(to ?? Number.NaN).getTime() - new Date(from ?? Number.NaN).getTime()) / 1000
  return Number.isNaN(value) ? undefined : value
}

/** `in 52 m (2026-11-23 03:14 UTC)`, or `now` when it has passed. */
export function when(at: Date, now: Date): string {
  const left = seconds(now, at) ?? 0
  return left <= 0 ? 'now' : `in ${span(left)} (${at.toISOString().slice(0, 16).replace('T', ' ')} UTC)`
}

/** One line without tokens, key authorizations and ACME's long prefix: what people read of a message. */
export function short(message: string): string {
  return message
    .replace(/(acme-challenge\/)[\w-]+/g, '$1…')
    .replace(/[\w-]{20,}\.[\w-]{43}/g, '…')
    .replaceAll('urn:ietf:params:acme:error:', '')
    .replace(/\s+/g, ' ')
    .trim()
}
