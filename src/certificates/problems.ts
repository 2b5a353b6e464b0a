// Explains why an ACME server refuses a challenge or an order.

import { ACME_PROBLEM } from '../diagnosis/acme.ts'
import { diagnose } from '../diagnosis/diagnose.ts'
import { shellWords } from '../engine/shell-words.ts'
import type { Words } from './rule.ts'

const TYPE = /urn:(?:ietf:params:)?acme:error:\w+/g

/** Of what the server said of `name`; null: none of its known problems. The type decides, the text only where no type is known. */
export function problemWords(message: string, name: string): Words | null {
  const types = [...message.matchAll(TYPE)].map(([type]) => type)
  // An order that is refused so has the wrong account; a challenge, the wrong answer.
  const known = /Failed to create Order/.test(message) ? types.filter((type) => !type.endsWith(':unauthorized')) : types
  const found = [known.join(' '), message.replace(TYPE, '')]
    .map((text) => diagnose(ACME_PROBLEM, { text, values: { name: shellWords([name]) } }))
    .find((row) => row !== undefined)
  return found === undefined ? null : { cause: found.cause, fix: found.hint ?? '' }
}
