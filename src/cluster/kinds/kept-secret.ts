// A Secret with values that are generated in the cluster once and then kept: a deploy key, trusted host keys.

import { Secret } from '../../engine/secret.ts'
import { isMap } from '../../engine/state.ts'
import type { Live, Ref } from '../object.ts'
import type { ClusterResource, Making } from '../resource.ts'
import { type SecretSpec, secret } from './secret.ts'

export interface Kept {
  readonly keys: readonly string[]
  /** Whether what is there, by key, can go on; what lacks a key never can. */
  good?(found: Readonly<Record<string, string>>): boolean
  /** Throws ProblemError. */
  make(how: Making): Promise<Readonly<Record<string, string>>>
  /** What people have to do with what was made. */
  told?(made: Readonly<Record<string, string>>): { readonly what: string; readonly hint: string }
}

/** Until it is made; it is compared with what is there and never written. */
const PLACEHOLDER = new Secret('-')

/** As `secret`, with these besides. */
export function keptSecret(spec: SecretSpec, kept: readonly Kept[]): ClusterResource {
  const ref: Ref = { apiVersion: 'v1', kind: 'Secret', namespace: spec.namespace, name: spec.name }
  const whole = (values: Readonly<Record<string, Secret>>) => {
    const missing = kept.flatMap(({ keys }) => keys).filter((key) => values[key] === undefined)
    const placeholders = Object.fromEntries(missing.map((key) => [key, PLACEHOLDER]))
    return secret({ ...spec, data: { ...spec.data, ...placeholders, ...values } })
  }
  const found = (live: Live | null, { keys, good = () => true }: Kept) => {
    const values = valuesOf(live, keys)
    return values !== null && good(values) ? values : null
  }
  return {
    ...whole({}),
    look: async (cluster, at) => {
      const live = await cluster.get(ref)
      return whole(hidden(kept.map((one) => found(live, one) ?? {}))).look(cluster, at)
    },
    make: async (change, cluster, how) => {
      const live = await cluster.get(ref)
      const values: Readonly<Record<string, string>>[] = []
      const news: { readonly what: string; readonly hint: string }[] = []
      for (const one of kept) {
        const there = found(live, one)
        const made = there ?? (await one.make(how))
        values.push(made)
        if (there === null && one.told) news.push(one.told(made))
      }
      await whole(hidden(values)).make(change, cluster, how)
      for (const { what, hint } of news) how.warn(what, hint)
    },
  }
}

const hidden = (values: readonly Readonly<Record<string, string>>[]) =>
  Object.fromEntries(values.flatMap((one) => Object.entries(one)).map(([key, value]) => [key, new Secret(value)]))

function valuesOf(live: Live | null, keys: readonly string[]): Record<string, string> | null {
  const data = isMap(live?.data) ? live.data : {}
  const found = keys.flatMap((key) => {
    const value = data[key]
    return typeof value === 'string' && value !== '' ? [[key, Buffer.from(value, 'base64').toString('utf8')]] : []
  })
  return found.length === keys.length ? Object.fromEntries(found) : null
}
