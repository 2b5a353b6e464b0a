// YAML as Ansible reads it (PyYAML's 1.1 words and numbers), every value with its position.

import {
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  type Pair,
  type ParsedNode,
} from 'yaml'
import type { Problem } from '../engine/problem.ts'
import { parseDocument, YamlFault } from '../files/yaml.ts'
import { type Budget, DEPTH, exceeded, NAME, type Sizes, sizeOf, tooDeep } from './budget.ts'
import { type Decrypt, decryptOrProblem } from './decrypt.ts'
import { child, type Scalar, usage, type Value } from './value.ts'

type Draft = { -readonly [K in keyof Value]: Value[K] }

export interface Parsed {
  /** Undefined for a file without content. */
  readonly value: Value | undefined
  readonly problems: readonly Problem[]
}

export interface YamlOptions {
  readonly budget: Budget
  /** Marks every value. */
  readonly secret?: boolean
  /** For `!vault` values. */
  readonly decrypt?: Decrypt | undefined
}

/**
 * Parses one document. `file` is what people see in positions. Of several syntax errors only the first is reported: the others
 * mostly follow from it. Throws ProblemError when the budget is exceeded.
 */
export async function parseYaml(text: string, file: string, options: YamlOptions): Promise<Parsed> {
  const { budget } = options
  const lines = new LineCounter()
  const problems: Problem[] = []
  const pending: Promise<void>[] = []
  const sizes: Sizes = new WeakMap()
  const anchors = new Map<string, Node>()
  const done = new Map<Node, Value>()
  const open = new Set<Node>()

  const at = (node: { range?: readonly number[] | null | undefined } | null, offset = node?.range?.[0] ?? 0) => {
    const { line, col } = lines.linePos(offset)
    return `${file}:${line}:${col}`
  }

  let document: Document.Parsed<ParsedNode> | undefined
  try {
    // The failsafe schema leaves every scalar a string, so that the rules for words and numbers are PyYAML's alone.
    document = parseDocument(text, lines, { version: '1.1', schema: 'failsafe', uniqueKeys: false }, (offset) =>
      budget.spend('tokens', 1, () => at(null, offset)),
    )
  } catch (error) {
    if (!(error instanceof YamlFault)) throw error
    const { offset, message, hint } = error
    const isTemplate = text.startsWith('{{', offset) || /:\s*\{\{/.test(lineAt(text, offset))
    const advice = isTemplate ? 'put a value that starts with {{ in quotes' : hint
    return { value: undefined, problems: [usage(at(null, offset), message, advice)] }
  }
  if (document === undefined) return { value: undefined, problems }

  function value(node: Node | null, place: string, path: string, unsafe = false): Value {
    if (isAlias(node)) {
      const target = anchors.get(node.source)
      if (target !== undefined && open.has(target)) {
        problems.push(usage({ at: place, path }, `the alias *${node.source} contains itself`))
      } else if (target !== undefined) {
        return done.get(target) ?? value(target, place, path, unsafe)
      } else problems.push(usage({ at: place, path }, `the anchor &${node.source} does not exist`))
      return { at: place, path, data: null }
    }
    const raw = unsafe || node?.tag === '!unsafe'
    const draft: Draft = {
      at: place,
      path,
      data: null,
      ...(raw && { unsafe: true }),
      ...(options.secret && { secret: true }),
    }
    if (node === null) return draft
    if (node.anchor !== undefined) anchors.set(node.anchor, node)
    const expected = isMap(node) ? `${core}map` : `${core}seq`
    if (!isScalar(node) && node.tag !== undefined && ![expected, '!unsafe', '!'].includes(node.tag)) {
      problems.push(unknownTag(draft, node.tag))
    }
    open.add(node)
    if (isMap(node)) draft.data = mapping(node.items, path, raw)
    else if (isSeq(node)) {
      draft.data = node.items.map((item, i) => {
        const element = asNode(item)
        return value(element, at(element), child(path, i), raw)
      })
    } else if (isScalar(node)) {
      const source = String(node.value ?? '')
      if (node.tag === '!vault' || node.tag === '!vault-encrypted') {
        draft.secret = true
        draft.unsafe = true
        budget.spend('vaulted', 1, () => draft)
        pending.push(vaulted(draft, source))
      } else {
        draft.data = scalar(source, node.type === 'PLAIN', node.tag, draft, problems)
        if (typeof draft.data !== 'string') draft.source = source
      }
    }
    open.delete(node)
    done.set(node, draft)
    const { values, depth } = sizeOf(draft, sizes)
    if (values > budget.left('values')) throw exceeded('values', draft)
    if (depth > DEPTH) throw tooDeep(draft, 'with its aliases expanded, the YAML is nested')
    return draft
  }

  function mapping(items: readonly Pair[], path: string, unsafe: boolean): ReadonlyMap<string, Value> {
    const entries = new Map<string, Value>()
    const merged: Value[] = []
    for (const pair of items) {
      const key = asNode(pair.key)
      const place = at(key)
      if (!isScalar(key)) {
        problems.push(
          usage(
            { at: place, path },
            'a map cannot be a key',
            'put a value that starts with {{ in quotes: "{{ name }}"',
          ),
        )
        continue
      }
      const name = String(key.value)
      if (name.length > NAME) {
        problems.push(usage({ at: place, path }, `a key has more than ${NAME.toLocaleString('en-US')} characters`))
        continue
      }
      const here = child(path, name)
      if (key.anchor !== undefined) anchors.set(key.anchor, key)
      if (key.tag !== undefined && key.tag !== '!') {
        if (!keyTags.includes(key.tag)) problems.push(unknownTag({ at: place, path: here }, key.tag))
      }
      if (name === '<<' && key.type === 'PLAIN') {
        const source = value(asNode(pair.value), place, here, unsafe)
        merged.push(...(Array.isArray(source.data) ? source.data : [source]))
        continue
      }
      const first = entries.get(name)
      if (first !== undefined) {
        problems.push(
          usage({ at: place, path: here }, `duplicate key "${name}"`, `the other one is at ${first.at}; keep one`),
        )
      }
      entries.set(name, value(asNode(pair.value), place, here, unsafe))
    }
    for (const source of merged) {
      if (!(source.data instanceof Map)) {
        problems.push(usage(source, '<< merges maps only'))
        continue
      }
      budget.spend('values', source.data.size, () => source)
      for (const [name, entry] of source.data) if (!entries.has(name)) entries.set(name, entry)
    }
    return entries
  }

  async function vaulted(draft: Draft, source: string): Promise<void> {
    const place = { at: draft.at, path: draft.path }
    const opened = await decryptOrProblem(options.decrypt, {
      place,
      format: 'ansible-vault',
      data: Buffer.from(source),
    })
    if (opened.problem !== undefined) problems.push(opened.problem)
    else draft.data = opened.text
  }

  const root = document.contents
  const result = root === null ? undefined : value(asNode(root), at(asNode(root)), '')
  if (result !== undefined) budget.spend('values', sizeOf(result, sizes).values, () => result)
  await Promise.all(pending)
  return { value: result, problems }
}

function asNode(node: unknown): Node | null {
  return isScalar(node) || isMap(node) || isSeq(node) || isAlias(node) ? node : null
}

function lineAt(text: string, offset: number): string {
  const start = text.lastIndexOf('\n', offset - 1) + 1
  const end = text.indexOf('\n', offset)
  return text.slice(start, end === -1 ? undefined : end)
}

const core = 'tag:yaml.org,2002:'

function scalar(source: string, isPlain: boolean, tag: string | undefined, draft: Draft, problems: Problem[]): Scalar {
  if (tag === undefined || tag === '!') return isPlain && tag === undefined ? plainScalar(source) : source
  if (tag === '!unsafe' || tag === `${core}str`) return source
  const types = typed.get(tag)
  if (types === undefined) problems.push(unknownTag(draft, tag))
  else {
    const meant = plainScalar(source)
    if (types.includes(meant === null ? 'null' : typeof meant)) return meant
    problems.push(usage(draft, `the value does not match its tag ${tag.replace(core, '!!')}`))
  }
  return source
}

const typed: ReadonlyMap<string, readonly string[]> = new Map([
  [`${core}int`, ['number']],
  [`${core}float`, ['number']],
  [`${core}bool`, ['boolean']],
  [`${core}null`, ['null']],
])
const keyTags = [`${core}str`, ...typed.keys()]

const unknownTag = (place: Pick<Value, 'at' | 'path'>, tag: string): Problem =>
  usage(place, `the tag ${tag.replace(core, '!!')} is not supported`, 'known: !vault, !unsafe, !!str, !!int')

const words: ReadonlyMap<string, Scalar> = new Map<string, Scalar>(
  (
    [
      [true, 'yes true on'],
      [false, 'no false off'],
      [null, 'null'],
    ] as const
  ).flatMap(([is, names]) =>
    names.split(' ').flatMap((word): [string, Scalar][] => {
      return [word, word.charAt(0).toUpperCase() + word.slice(1), word.toUpperCase()].map((form) => [form, is])
    }),
  ),
)

/** What a word without quotes means to Ansible: `yes` is true, `0644` octal, `1e3` text. */
export function plainScalar(source: string): Scalar {
  if (source === '' || source === '~') return null
  const word = words.get(source)
  if (word !== undefined) return word
  if (!/^[-+.0-9]/.test(source)) return source
  const digits = source.replaceAll('_', '')
  const [, sign = '', body = ''] = /^([-+]?)(.*)$/.exec(digits) ?? []
  const signed = (n: number): Scalar =>
    Number.isInteger(n) && !Number.isSafeInteger(n) ? source : sign === '-' ? -n : n
  if (/^[-+]?0b[01_]+$/.test(source)) return signed(Number.parseInt(body.slice(2), 2))
  if (/^[-+]?0x[0-9a-fA-F_]+$/.test(source)) return signed(Number.parseInt(body.slice(2), 16))
  if (/^[-+]?0[0-7_]+$/.test(source)) return signed(Number.parseInt(body, 8))
  if (/^[-+]?(?:0|[1-9][0-9_]*)$/.test(source)) return signed(Number(body))
  if (/^[-+]?[1-9][0-9_]*(?::[0-5]?[0-9])+$/.test(source)) {
    return signed(body.split(':').reduce((sum, part) => sum * 60 + Number(part), 0))
  }
  if (/^[-+]?(?:[0-9][0-9_]*\.[0-9_]*|\.[0-9][0-9_]*)(?:[eE][-+][0-9]+)?$/.test(source)) {
    return sign === '-' ? -Number(body) : Number(body)
  }
  if (/^[-+]?\.(?:inf|Inf|INF)$/.test(source)) return sign === '-' ? -Infinity : Infinity
  return source
}
