// Templates: resolves a host's variables, lazily, each at most once, with positions kept through references.

import { type Problem, ProblemError } from '../engine/problem.ts'
import { isSecretName } from '../engine/secret-names.ts'
import { TEXT_BYTES } from '../files/read-file.ts'
import { type Budget, DEPTH, exceeded, type Sizes, sizeOf, suggestion } from './budget.ts'
import { type Expression, type Part, parseTemplate, Unsupported } from './expression.ts'
import { isList, isMap, name as nameOf, type Scalar, usage, type Value, type Variables } from './value.ts'

export type TemplateEnv = Readonly<Record<string, string | undefined>>

/** `missing` says that the only thing wrong is an undefined name, which `default` may cure. */
class Failure extends Error {
  readonly problems: readonly Problem[]
  readonly missing: boolean
  constructor(problems: readonly Problem[], missing = false) {
    super(problems[0]?.what)
    this.problems = problems
    this.missing = missing
  }
}

export interface ResolvedTemplate {
  /** Undefined when the variable is not set, or when there are problems. */
  readonly value?: Value
  readonly problems: readonly Problem[]
}

/** Gives the templated value of a name. */
export type Resolve = (name: string) => ResolvedTemplate

export interface ResolverContext {
  /** For lookup('env', ...). */
  readonly env: TemplateEnv
  /** Variables that are not written, and that nothing overrides. */
  readonly magic: (name: string) => Value | undefined
  readonly budget: Budget
  /** Of all hosts, as are the values without a template: what they share is looked at once. */
  readonly sizes: Sizes
  readonly untemplated: WeakSet<Value>
}

