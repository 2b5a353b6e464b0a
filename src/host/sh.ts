// Shell is a type: only the `sh` tag makes remote script, and every value in it is quoted.

import { inspect } from 'node:util'
import { Secret } from '../engine/secret.ts'

/** A value in a script: text is quoted, a script is put in as it is, a list becomes words. */
export type ShValue = string | number | Secret | Sh | readonly (string | number | Secret | Sh)[]

/** POSIX sh that dash, bash and busybox read alike. It prints with `***` in place of its secrets. */
export class Sh {
  readonly #wire: string
  readonly #shown: string

  private constructor(wire: string, shown: string) {
    this.#wire = wire
    this.#shown = shown
  }

  static of(strings: readonly string[], values: readonly ShValue[]): Sh {
    let wire = ''
    let shown = ''
    for (const [i, text] of strings.entries()) {
      wire += text
      shown += text
      const value = values[i]
      if (value === undefined) continue
      wire += render(
        value,
        (secret) => quote(secret.reveal()),
        (script) => script.#wire,
      )
      shown += render(
        value,
        (secret) => String(secret),
        (script) => script.#shown,
      )
    }
    return new Sh(wire, shown)
  }

  static join(parts: readonly Sh[], separator: string): Sh {
    return new Sh(parts.map((p) => p.#wire).join(separator), parts.map((p) => p.#shown).join(separator))
  }

  /** What goes onto the wire, secrets included: on a stdin, nowhere else. */
  reveal(): string {
    return this.#wire
  }

  toString(): string {
    return this.#shown
  }

  [inspect.custom](): string {
    return this.#shown
  }
}

/** `` sh`rm -f ${path}` ``; backslashes stay as they are written, but for `\${`, which is the shell's own `${`. */
export function sh(strings: TemplateStringsArray, ...values: ShValue[]): Sh {
  const raw = strings.raw.map((text) => text.replaceAll('\\${', '${').replaceAll('\\`', '`'))
  return Sh.of(raw, values)
}

/** Scripts one after the other, a line each. */
export function lines(parts: readonly Sh[]): Sh {
  return Sh.join(parts, '\n')
}

/** Single quotes, which no shell looks into; `'` itself leaves them for a moment. A NUL cannot be in a script. */
export function quote(text: string): string {
  if (text.includes('\0')) throw new Error('a NUL byte cannot be quoted for a shell')
  return /^[A-Za-z0-9_/.:=@%+,-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`
}

function render(value: ShValue, secret: (s: Secret) => string, script: (s: Sh) => string): string {
  if (value instanceof Sh) return script(value)
  if (value instanceof Secret) return secret(value)
  if (typeof value === 'object') return value.map((v) => render(v, secret, script)).join(' ')
  return quote(String(value))
}
