// Rules for values of settings and arguments: their type, and one value for each.

import { isIP } from 'node:net'
import { type Form, flags, repeatable, type Shape, secretKeys } from '../../k3s/flags.ts'
import type { Finding } from '../../role.ts'
import { DNS_NAME } from '../../rules/rule.ts'
import type { ConfigSetting, Element } from '../settings.ts'
import type { BootstrapVars } from '../vars.ts'

export const expected: Readonly<Record<Shape, string>> = {
  text: 'a string',
  number: 'an integer',
  'true or false': 'true or false',
  list: 'a list of strings',
}

export function fits(shape: Shape, value: unknown): boolean {
  const scalar = ['string', 'number', 'boolean'].includes(typeof value)
  if (shape === 'list') return scalar || (Array.isArray(value) && value.every((one) => fits('text', one)))
  if (shape === 'number') return scalar && /^\d+$/.test(String(value))
  if (shape === 'true or false') return scalar && /^(true|false)$/.test(String(value))
  return scalar
}

/** Durations are Go's (time.ParseDuration), schedules those of robfig/cron, which k3s has in it. */
export const forms: Readonly<Record<Form, { readonly expected: string; fits(text: string): boolean }>> = {
  address: { expected: 'an IP address', fits: (text) => isIP(text) > 0 },
  name: { expected: 'a DNS name', fits: (text) => DNS_NAME.test(text) },
  duration: {
    expected: 'a duration such as 5m or 1h30m',
    fits: (text) => /^(\d+(\.\d+)?(ns|us|µs|ms|s|m|h))+$/.test(text),
  },
  schedule: {
    expected: 'a schedule of five fields such as "0 */12 * * *"',
    fits: (text) =>
      /^((CRON_)?TZ=\S+ +)?(@(yearly|annually|monthly|weekly|daily|midnight|hourly)|@every \S+|[\d*?/,a-z-]+( +[\d*?/,a-z-]+){4})$/i.test(
        text,
      ),
  },
  registry: {
    expected: 'a host or host:port, without a scheme',
    fits: (text) => /^(\[[\da-f:]+\]|[a-z0-9.-]+)(:\d+)?(\/[\w./-]+)?$/i.test(text),
  },
  server: { expected: 'a URL such as https://192.0.2.7:6443', fits: (text) => /^https:\/\/[^\s/]+\/?$/.test(text) },
}

export function differ(v: BootstrapVars): boolean {
  const trim = (path = '') => path.replace(/\/+$/, '')
  return trim(v.k3s_platform_install_dir) !== trim(v.k3s_platform_data_dir)
}

/** Settings whose value an earlier one contradicts. */
export function twice(all: readonly Pick<ConfigSetting, 'key' | 'value' | 'path'>[]): Finding[] {
  return all.flatMap(({ key, value, path }, i): Finding[] => {
    const first = all.slice(0, i).find((one) => one.key === key && JSON.stringify(one.value) !== JSON.stringify(value))
    if (first === undefined || secretKeys[key] !== undefined) return []
    const list = flags.get(key) === 'list'
    return [
      {
        path,
        what: `two values for ${key}: ${Array.isArray(value) ? 'another list' : String(first.value)} in ${String(first.path[0])}${Array.isArray(value) ? '' : `, here ${String(value)}`}`,
        hint: list ? `keep one, or append to the list with ${key}+` : 'keep one',
      },
    ]
  })
}

export function argument({ text, path }: Element): Finding[] {
  if (text.startsWith('-'))
    return [{ path, what: `"${text}" starts with a dash`, hint: `write ${text.replace(/^-+/, '')}` }]
  if (/^[a-z][a-z0-9-]*(=.*)?$/s.test(text)) return []
  return [{ path, what: `expected name=value, got "${text}"` }]
}

export function asSetting({ text, path }: Element): Pick<ConfigSetting, 'key' | 'value' | 'path'>[] {
  const [key = '', ...value] = text.split('=')
  return repeatable.has(key) ? [] : [{ key, value: value.join('='), path }]
}