/** The names of `variables` as templates of each other. Problems: undefined names, cycles, constructs outside the subset. */
export function resolver(variables: Variables, { env, magic, budget, sizes, untemplated }: ResolverContext): Resolve {
  const done = new Map<string, Value | Failure>()
  const open: string[] = []

  function variable(name: string): Value | undefined {
    const known = done.get(name)
    if (known instanceof Failure) throw known
    if (known !== undefined) return known
    const written = magic(name) ?? variables.get(name)
    if (written === undefined) return undefined
    if (open.includes(name)) {
      const cycle = [...open.slice(open.indexOf(name)), name].join(' -> ')
      throw new Failure([usage(written, `the variable refers to itself: ${cycle}`)])
    }
    if (open.length === DEPTH) {
      throw new Failure([usage(written, `the variable is referenced through more than ${DEPTH} others`)])
    }
    open.push(name)
    try {
      const value = measured(render(written))
      done.set(name, value)
      return value
    } catch (error) {
      if (error instanceof Failure) done.set(name, error)
      throw error
    } finally {
      open.pop()
    }
  }

  function measured(value: Value): Value {
    const { values, depth } = sizeOf(value, sizes)
    if (depth > DEPTH)
      throw new Failure([
        usage(value, `with its templates resolved, the value is nested more than ${DEPTH} levels deep`),
      ])
    if (values > budget.left('values')) throw new Failure(exceeded('values', value).problems)
    return value
  }

  function render(value: Value): Value {
    const { data } = value
    if (value.unsafe || untemplated.has(value)) return value
    if (typeof data === 'string') return /\{[{%#]/.test(data) ? text(value, data) : value
    if (isList(data)) {
      const items = collect(data.map((item) => () => render(item)))
      if (items.some((item, i) => item !== data[i])) return { ...value, data: items }
      untemplated.add(value)
      return value
    }
    if (isMap(data)) {
      const keys = [...data.keys()]
      const items = collect([...data.values()].map((item) => () => render(item)))
      const changed = keys.some((key, i) => data.get(key) !== items[i])
      if (changed) return { ...value, data: new Map(keys.flatMap((key, i) => pair(key, items[i]))) }
      untemplated.add(value)
      return value
    }
    return value
  }

  function text(value: Value, template: string): Value {
    let parts: readonly Part[]
    try {
      parts = parseTemplate(template)
    } catch (error) {
      if (!(error instanceof Unsupported)) throw error
      const hint = "supported: {{ name }}, {{ a.b[0] }}, default(...) and lookup('env', 'NAME')"
      throw new Failure([usage(value, `${error.message} is not supported in a template`, hint)])
    }
    const [only] = parts
    if (parts.length === 1 && only !== undefined && 'expression' in only) return evaluate(only.expression, value)
    let secret = value.secret ?? false
    let length = template.length
    const pieces = parts.map((part) => {
      if ('text' in part) return part.text
      const piece = evaluate(part.expression, value)
      secret ||= piece.secret ?? false
      const inserted = interpolated(piece, value)
      length += inserted.length
      if (length > TEXT_BYTES)
        throw new Failure([
          usage(
            value,
            `with its templates resolved, the string has more than ${TEXT_BYTES.toLocaleString('en-US')} characters`,
          ),
        ])
      return inserted
    })
    budget.spend('rendered', length, () => value)
    return made(value, pieces.join(''), secret)
  }

  function evaluate(expression: Expression, site: Value): Value {
    switch (expression.is) {
      case 'literal':
        return made(site, expression.value)
      case 'list':
        return measured(made(site, collect(expression.items.map((item) => () => evaluate(item, site)))))
      case 'map':
        return measured(made(site, new Map(expression.entries.map(([key, item]) => [key, evaluate(item, site)]))))
      case 'name': {
        const value = variable(expression.name)
        if (value === undefined) throw undefinedName(expression.name, site)
        return value
      }
      case 'get':
        return member(evaluate(expression.of, site), evaluate(expression.key, site).data, site, budget)
      case 'env': {
        const name = String(evaluate(expression.name, site).data)
        return { ...made(site, env[name] ?? '', isSecretName(name)), unsafe: true }
      }
      case 'default':
        return withDefault(expression, site)
    }
  }

  function withDefault(expression: Expression & { is: 'default' }, site: Value): Value {
    let value: Value | undefined
    try {
      value = evaluate(expression.of, site)
    } catch (error) {
      if (!(error instanceof Failure && error.missing)) throw error
    }
    const keep = value !== undefined && !(evaluate(expression.falsy, site).data === true && isFalsy(value.data))
    return keep && value !== undefined ? value : evaluate(expression.other, site)
  }

  function undefinedName(name: string, site: Value): Failure {
    if (name === 'hostvars' || name === 'omit') {
      return new Failure([usage(site, `"${name}" is not supported in a template`)])
    }
    const close = suggestion(name, variables.keys(), budget)
    const hint = close === undefined ? 'define it, or set a default with default(...)' : `did you mean ${close}?`
    return new Failure([usage(site, `the variable "${name}" is not defined`, hint)], true)
  }

  return (name) => {
    try {
      const value = variable(name)
      return value === undefined ? { problems: [] } : { value, problems: [] }
    } catch (error) {
      if (error instanceof Failure || error instanceof ProblemError) return { problems: error.problems }
      throw error
    }
  }
}

/** Runs all, so that the problems of every item are found. */
function collect(runs: readonly (() => Value)[]): readonly Value[] {
  const problems = new Set<Problem>()
  let missing = true
  const values = runs.flatMap((run) => {
    try {
      return [run()]
    } catch (error) {
      if (!(error instanceof Failure)) throw error
      for (const problem of error.problems) problems.add(problem)
      missing &&= error.missing
      return []
    }
  })
  if (problems.size > 0) throw new Failure([...problems], missing)
  return values
}

const pair = (key: string, value: Value | undefined): [string, Value][] => (value === undefined ? [] : [[key, value]])

function made(site: Value, data: Value['data'], secret = site.secret ?? false): Value {
  return secret ? { at: site.at, path: site.path, data, secret } : { at: site.at, path: site.path, data }
}

function member(of: Value, key: Value['data'], site: Value, budget: Budget): Value {
  const { data } = of
  let found: Value | undefined
  if (isMap(data)) found = data.get(String(key))
  else if (isList(data) && typeof key === 'number') found = data.at(key)
  if (found !== undefined) return found
  const close = isMap(data) ? suggestion(String(key), data.keys(), budget) : undefined
  const what = `${name(key)} is not in ${nameOf(isMap(data) ? {} : isList(data) ? [] : of.secret ? '***' : data)}`
  throw new Failure([usage(site, what, close === undefined ? undefined : `did you mean ${close}?`)], true)
}

const name = (key: Value['data']) => (typeof key === 'string' ? `"${key}"` : `index ${String(key)}`)

function isFalsy(data: Value['data']): boolean {
  if (isList(data)) return data.length === 0
  return isMap(data) ? data.size === 0 : data === null || data === '' || data === 0 || data === false
}

function interpolated(piece: Value, site: Value): string {
  const { data } = piece
  if (isList(data) || isMap(data)) {
    throw new Failure([usage(site, `${isMap(data) ? 'a map' : 'a list'} cannot be inserted into a string`)])
  }
  return spelled(data)
}

/** A scalar in text, spelled as Ansible does. */
function spelled(data: Scalar): string {
  if (typeof data === 'boolean') return data ? 'True' : 'False'
  return data === null ? '' : String(data)
}
