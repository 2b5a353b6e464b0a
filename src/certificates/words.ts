// Words for times and for what servers say.

const UNITS = [
  [86_400, 'd'],
  [3_600, 'h'],
  [60, 'm'],
  [1, 's'],
] as const

/** Seconds as `12 s`, `4 m 12 s`, `25 h`, `61 d`: two units up to two hours, then one. */
export function span(seconds: number): string {
  const s = Math.max(0, Math.round(seconds))
  const at = UNITS.findIndex(([size], i) => s >= (i === 0 ? 2 * size : size))
  const [size, unit] = UNITS[at] ?? [1, 's']
  const [small, smaller] = UNITS[at + 1] ?? [1, '']
  const rest = s < 7_200 ? Math.floor((s % size) / small) : 0
  return `${Math.floor(s / size)} ${unit}${rest > 0 && smaller ? ` ${rest} ${smaller}` : ''}`
}

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
