// Makes commander's commands from the declarations and parses argv with them; nothing is printed, and nothing exits.

import { Command as Commander, CommanderError, Option } from 'commander'
import type { Command } from './command.ts'
import { COMMANDS } from './commands.ts'
import type { Flags } from './flag.ts'
import type { Raw } from './flag-values.ts'
import { afterFlags, describedFlags, EXIT_CODES, sharedFlagsHelp, sharedFlagsOf, WIDTH } from './help.ts'

/** A command or verb with its full name: `certs remove`. */
export interface NamedCommand {
  readonly where: string
  readonly command: Command
  /** Of a verb: the command that it belongs to. */
  readonly parent?: Command
}

export type ParsedArgv =
  | (NamedCommand & {
      readonly is: 'call'
      readonly operands: readonly string[]
      /** From the first word on that is no flag of the command; values of unknown flags are among them. */
      readonly unknown: readonly string[]
    })
  | (NamedCommand & { readonly is: 'incomplete'; readonly flag: string })
  /** `requested`: by --help or --version. */
  | { readonly is: 'print'; readonly text: string; readonly requested: boolean }
  | { readonly is: 'unknown command'; readonly name: string }

/** Collects the values of flags in `raw`. */
export function parseArgv(argv: readonly string[], raw: Raw, version: string): ParsedArgv {
  const [first = '', ...rest] = argv
  if (first === 'help' && rest[0] === 'flags') return { is: 'print', text: sharedFlagsHelp(), requested: true }
  if (first === 'help') return parseArgv([...rest, '--help'], raw, version)
  const isKnown = ['', '-h', '--help', '--version'].includes(first) || COMMANDS.some(({ name }) => name === first)
  if (!isKnown) return { is: 'unknown command', name: first }
  let text = ''
  let parsed: ParsedArgv | undefined
  let current: NamedCommand | undefined
  const root = rootCommand(argv, {
    ...{ raw, version },
    write: (more) => {
      text += more
    },
    enter: (named) => {
      current = named
    },
    run: (named, operands, unknown) => {
      parsed = { is: 'call', ...named, operands, unknown }
    },
  })
  try {
    root.parse(first === '' ? [] : argv, { from: 'user' })
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    if (error.code !== 'commander.optionMissingArgument') return { is: 'print', text, requested: error.exitCode === 0 }
    const flag = /--[a-z-]+/.exec(error.message)?.[0] ?? first
    if (current !== undefined) return { is: 'incomplete', ...current, flag }
  }
  return parsed ?? { is: 'print', text, requested: false }
}

/** Values of flags in arguments whose command is not known: those of `apply`. */
export function collectFlags(argv: readonly string[], raw: Raw): void {
  const [apply] = COMMANDS
  const commander = quiet(new Commander('k3s-platform'))
  if (apply !== undefined) addFlags(commander, { ...sharedFlagsOf(apply), ...apply.flags }, raw)
  try {
    commander.parseOptions([...argv])
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
  }
}

export function helpOf(...path: readonly string[]): string {
  const parsed = parseArgv([...path, '--help'], new Map(), '')
  return parsed.is === 'print' ? parsed.text : ''
}

interface Callbacks {
  readonly raw: Raw
  readonly version: string
  write(text: string): void
  /** A problem of this command is about to be thrown. */
  enter(named: NamedCommand): void
  run(named: NamedCommand, operands: readonly string[], unknown: readonly string[]): void
}

/** Only the command that argv names gets its flags: to make them all took longer than everything else. */
function rootCommand(argv: readonly string[], callbacks: Callbacks): Commander {
  const root = quiet(new Commander('k3s-platform'), callbacks)
    .usage('<command> [role...] [flags]')
    .description('Provisions k3s platform nodes over SSH: a truthful plan, no agent.')
    .enablePositionalOptions()
    .exitOverride()
    .addHelpText(
      'after',
      `
Help:
  --help     this help, or the help of a command: k3s-platform plan --help
  --version  show the version of k3s-platform

Examples:
  k3s-platform plan -i inventories/prod
  k3s-platform apply -i inventories/prod -l edge-1

${EXIT_CODES}`,
    )
  for (const command of COMMANDS) {
    const { name, verbs } = command
    const named = { where: name, command }
    const made = argv[0] === name ? subcommand(named, callbacks) : new Commander(name).description(command.about)
    if (argv[0] === name) {
      addFlags(made, flagsOfVerbs(command), callbacks.raw)
      for (const verb of verbs) {
        made.addCommand(subcommand({ where: `${name} ${verb.name}`, command: verb, parent: command }, callbacks))
      }
    }
    root.addCommand(made.helpGroup(`${command.group ?? 'Other'}:`))
  }
  return root
}

/** What stands before a verb is the verb's: `certs -n x renew --all`. */
function flagsOfVerbs({ flags, verbs }: Command): Flags {
  const all: Flags = Object.assign({}, ...verbs.map((verb) => verb.flags))
  return Object.fromEntries(Object.entries(all).filter(([name]) => !Object.hasOwn(flags, name)))
}

function subcommand(named: NamedCommand, callbacks: Callbacks): Commander {
  const { command, where } = named
  const made = quiet(new Commander(command.name), callbacks)
    .usage([command.arguments.usage, '[flags]'].filter((part) => part !== '').join(' '))
    .description(command.about)
    .commandsGroup('Verbs:')
    .allowUnknownOption()
    .allowExcessArguments()
    .addHelpText('after', afterFlags(command))
    .exitOverride((error) => {
      callbacks.enter(named)
      throw error
    })
  const { own, shared, named: others } = describedFlags(command)
  addFlags(made, own, callbacks.raw, `Flags of ${where}:`)
  addFlags(made, shared, callbacks.raw, 'Shared flags:')
  addFlags(made, others, callbacks.raw)
  return made.action(() => {
    if (command.read === undefined && made.args.length === 0) made.help({ error: true })
    const end = made.args.findIndex((word) => word.length > 1 && word.startsWith('-'))
    const [operands, unknown] = end < 0 ? [made.args, []] : [made.args.slice(0, end), made.args.slice(end)]
    callbacks.run(named, operands, unknown)
  })
}

function quiet(command: Commander, callbacks?: Pick<Callbacks, 'write' | 'version'>): Commander {
  const write = (text: string) => callbacks?.write(text)
  command
    .exitOverride()
    .helpCommand(false)
    .configureHelp({ subcommandTerm: (one) => one.name() })
    .addHelpOption(new Option('-h, --help').hideHelp())
    .configureOutput({
      writeOut: write,
      writeErr: write,
      outputError: () => undefined,
      getOutHelpWidth: () => WIDTH,
      getErrHelpWidth: () => WIDTH,
      getOutHasColors: () => false,
      getErrHasColors: () => false,
    })
  if (callbacks !== undefined) {
    command.version(callbacks.version, '--version')
    for (const option of command.options) option.hideHelp()
  }
  return command
}

function addFlags(command: Commander, flags: Flags, raw: Raw, heading?: string): void {
  for (const [name, { flags: term, about }] of Object.entries(flags)) {
    const option = new Option(term, about).argParser((value: string | undefined) => {
      const values = raw.get(name)
      if (values === undefined) raw.set(name, [value ?? ''])
      else values.push(value ?? '')
      return undefined
    })
    command.addOption(heading === undefined ? option.hideHelp() : option.helpGroup(heading))
  }
}
