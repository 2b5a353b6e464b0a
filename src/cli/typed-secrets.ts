// Finds the secrets in values of `-e`, and repeats the flag without them.

import { Secret } from '../engine/secret.ts'
import { isSecretName } from '../engine/secret-names.ts'
import { unescaped } from '../inventory/expression.ts'
import { splitWords } from '../inventory/words.ts'
import { hiding, maskInline, maskLines } from '../report/mask.ts'

const MASK = '***'

interface Typed {
  readonly shown: string
  readonly secrets: readonly string[]
}

/** `name=***`; what is in a file stays as it is. */
export function withoutSecrets(extraVars: string): string {
  return typed(extraVars.trim()).shown
}

export function typedSecrets(extraVars: readonly string[]): Secret[] {
  return extraVars.flatMap((one) => typed(one.trim()).secrets).map((value) => new Secret(value))
}

function typed(text: string): Typed {
  if (text.startsWith('@')) return { shown: text, secrets: [] }
  return text.startsWith('{') || text.startsWith('[') ? (ofJson(text) ?? ofText(text)) : (ofPairs(text) ?? ofText(text))
}

function ofPairs(text: string): Typed | undefined {
  const words = splitWords(text, 'args')
  const secrets: string[] = []
  const shown = words?.map(({ text: word, offset }, i) => {
    const [, name = '', value = ''] = /^([^=]+)=(.*)$/s.exec(word) ?? []
    if (!isSecretName(name)) {
      // Its value may be a map, or what was meant to be one.
      const found = new Map<string, Set<string>>()
      const shown = maskInline(text.slice(offset, words[i + 1]?.offset).trimEnd(), hiding(found))
      secrets.push(...[...found.values()].flatMap((values) => [...values]))
      return shown
    }
    secrets.push(value, unescaped(value))
    return `${name}=${MASK}`
  })
  return shown && { shown: shown.join(' '), secrets }
}

function ofJson(text: string): Typed | undefined {
  const secrets: string[] = []
  const masked = (name: string, value: unknown, isSecret: boolean): unknown => {
    if (Array.isArray(value)) return value.map((one) => masked(name, one, isSecret))
    if (typeof value === 'object' && value !== null) {
      return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, masked(key, one, isSecretName(key))]))
    }
    if (typeof value !== 'string' && typeof value !== 'number') return value
    if (!isSecret) return typeof value === 'string' ? maskInline(value) : value
    secrets.push(String(value))
    return MASK
  }
  try {
    const shown = JSON.stringify(masked('', JSON.parse(text), false))
    return { shown: shown.includes(MASK) ? shown : text, secrets }
  } catch {
    return undefined
  }
}

/** YAML, or what nobody can read: where a secret may be in it that is not found, nothing of it is shown. */
function ofText(text: string): Typed {
  const found = new Map<string, Set<string>>()
  const shown = maskLines(text, hiding(found))
  const secrets = [...found.values()].flatMap((values) => [...values])
  const names = text.match(/[\w.-]+(?=["']?\s*[:=])/g) ?? []
  return { shown: secrets.length === 0 && names.some(isSecretName) ? MASK : shown, secrets }
}
