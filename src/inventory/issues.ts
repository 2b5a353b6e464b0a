// What zod found wrong, in the words of this program, and what a schema says about a place in it.

import type { z } from 'zod'
import { name } from './value.ts'

const kinds: Readonly<Record<string, string>> = {
  string: 'a string',
  number: 'a number',
  int: 'an integer',
  boolean: 'true or false',
  array: 'a list',
  object: 'a map',
  record: 'a map',
  map: 'a map',
  null: 'nothing',
}

const formats: Readonly<Record<string, string>> = { url: 'a URL', email: 'an e-mail address', ipv4: 'an IPv4 address' }

const counted: Readonly<Record<string, string>> = {
  string: ' characters',
  array: ' entries',
  set: ' entries',
  file: ' bytes',
}

/** zod's error map: one sentence `expected ..., got ...`. A message of the schema itself wins over it. */
export function describe(issue: z.core.$ZodRawIssue): string | undefined {
  if (issue.code === 'invalid_key') return `${issue.issues[0]?.message}, got ${name(issue.input)}`
  const expected = expectation(issue)
  if (expected === undefined) return undefined
  return `expected ${expected}, got ${name(issue.input)}`
}

function expectation(issue: z.core.$ZodRawIssue): string | undefined {
  switch (issue.code) {
    case 'invalid_type':
      return kinds[issue.expected] ?? issue.expected
    case 'invalid_value':
      return `${issue.values.length > 1 ? 'one of ' : ''}${issue.values.map((value) => JSON.stringify(value)).join(', ')}`
    case 'invalid_format':
      return issue.format === 'regex'
        ? `a string like ${issue.pattern}`
        : (formats[issue.format] ?? `a string in the form ${issue.format}`)
    case 'too_small':
      return `${issue.inclusive === false ? 'more than' : 'at least'} ${issue.minimum}${counted[issue.origin] ?? ''}`
    case 'too_big':
      return `${issue.inclusive === false ? 'less than' : 'at most'} ${issue.maximum}${counted[issue.origin] ?? ''}`
    case 'not_multiple_of':
      return `a multiple of ${issue.divisor}`
    case 'invalid_union': {
      const each = issue.errors.flatMap(([first]) =>
        first === undefined ? [] : [/^expected (.*), got /s.exec(first.message)?.[1]],
      )
      const known = [...new Set(each.filter((text) => text !== undefined))]
      return known.length > 0 && known.length === new Set(each).size ? known.join(' or ') : undefined
    }
    default:
      return undefined
  }
}

interface Meta {
  readonly hint?: unknown
  readonly secret?: unknown
  readonly env?: unknown
}

/** The meta of the schema at a path; what is missing there is taken from around it, but only from below the root. */
export function metaAt(schema: z.ZodType, path: readonly PropertyKey[]): Meta {
  let meta: Meta = {}
  let at: z.core.$ZodType | undefined = schema
  for (const step of path) {
    at = at === undefined ? undefined : stepInto(at, step)
    for (const layer of layers(at)) meta = { ...meta, ...metaOf(layer) }
  }
  return meta
}

/** The keys of the map at a path. */
export function keysAt(schema: z.ZodType, path: readonly PropertyKey[]): readonly string[] {
  const at = path.reduce<z.core.$ZodType | undefined>(
    (s, step) => (s === undefined ? undefined : stepInto(s, step)),
    schema,
  )
  return layers(at).flatMap((layer) => Object.keys(defOf(layer).shape ?? {}))
}

interface Def {
  readonly type: string
  readonly shape?: Readonly<Record<string, z.core.$ZodType>>
  readonly element?: z.core.$ZodType
  readonly valueType?: z.core.$ZodType
  readonly innerType?: z.core.$ZodType
  readonly in?: z.core.$ZodType
  readonly out?: z.core.$ZodType
  readonly options?: readonly z.core.$ZodType[]
}

const defOf = (schema: z.core.$ZodType): Def => schema._zod.def
const metaOf = (schema: z.core.$ZodType): Meta =>
  'meta' in schema && typeof schema.meta === 'function' ? (schema.meta() ?? {}) : {}

/** The schema and what it wraps: optional, default, transforms, the alternatives of a union. */
function layers(schema: z.core.$ZodType | undefined): readonly z.core.$ZodType[] {
  if (schema === undefined) return []
  const { innerType, in: input, out, options = [] } = defOf(schema)
  return [schema, ...[innerType, input, out, ...options].flatMap(layers)]
}

function stepInto(schema: z.core.$ZodType, step: PropertyKey): z.core.$ZodType | undefined {
  for (const layer of layers(schema)) {
    const { shape, element, valueType } = defOf(layer)
    const found = typeof step === 'number' ? element : (shape?.[String(step)] ?? valueType)
    if (found !== undefined) return found
  }
  return undefined
}
