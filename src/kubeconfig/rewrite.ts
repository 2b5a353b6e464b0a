// Puts changed entries into the text of a kubeconfig and leaves every other byte as it is.

import { isDeepStrictEqual } from 'node:util'
import { isMap, isNode, isPair, isScalar, isSeq, type Node, parse, parseDocument, stringify } from 'yaml'
import { ProblemError } from '../engine/problem.ts'
import { type Kubeconfig, type KubeconfigFile, LISTS, type List, type NamedEntry } from './read.ts'

interface Edit {
  readonly from: number
  readonly to: number
  readonly text: string
}

const lists = Object.keys(LISTS) as readonly List[]
const style = { lineWidth: 0, aliasDuplicateObjects: false } as const

/**
 * The text whose meaning is `next`, which may differ in entries and the current context only. What is written in another way than
 * kubectl does (JSON, flow style) is written anew list by list. Throws when the result would not mean `next`.
 */
export function rewrite(file: KubeconfigFile, next: Kubeconfig, where: string): string {
  const { text, document } = file
  if (document === null) return `${text === '' || text.endsWith('\n') ? text : `${text}\n`}${stringify(next, style)}`
  for (const attempt of [spliced, renewed]) {
    const result = attempt(file, document.contents, next)
    if (result !== null && isDeepStrictEqual(meaning(result), meaning(stringify(next, style)))) return result
  }
  throw new ProblemError({
    kind: 'failed',
    where,
    what: 'its YAML cannot be edited without changing other entries',
    hint: 'use --print and merge by hand, or select another file with KUBECONFIG',
  })
}

function meaning(text: string): unknown {
  try {
    return parse(text)
  } catch {
    return undefined
  }
}

function spliced({ text, data }: KubeconfigFile, root: unknown, next: Kubeconfig): string | null {
  if (!isMap(root) || root.flow) return null
  const newline = text.includes('\r\n') ? '\r\n' : '\n'
  const edits: Edit[] = []
  const at = (key: string) => root.items.find((pair) => isScalar(pair.key) && pair.key.value === key)
  const append = (added: string) => {
    const end = endOfLine(text, endOf(root, text))
    edits.push({ from: end, to: end, text: newline + added })
  }
  for (const list of lists) {
    const wanted = next[list] ?? []
    const pair = at(list)
    const value = isNode(pair?.value) ? pair.value : null
    const items = isSeq(value) ? value.items.filter((item) => isMap(item)) : []
    const is = data[list] ?? []
    if (isDeepStrictEqual(is, wanted)) continue
    if (pair === undefined) {
      append(`${list}:${newline}${wanted.map((entry) => item(entry, 0, newline)).join(newline)}`)
      continue
    }
    if (!isNode(pair.key) || !pair.key.range) return null
    const colon = text.indexOf(':', pair.key.range[1]) + 1
    if (items.length === 0) {
      const added = wanted.map((entry) => newline + item(entry, 0, newline)).join('')
      edits.push({ from: colon, to: value?.range?.[1] ?? colon, text: added })
      continue
    }
    if (!isSeq(value) || value.flow || items.length !== is.length) return null
    const last = items.at(-1)
    if (wanted.length === 0) {
      edits.push({ from: colon, to: last ? endOf(last, text) : colon, text: ' []' })
      continue
    }
    let column = 0
    for (const [i, node] of items.entries()) {
      const [from = 0] = node.range ?? []
      const dash = text.lastIndexOf('-', from - 1)
      const lineStart = text.lastIndexOf('\n', dash) + 1
      column = dash - lineStart
      const entry = wanted.find(({ name }) => name === is[i]?.name)
      if (entry === undefined) edits.push({ from: lineStart, to: afterLine(text, endOf(node, text)), text: '' })
      else if (!isDeepStrictEqual(entry, is[i])) {
        edits.push({ from, to: endOf(node, text), text: lined(entry, from - lineStart, newline) })
      }
    }
    const end = last ? endOfLine(text, endOf(last, text)) : 0
    for (const entry of wanted.filter(({ name }) => !is.some((other) => other.name === name))) {
      edits.push({ from: end, to: end, text: newline + item(entry, column, newline) })
    }
  }
  const current = next['current-context'] ?? null
  if (current !== (data['current-context'] ?? null)) {
    const pair = at('current-context')
    const written = stringify(current, style).trimEnd()
    if (pair === undefined) append(`current-context: ${written}`)
    else if (isNode(pair.key) && pair.key.range) {
      const colon = text.indexOf(':', pair.key.range[1]) + 1
      const value = isNode(pair.value) ? pair.value.range : null
      edits.push({ from: colon, to: Math.max(colon, value?.[1] ?? colon), text: ` ${written}` })
    }
  }
  return applied(text, edits)
}

function applied(text: string, edits: readonly Edit[]): string {
  let result = ''
  let done = 0
  for (const edit of edits.toSorted((a, b) => a.from - b.from)) {
    result += text.slice(done, edit.from) + edit.text
    done = edit.to
  }
  return result + text.slice(done)
}

/** Where what is written of a node ends: comments behind it belong to what follows. */
function endOf(node: Node, text: string): number {
  if ((isMap(node) || isSeq(node)) && !node.flow) {
    const last: unknown = node.items.at(-1)
    const inner = isPair(last) ? (isNode(last.value) ? last.value : last.key) : last
    if (isNode(inner)) return endOf(inner, text)
  }
  const [start = 0, end = 0] = node.range ?? []
  return start + text.slice(start, end).trimEnd().length
}

function endOfLine(text: string, from: number): number {
  const end = text.indexOf('\n', from)
  if (end < 0) return text.length
  return text[end - 1] === '\r' ? end - 1 : end
}

function afterLine(text: string, from: number): number {
  const end = text.indexOf('\n', from)
  return end < 0 ? text.length : end + 1
}

function item(entry: NamedEntry, column: number, newline: string): string {
  return `${' '.repeat(column)}- ${lined(entry, column + 2, newline)}`
}

function lined(entry: NamedEntry, column: number, newline: string): string {
  return stringify(entry, style)
    .trimEnd()
    .split('\n')
    .join(newline + ' '.repeat(column))
}

function renewed({ text, data }: KubeconfigFile, _: unknown, next: Kubeconfig): string {
  if (isJson(text))
    return `${JSON.stringify(next, null, /\n([ \t]+)"/.exec(text)?.[1])}${text.endsWith('\n') ? '\n' : ''}`
  const document = parseDocument(text)
  for (const key of [...lists, 'current-context'] as const) {
    if (!isDeepStrictEqual(data[key], next[key])) document.set(key, next[key])
  }
  return document.toString({ lineWidth: 0 })
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}
