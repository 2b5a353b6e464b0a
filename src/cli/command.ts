// The shape of a command: one declaration from which parsing, help, completion and the manual page are made.

import type { RunMode } from '../engine/events.ts'
import type { Problem } from '../engine/problem.ts'
import { nearest } from '../engine/suggest.ts'
import type { Flags } from './flag.ts'
import { type Read, usage } from './flag-values.ts'
import type { SharedName } from './flags.ts'
import type { Io } from './io.ts'
import type { CliOptions } from './options.ts'

export type Run = (io: Io) => Promise<number>

/** What the operands (arguments without a dash) are, and what is wrong with some. */
export interface Arguments {
  /** As the help writes it: `[role...]`. */
  readonly usage: string
  readonly are: 'roles' | 'hosts' | 'groups' | 'variables' | 'certificates' | 'none' | readonly string[]
  /** `where` is the command: `certs remove`. */
  problems(operands: readonly string[], where: string, roles: readonly string[]): Problem[]
}

/** What was typed, for a command's own options and rules. */
export interface Call {
  /** `certs remove`. */
  readonly where: string
  readonly operands: readonly string[]
  /** What stands behind `--`, for a command that passes it through. */
  readonly behind: readonly string[]
  /** The value of --output, one of the command's. */
  readonly format: string
  /** All that the program has, for commands about commands. */
  readonly commands: readonly Command[]
}

interface Facts {
  readonly name: string
  readonly about: string
  /** Heading in the help; verbs have none. */
  readonly group?: 'Every day' | 'Files' | 'Access' | 'Lifecycle' | 'Other'
  readonly mode: RunMode
  readonly arguments: Arguments
  /** Those beside the shared ones. */
  readonly flags: Flags
  /** The shared flags that it has; default: all. */
  readonly takes?: readonly SharedName[]
  /** Formats of `--output`, the default first. */
  readonly outputs: readonly string[]
  /** The roles that it is about; default: all. */
  readonly roles?: readonly string[]
  /** What stands behind `--` is a command line of another program. */
  readonly passesThrough?: true
  /** Up to three. */
  readonly examples: readonly (readonly [line: string, about: string])[]
  /** What exit codes 0 and 2 mean here. */
  readonly exits?: { readonly 0: string; readonly 2?: string }
}

interface Spec<F extends Flags, O> extends Facts {
  readonly flags: F
  /** The command's own options; `read` notes what is wrong with a value. */
  options(read: Read<keyof F & string>, call: Call): O
  /** Rules between options. */
  problems?(options: CliOptions & O, call: Call): Problem[]
  /** Loads the code of the command: late, because it is the slow part of a start. */
  load(): Promise<(options: CliOptions & O, io: Io) => Promise<number>>
}

/** One call of a command, its own options among all. */
interface Bound {
  readonly options: CliOptions
  readonly problems: readonly Problem[]
  load(): Promise<Run>
}

export interface Command extends Facts {
  readonly verbs: readonly Command[]
  /** Reads its own options and returns what completes them with the shared ones; absent: a verb is required. */
  readonly read?: (read: Read<string>, call: Call) => (shared: CliOptions) => Bound
}

/** Ties the type of a command's options to the function that takes them. */
export function command<const F extends Flags, O extends object>(spec: Spec<F, O>): Command {
  const { options, problems, load, ...facts } = spec
  return {
    ...facts,
    verbs: [],
    read: (read, call) => {
      const own = options(read, call)
      return (shared) => {
        const all = { ...shared, ...own }
        return {
          options: all,
          problems: problems?.(all, call) ?? [],
          load: async () => {
            const run = await load()
            return (io) => run(all, io)
          },
        }
      }
    },
  }
}

/** A command with verbs. `byDefault` is the verb that runs without any; none: a verb is required. */
export function commandGroup(
  facts: Pick<Command, 'name' | 'about' | 'group' | 'examples' | 'verbs'>,
  byDefault?: Command,
): Command {
  const [first] = facts.verbs
  const names = facts.verbs.map(({ name }) => name)
  return {
    mode: 'apply',
    outputs: first?.outputs ?? [],
    flags: {},
    ...(first?.takes && { takes: [...new Set(facts.verbs.flatMap(({ takes }) => takes ?? []))] }),
    ...byDefault,
    ...facts,
    arguments: {
      usage: byDefault ? '[verb]' : '<verb>',
      are: names,
      problems: (operands) =>
        operands.slice(0, 1).map((word) => {
          const near = nearest(word, names)
          const hint = near ? `did you mean ${near}?` : `known: ${names.join(', ')}`
          return usage(`${facts.name} ${word}`, 'unknown subcommand', hint)
        }),
    },
  }
}

export const NO_ARGUMENTS: Arguments = {
  usage: '',
  are: 'none',
  problems: (operands, where) => operands.map((word) => usage(word, `${where} does not take arguments`)),
}

export const HOSTS: Arguments = { usage: '[host...]', are: 'hosts', problems: () => [] }

export const ROLES: Arguments = {
  usage: '[role...]',
  are: 'roles',
  problems: (operands, _where, roles) =>
    operands
      .filter((word) => !roles.includes(word))
      .map((word) => {
        const near = nearest(word, roles)
        return usage(word, 'unknown role', near ? `did you mean ${near}?` : `known: ${roles.join(', ')}`)
      }),
}
