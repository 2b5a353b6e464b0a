// What one JSON schema refuses of values, judged as the validator in Helm does (santhosh-tekuri/jsonschema v6), in plain words.

import { Ajv, type ErrorObject, type Options } from 'ajv'
import { Ajv2019 } from 'ajv/dist/2019.js'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { RE2JS } from 're2js'
import { isMap, type Json, type JsonMap } from '../engine/state.ts'
import { nearest } from '../engine/suggest.ts'
import { FORMATS } from './schema-formats.ts'

/** Something about the values that the chart refuses. */
export interface ValueFault {
  /** Keys and indexes, from the top of the values. */
  readonly path: readonly (string | number)[]
  /** Without the value itself. */
  readonly message: string
  readonly hint?: string
}

/** More faults than a person reads at once; what comes after them is left out. */
const MAX_FAULTS = 100

interface Draft {
  readonly url: RegExp
  readonly ajv: typeof Ajv | typeof Ajv2019 | typeof Ajv2020
  /** Whether `format` is judged, and what stands beside a `$ref` ignored: both until draft 7. */
  readonly old: boolean
  /** Keywords that came later. */
  readonly unknown: readonly string[]
}

const SINCE_7 = ['if', 'then', 'else']
const SINCE_6 = ['const', 'contains', 'propertyNames', ...SINCE_7]
const DRAFTS: readonly Draft[] = [
  { url: /^(?:draft\/2020-12\/)?schema$/, ajv: Ajv2020, old: false, unknown: ['id'] },
  { url: /^draft\/2019-09\/schema$/, ajv: Ajv2019, old: false, unknown: ['id'] },
  { url: /^draft-07\/schema$/, ajv: Ajv, old: true, unknown: ['id'] },
  { url: /^draft-06\/schema$/, ajv: Ajv, old: true, unknown: ['id', ...SINCE_7] },
  { url: /^draft-04\/schema$/, ajv: Ajv, old: true, unknown: ['id', '$id', ...SINCE_6] },
]

/** The newest for a schema that names none; undefined for a dialect of the schema's own. */
function draftOf(schema: JsonMap): Draft | undefined {
  const name = schema.$schema
  if (typeof name !== 'string') return DRAFTS[0]
  const [, path = ''] = /^https?:\/\/json-schema\.org\/(.*?)#?$/.exec(name) ?? []
  return DRAFTS.find(({ url }) => url.test(path))
}

/** Go's syntax, and linear in time whatever the pattern is. */
const re2 = Object.assign(
  (pattern: string) => {
    const compiled = RE2JS.compile(pattern)
    return { test: (text: string) => compiled.matcher(text).find(), toString: () => pattern }
  },
  { code: '' },
)

function settings({ old }: Draft): Options {
  return {
    allErrors: true,
    strict: false,
    verbose: true,
    logger: false,
    validateFormats: old,
    ignoreKeywordsWithRef: old,
    formats: { ...FORMATS, regex: isPattern },
    multipleOfPrecision: 9,
    inlineRefs: false,
    // A schema is asked once: code that is made sooner is better than code that is faster.
    code: { optimize: false, regExp: re2 },
  }
}

function isPattern(text: string): boolean {
  try {
    RE2JS.compile(text)
    return true
  } catch {
    return false
  }
}

/**
 * `top`: where in the chart's values these are. A schema that no validator can use is a fault of its own, because Helm installs
 * nothing of that chart; what a schema refers to elsewhere is taken as allowing everything: the node may reach it.
 */
export function schemaFaults(schema: Json, values: JsonMap, top: readonly string[] = []): readonly ValueFault[] {
  if (schema === false) return [{ path: top, message: 'the chart does not accept this value' }]
  const draft = isMap(schema) ? draftOf(schema) : undefined
  if (!isMap(schema) || draft === undefined) return []
  const { $schema: _, ...rules } = schema
  try {
    const check = compiled(new draft.ajv(settings(draft)), adapted(rules, draft))
    if (check(values)) return []
    return settled(check.errors ?? [])
      .slice(0, MAX_FAULTS)
      .map((error) => faultOf(error, [...top, ...pathOf(error.instancePath, values)]))
  } catch (error) {
    const why = (error instanceof Error ? error.message : String(error)).split('\n')[0]?.slice(0, 200)
    return [{ path: top, message: `its values.schema.json is not a valid schema: ${why}` }]
  }
}

/** Makes the check; references that lead elsewhere allow everything. */
function compiled(ajv: Ajv, rules: JsonMap) {
  for (;;) {
    try {
      return ajv.compile(rules)
    } catch (error) {
      const missing = error instanceof Ajv.MissingRefError ? error.missingSchema : undefined
      if (missing === undefined || !/^(?:https?|urn|file):/.test(missing) || ajv.getSchema(missing)) throw error
      ajv.addSchema({}, missing)
    }
  }
}

const ONE = [
  'additionalItems',
  'items',
  'contains',
  'additionalProperties',
  'propertyNames',
  'not',
  'if',
  'then',
  'else',
]
const ONE_LATER = ['unevaluatedItems', 'unevaluatedProperties', 'contentSchema']
const LISTS = ['items', 'prefixItems', 'allOf', 'anyOf', 'oneOf']
const MAPS = ['definitions', '$defs', 'properties', 'patternProperties', 'dependencies', 'dependentSchemas']

