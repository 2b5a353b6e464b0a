// Ansible's host patterns: which hosts `edge-*,staging:!db:&eu` means.

import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import type { Problem } from '../engine/problem.ts'
import { nearest } from '../engine/suggest.ts'
import type { Host } from './host.ts'
import { isAddress } from './hosts.ts'
import type { Inventory } from './load.ts'
import { usage } from './value.ts'

export interface Selection {
  /** In the order of the pattern; without one in the order of the inventory. */
  readonly hosts: readonly Host[]
  readonly problems: readonly Problem[]
}

/**
 * The hosts of `pattern` (default `all`) that are also in `limit`. A part that no host or group is called is a problem,
 * because a mistyped name would silently do less, or with `!` more, than was meant.
 */
export function selectHosts(inventory: Inventory, pattern: string | undefined, limit?: string | undefined): Selection {
  const problems: Problem[] = []
  const wanted = match(inventory, pattern ?? 'all', 'hosts', problems)
  const limited = limit === undefined ? undefined : match(inventory, limit, '--limit', problems)
  const hosts = limited === undefined ? wanted : wanted.filter((host) => limited.includes(host))
  const shown = [pattern, limit === undefined ? undefined : `--limit ${limit}`]
    .filter((text) => text !== undefined)
    .join(' ')
  if (hosts.length === 0 && problems.length === 0) {
    const what = inventory.hosts.length === 0 ? 'the inventory has no hosts' : `no host matches ${shown}`
    problems.push(usage(limit === undefined ? 'hosts' : '--limit', what))
  }
  // With a mistake in it a pattern selects nothing: what was meant may be less than what is left.
  return { hosts: problems.length === 0 ? hosts : [], problems }
}

function match(inventory: Inventory, text: string, flag: string, problems: Problem[]): readonly Host[] {
  const parts = split(text).flatMap((part) =>
    flag === '--limit' && part.startsWith('@') ? fromFile(inventory, part, problems) : [part],
  )
  const find = (part: string) => {
    const found = matchOne(inventory, part)
    if (typeof found !== 'string') return found
    problems.push(usage(flag, found, suggestion(inventory, part)))
    return []
  }
  const plain = parts.filter((part) => !/^[!&]/.test(part)).flatMap(find)
  const both = parts.filter((part) => part.startsWith('&')).map((part) => new Set(find(part.slice(1))))
  const not = new Set(parts.filter((part) => part.startsWith('!')).flatMap((part) => find(part.slice(1))))
  const start = parts.some((part) => !/^[!&]/.test(part)) ? plain : inventory.hosts
  return [...new Set(start)].filter((host) => both.every((set) => set.has(host)) && !not.has(host))
}

/** At commas and colons, but not inside brackets, addresses or regular expressions. */
function split(text: string): string[] {
  return text
    .split(/,(?![^{[(]*[}\])])/)
    .map((part) => part.trim())
    .flatMap((part) => (isAddressPart(part) || part.startsWith('~') ? [part] : part.split(/:(?![^[]*\])/)))
    .filter((part) => part !== '')
}

const isAddressPart = (text: string) => isAddress(text.replace(/^[!&]/, '').replace(/^\[(.*)\]$/, '$1'))

function fromFile(inventory: Inventory, part: string, problems: Problem[]): string[] {
  const path = part.slice(1)
  try {
    const lines = readFileSync(resolve(inventory.cwd, path), 'utf8').split('\n')
    return lines.map((line) => line.trim()).filter((line) => line !== '' && !line.startsWith('#'))
  } catch {
    problems.push(usage('--limit', `the file ${path} cannot be read`))
    return []
  }
}

/** The hosts of one part without its sign; a string is what is wrong with it. */
function matchOne(inventory: Inventory, part: string): readonly Host[] | string {
  const [, subscripted, from, to] = /^([^~].*)\[(-?\d+|\d+(?=[:-]))(?:([:-]\d*))?\]$/.exec(part) ?? []
  const expression = subscripted ?? part.replace(/^\[(.*:.*)\]$/, '$1')
  const test = tester(expression)
  if (typeof test === 'string') return test
  const groups = [...inventory.groups.values()].filter((group) => test(group.name))
  const names = new Set(groups.flatMap((group) => group.hosts))
  const byName = new Map(inventory.hosts.map((host) => [host.name, host]))
  if (groups.length === 0 || expression.startsWith('~') || /[*?[]/.test(expression)) {
    for (const host of inventory.hosts) if (test(host.name)) names.add(host.name)
  }
  if (names.size === 0 && groups.length === 0) return `no host or group matches "${part}"`
  const hosts = [...names].flatMap((name) => byName.get(name) ?? [])
  if (from === undefined) return hosts
  const first = Number(from)
  // [first:last] counts the last one in; [first:] goes to the end.
  const chosen =
    to === undefined
      ? hosts.slice(first, first === -1 ? undefined : first + 1)
      : hosts.slice(first, to.length > 1 ? Number(to.slice(1)) + 1 : undefined)
  return chosen.length > 0 ? chosen : `"${part}": "${expression}" has ${hosts.length} hosts, counted from 0`
}

function tester(expression: string): ((name: string) => boolean) | string {
  if (expression === 'all' || expression === '*') return (name) => name === 'all'
  if (!expression.startsWith('~') && !/[*?[]/.test(expression)) return (name) => name === expression
  const source = expression.startsWith('~') ? `^(?:${expression.slice(1)})` : `^(?:${glob(expression)})$`
  try {
    const regex = new RegExp(source)
    return (name) => regex.test(name)
  } catch {
    return `"${expression}" is not a regular expression`
  }
}

function glob(pattern: string): string {
  return pattern.replace(/\[(!?)([^\]]+)\]|[*?]|[^\w]/g, (found, negated?: string, set?: string) => {
    if (set !== undefined) return `[${negated === '!' ? '^' : ''}${set.replaceAll('\\', '\\\\')}]`
    return found === '*' ? '.*' : found === '?' ? '.' : `\\${found}`
  })
}

function suggestion(inventory: Inventory, part: string): string {
  const names = [...inventory.groups.keys(), ...inventory.hosts.map((host) => host.name)]
  const close = nearest(part, names)
  if (close !== undefined) return `did you mean ${close}?`
  const some = names.filter((name) => name !== 'ungrouped').slice(0, 8)
  return `there is: ${some.join(', ')}${names.length > some.length + 1 ? ', ...' : ''}`
}
