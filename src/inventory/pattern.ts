// Ansible's host patterns: which hosts `edge-*,staging:!db:&eu` means.

import { resolve } from 'node:path'
import type { Problem } from '../engine/problem.ts'
import { nearest } from '../engine/suggest.ts'
import { readRegularFile, reason } from '../files/read-file.ts'
import { compileGlob, isRegex, isWildcard, matchRegexes } from './glob.ts'
import type { Host } from './host.ts'
import { isAddress } from './hosts.ts'
import type { Inventory } from './load.ts'
import { usage } from './value.ts'

export interface Selection {
  /** In the order of the pattern; without one in the order of the inventory. */
  readonly hosts: readonly Host[]
  /** Warnings do not keep the hosts from being used. */
  readonly problems: readonly Problem[]
}

type Flag = 'hosts' | '--limit'

/**
 * The hosts of `pattern` (default `all`) that are also in `limit`. A pattern selects by something or is a problem: an empty one is
 * never taken for all hosts. A part of `limit` that matches nothing is a warning as long as others match, as in Ansible; one
 * that excludes nothing is a problem, because more would be done than was meant.
 */
export function selectHosts(inventory: Inventory, pattern: string | undefined, limit?: string | undefined): Selection {
  const problems: Problem[] = []
  const index = indexOf(inventory)
  const wanted = match(index, pattern ?? 'all', 'hosts', problems)
  const limited = limit === undefined ? undefined : new Set(match(index, limit, '--limit', problems))
  const hosts = limited === undefined ? wanted : wanted.filter((host) => limited.has(host))
  if (hosts.length === 0) {
    const shown = [pattern, limit === undefined ? undefined : `the limit ${limit}`].filter((text) => text !== undefined)
    const what = inventory.hosts.length === 0 ? 'the inventory has no hosts' : `no host matches ${shown.join(' and ')}`
    if (problems.length === 0) problems.push(usage(limit === undefined ? 'hosts' : '--limit', what))
    return { hosts: [], problems: problems.map((problem) => ({ ...problem, kind: 'usage' })) }
  }
  const isWrong = problems.some(({ kind }) => kind !== 'warning')
  return { hosts: isWrong ? [] : hosts, problems }
}

interface Index {
  readonly inventory: Inventory
  readonly hosts: ReadonlyMap<string, Host>
  /** Of all groups, then of all hosts. */
  readonly names: readonly string[]
}

function indexOf(inventory: Inventory): Index {
  const hosts = new Map(inventory.hosts.map((host) => [host.name, host]))
  return { inventory, hosts, names: [...inventory.groups.keys(), ...hosts.keys()] }
}

const MOST_CHARACTERS = 1000
/** Parts that may have to be tried on every name; names of hosts are not counted. */
const MOST_PARTS = 1000
const MOST_FILE_BYTES = 4_194_304
/** Names are compared with all others for a suggestion only so often. */
const MOST_SUGGESTIONS = 10

interface Term {
  readonly sign: '' | '!' | '&'
  readonly text: string
}

function match(index: Index, pattern: string, flag: Flag, problems: Problem[]): readonly Host[] {
  const { inventory } = index
  const wrong = problems.length
  const parts = split(pattern).flatMap((part) =>
    flag === '--limit' && part.startsWith('@') ? fromFile(inventory, part, problems) : [part],
  )
  const terms = parts.map(termOf)
  if (problems.length === wrong) problems.push(...termFaults(terms, index, flag, pattern))
  if (problems.length > wrong) return []

  const regexes = new Set(terms.filter(({ text }) => isRegex(text)).map(({ text }) => text.slice(1)))
  const byRegex = matchRegexes([...regexes], index.names)
  if ('why' in byRegex) {
    problems.push(usage(flag, `"~${byRegex.source}" ${byRegex.why}`))
    return []
  }
  const find = ({ sign, text }: Term): readonly Host[] => {
    const found = matchOne(index, text, byRegex)
    if (typeof found !== 'string') return found
    const hint = problems.length < MOST_SUGGESTIONS ? suggestion(index, text) : undefined
    const isIgnored = flag === '--limit' && sign === ''
    problems.push({ ...usage(flag, found, hint), kind: isIgnored ? 'warning' : 'usage' })
    return []
  }
  const of = (sign: Term['sign']) => terms.filter((term) => term.sign === sign)
  const plain = of('').length > 0 ? of('').flatMap(find) : inventory.hosts
  const both = of('&').map((term) => new Set(find(term)))
  const not = new Set(of('!').flatMap(find))
  return [...new Set(plain)].filter((host) => both.every((set) => set.has(host)) && !not.has(host))
}

function termOf(part: string): Term {
  const sign = part.startsWith('!') ? '!' : part.startsWith('&') ? '&' : ''
  return { sign, text: part.slice(sign.length).trim() }
}

