// Keeps the values of known secrets out of everything that is shown or written.

import type { Secret } from '../engine/secret.ts'

export type Redact = (text: string) => string

/** Shorter values would blank out half of every sentence and protect nothing. */
const SHORTEST = 4
const SHORTEST_LINE = 12

/** Puts `***` in place of each secret: as it is, as in JSON, base64 or a URL, and, of one with many lines (a key), line by line. */
export function redactor(secrets: readonly Secret[]): Redact {
  const forms = new Set<string>()
  for (const secret of secrets) {
    const value = secret.reveal()
    if (value.trim().length < SHORTEST) continue
    for (const text of [value, value.trim()]) {
      forms.add(text)
      forms.add(JSON.stringify(text).slice(1, -1))
      forms.add(Buffer.from(text).toString('base64').replace(/=+$/, ''))
      forms.add(encodeURIComponent(Buffer.from(text).toString()))
    }
    const lines = value.split('\n').map((line) => line.trim())
    if (lines.length > 1) {
      for (const line of lines) if (line.length >= SHORTEST_LINE && !line.startsWith('-----')) forms.add(line)
    }
  }
  if (forms.size === 0) return (text) => text
  const longestFirst = [...forms].sort((a, b) => b.length - a.length)
  const pattern = new RegExp(longestFirst.map((form) => form.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&')).join('|'), 'g')
  return (text) => text.replace(pattern, '***')
}
