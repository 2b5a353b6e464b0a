// Reports words that no command, flag or verb has, with the nearest one that exists.

import type { Problem } from '../engine/problem.ts'
import { nearest } from '../engine/suggest.ts'
import type { Command } from './command.ts'
import { COMMANDS } from './commands.ts'
import { type Raw, shown, usage } from './flag-values.ts'
import { sharedFlagsOf } from './help.ts'
import type { NamedCommand } from './parser.ts'

export function unknownFlags(words: readonly string[], { command, where }: NamedCommand): Problem[] {
  const known = Object.keys({ ...sharedFlagsOf(command), ...command.flags }).map((name) => `--${name}`)
  return words
    .filter((word) => word.startsWith('-') && word !== '--')
    .map((word) => {
      const [flag = word] = word.split('=')
      if (known.includes(flag)) return usage(flag, 'does not take a value', `remove ${shown(word.slice(flag.length))}`)
      const others = COMMANDS.filter((other) => hasFlag(other, flag.slice(2))).map(({ name }) => name)
      if (flag.startsWith('--') && others.length > 0) {
        return usage(flag, `is not a flag of ${where}`, `it is a flag of: ${others.join(', ')}`)
      }
      const near = flag.startsWith('--') ? nearest(flag, [...known, '--help', '--version']) : undefined
      return usage(flag, 'unknown flag', near ? `did you mean ${near}?` : `see: k3s-platform ${where} --help`)
    })
}

const hasFlag = (command: Command, name: string): boolean =>
  Object.hasOwn(command.flags, name) ||
  Object.hasOwn(sharedFlagsOf(command), name) ||
  command.verbs.some((verb) => hasFlag(verb, name))

/** Flags of another verb, which the command parses for all of its verbs. */
export function foreignFlags(raw: Raw, named: NamedCommand): Problem[] {
  const { command } = named
  const own = { ...sharedFlagsOf(command), ...command.flags }
  return [...raw.keys()]
    .filter((name) => !Object.hasOwn(own, name))
    .map((name) => usage(`--${name}`, `is not supported by ${fullName(named)}`, 'remove it'))
}

/** `certs list` also where only `certs` was typed. */
export function fullName({ where, command }: NamedCommand): string {
  const verb = command.verbs.find(({ read }) => read === command.read)
  return verb === undefined ? where : `${where} ${verb.name}`
}

export function unknownCommand(name: string, argv: readonly string[]): Problem {
  const names = COMMANDS.map((one) => one.name)
  if (name.startsWith('-')) {
    const command = names.find((one) => argv.includes(one))
    const hint = command
      ? `flags come after the command: k3s-platform ${command} ${name} ...`
      : 'see: k3s-platform --help'
    return usage(name, 'is a flag where a command is expected', hint)
  }
  const near = nearest(name, names)
  return usage(name, 'unknown command', near ? `did you mean ${near}?` : `known: ${names.join(', ')}`)
}
