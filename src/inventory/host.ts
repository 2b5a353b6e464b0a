// A host of the inventory, and what its variables are when everything is merged and templated.

import { Secret } from '../engine/secret.ts'
import { isSecretName } from '../engine/secret-names.ts'
import type { Layered } from './layers.ts'
import type { Resolve, ResolvedTemplate } from './template.ts'
import { type Data, descend, isList, isMap, type Scalar, type Value, whereOf } from './value.ts'

/** What may be shown of a variable: what is secret is a Secret, which prints `***`. */
export type Shown = Scalar | Secret | readonly Shown[] | { readonly [key: string]: Shown }

/** One place where a variable is written. */
export interface VariableOrigin {
  /** `file:line:col  path.in.file`, or `-e`. */
  readonly where: string
  readonly value: Shown
}

export class Host {
  readonly name: string
  /** `file:line:col  path` where the host is first named. */
  readonly place: string
  /** The variables after precedence, before templating. */
  readonly written: Layered
  readonly #groups: () => readonly string[]
  readonly #resolve: Resolve

  constructor(name: string, groups: () => readonly string[], place: string, written: Layered, resolve: Resolve) {
    this.name = name
    this.#groups = groups
    this.place = place
    this.written = written
    this.#resolve = resolve
  }

  /** All groups that it is in, by name, without `all`: Ansible's `group_names`. */
  get groups(): readonly string[] {
    return this.#groups()
  }

  /** The names of all variables that are set, magic ones not included. */
  names(): Iterable<string> {
    return this.written.keys()
  }

  /** The templated value; no value and no problems: it is not set. Templates are only looked at when they are asked for. */
  get(name: string): ResolvedTemplate {
    return this.written.has(name) ? this.#resolve(name) : { problems: [] }
  }

  /** Everything as it may be shown; a value whose template has a problem is shown as it is written. */
  get vars(): Readonly<Record<string, Shown>> {
    const shown = [...this.written].map(([name, value]) => [name, show(this.#resolve(name).value ?? value, name)])
    return Object.fromEntries(shown)
  }

  /**
   * Where the final value of a variable or of a part of it was written: `file:line:col  path.in.file`. Takes
   * `name.key[0]` or the steps. What is not set has the place of the nearest thing around it, at last of the host.
   */
  where(path: string | readonly PropertyKey[]): string {
    const value = this.#at(path)
    return value === undefined ? this.place : whereOf(value)
  }

  /** Every value that is written for a variable, as it is written: the first one wins. Empty: it is not set. */
  origins(name: string): readonly VariableOrigin[] {
    const values = this.written.layers.map((layer) => layer.get(name)).filter((value) => value !== undefined)
    return values.reverse().map((value) => ({ where: whereOf(value), value: show(value, name) }))
  }

  /** A text about the value at a path, without the value where that is a secret. */
  hiding(path: readonly PropertyKey[], text: string): string {
    const { secret, data } = this.#at(path) ?? {}
    return secret && data !== '' && typeof data === 'string' ? text.replaceAll(data, '***') : text
  }

  /** The texts of a variable that came out of an encrypted file or a secrets file, or of one that did. */
  hidden(name: string): readonly Secret[] {
    const value = this.get(name).value ?? this.written.get(name)
    return value === undefined ? [] : hiddenIn(value)
  }

  #at(path: string | readonly PropertyKey[]): Value | undefined {
    const steps = typeof path === 'string' ? (path.match(/[^.[\]]+/g) ?? []) : path
    const [name = '', ...below] = steps
    const value = this.get(String(name)).value ?? this.written.get(String(name))
    return value && descend(value, below)
  }
}

/** As data for a document. */
export function maskedValue(value: Shown): Data {
  if (value instanceof Secret) return String(value)
  if (value === null || typeof value !== 'object') return value
  if (isArray(value)) return value.map(maskedValue)
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, maskedValue(item)]))
}

const isArray = (value: Shown): value is readonly Shown[] => Array.isArray(value)

/** Every text below this key is secret, whatever its own name is. */
const SECRET_VALUES = 'secret_values'
const nameBelow = (name: string, key: string) => (name === SECRET_VALUES ? name : key)

function show(value: Value, name: string): Shown {
  const { data } = value
  if (isList(data)) return data.map((item) => show(item, name))
  if (isMap(data)) return Object.fromEntries([...data].map(([key, item]) => [key, show(item, nameBelow(name, key))]))
  const hidden =
    data !== null &&
    data !== '' &&
    (value.secret || (typeof data === 'string' && (isSecretName(name) || name === SECRET_VALUES)))
  return hidden ? new Secret(String(data)) : data
}

function hiddenIn({ data, secret }: Value): readonly Secret[] {
  if (isList(data)) return data.flatMap(hiddenIn)
  if (isMap(data)) return [...data.values()].flatMap(hiddenIn)
  return secret && typeof data === 'string' ? [new Secret(data)] : []
}

const SHORTEST_ENCRYPTED = 6

/**
 * Of all variables as they are written: what is encrypted, and what is secret by its name. Of the roles' own variables the
 * schema knows which are (`k3s_platform_ghcr_secret` is the name of one). What hosts share is looked at once.
 */
export function secretsIn(hosts: readonly Host[]): Secret[] {
  const seen = new Set<Value>()
  const within = (value: Value, name: string, isOurs: boolean): Secret[] => {
    if (seen.has(value)) return []
    seen.add(value)
    const { data, secret } = value
    if (isList(data)) return data.flatMap((item) => within(item, name, isOurs))
    if (isMap(data)) return [...data].flatMap(([key, item]) => within(item, nameBelow(name, key), false))
    const isValue = name === SECRET_VALUES && typeof data === 'string'
    const named = isValue || (!isOurs && isSecretName(name) && (typeof data === 'number' || typeof data === 'string'))
    // A user or a mode that is encrypted with all the rest is a word of every second sentence.
    const encrypted = secret === true && typeof data === 'string' && data.length >= SHORTEST_ENCRYPTED
    return encrypted || (named && !String(data).includes('{{')) ? [new Secret(String(data))] : []
  }
  const layers = new Set(hosts.flatMap(({ written }) => written.layers))
  return [...layers].flatMap((layer) =>
    [...layer].flatMap(([name, value]) => within(value, name, name.startsWith('k3s_platform_'))),
  )
}
