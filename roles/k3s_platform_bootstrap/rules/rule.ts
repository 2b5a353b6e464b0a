// Defines what the rules of this role read.

import type { RoleContext } from '../../role.ts'
import type { RoleRule } from '../../rules/rule.ts'
import type { Settings } from '../settings.ts'
import type { BootstrapVars } from '../vars.ts'

export interface Asked {
  readonly v: BootstrapVars
  readonly settings: Settings
  readonly context: Pick<RoleContext, 'address'>
  given(variable: string): boolean
}

export type VariableRule = RoleRule<keyof BootstrapVars & string, Asked>

/** Where k3s's own settings are said. */
export const CONFIG = ['k3s_platform_k3s_config', 'k3s_platform_k3s_config_dropins'] as const
