// Values of a chart that are secret: they reach Helm through a Secret, one document a key, and stand in no other object.

import { Secret } from '../engine/secret.ts'
import type { Json, JsonMap } from '../engine/state.ts'
import { sha256 } from '../files/digest.ts'
import { layerValues } from './values.ts'

export type SecretTree = Secret | readonly SecretTree[] | { readonly [key: string]: SecretTree }

/** One that the cluster makes and keeps. */
export interface GeneratedValue {
  readonly path: readonly string[]
  /** Characters. */
  readonly length: number
}

export interface SecretValues {
  /** What the inventory gives. */
  readonly given: { readonly [key: string]: SecretTree }
  readonly generated: readonly GeneratedValue[]
}

/** Of the Secret: the document with all that the inventory gives. */
const GIVEN = 'given'

export const hasSecretValues = ({ given, generated }: SecretValues): boolean =>
  Object.keys(given).length + generated.length > 0

/** Keys of the Secret, each a document of values. The key of a generated value stays the same whatever is added beside it. */
export function secretKeys({ given, generated }: SecretValues): readonly string[] {
  return [...(Object.keys(given).length > 0 ? [GIVEN] : []), ...generated.map(({ path }) => generatedKey(path))]
}

/** Of a Secret only letters, digits, dots, dashes and underscores are keys. */
export function generatedKey(path: readonly string[]): string {
  const plain = path.join('.')
  const fits = /^[\w.-]{1,200}$/.test(plain) && !path.some((step) => step.includes('.'))
  const safe = fits
    ? plain
    : `${plain.replace(/[^\w.-]/g, '_').slice(0, 200)}-${sha256(JSON.stringify(path)).slice(0, 8)}`
  return `generated.${safe}`
}

/** The document of what the inventory gives, as data of the Secret; none where it gives nothing. */
export function givenDocuments({ given }: SecretValues): Readonly<Record<string, Secret>> {
  return Object.keys(given).length > 0 ? { [GIVEN]: new Secret(JSON.stringify(revealed(given))) } : {}
}

/** The document of one value: JSON is YAML, so Helm and Flux both read it. */
export function documentAt(path: readonly string[], value: string): string {
  return JSON.stringify(path.reduceRight<Json>((inner, key) => ({ [key]: inner }), value))
}

/**
 * The values with the secret ones laid over them, in clear: for the check against the chart's schema and nothing else. What the
 * cluster generates is not known here; another text of its length stands for it.
 */
export function revealedValues(values: JsonMap, { given, generated }: SecretValues): JsonMap {
  const known = Object.entries(given).map(([key, tree]): JsonMap => ({ [key]: revealed(tree) }))
  const made = generated.map(({ path, length }): JsonMap => {
    const [first = '', ...rest] = path
    return { [first]: rest.reduceRight<Json>((inner, key) => ({ [key]: inner }), sample(length)) }
  })
  return [...known, ...made].reduce(layerValues, values)
}

const sample = (length: number) => 'aB3'.repeat(length).slice(0, length)

function revealed(tree: SecretTree): Json {
  if (tree instanceof Secret) return tree.reveal()
  if (isList(tree)) return tree.map(revealed)
  return Object.fromEntries(Object.entries(tree).map(([key, inner]) => [key, revealed(inner)]))
}

const isList = (tree: SecretTree): tree is readonly SecretTree[] => Array.isArray(tree)

/** Paths of all texts in it, and of what is generated; an index of a list is a step. */
export function secretPaths({ given, generated }: SecretValues): readonly {
  readonly path: readonly (string | number)[]
  readonly isEmpty: boolean
}[] {
  const within = (tree: SecretTree, path: readonly (string | number)[]): ReturnType<typeof secretPaths> => {
    if (tree instanceof Secret) return [{ path, isEmpty: tree.reveal() === '' }]
    if (isList(tree)) return tree.flatMap((inner, i) => within(inner, [...path, i]))
    return Object.entries(tree).flatMap(([key, inner]) => within(inner, [...path, key]))
  }
  return [...within(given, []), ...generated.map(({ path }) => ({ path, isEmpty: false }))]
}
