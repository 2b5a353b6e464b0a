// From a host's variables to typed ones: zod checks, mistakes get the position of the exact value.

import type { z } from 'zod'
import type { Problem } from '../engine/problem.ts'
import { nearest } from '../engine/suggest.ts'
import type { Host } from './host.ts'
import { describe, keysAt, metaAt } from './issues.ts'
import { sorted } from './problems.ts'
import type { Env } from './template.ts'
import { descend, holdsSecret, isSecretName, plain, usage, type Value } from './value.ts'
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
  options: { readonly emptyIsUnset?: boolean; readonly env?: Env } = {},
): BoundVars<z.output<S>> {
  const problems: Problem[] = []
  const values = new Map<string, Value>()
  for (const name of Object.keys(schema.shape)) {
    const found = host.get(name)
    problems.push(...found.problems)
    const empty = options.emptyIsUnset && (found.value?.data === '' || found.value?.data === null)
    const value = found.value === undefined || empty ? fromEnv(schema, name, options.env) : found.value
    if (value !== undefined) values.set(name, value)
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
    problems.length === 0 ? [] : Object.keys(schema.shape).filter((n) => host.get(n).problems.length > 0),
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

function fromEnv(schema: z.ZodType, name: string, env: Env = {}): Value | undefined {
  const names = metaAt(schema, [name]).env
  const source = (Array.isArray(names) ? names : []).find((one) => env[String(one)])
  const data = source === undefined ? undefined : env[source]
  return data === undefined ? undefined : { at: 'environment', path: source, data, unsafe: true }
}

/** A union whose alternatives fail deeper inside: the mistake is what the alternative that came furthest says. */
function flatten(issue: z.core.$ZodIssue): readonly z.core.$ZodIssue[] {
  if (issue.code !== 'invalid_union') return [issue]
  const deep = issue.errors.filter((errors) => errors.length > 0 && errors.every((e) => e.path.length > 0))
  const [best] = deep.sort((a, b) => a.length - b.length)
  if (best === undefined) return [issue]
  return best.map((inner) => ({ ...inner, path: [...issue.path, ...inner.path] })).flatMap(flatten)
}

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
 * A problem for each `k3s_platform_*` variable of the host that nobody knows. Names without that prefix are left alone.
 * `known` are the names of all schemas and of the connection (`connectionNames`).
 */
export function unknownVars(host: Host, known: Iterable<string>): readonly Problem[] {
  const names = new Set(known)
  return [...host.names()].flatMap((name) => {
    if (!name.startsWith(own) || names.has(name)) return []
    const shorts = [...names].filter((n) => n.startsWith(own)).map((n) => n.slice(own.length))
    const close = nearest(name.slice(own.length), shorts)
    const hint =
      close === undefined ? 'other variables may have any name without that prefix' : `did you mean ${own}${close}?`
    return [usage(host.where([name]), `unknown variable "${name}"`, hint)]
  })
}
