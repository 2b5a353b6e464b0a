// Keeps the values of known secrets out of everything that is shown or written.

import type { Secret } from '../engine/secret.ts'
import { formsOf } from '../engine/secret-forms.ts'

export type Redact = (text: string) => string

/** Shorter values would blank out half of every sentence and protect nothing. */
const SHORTEST = 4
const SHORTEST_LINE = 12

/** Puts `***` in place of each secret in every form that `formsOf` knows; one with many lines (a key) also line by line. */
export function redactor(secrets: Iterable<Secret>): Redact {
  // By their first characters: the time does not depend on how many there are.
  const forms = new Map<string, string[]>()
  const heads = new Set<number>()
  for (const form of new Set([...secrets].flatMap((secret) => shapesOf(secret.reveal())))) {
    const head = form.slice(0, SHORTEST)
    forms.set(head, [...(forms.get(head) ?? []), form])
    heads.add(form.charCodeAt(0))
  }
  for (const same of forms.values()) same.sort((a, b) => b.length - a.length)
  if (forms.size === 0) return (text) => text
  return (text) => {
    let clean = ''
    let from = 0
    for (let at = 0; at + SHORTEST <= text.length; at++) {
      if (!heads.has(text.charCodeAt(at))) continue
      const form = forms.get(text.slice(at, at + SHORTEST))?.find((one) => text.startsWith(one, at))
      if (form === undefined) continue
      clean += `${text.slice(from, at)}***`
      from = at + form.length
      at = from - 1
    }
    return clean + text.slice(from)
  }
}

function shapesOf(value: string): string[] {
  if (value.trim().length < SHORTEST) return []
  const lines = value.split('\n').map((line) => line.trim())
  const long = lines.filter((line) => line.length >= SHORTEST_LINE && !line.startsWith('-----'))
  return [...formsOf(value), ...formsOf(value.trim()), ...(lines.length > 1 ? long.flatMap(formsOf) : [])].filter(
    (form) => form.length >= SHORTEST,
  )
}
