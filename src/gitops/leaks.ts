// Whether a secret of the inventory is anywhere in the rendered files: as it is, in base64, over several lines, or escaped.

import { parseAllDocuments } from 'yaml'
import type { Secret } from '../engine/secret.ts'

/** Shorter ones are looked for as whole values only: everything holds an `a`. */
const SHORT = 6

export interface Leak<S> {
  readonly secret: S
  readonly path: string
}

/** Each secret with each file that holds it. */
export function leaksIn<S extends { readonly value: Secret }>(
  files: ReadonlyMap<string, string>,
  secrets: readonly S[],
): Leak<S>[] {
  const wanted = secrets.map((secret) => ({ secret, forms: formsOf(secret.value.reveal()) }))
  return [...files].flatMap(([path, text]) => {
    const values = path.endsWith('.yaml') ? scalars(text) : []
    const all = [text, ...values].map(bare).join('\n')
    const whole = new Set(values)
    return wanted
      .filter(({ secret, forms }) => forms.some((form) => all.includes(form)) || whole.has(secret.value.reveal()))
      .map(({ secret }) => ({ secret, path }))
  })
}

const bare = (text: string) => text.replace(/\s+|\\[nrt]/g, '')

/** Base64 of a text that it is a part of depends on how many bytes stand before it: all three, without the blurred ends. */
function formsOf(secret: string): string[] {
  if (secret.trim().length < SHORT) return []
  const encoded = [0, 1, 2].flatMap((before) => {
    const bytes = Buffer.concat([Buffer.alloc(before), Buffer.from(secret)])
    const text = bytes.toString('base64').replace(/=+$/, '')
    const clear = text.slice(before === 0 ? 0 : before + 1, bytes.length % 3 === 0 ? undefined : -1)
    return [clear, clear.replaceAll('+', '-').replaceAll('/', '_')]
  })
  const written = JSON.stringify(secret).slice(1, -1)
  return [secret, written, encodeURIComponent(secret), ...encoded].map(bare).filter((form) => form.length >= SHORT)
}

/** All texts of all documents of a file, keys included. */
function scalars(text: string): string[] {
  const within = (value: unknown): string[] => {
    if (typeof value === 'string') return [value]
    if (typeof value === 'number') return [String(value)]
    return typeof value === 'object' && value !== null
      ? [...Object.keys(value), ...Object.values(value)].flatMap(within)
      : []
  }
  const documents = parseAllDocuments(text)
  return Array.isArray(documents) ? documents.flatMap((one) => within(one.toJS())) : []
}
