// The value of each flag: as typed, else from its environment variable; what cannot be understood is told.

import type { Problem } from '../engine/problem.ts'
import type { Raw } from './commands.ts'
import { type FlagName, variableOf } from './flags.ts'

export type Env = Readonly<Record<string, string | undefined>>

const ON = ['1', 'true', 'yes', 'on']
const OFF = ['0', 'false', 'no', 'off']

export interface Read {
  on(name: FlagName): boolean
  /** As `on`, and null when neither the flag nor its variable says anything. */
  said(name: FlagName): boolean | null
  count(name: FlagName): number
  last(name: FlagName): string | null
  all(name: FlagName): readonly string[]
  as<T>(name: FlagName, expected: string, convert: (text: string) => T | undefined): T | undefined
}

/** A flag wins over its variable; an empty variable is none. */
export function reader(raw: Raw, env: Env, problems: Problem[]): Read {
  const find = (
    name: FlagName,
  ): { readonly where: string; readonly values: readonly string[]; readonly typed: boolean } => {
    const typed = raw.get(name)
    if (typed) return { where: `--${name}`, values: typed, typed: true }
    const where = variableOf(name)
    return { where, values: (env[where] ?? '').split('\n').filter((line) => line.trim() !== ''), typed: false }
  }
  const as: Read['as'] = (name, expected, convert) => {
    const { where, values } = find(name)
    const text = values.at(-1)
    if (text === undefined) return undefined
    const value = convert(text)
    if (value === undefined) problems.push(usage(where, `expected ${expected}, got ${JSON.stringify(text)}`))
    return value
  }
  const said: Read['said'] = (name) => find(name).typed || (as(name, 'true or false', truth) ?? null)
  const all = (name: FlagName) => {
    const { where, values } = find(name)
    for (const value of values)
      if (value.trim() === '') problems.push(usage(where, 'is empty', 'give it a value or leave it out'))
    return values
  }
  return {
    as,
    all,
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

function truth(text: string): boolean | undefined {
  const word = text.trim().toLowerCase()
  return ON.includes(word) || (OFF.includes(word) ? false : undefined)
}

export function wholeNumber(text: string, least: number, most: number): number | undefined {
  const n = Number(text)
  return /^\d+$/.test(text.trim()) && n >= least && n <= most ? n : undefined
}

/** A mistake on the command line; `where` is the flag, its variable or the word. */
export function usage(where: string, what: string, hint?: string): Problem {
  return { kind: 'usage', where, what, ...(hint === undefined ? {} : { hint }) }
}
