// From a host's variables to typed ones: zod checks, mistakes get the position of the exact value.

import type { z } from 'zod'
import type { Problem } from '../engine/problem.ts'
import { isSecretName } from '../engine/secret-names.ts'
import { nearest } from '../engine/suggest.ts'
import { TEXT_BYTES } from '../files/read-file.ts'
import { Budget, suggestion } from './budget.ts'
import type { Host } from './host.ts'
import { describe, keysAt, metaAt } from './issues.ts'
import { type HostProblems, sorted } from './problems.ts'
import type { TemplateEnv } from './template.ts'
import { descend, holdsSecret, isList, isMap, plain, usage, type Value, type Variables } from './value.ts'
import { plainScalar } from './yaml.ts'

export interface Bound<T> {
  /** Undefined when there are problems. */
  readonly value: T | undefined
  readonly problems: readonly Problem[]
}

export interface BoundVars<T> extends Bound<T> {
  /** The value with the defaults of the variables that have problems; undefined when there is none even so. */
  readonly sound: T | undefined
  /** Variables that have problems. */
  readonly broken: ReadonlySet<string>
}

/** What hosts with the very same values share, so that it is checked, and a mistake in it is found, once. */
export class BoundBefore {
  readonly #ids = new WeakMap<Value, number>()
  #count = 0
  readonly #known = new Map<z.ZodObject, Map<string, BoundVars<unknown>>>()

  /** The outcome for these values, from `make` when it is the first time. */
  recall<S extends z.ZodObject>(
    schema: S,
    values: Variables,
    make: () => BoundVars<z.output<S>>,
  ): BoundVars<z.output<S>> {
    const known = this.#known.get(schema) ?? new Map<string, BoundVars<unknown>>()
    this.#known.set(schema, known)
    const key = [...values].map(([name, value]) => `${name} ${this.#id(value)}`).join('\n')
    // What is known by a schema was made by it.
    const found = (known.get(key) as BoundVars<z.output<S>> | undefined) ?? make()
    known.set(key, found)
    return found
  }

  #id(value: Value): number {
    const id = this.#ids.get(value) ?? this.#count++
    this.#ids.set(value, id)
    return id
  }
}

interface BindOptions {
  readonly emptyIsUnset?: boolean
  /** One environment for all calls with the same `before`. */
  readonly env?: TemplateEnv
  readonly before?: BoundBefore | undefined
}

/**
 * Takes the variables that `schema` names from the host and parses them. Text that spells a number or a boolean is taken
 * as one where one is expected, because `-e` and INI files only have text; a number or a boolean where text is expected is
 * the text that was written (`1.30`, `no`). `meta({ hint })` of a schema becomes the hint of
 * its problems; `meta({ secret: true })` and names like `_token` keep the value out of them. `meta({ env: ['A', 'B'] })` gives
 * a variable that is not set the first of those environment variables that is not empty.
 */
export function bindVars<S extends z.ZodObject>(
  host: Host,
  schema: S,
  options: BindOptions = {},
): BoundVars<z.output<S>> {
  const problems: Problem[] = []
  const found = new Map<string, Value>()
  for (const name of Object.keys(schema.shape)) {
    const { value, problems: more } = host.get(name)
    problems.push(...more)
    if (value !== undefined) found.set(name, value)
  }
  const make = () => bindValues(host, schema, found, problems, options)
  return problems.length === 0 && options.before !== undefined ? options.before.recall(schema, found, make) : make()
}

