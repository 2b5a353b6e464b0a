// Lists every k3s setting with its position in the inventory: variables, the config map, the drop-ins.

import { type Config, listOf } from '../k3s/config.ts'
import { longName } from '../k3s/flags.ts'
import type { Finding, Written } from '../role.ts'
import { own } from './config.ts'
import type { BootstrapVars } from './vars.ts'

export interface ConfigSetting {
  readonly key: string
  readonly value: unknown
  /** It adds to a list: `key+`. */
  readonly adds: boolean
  readonly path: Finding['path']
  /** The inventory says so, it is no default. */
  readonly given: boolean
  /** From a variable of its own, whose shape is checked already. */
  readonly own: boolean
}

export interface Element {
  readonly text: string
  readonly path: Finding['path']
  /** The inventory says so, it is no default. */
  readonly given: boolean
}

export class Settings {
  readonly all: readonly ConfigSetting[]

  constructor(vars: BootstrapVars, { given }: Pick<Written, 'given'>) {
    const made = own.flatMap(({ key, from, value }): ConfigSetting[] => {
      const found = value(vars, { address: '' })
      const variable = from.findLast((name) => given(name)) ?? from[0]
      if (found === undefined || variable === undefined) return []
      const clean = Array.isArray(found) ? found.filter((one) => one !== '') : found
      return [{ key, value: clean, adds: false, path: [variable], given: from.some((name) => given(name)), own: true }]
    })
    const mapped = (map: Config, path: Finding['path']) =>
      Object.entries(map).map(
        ([key, value]): ConfigSetting => ({
          key: longName(key.replace(/\+$/, '')),
          value,
          adds: key.endsWith('+'),
          path: [...path, key],
          given: true,
          own: false,
        }),
      )
    this.all = [
      ...made,
      ...mapped(vars.k3s_platform_k3s_config, ['k3s_platform_k3s_config']),
      ...Object.entries(vars.k3s_platform_k3s_config_dropins)
        .toSorted(([a], [b]) => (a < b ? -1 : 1))
        .flatMap(([name, map]) => mapped(map, ['k3s_platform_k3s_config_dropins', name])),
    ]
  }

  /** The one that k3s goes by. */
  of(key: string): ConfigSetting | undefined {
    return this.all.findLast((setting) => setting.key === key && !setting.adds)
  }

  /** All elements of a list that k3s goes by, each with its place; commas part those within one text where `commas`. */
  list(key: string, commas = true): Element[] {
    const base = this.of(key)
    const adding = this.all.filter((one) => one.key === key && one.adds)
    return [...(base ? [base] : []), ...adding].flatMap(({ value, path, given }) =>
      listOf(value).flatMap((one, i) => {
        if (typeof one === 'object') return []
        const at = Array.isArray(value) ? [...path, i] : path
        const parts = commas ? String(one).split(',') : [String(one)]
        return parts.map((text) => ({ text: text.trim(), path: at, given }))
      }),
    )
  }
}
