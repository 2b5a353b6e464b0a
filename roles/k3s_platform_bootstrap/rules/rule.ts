// The shape of a rule, and the few words that all rules share.

import { nearest } from '../../../src/engine/suggest.ts'
import type { Finding, RoleContext } from '../../role.ts'
import type { Settings } from '../settings.ts'
import type { Vars } from '../vars.ts'

export interface Asked {
  readonly v: Vars
  readonly settings: Settings
  readonly context: Pick<RoleContext, 'address'>
  given(variable: string): boolean
}

export interface Rule {
  /** The rule has nothing to say while one of these is ill-formed by itself. */
  readonly reads: readonly (keyof Vars)[]
  find(asked: Asked): readonly Finding[]
}

/** Where k3s's own settings are said. */
export const CONFIG = ['k3s_platform_k3s_config', 'k3s_platform_k3s_config_dropins'] as const

export const DNS_NAME = /^(\*\.)?([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.?$/i

export const quoted = (value: unknown): string =>
  Array.isArray(value) ? 'a list' : typeof value === 'object' && value !== null ? 'a map' : JSON.stringify(value)

/** The nearest known name, or else this. */
export function hintOf(name: string, known: Iterable<string>, otherwise: string): string {
  const near = nearest(name, known)
  return near === undefined ? otherwise : `did you mean ${near}?`
}