function termFaults(terms: readonly Term[], { hosts }: Index, flag: Flag, pattern: string): Problem[] {
  const all = flag === '--limit' ? 'name hosts or groups; for all hosts: -l all' : 'name hosts or groups'
  if (terms.length === 0) return [usage(flag, `the pattern "${pattern}" contains no host or group`, all)]
  const empty = terms.find(({ text }) => text === '' || text === '~')
  if (empty !== undefined)
    return [usage(flag, `${empty.sign}${empty.text} is not followed by a pattern in "${pattern}"`, all)]
  if (terms.some(({ text }) => text.length > MOST_CHARACTERS))
    return [usage(flag, `a part of the pattern is longer than ${MOST_CHARACTERS} characters`)]
  if (terms.filter(({ sign, text }) => sign === '&' || !hosts.has(text)).length > MOST_PARTS)
    return [usage(flag, `more than ${MOST_PARTS} parts of the pattern are not names of hosts`)]
  return []
}

/** At commas and colons, but not inside brackets, addresses or regular expressions. */
function split(text: string): string[] {
  return splitAt(text, ',', '{[(', '}])')
    .map((part) => part.trim())
    .flatMap((part) => (isAddressPart(part) || part.startsWith('~') ? [part] : splitAt(part, ':', '[', ']')))
    .map((part) => part.trim())
    .filter((part) => part !== '')
}

/** Not where the next bracket closes: the separator is then inside of a pair. */
function splitAt(text: string, separator: string, opening: string, closing: string): string[] {
  const parts: string[] = []
  let end = text.length
  let isInside = false
  for (let i = text.length - 1; i >= 0; i--) {
    const c = text.charAt(i)
    if (closing.includes(c)) isInside = true
    else if (opening.includes(c)) isInside = false
    else if (c === separator && !isInside) {
      parts.push(text.slice(i + 1, end))
      end = i
    }
  }
  return [...parts, text.slice(0, end)].reverse()
}

const MOST_ADDRESS = 64
const isAddressPart = (text: string) =>
  text.length <= MOST_ADDRESS && isAddress(text.replace(/^[!&]/, '').replace(/^\[(.*)\]$/, '$1'))

/** One term a line. A file without one is a mistake: with other parts of the pattern it could mean all hosts. */
function fromFile(inventory: Inventory, part: string, problems: Problem[]): string[] {
  const typed = part.slice(1).trim()
  const refuse = (what: string): string[] => {
    problems.push(usage('--limit', what, 'use a file with one host or group per line: -l @failed.retry'))
    return []
  }
  if (typed === '') return refuse('@ requires a file name')
  const path = resolve(inventory.cwd, typed)
  try {
    const lines = readRegularFile(path, MOST_FILE_BYTES).toString('utf8').split('\n')
    const terms = lines.map((line) => line.trim()).filter((line) => line !== '' && !line.startsWith('#'))
    return terms.length > 0 ? terms : refuse(`the file ${typed} lists no host or group`)
  } catch (error) {
    return refuse(`the file ${typed} cannot be read: ${reason(error)}`)
  }
}

/** The hosts of one term; a string is what is wrong with it. */
function matchOne(
  { inventory, hosts: byName }: Index,
  text: string,
  byRegex: ReadonlyMap<string, ReadonlySet<string>>,
): readonly Host[] | string {
  const [, subscripted, from, to] = /^([^~].*)\[(-?\d+|\d+(?=[:-]))(?:([:-]\d*))?\]$/.exec(text) ?? []
  const expression = subscripted ?? text.replace(/^\[(.*:.*)\]$/, '$1')
  const names = new Set<string>()
  let isGroup = false
  if (expression === 'all' || expression === '*' || !isWildcard(expression)) {
    const group = inventory.groups.get(expression === '*' ? 'all' : expression)
    isGroup = group !== undefined
    for (const name of group?.hosts ?? [expression]) names.add(name)
  } else {
    const set = byRegex.get(expression.slice(1))
    const test = isRegex(expression) ? (name: string) => set?.has(name) : compileGlob(expression)
    for (const group of inventory.groups.values()) {
      if (!test(group.name)) continue
      isGroup = true
      for (const name of group.hosts) names.add(name)
    }
    for (const name of byName.keys()) if (test(name)) names.add(name)
  }
  const hosts = [...names].flatMap((name) => byName.get(name) ?? [])
  if (hosts.length === 0 && !isGroup) return `no host or group matches "${text}"`
  if (from === undefined) return hosts
  const first = Number(from)
  // [first:last] counts the last one in; [first:] goes to the end.
  const chosen =
    to === undefined
      ? hosts.slice(first, first === -1 ? undefined : first + 1)
      : hosts.slice(first, to.length > 1 ? Number(to.slice(1)) + 1 : undefined)
  return chosen.length > 0 ? chosen : `"${text}": "${expression}" has ${hosts.length} hosts, counted from 0`
}

function suggestion({ names }: Index, text: string): string {
  const close = nearest(text, names)
  if (close !== undefined) return `did you mean ${close}?`
  const known = names.filter((name) => name !== 'ungrouped')
  const some = known.slice(0, 8)
  return `known: ${some.join(', ')}${known.length > some.length ? ', ...' : ''}`
}