/** Without what this validator knows and Helm's does not, at every place where a schema can be. */
function adapted(schema: Json, draft: Draft): JsonMap {
  const below = (value: Json | undefined): Json => (isMap(value) ? adapted(value, draft) : (value ?? null))
  if (!isMap(schema)) return {}
  const entries = Object.entries(schema).flatMap(([key, value]): [string, Json][] => {
    if (draft.unknown.includes(key) || ['nullable', '$async', 'discriminator'].includes(key)) return []
    if (LISTS.includes(key) && Array.isArray(value)) return [[key, value.map(below)]]
    if ([...ONE, ...ONE_LATER].includes(key)) return [[key, below(value)]]
    if (MAPS.includes(key) && isMap(value))
      return [[key, Object.fromEntries(Object.entries(value).map(([name, one]) => [name, below(one)]))]]
    // In draft 4 they were switches of minimum and maximum.
    const [, side] = /^exclusive(Minimum|Maximum)$/.exec(key) ?? []
    if (side === undefined || typeof value !== 'boolean' || !draft.unknown.includes('const')) return [[key, value]]
    const limit = schema[side.toLowerCase()]
    return value && limit !== undefined ? [[key, limit]] : []
  })
  return Object.fromEntries(entries)
}

/** Of a choice between forms, what went wrong in the form that was meant; else the choice itself. */
function settled(errors: readonly ErrorObject[]): readonly ErrorObject[] {
  const drop = new Set<ErrorObject>()
  const choices = errors.filter(({ keyword }) => keyword === 'anyOf' || keyword === 'oneOf')
  for (const choice of choices) {
    const at = choice.instancePath
    const inner = errors.filter((one) => !choices.includes(one) && !drop.has(one) && isAt(one.instancePath, at))
    const kinds = inner.filter((one) => one.instancePath === at && expected(one).length > 0)
    if (inner.length > kinds.length) for (const one of [choice, ...kinds]) drop.add(one)
    else if (kinds.length > 0) {
      for (const one of kinds) drop.add(one)
      choice.params.forms = [...new Set(kinds.flatMap(expected))]
    }
  }
  return errors.filter((one) => !drop.has(one) && one.keyword !== 'if')
}

const isAt = (path: string, top: string) => path === top || path.startsWith(`${top}/`)

function faultOf(error: ErrorObject, path: ValueFault['path']): ValueFault {
  const { params, keyword } = error
  switch (keyword) {
    case 'additionalProperties':
    case 'unevaluatedProperties': {
      const key = String(params.additionalProperty ?? params.unevaluatedProperty)
      const near = nearest(key, Object.keys(error.parentSchema?.properties ?? {}))
      const hint = near === undefined ? {} : { hint: `did you mean ${dotted([...path, near])}?` }
      return { path: [...path, key], message: 'unknown key', ...hint }
    }
    case 'required':
      return { path: [...path, String(params.missingProperty)], message: 'is missing' }
    case 'type':
      return { path, message: `expected ${either(expected(error))}, got ${kindOf(error.data)}` }
    case 'enum':
    case 'const': {
      const words = expected(error)
      const near = typeof error.data === 'string' ? nearest(JSON.stringify(error.data), words) : undefined
      return { path, message: `expected ${either(words)}`, ...(near && { hint: `did you mean ${near}?` }) }
    }
    case 'anyOf':
    case 'oneOf': {
      if (Array.isArray(params.forms))
        return { path, message: `expected ${either(params.forms)}, got ${kindOf(error.data)}` }
      return { path, message: 'matches none, or more than one, of the forms that the chart accepts' }
    }
    case 'not':
    case 'false schema':
      return { path, message: 'the chart does not accept this value' }
    default:
      return { path, message: error.message ?? keyword }
  }
}

/** The kinds or values that an error of `type`, `enum` or `const` asks for. */
function expected({ keyword, params }: ErrorObject): readonly string[] {
  if (keyword === 'enum') return list(params.allowedValues).map((value) => JSON.stringify(value))
  if (keyword === 'const') return [JSON.stringify(params.allowedValue)]
  if (keyword !== 'type') return []
  const names = Array.isArray(params.type) ? params.type : String(params.type).split(',')
  return names.map((name) => WORDS.get(String(name)) ?? String(name))
}

const WORDS = new Map([
  ['object', 'a map'],
  ['array', 'a list'],
  ['integer', 'an integer'],
  ['number', 'a number'],
  ['string', 'a string'],
  ['boolean', 'true or false'],
])

function kindOf(value: unknown): string {
  if (value === null) return 'null'
  return Array.isArray(value) ? 'a list' : (WORDS.get(typeof value) ?? 'nothing')
}

function either(words: readonly unknown[]): string {
  return words.length > 1 ? `${words.slice(0, -1).join(', ')} or ${words.at(-1)}` : String(words[0])
}

/** A JSON pointer in `values`: a step into a list is a number. */
function pathOf(pointer: string, values: JsonMap): readonly (string | number)[] {
  let at: Json | undefined = values
  return pointer
    .split('/')
    .slice(1)
    .map((part) => {
      const key = part.replaceAll('~1', '/').replaceAll('~0', '~')
      const inList = Array.isArray(at)
      at = step(at, key)
      return inList ? Number(key) : key
    })
}

function step(at: Json | undefined, key: string): Json | undefined {
  if (isMap(at)) return at[key]
  return Array.isArray(at) ? at[Number(key)] : undefined
}

const list = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : [])

/** `webhook.replicaCount`, `sources[1]` */
function dotted(path: readonly (string | number)[]): string {
  return path.map((part, i) => (typeof part === 'number' ? `[${part}]` : `${i > 0 ? '.' : ''}${part}`)).join('')
}