function bindValues<S extends z.ZodObject>(
  host: Host,
  schema: S,
  found: Variables,
  before: readonly Problem[],
  options: BindOptions,
): BoundVars<z.output<S>> {
  const problems = [...before]
  const values = new Map<string, Value>()
  for (const name of Object.keys(schema.shape)) {
    const written = found.get(name)
    const empty = options.emptyIsUnset && (written?.data === '' || written?.data === null)
    const value = written === undefined || empty ? fromEnv(schema, name, options.env) : written
    if (value === undefined) continue
    const wrong = notText(value)
    if (wrong === undefined) values.set(name, value)
    else problems.push(wrong)
  }
  const root: Value = { at: host.place, path: '', data: values }
  let input: unknown = plain(root)
  let result = schema.safeParse(input, { error: describe, jitless: true })
  if (!result.success) {
    const repaired = coerce(root, input, result.error.issues)
    if (repaired !== undefined) {
      input = repaired
      result = schema.safeParse(input, { error: describe, jitless: true })
    }
  }
  // A variable whose template failed is absent here; that it is absent is not a second problem.
  const failed = new Set(
    problems.length === 0 ? [] : Object.keys(schema.shape).filter((n) => host.written.has(n) && !values.has(n)),
  )
  if (!result.success) {
    for (const issue of result.error.issues.flatMap(flatten)) {
      if (!failed.has(String(issue.path[0]))) problems.push(...explain(host, schema, root, issue))
    }
  }
  const broken = new Set([...failed, ...(result.error?.issues ?? []).map((issue) => String(issue.path[0]))])
  const usable = Object.entries(Object(input)).filter(([name]) => !broken.has(name))
  const sound = result.success ? result.data : schema.safeParse(Object.fromEntries(usable)).data
  const value = result.success && problems.length === 0 ? result.data : undefined
  return { value, problems: sorted(problems), sound, broken }
}

/** The first text or key in a value that no shell, argument or file can hold. */
function notText(value: Value): Problem | undefined {
  const { data } = value
  if (typeof data === 'string') return withoutControls(data, value)
  if (isList(data)) return firstOf(data, notText)
  if (!isMap(data)) return undefined
  if (data.has('__proto__')) return usage(descend(value, ['__proto__']), 'the key "__proto__" is not supported')
  return firstOf(data, ([key, item]) => withoutControls(key, item) ?? notText(item))
}

function withoutControls(text: string, place: Value): Problem | undefined {
  if (text.length > TEXT_BYTES) {
    return usage(place, `the string has more than ${TEXT_BYTES.toLocaleString('en-US')} characters`)
  }
  const control = CONTROL.exec(text)?.[0]
  if (control === undefined) return undefined
  const code = control.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')
  return usage(place, `the string contains the control character U+${code}`, 'only tabs and line breaks are allowed')
}

const CONTROL = /[^\P{Cc}\t\n\r]|\r(?!\n)/u

function firstOf<T>(items: Iterable<T>, find: (item: T) => Problem | undefined): Problem | undefined {
  for (const item of items) {
    const found = find(item)
    if (found !== undefined) return found
  }
  return undefined
}

function fromEnv(schema: z.ZodType, name: string, env: TemplateEnv | undefined): Value | undefined {
  if (env === undefined) return undefined
  const names = metaAt(schema, [name]).env
  const source = (Array.isArray(names) ? names : []).find((one) => env[String(one)])
  const data = source === undefined ? undefined : env[source]
  return data === undefined ? undefined : { at: 'environment', path: source, data, unsafe: true }
}

/** A union whose alternatives fail deeper inside: the mistake is what the alternative that came furthest says. */
function flatten(issue: z.core.$ZodIssue): readonly z.core.$ZodIssue[] {
  if (issue.code !== 'invalid_union') return [issue]
  const isOtherKind = ({ path, code }: z.core.$ZodIssue) => path.length === 0 && OTHER_KIND.includes(code)
  const deep = issue.errors.filter((errors) => errors.length > 0 && !errors.some(isOtherKind))
  const [best] = deep.sort((a, b) => a.length - b.length)
  if (best === undefined) return [issue]
  return best.map((inner) => ({ ...inner, path: [...issue.path, ...inner.path] })).flatMap(flatten)
}

/** The value is not of the alternative at all; anything else is a mistake within it. */
const OTHER_KIND: readonly string[] = ['invalid_type', 'invalid_value', 'invalid_format', 'invalid_union']

