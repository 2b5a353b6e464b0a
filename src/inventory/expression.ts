// The grammar: the small part of Jinja2 expressions that inventories need, and Python literals, which are a part of it.

import { DEPTH } from './budget.ts'
import { Scanner } from './scanner.ts'
import type { Scalar } from './value.ts'

export type Expression =
  | { readonly is: 'literal'; readonly value: Scalar }
  | { readonly is: 'list'; readonly items: readonly Expression[] }
  | { readonly is: 'map'; readonly entries: readonly (readonly [string, Expression])[] }
  | { readonly is: 'name'; readonly name: string }
  | { readonly is: 'get'; readonly of: Expression; readonly key: Expression }
  | { readonly is: 'env'; readonly name: Expression }
  | { readonly is: 'default'; readonly of: Expression; readonly other: Expression; readonly falsy: Expression }

export type Part = { readonly text: string } | { readonly expression: Expression }

/** A construct outside the grammar; the message names it. */
export class Unsupported extends Error {}

/** Splits a template into text and expressions. Throws Unsupported. */
export function parseTemplate(template: string): readonly Part[] {
  const parts: Part[] = []
  const scan = new Scanner(template)
  let text = ''
  while (!scan.end()) {
    const open = template.slice(scan.i).search(/\{[{%#]/)
    text += open === -1 ? scan.take(Infinity) : scan.take(open)
    if (open === -1) break
    if (scan.eat('{%')) throw new Unsupported(`the statement {% ${scan.word() || ''} %}`)
    if (scan.eat('{#')) {
      const close = template.indexOf('#}', scan.i)
      if (close === -1) throw new Unsupported('a comment without #}')
      scan.i = close + 2
      continue
    }
    scan.eat('{{')
    if (/^[-+]/.test(scan.rest())) throw new Unsupported(`whitespace control ({{${scan.take(1)})`)
    const expression = parseExpression(scan, 'jinja')
    scan.space()
    if (!scan.eat('}}')) throw new Unsupported(construct(scan))
    if (text !== '') parts.push({ text })
    text = ''
    parts.push({ expression })
  }
  if (text !== '' || parts.length === 0) parts.push({ text })
  return parts
}

/** A Python literal, as Ansible reads the values of INI files, or undefined when the text is none. */
export function parseLiteral(text: string): Expression | undefined {
  if (!/^[-+.\d"'[({TFN]/.test(text)) return undefined
  try {
    const scan = new Scanner(text)
    const ended = () => /^\s*(?:#|$)/.test(scan.rest())
    const first = parseExpression(scan, 'python')
    const items = [first]
    const tuple = scan.next(',')
    while (tuple && !ended()) {
      items.push(parseExpression(scan, 'python'))
      if (!scan.next(',')) break
    }
    return ended() ? (tuple ? { is: 'list', items } : first) : undefined
  } catch (error) {
    if (error instanceof Unsupported) return undefined
    throw error
  }
}

type Dialect = 'jinja' | 'python'

function parseExpression(scan: Scanner, dialect: Dialect): Expression {
  const outside = scan.depth
  descend(scan)
  let left = postfix(scan, dialect)
  while (dialect === 'jinja' && scan.next('|')) {
    descend(scan)
    const filter = scan.match(/^\s*[A-Za-z_][\w.]*/)?.trim() ?? ''
    if (!['default', 'd', 'ansible.builtin.default'].includes(filter)) throw new Unsupported(`the filter "${filter}"`)
    const given = scan.next('(') ? args(scan) : { positional: [], named: new Map<string, Expression>() }
    left = {
      is: 'default',
      of: left,
      other: given.positional[0] ?? given.named.get('default_value') ?? { is: 'literal', value: '' },
      falsy: given.positional[1] ?? given.named.get('boolean') ?? { is: 'literal', value: false },
    }
  }
  scan.depth = outside
  return left
}

/** Brackets, filters and members alike are a level of what is evaluated. */
function descend(scan: Scanner): void {
  scan.depth++
  if (scan.depth > DEPTH) throw new Unsupported(`an expression with more than ${DEPTH} levels`)
}

function args(scan: Scanner) {
  const positional: Expression[] = []
  const named = new Map<string, Expression>()
  while (!scan.next(')')) {
    const key = /^([A-Za-z_]\w*)\s*=(?!=)/.exec(scan.rest())
    if (key?.[1] === undefined) positional.push(parseExpression(scan, 'jinja'))
    else {
      scan.take(key[0].length)
      named.set(key[1], parseExpression(scan, 'jinja'))
    }
    if (!scan.next(',') && !/^\s*\)/.test(scan.rest())) throw new Unsupported(construct(scan))
  }
  return { positional, named }
}

function postfix(scan: Scanner, dialect: Dialect): Expression {
  let left = primary(scan, dialect)
  while (dialect === 'jinja') {
    if (scan.next('[')) {
      descend(scan)
      const key = parseExpression(scan, dialect)
      if (!scan.next(']')) throw new Unsupported(scan.rest().startsWith(':') ? 'a slice [a:b]' : construct(scan))
      left = { is: 'get', of: left, key }
    } else if (/^\s*\.\w/.test(scan.rest())) {
      scan.next('.')
      descend(scan)
      const key = scan.match(/^\w+/) ?? ''
      if (/^\s*\(/.test(scan.rest())) throw new Unsupported(`the method ".${key}()"`)
      left = { is: 'get', of: left, key: { is: 'literal', value: /^\d+$/.test(key) ? Number(key) : key } }
    } else break
  }
  return left
}

const constants: Readonly<Record<Dialect, ReadonlyMap<string, Scalar>>> = {
  python: new Map<string, Scalar>([
    ['True', true],
    ['False', false],
    ['None', null],
  ]),
  jinja: new Map<string, Scalar>([
    ['True', true],
    ['False', false],
    ['None', null],
    ['true', true],
    ['false', false],
    ['none', null],
  ]),
}

function primary(scan: Scanner, dialect: Dialect): Expression {
  scan.space()
  const quoted = string(scan)
  if (quoted !== undefined) return { is: 'literal', value: quoted }
  const number = numeral(scan)
  if (number !== undefined) return { is: 'literal', value: number }
  if (scan.eat('[')) return { is: 'list', items: series(scan, dialect, ']') }
  if (scan.eat('{')) return { is: 'map', entries: pairs(scan, dialect) }
  if (scan.eat('(')) {
    if (dialect === 'python' && scan.next(')')) return { is: 'list', items: [] }
    const inner = parseExpression(scan, dialect)
    if (scan.next(')')) return inner
    if (dialect === 'python' && scan.next(',')) return { is: 'list', items: [inner, ...series(scan, dialect, ')')] }
    throw new Unsupported(construct(scan))
  }
  const name = scan.word()
  if (name === undefined && scan.rest().startsWith('}}')) throw new Unsupported('an empty expression')
  if (name === undefined && /^['"]/.test(scan.rest())) throw new Unsupported('an unclosed quote')
  if (name === undefined) throw new Unsupported(construct(scan))
  const constant = constants[dialect].get(name)
  if (constant !== undefined) return { is: 'literal', value: constant }
  if (dialect === 'python') throw new Unsupported(name)
  if (name === 'not') throw new Unsupported('the operator "not"')
  if (!/^\s*\(/.test(scan.rest())) return { is: 'name', name }
  if (name !== 'lookup') throw new Unsupported(`the function "${name}"`)
  scan.next('(')
  const { positional, named } = args(scan)
  const [plugin, variable] = positional
  const kind = plugin?.is === 'literal' ? String(plugin.value) : '...'
  if (kind !== 'env' && kind !== 'ansible.builtin.env') throw new Unsupported(`lookup('${kind}')`)
  if (variable === undefined || positional.length > 2 || named.size > 0) {
    throw new Unsupported("lookup('env') with anything but one name")
  }
  return { is: 'env', name: variable }
}

function series(scan: Scanner, dialect: Dialect, close: string): Expression[] {
  const items: Expression[] = []
  while (!scan.next(close)) {
    items.push(parseExpression(scan, dialect))
    scan.space()
    if (!scan.eat(',') && !scan.rest().startsWith(close)) throw new Unsupported(construct(scan))
  }
  return items
}

function pairs(scan: Scanner, dialect: Dialect): (readonly [string, Expression])[] {
  const entries: (readonly [string, Expression])[] = []
  while (!scan.next('}')) {
    const key = parseExpression(scan, dialect)
    if (key.is !== 'literal' || !scan.next(':')) throw new Unsupported('a map whose keys are not literals')
    entries.push([String(key.value), parseExpression(scan, dialect)])
    scan.space()
    if (!scan.eat(',') && !scan.rest().startsWith('}')) throw new Unsupported(construct(scan))
  }
  return entries
}

const escapes: Readonly<Record<string, string>> = {
  n: '\n',
  t: '\t',
  r: '\r',
  '\\': '\\',
  "'": "'",
  '"': '"',
  '0': '\0',
}

/** One or more adjacent quoted strings, which Python joins. */
function string(scan: Scanner): string | undefined {
  let all: string | undefined
  for (;;) {
    scan.space()
    const quoted = scan.match(/^(?:'[^'\\]*(?:\\[\s\S][^'\\]*)*'|"[^"\\]*(?:\\[\s\S][^"\\]*)*")/)
    if (quoted === undefined) return all
    all = (all ?? '') + unescaped(quoted.slice(1, -1))
  }
}

/** Replaces Python's backslash escapes; unknown ones stay as they are. */
export function unescaped(text: string): string {
  if (!text.includes('\\')) return text
  return text.replace(
    /\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|(.))/gs,
    (whole, x?: string, u?: string, c?: string) => {
      const code = x ?? u
      return code === undefined ? (escapes[c ?? ''] ?? whole) : String.fromCharCode(Number.parseInt(code, 16))
    },
  )
}

function numeral(scan: Scanner): number | undefined {
  const found =
    /^([-+]?)\s*(0[xX][\da-fA-F_]+|0[oO][0-7_]+|0[bB][01_]+|(?:\d[\d_]*\.?[\d_]*|\.\d[\d_]*)(?:[eE][-+]?\d+)?)/.exec(
      scan.rest(),
    )
  const body = found?.[2]
  if (found === null || body === undefined) return undefined
  if (/^0[\d_]*[1-9]/.test(body) && /^[\d_]+$/.test(body)) throw new Unsupported('a number that starts with 0')
  if (/__|_$/.test(body) || /^\w/.test(scan.rest().slice(found[0].length))) throw new Unsupported(`"${body}"`)
  const value = Number(body.replaceAll('_', '').replace(/\.$/, ''))
  const exact = Number.isFinite(value) && (!Number.isInteger(value) || Number.isSafeInteger(value))
  if (!exact) throw new Unsupported(`the number ${body.slice(0, 40)}`)
  scan.take(found[0].length)
  return found[1] === '-' ? -value : value
}

/** Names what stands where the grammar ends. */
function construct(scan: Scanner): string {
  scan.space()
  const rest = scan.rest()
  const [word] = /^[A-Za-z_]\w*/.exec(rest) ?? []
  if (word === 'if') return 'the "if" expression'
  if (word === 'is') return `the test "${/^is\s+(?:not\s+)?\w*/.exec(rest)?.[0] ?? 'is'}"`
  if (word !== undefined) return ['and', 'or', 'in', 'not'].includes(word) ? `the operator "${word}"` : `"${word}"`
  const [operator] = /^(?:==|!=|<=|>=|\*\*|\/\/|-(?=\}\})|[-+*/%~<>=])/.exec(rest) ?? []
  if (operator === '-' && rest.startsWith('-}}')) return 'whitespace control (-}})'
  if (operator !== undefined) return `the operator "${operator}"`
  return rest === '' ? 'an expression without }}' : `"${rest.charAt(0)}"`
}
