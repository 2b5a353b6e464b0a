// Reads an INI inventory into the tree: host lines, [group], [group:children], [group:vars].

import { nearest } from '../engine/suggest.ts'
import { type Expression, parseLiteral } from './expression.ts'
import { expandHosts } from './hosts.ts'
import type { GroupNode, Place, Tree } from './tree.ts'
import { usage, type Value } from './value.ts'
import { splitWords } from './words.ts'

type Section = { readonly name: string; readonly kind: 'hosts' | 'children' | 'vars' | 'skip' }

export interface IniFile {
  readonly text: string
  /** The file as people see it, and its absolute path. */
  readonly shown: string
  readonly path: string
  /** It was encrypted: its values are secrets. */
  readonly secret: boolean
}

/** Adds the lines of one file. Mistakes become problems of the tree, which never repeat what may be a value. */
export function readIniInventory(tree: Tree, { text, shown, path: file, secret }: IniFile): void {
  let section: Section = { name: 'ungrouped', kind: 'hosts' }
  const defined = new Set(tree.groups.keys())
  const awaited = new Map<string, { readonly place: Place; readonly what: string }>()

  text.split(/\r?\n/).forEach((raw, index) => {
    const line = raw.trim()
    if (line === '' || line.startsWith('#') || line.startsWith(';')) return
    const indent = raw.length - raw.trimStart().length
    const at = (offset = 0) => `${shown}:${index + 1}:${indent + offset + 1}`
    const bad = (what: string, hint?: string) => tree.problems.push(usage(at(), what, hint))

    if (line.startsWith('[') && /^\[[^\]]*\]\s*(?:#.*)?$/.test(line)) {
      const [, name = '', kind = 'hosts'] = /^\[([^\]:\s]+)(?::(\w+))?\]/.exec(line) ?? []
      section = { name, kind: 'skip' }
      if (name === '') bad('a section is [group], [group:children] or [group:vars], without spaces')
      else if (kind === 'hosts' || kind === 'children' || kind === 'vars') {
        section = { name, kind }
        if (kind === 'vars') {
          if (!awaited.has(name))
            awaited.set(name, {
              place: { at: at(), path: '' },
              what: `[${name}:vars] is for a group that is not defined`,
            })
        } else {
          defined.add(name)
          tree.group(name, { at: at(), path: '' })
        }
      } else {
        const close = nearest(kind, ['children', 'vars'])
        bad(
          `unknown section type "${kind}"`,
          close === undefined ? 'known: children, vars' : `did you mean [${name}:${close}]?`,
        )
      }
      return
    }
    const group = () => tree.group(section.name, { at: at(), path: '' })
    switch (section.kind) {
      case 'hosts':
        hostLine(tree, group(), line, at, { file, secret })
        break
      case 'children': {
        const [name = '', rest = ''] = line.split(/\s*#.*$|\s+/, 2)
        if (rest !== '' && !rest.startsWith('#')) bad(`expected the name of a group, got "${line}"`)
        else {
          const place = { at: at(), path: section.name }
          tree.child(group(), tree.group(name, place), place)
          awaited.set(name, {
            place: { at: at(), path: '' },
            what: `[${section.name}:children] names a group that is not defined: "${name}"`,
          })
        }
        break
      }
      case 'vars': {
        const equals = line.indexOf('=')
        const key = line.slice(0, equals).trim()
        if (equals < 1 || key === '') bad(`expected name=value in [${section.name}:vars]`)
        else tree.groupVar(group(), key, typed(line.slice(equals + 1).trim(), { at: at(), path: key }, secret))
        break
      }
      default:
    }
  })
  for (const [name, { place, what }] of awaited) if (!defined.has(name)) tree.problems.push(usage(place, what))
}

function hostLine(
  tree: Tree,
  group: GroupNode,
  line: string,
  at: (offset?: number) => string,
  { file, secret }: { readonly file: string; readonly secret: boolean },
): void {
  const bad = (what: string, offset = 0, hint?: string) => tree.problems.push(usage(at(offset), what, hint))
  const words = splitWords(line, 'comments')
  if (words === undefined) return void bad('a quote is not closed')
  const [first, ...settings] = words
  if (first === undefined) return
  const hosts = expandHosts(first.text)
  if (typeof hosts === 'string') return void bad(hosts)
  const vars: [string, Value][] = []
  for (const { text, offset } of settings) {
    const equals = text.indexOf('=')
    const key = text.slice(0, equals)
    if (equals < 1) {
      bad('expected name=value after the name of the host', offset, 'no spaces around =; quote values that have spaces')
      break
    }
    vars.push([key, typed(text.slice(equals + 1), { at: at(offset), path: `${first.text}.${key}` }, secret)])
  }
  tree.addHosts(hosts, group, new Map(vars), { at: at(), path: first.text }, file)
}

/** A Python literal has its type, everything else is text: `True` is a boolean, `true` is not. */
function typed(text: string, { at, path }: Place, secret: boolean): Value {
  const place = secret ? { at, path, secret } : { at, path }
  const literal = parseLiteral(text)
  return literal === undefined
    ? { ...place, data: text }
    : located(
        literal,
        literal.is === 'literal' && typeof literal.value !== 'string' ? { ...place, source: text } : place,
      )
}

function located(expression: Expression, place: Place & Pick<Value, 'secret' | 'source'>): Value {
  if (expression.is === 'list') return { ...place, data: expression.items.map((item) => located(item, place)) }
  if (expression.is === 'map') {
    return { ...place, data: new Map(expression.entries.map(([key, item]) => [key, located(item, place)])) }
  }
  return { ...place, data: expression.is === 'literal' ? expression.value : null }
}
