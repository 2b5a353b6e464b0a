// Applies a role's table of rules to its variables, and holds what rules of all roles share.

import { nearest } from '../../src/engine/suggest.ts'
import type { Finding, Written } from '../role.ts'

/** A rule that reads some variables, and reports all that is wrong with them. */
export interface RoleRule<Name, Input> {
  /** The rule has nothing to say while one of these is ill-formed by itself. */
  readonly reads: readonly Name[]
  find(input: Input): readonly Finding[]
}

/** All findings of all rules. */
export function findingsOf<Name extends string, Input>(
  rules: readonly RoleRule<Name, Input>[],
  input: Input,
  written: Written,
): Finding[] {
  return rules.filter(({ reads }) => !reads.some((name) => written.broken(name))).flatMap(({ find }) => find(input))
}

/** Whether the inventory sets a variable to something usable. */
export const givenIn = (written: Written) => (variable: string) => written.given(variable) && !written.broken(variable)

export const DNS_NAME = /^(\*\.)?([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.?$/i

export const quoted = (value: unknown): string =>
  Array.isArray(value) ? 'a list' : typeof value === 'object' && value !== null ? 'a map' : JSON.stringify(value)

/** The nearest known name, or else this. */
export function hintOf(name: string, known: Iterable<string>, otherwise: string): string {
  const near = nearest(name, known)
  return near === undefined ? otherwise : `did you mean ${near}?`
}
