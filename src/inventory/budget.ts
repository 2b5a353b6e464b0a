// The bounds of an inventory: one budget for all of its files, and a problem with a position when it is exceeded.

import { ProblemError } from '../engine/problem.ts'
import { nearest } from '../engine/suggest.ts'
import { YAML_DEPTH } from '../files/yaml.ts'
import { isList, isMap, usage, type Value } from './value.ts'

/** A tenth of these is a big inventory. */
export const LIMITS = {
  bytes: 16_777_216,
  files: 20_000,
  tokens: 1_500_000,
  /** Aliases and templates count for what they stand for, and each 64 characters of a text as one more. */
  values: 1_000_000,
  hosts: 100_000,
  /** A host in a group, named there or below it. */
  memberships: 1_000_000,
  groups: 50_000,
  vaulted: 2_000,
  /** Characters of templates and of what they insert. */
  rendered: 67_108_864,
  /** Names that mistyped ones are compared with, for `did you mean`; without any left nothing is suggested. */
  comparisons: 50_000,
} as const

const NAMES: Readonly<Record<keyof typeof LIMITS, string>> = {
  bytes: 'bytes in its files',
  files: 'files and folders',
  tokens: 'tokens of YAML',
  values: 'values, with aliases and templates expanded',
  hosts: 'hosts',
  memberships: 'memberships of hosts in groups',
  groups: 'groups',
  vaulted: 'values encrypted with ansible-vault',
  rendered: 'characters of template output',
  comparisons: 'names to compare with',
}

/** Levels of maps, lists and groups inside each other, of brackets in a template, and of variables that refer to variables. */
export const DEPTH = YAML_DEPTH

/** Characters of a name: of a host, a group, a variable, a key. */
export const NAME = 1_000

export type BudgetPlace = string | Pick<Value, 'at' | 'path'>

export class Budget {
  readonly #spent = new Map<keyof typeof LIMITS, number>()

  left(what: keyof typeof LIMITS): number {
    return LIMITS[what] - (this.#spent.get(what) ?? 0)
  }

  /** Throws ProblemError when there is less left. */
  spend(what: keyof typeof LIMITS, amount: number, place: () => BudgetPlace): void {
    this.#spent.set(what, (this.#spent.get(what) ?? 0) + amount)
    if (this.left(what) < 0) throw exceeded(what, place())
  }
}

/** The nearest of the known names, as long as the budget has comparisons left. */
export function suggestion(name: string, known: Iterable<string>, budget: Budget): string | undefined {
  const names = budget.left('comparisons') > 0 ? [...known] : []
  if (names.length === 0 || names.length > budget.left('comparisons')) return undefined
  budget.spend('comparisons', names.length, () => '')
  return nearest(name, names)
}

export function exceeded(what: keyof typeof LIMITS, place: BudgetPlace): ProblemError {
  const text = `the inventory has more than ${LIMITS[what].toLocaleString('en-US')} ${NAMES[what]}`
  return new ProblemError(usage(place, text, 'split the inventory, and use its parts one at a time: -i PATH'))
}

export function tooDeep(place: BudgetPlace, what: string): ProblemError {
  return new ProblemError(usage(place, `${what} more than ${DEPTH} levels deep`))
}

interface Size {
  readonly values: number
  readonly depth: number
}

/** The sizes of lists and maps: a value that is shared is measured once. */
export type Sizes = WeakMap<Value, Size>

/** How much a value is when what it shares is written out. */
export function sizeOf(value: Value, known: Sizes): Size {
  const { data } = value
  if (!isList(data) && !isMap(data)) {
    return { values: 1 + (typeof data === 'string' ? Math.floor(data.length / 64) : 0), depth: 0 }
  }
  const before = known.get(value)
  if (before !== undefined) return before
  let values = 1
  let depth = 0
  for (const part of data.values()) {
    const size = sizeOf(part, known)
    values += size.values
    depth = Math.max(depth, size.depth)
  }
  const size = { values, depth: depth + 1 }
  known.set(value, size)
  return size
}