function explain(host: Host, schema: z.ZodType, root: Value, issue: z.core.$ZodIssue): readonly Problem[] {
  const value = descend(root, issue.path)
  const place = value === root ? host.place : value
  const meta = metaAt(schema, issue.path)
  const hint = typeof meta.hint === 'string' ? meta.hint : undefined
  if (issue.code === 'unrecognized_keys') {
    const known = keysAt(schema, issue.path)
    return issue.keys.map((key) => {
      const close = nearest(key, known)
      const advice = close === undefined ? (hint ?? `known: ${known.join(', ')}`) : `did you mean ${close}?`
      return usage(descend(value, [key]), `unknown key "${key}"`, advice)
    })
  }
  const hidden = meta.secret === true || holdsSecret(value) || issue.path.some((step) => isSecretName(String(step)))
  const depth = issue.path.findIndex(
    (_, i) => descend(root, issue.path.slice(0, i)) === descend(root, issue.path.slice(0, i + 1)),
  )
  const rest = depth === -1 ? '' : `${issue.path.slice(depth).join('.')}: `
  const what = hidden ? issue.message.replace(/, got [\s\S]*$/, ', got something else') : issue.message
  return [usage(place, rest + what, hint)]
}

/** The input with those values replaced that are only spelled in another type than the expected one, or undefined. */
function coerce(root: Value, input: unknown, issues: readonly z.core.$ZodIssue[]): unknown {
  const copy: unknown = structuredClone(input)
  let changed = false
  for (const issue of issues.flatMap(alternatives)) {
    const last = issue.path.at(-1)
    const holder = issue.path.slice(0, -1).reduce<unknown>(property, copy)
    if (issue.code !== 'invalid_type' || last === undefined || typeof holder !== 'object' || holder === null) continue
    const meant = respelled(descend(root, issue.path), issue.expected)
    if (meant !== undefined) changed = Reflect.set(holder, last, meant) || changed
  }
  return changed ? copy : undefined
}

/** Every issue of every alternative, with its whole path. */
function alternatives(issue: z.core.$ZodIssue): readonly z.core.$ZodIssue[] {
  if (issue.code !== 'invalid_union') return [issue]
  const inner = issue.errors.flat().map((each) => ({ ...each, path: [...issue.path, ...each.path] }))
  return inner.flatMap(alternatives)
}

function respelled({ data, source }: Value, expected: string): string | number | boolean | undefined {
  if (expected === 'string')
    return typeof data === 'number' || typeof data === 'boolean' ? (source ?? String(data)) : undefined
  if (typeof data !== 'string') return undefined
  const meant = plainScalar(data.trim())
  if (expected === 'boolean') return typeof meant === 'boolean' ? meant : undefined
  return ['number', 'int'].includes(expected) && typeof meant === 'number' ? meant : undefined
}

function property(of: unknown, key: PropertyKey): unknown {
  return typeof of === 'object' && of !== null ? Reflect.get(of, key) : undefined
}

const own = 'k3s_platform_'

/**
 * A problem for each `k3s_platform_*` variable of the hosts that nobody knows, with the hosts. Names without that prefix are left
 * alone. `known` are the names of all schemas and of the connection (`connectionNames`).
 */
export function unknownVars(hosts: readonly Host[], known: Iterable<string>): readonly HostProblems[] {
  const names = new Set(known)
  const shorts = [...names].filter((name) => name.startsWith(own)).map((name) => name.slice(own.length))
  const hostsOf = new Map<Variables, Host[]>()
  for (const host of hosts) {
    for (const layer of new Set(host.written.layers)) {
      const users = hostsOf.get(layer)
      if (users === undefined) hostsOf.set(layer, [host])
      else users.push(host)
    }
  }
  const budget = new Budget()
  return [...hostsOf].flatMap(([layer, users]) => {
    const unknown = [...layer].filter(([name]) => name.startsWith(own) && !names.has(name))
    if (unknown.length === 0) return []
    const problems = unknown.map(([name, value]) => {
      const close = suggestion(name.slice(own.length), shorts, budget)
      const hint =
        close === undefined ? 'variables without that prefix may have any name' : `did you mean ${own}${close}?`
      return usage(value, `unknown variable "${name}"`, hint)
    })
    return [{ hosts: users, problems }]
  })
}
