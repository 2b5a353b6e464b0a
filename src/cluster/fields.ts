// An object's fields as a flat state: one entry for each thing that can differ, named as people and the API write paths.

import { isMap, type Json, type State, same } from '../engine/state.ts'

export type Path = readonly (string | number)[]

/** `spec.containers[0].image`, `data[tls.crt]`, `metadata.annotations[cert-manager.io/issuer]`. */
export function pathText(path: Path): string {
  return path.reduce<string>(below, '')
}

function below(path: string, key: string | number): string {
  if (typeof key === 'number' || !/^[\w-]+$/.test(key)) return `${path}[${key}]`
  return path === '' ? key : `${path}.${key}`
}

/** Of the API and of whoever writes an object, not of what is wanted of it. */
const STAMPS = ['managedFields', 'resourceVersion', 'generation', 'uid', 'creationTimestamp', 'selfLink']
/** kubectl's copy of an object in its own annotation. */
export const LAST_APPLIED = 'kubectl.kubernetes.io/last-applied-configuration'
const SKIPPED: ReadonlySet<string> = new Set([
  'status',
  ...STAMPS.map((stamp) => `metadata.${stamp}`),
  `metadata.annotations[${LAST_APPLIED}]`,
])

/**
 * Without status and the API's stamps. A list of scalars is one value; items of a list of maps are named by their `name`
 * where every one has its own, otherwise by their index.
 */
export function fieldsOf(object: unknown): State {
  const state: Record<string, Json> = {}
  const walk = (value: unknown, path: string): void => {
    if (SKIPPED.has(path)) return
    if (Array.isArray(value) && value.some(isMap)) {
      const names = value.map((item) => (isMap(item) && typeof item.name === 'string' ? item.name : null))
      const named = !names.includes(null) && new Set(names).size === names.length
      for (const [i, item] of value.entries()) walk(item, `${path}[${named ? names[i] : i}]`)
    } else if (isMap(value) && (Object.keys(value).length > 0 || path === '')) {
      for (const [key, inner] of Object.entries(value)) walk(inner, below(path, key))
    } else if (value !== undefined) state[path] = jsonOf(value)
  }
  walk(object, '')
  return state
}

/** Of two states only what differs; what one lacks is null in it. */
export function differing(actual: State, desired: State): [State, State] {
  const names = [...new Set([...Object.keys(actual), ...Object.keys(desired)])].filter(
    (name) => !same(actual[name] ?? null, desired[name] ?? null),
  )
  const pick = (state: State) => Object.fromEntries(names.map((name) => [name, state[name] ?? null]))
  return [pick(actual), pick(desired)]
}

function jsonOf(value: unknown): Json {
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') return value
  if (Array.isArray(value)) return value.map(jsonOf)
  if (isMap(value)) return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, jsonOf(inner)]))
  return null
}
