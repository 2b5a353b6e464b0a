// Turns flags, commands and roles that do not exist into problems with the nearest that does.

import type { Problem } from '../engine/problem.ts'
import { nearest } from '../engine/suggest.ts'
import { COMMANDS } from './commands.ts'
import { shown, usage } from './flag-values.ts'
import { allFlags, belongs } from './flags.ts'

export function unknownFlags(words: readonly string[], command: string): Problem[] {
  const flags = allFlags().map(([name, flag]) => ({ name: `--${name}`, flag }))
  const known = flags.filter(({ flag }) => belongs(flag, command)).map(({ name }) => name)
  return words
    .filter((word) => word.startsWith('-') && word !== '--')
    .map((word) => {
      const [flag = word] = word.split('=')
      if (known.includes(flag)) return usage(flag, 'does not take a value', `remove ${shown(word.slice(flag.length))}`)
      const elsewhere = flags.find(({ name }) => name === flag)?.flag.only
      if (elsewhere) return usage(flag, `is not a flag of ${command}`, `it is a flag of: ${elsewhere.join(', ')}`)
      const near = flag.startsWith('--') ? nearest(flag, [...known, '--help', '--version']) : undefined
      return usage(flag, 'unknown flag', near ? `did you mean ${near}?` : `see: k3s-platform ${command} --help`)
    })
}

export function unknownCommand(name: string, argv: readonly string[]): Problem {
  if (name.startsWith('-')) {
    const command = COMMANDS.find((c) => argv.includes(c.name))
    const hint = command
      ? `flags come after the command: k3s-platform ${command.name} ${name} ...`
      : 'see: k3s-platform --help'
    return usage(name, 'is a flag where a command is expected', hint)
  }
  const near = nearest(
    name,
    COMMANDS.map((c) => c.name),
  )
  return usage(
    name,
    'unknown command',
    near ? `did you mean ${near}?` : `known: ${COMMANDS.map((c) => c.name).join(', ')}`,
  )
}

export function unknownRoles(words: readonly string[], roles: readonly string[]): Problem[] {
  return words
    .filter((word) => !roles.includes(word))
    .map((word) => {
      const near = nearest(word, roles)
      return usage(word, 'unknown role', near ? `did you mean ${near}?` : `known: ${roles.join(', ')}`)
    })
}
