// What a resource is and what it should be, in one shape, and how the two differ.

export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json }
export type JsonMap = { readonly [key: string]: Json }

/** Flat: one entry per thing that can be right or wrong on its own. An absent resource is `null` instead of a State. */
export type State = { readonly [field: string]: Json }

export interface Delta {
  readonly field: string
  /** null: absent. Both sides are `***` for a masked field: nothing after the diff can leak what it never got. */
  readonly from: Json
  readonly to: Json
  readonly masked?: true
}

const MASK = '***'

/**
 * The fields of `desired` that `actual` does not have in the same form. Fields that only `actual` has are facts, not
 * differences. A desired field of null means absent.
 */
export function diff(actual: State | null, desired: State | null, masked: readonly string[] = []): Delta[] {
  if (desired === null) return actual === null ? [] : [{ field: 'present', from: true, to: false }]
  return Object.entries(desired)
    .filter(([field, to]) => !same(actual?.[field] ?? null, to))
    .map(([field, to]): Delta => {
      const from = actual?.[field] ?? null
      if (!masked.includes(field)) return { field, from, to }
      return { field, from: from === null ? null : MASK, to: to === null ? null : MASK, masked: true }
    })
}

/** Deep equality; the order of a map's keys does not count, the order of a list does. */
export function same(a: Json, b: Json): boolean {
  if (a === b) return true
  if (a === null || b === null || typeof a !== 'object' || typeof b !== 'object') return false
  if (isList(a) || isList(b)) {
    return isList(a) && isList(b) && a.length === b.length && a.every((v, i) => same(v, b[i] ?? null))
  }
  const keys = Object.keys(a)
  return keys.length === Object.keys(b).length && keys.every((k) => k in b && same(a[k] ?? null, b[k] ?? null))
}

export function isMap(value: Json | undefined): value is JsonMap
export function isMap(value: unknown): value is { readonly [key: string]: unknown }
export function isMap(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isList(value: Json): value is readonly Json[] {
  return Array.isArray(value)
}
