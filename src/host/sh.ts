// Shell is a type: remote script is a line with the `sh` tag or a file of shell, and every value in it is quoted.

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

/** `` sh`rm -f ${path}` ``; backslashes stay as they are written. What needs the shell's own `${` goes into a file: see `script`. */
export function sh(strings: TemplateStringsArray, ...values: ShValue[]): Sh {
  return Sh.of(strings.raw, values)
}

/** A file of shell with a value for each `@name@` in it. Throws when a name has no value, or a value no name. */
export function script(text: string, values: Readonly<Record<string, ShValue>> = {}): Sh {
  const parts = text.split(/@([A-Za-z]\w*)@/)
  const names = parts.filter((_, i) => i % 2 === 1)
  const unused = Object.keys(values).filter((name) => !names.includes(name))
  if (unused.length > 0) throw new Error(`the script does not use ${unused.join(', ')}`)
  const filled = names.map((name) => {
    const value = values[name]
    if (value === undefined) throw new Error(`the script needs a value for ${name}`)
    return value
  })
  return Sh.of(
    parts.filter((_, i) => i % 2 === 0),
    filled,
  )
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
