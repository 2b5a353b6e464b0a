// Whether a chart takes these values: its values.schema.json, in plain words.

import type { ErrorObject } from 'ajv'
import type { Json } from '../engine/state.ts'
import { nearest } from '../engine/suggest.ts'
import type { ChartArchive, Subchart } from './chart-archive.ts'
import { isMap, type JsonMap, mergeValues } from './values.ts'

/** Something about the values that the chart refuses. */
export interface ValueFault {
  /** Keys and indexes, from the top of the values. */
  readonly path: readonly (string | number)[]
  /** Without the value itself. */
  readonly message: string
  readonly hint?: string
}

/**
 * What Helm would refuse: the schemas of the chart and of its installed subcharts, asked about `values` laid over the chart's
 * defaults. Empty when it takes them, or has no schema. Formats, and what a schema refers to elsewhere, are not checked: Helm
 * does that itself.
 */
export async function checkValues(
  chart: Pick<ChartArchive, 'defaults' | 'valuesSchema' | 'subcharts'>,
  values: JsonMap,
): Promise<readonly ValueFault[]> {
  const all = mergeValues(chart.defaults, values)
  const below = Object.entries(chart.subcharts).filter(([, { conditions }]) => installed(conditions, all))
  const faults = await Promise.all([
    refused(chart.valuesSchema, all),
    ...below.map(([key, subchart]) => refused(subchart.valuesSchema, valuesOf(subchart, key, all), [key])),
  ])
  return unique(faults.flat())
}

function installed(conditions: readonly string[], values: JsonMap): boolean {
  const told = conditions.map((path) => path.split('.').reduce<Json | undefined>(step, values))
  return told.find((value) => typeof value === 'boolean') ?? true
}

/** Helm hands the parent's `global` to every subchart. */
function valuesOf({ defaults }: Subchart, key: string, all: JsonMap): JsonMap {
  const own = mergeValues(defaults, mapOf(all[key]))
  return isMap(all.global) ? mergeValues({ global: all.global }, own) : own
}

/** `top`: where in the parent's values these are. */
async function refused(schema: Json, values: JsonMap, top: readonly string[] = []): Promise<readonly ValueFault[]> {
  if (!isMap(schema)) return []
  const { $schema: dialect, ...rules } = schema
  const settings = {
    allErrors: true,
    strict: false,
    validateFormats: false,
    validateSchema: false,
    verbose: true,
    logger: false as const,
    // A schema is asked once: code that is made sooner is better than code that is faster.
    code: { optimize: false },
    loadSchema: async () => ({}),
  }
  const { Ajv } = await import('ajv')
  const newer = typeof dialect === 'string' && /20(19-09|20-12)/.test(dialect)
  const ajv = newer ? new (await import('ajv/dist/2020.js')).Ajv2020(settings) : new Ajv(settings)
  const check = await ajv.compileAsync(rules).catch(() => undefined)
  if (check === undefined || check(values)) return []
  // A null can only be a default of the chart's own here, and those are the chart's matter.
  const errors = (check.errors ?? []).filter(({ data }) => data !== null)
  return settled(errors).map((error) => faultOf(error, [...top, ...pathOf(error.instancePath, values)]))
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
      return { path, message: 'fits none, or more than one, of the forms that the chart takes' }
    }
    case 'not':
    case 'false schema':
      return { path, message: 'the chart does not take this' }
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
  ['integer', 'a whole number'],
  ['number', 'a number'],
  ['string', 'a text'],
  ['boolean', 'true or false'],
])

function kindOf(value: unknown): string {
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

const mapOf = (value: Json | undefined): JsonMap => (isMap(value) ? value : {})
const list = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : [])

/** `webhook.replicaCount`, `sources[1]` */
function dotted(path: readonly (string | number)[]): string {
  return path.map((part, i) => (typeof part === 'number' ? `[${part}]` : `${i > 0 ? '.' : ''}${part}`)).join('')
}

function unique(faults: readonly ValueFault[]): readonly ValueFault[] {
  return [...new Map(faults.map((fault) => [JSON.stringify([fault.path, fault.message]), fault])).values()]
}
