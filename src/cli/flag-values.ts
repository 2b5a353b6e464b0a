// Reads the value of each flag from argv or its environment variable, and reports invalid values.

import type { Problem } from '../engine/problem.ts'
import { type Flag, type Flags, spellings, variableOf } from './flag.ts'

/** What was typed, by long flag: one entry each time it was given. */
export type Raw = Map<string, string[]>

export type Env = Readonly<Record<string, string | undefined>>

const ON = ['1', 'true', 'yes', 'on']
const OFF = ['0', 'false', 'no', 'off']

/** Of the flags `Name`. */
export interface Read<Name extends string> {
  on(name: Name): boolean
  /** As `on`, and null when neither the flag nor its variable says anything. */
  said(name: Name): boolean | null
  count(name: Name): number
  last(name: Name): string | null
  all(name: Name): readonly string[]
  /** Names with commas between them. A list without a name is a mistake. */
  names(name: Name): readonly string[]
  as<T>(name: Name, expected: string, convert: (text: string) => T | undefined): T | undefined
}

/**
 * A flag wins over its variable; an empty variable is none, unless the flag narrows what is done. `fromEnv` gets those whose
 * value is that of a variable.
 */
export function reader(
  raw: Raw,
  env: Env,
  problems: Problem[],
  flags: Flags,
  fromEnv: Map<string, Flag>,
): Read<string> {
  const find = (
    name: string,
  ): { readonly where: string; readonly values: readonly string[]; readonly typed: boolean } => {
    const typed = raw.get(name)
    if (typed) return { where: `--${name}`, values: typed, typed: true }
    const where = variableOf(name)
    const flag = flags[name]
    const text = env[where]
    if (text?.trim() === '' && flag?.narrows) return { where, values: [text], typed: false }
    const lines = flag?.kind === 'values' ? (text ?? '').split('\n') : [(text ?? '').trimEnd()]
    const values = lines.filter((line) => line.trim() !== '')
    if (flag !== undefined && values.length > 0) fromEnv.set(name, flag)
    return { where, values, typed: false }
  }
  const as: Read<string>['as'] = (name, expected, convert) => {
    const { where, values } = find(name)
    const text = values.at(-1)
    if (text === undefined) return undefined
    const value = convert(text)
    if (value === undefined) problems.push(usage(where, `expected ${expected}, got ${shown(text)}`))
    return value
  }
  const said: Read<string>['said'] = (name) => find(name).typed || (as(name, 'true or false', truth) ?? null)
  const all = (name: string) => {
    const { where, values } = find(name)
    const isText = name === 'extra-vars' ? isYamlText : isOneLine
    for (const value of values) {
      if (value.trim() === '') {
        const hint = where.startsWith('--') ? 'set a value or remove the flag' : `set a value, or: unset ${where}`
        problems.push(usage(where, 'is empty', hint))
      } else if (!isText(value)) problems.push(usage(where, `contains a control character: ${shown(value)}`))
    }
    return values
  }
  return {
    as,
    all,
    names: (name) => {
      const lists = all(name).filter((list) => list.trim() !== '')
      const found = lists.flatMap((list) => list.split(',')).map((one) => one.trim())
      const names = [...new Set(found.filter((one) => one !== ''))]
      if (names.length === 0 && lists.length > 0) problems.push(usage(find(name).where, 'contains no name'))
      return names
    },
    last: (name) => all(name).at(-1) ?? null,
    on: (name) => said(name) ?? false,
    said,
    count: (name) => {
      const { typed, values } = find(name)
      return Math.min(
        3,
        typed ? values.length : (as(name, 'a number from 0 to 3', (text) => wholeNumber(text, 0, 3)) ?? 0),
      )
    },
  }
}

/** For a path, an argument of a program or a name. */
export const isOneLine = (text: string): boolean => !/\p{Cc}/u.test(text)
const isYamlText = (text: string): boolean => isOneLine(text.replace(/[\t\r\n]/g, ''))

const SHOWN = 80

/** In quotes, without control characters, and not all of what is long. */
export function shown(text: string): string {
  return JSON.stringify(text.length > SHOWN ? `${text.slice(0, SHOWN)}...` : text)
}

function truth(text: string): boolean | undefined {
  const word = text.trim().toLowerCase()
  return ON.includes(word) || (OFF.includes(word) ? false : undefined)
}

export function wholeNumber(text: string, least: number, most: number): number | undefined {
  const n = Number(text)
  return /^\d+$/.test(text.trim()) && n >= least && n <= most ? n : undefined
}

/** The same problem, told of the variable where a flag's value came from it. */
export function asGiven(problem: Problem, fromEnv: ReadonlyMap<string, Flag>): Problem {
  for (const [name, of] of fromEnv) {
    const flag = spellings(of).find(
      (one) => problem.where.startsWith(one) && /^(?:$|[ :])/.test(problem.where.slice(one.length)),
    )
    if (flag !== undefined) return { ...problem, where: `${variableOf(name)}${problem.where.slice(flag.length)}` }
  }
  return problem
}

/** A mistake on the command line; `where` is the flag, its variable or the word. */
export function usage(where: string, what: string, hint?: string): Problem {
  return { kind: 'usage', where, what, ...(hint === undefined ? {} : { hint }) }
}
