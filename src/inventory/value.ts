// A value that knows where it was written, and the plain data that it stands for.

import type { Problem } from '../engine/problem.ts'

export type Scalar = string | number | boolean | null
export type Data = Scalar | readonly Data[] | { readonly [key: string]: Data }

export interface Value {
  /** `file:line:col` of the map key or list item that holds it; `-e` for a flag. */
  readonly at: string
  /** The way to it inside the file: `all.hosts.edge-1.ansible_port`, `list[0]`. */
  readonly path: string
  readonly data: Scalar | readonly Value[] | Variables
  /** The text that a number or a boolean was written as: `1.30`, `no`. */
  readonly source?: string
  /** Never templated: `!unsafe`, or the outcome of a lookup. */
  readonly unsafe?: boolean
  /** Came out of an encrypted or secrets file; problems never print it. */
  readonly secret?: boolean
}

/** A map of values, in the order in which they were written. */
export type Variables = ReadonlyMap<string, Value>

export const isMap = (data: Value['data']): data is Variables => data instanceof Map
export const isList = (data: Value['data']): data is readonly Value[] => Array.isArray(data)

/** `file:line:col  path`, as problems print it. */
export function whereOf(value: Pick<Value, 'at' | 'path'>): string {
  return value.path === '' ? value.at : `${value.at}  ${value.path}`
}

export function usage(place: string | Pick<Value, 'at' | 'path'>, what: string, hint?: string): Problem {
  const where = typeof place === 'string' ? place : whereOf(place)
  return hint === undefined ? { kind: 'usage', where, what } : { kind: 'usage', where, what, hint }
}

/** The value without its positions. */
export function plain(value: Value): Data {
  const { data } = value
  if (isList(data)) return data.map(plain)
  if (isMap(data)) return Object.fromEntries([...data].map(([key, child]) => [key, plain(child)]))
  return data
}

/** The value at a path below `value`, and as far as the path exists. */
export function descend(value: Value, path: readonly PropertyKey[]): Value {
  let at = value
  for (const step of path) {
    const next = isMap(at.data) ? at.data.get(String(step)) : isList(at.data) ? at.data[Number(step)] : undefined
    if (next === undefined) return at
    at = next
  }
  return at
}

/** True when any part of the value is a secret. */
export function holdsSecret(value: Value): boolean {
  if (value.secret) return true
  if (isList(value.data)) return value.data.some(holdsSecret)
  return isMap(value.data) && [...value.data.values()].some(holdsSecret)
}

const joinPath = (path: string, key: string) => (path === '' ? key : `${path}.${key}`)
export const child = (path: string, key: string | number) =>
  typeof key === 'number' ? `${path}[${key}]` : joinPath(path, key)

/** Characters of a value that a sentence quotes. */
const MOST_SHOWN = 200

/** What a value is called in a sentence: `"22o"`, `a list`, `nothing`. */
export function name(data: unknown): string {
  if (data === undefined || data === null) return 'nothing'
  if (Array.isArray(data)) return 'a list'
  if (typeof data === 'object') return 'a map'
  const text = JSON.stringify(data)
  return text.length > MOST_SHOWN ? `${text.slice(0, MOST_SHOWN)}…"` : text
}
