// Writes what the help has beside usage and flags: flags that are only named, examples, exit codes; and the page of shared flags.

import { Help } from 'commander'
import type { Command } from './command.ts'
import { type Flag, type Flags, spellings } from './flag.ts'
import { SHARED, SHARED_GROUPS, type SharedName } from './flags.ts'

/** Columns. */
export const WIDTH = 80

const DESCRIBED: readonly SharedName[] = ['inventory', 'limit', 'tags', 'extra-vars', 'check', 'diff', 'output']

/** `text, json or yaml` */
export const choice = (words: readonly string[]): string =>
  words.length < 2 ? words.join('') : `${words.slice(0, -1).join(', ')} or ${words.at(-1)}`

/** The shared flags that a command has, --output with its formats. */
export function sharedFlagsOf({ takes, outputs }: Pick<Command, 'takes' | 'outputs'>): Flags {
  const [first = '', ...more] = outputs
  const output: Flag = { ...SHARED.output, about: choice([`${first} (default)`, ...more]) }
  const has = (name: string) => takes === undefined || takes.some((one) => one === name)
  return Object.fromEntries(Object.entries({ ...SHARED, output }).filter(([name]) => has(name)))
}

const helper = new Help()
helper.prepareContext({ helpWidth: WIDTH })

function table(items: readonly (readonly [term: string, about: string])[]): string {
  const width = Math.max(...items.map(([term]) => term.length))
  return items.map(([term, about]) => `${helper.formatItem(term, width, about, helper)}\n`).join('')
}

/** In one line each where all of them fit. */
function exampleText(examples: Command['examples']): string {
  const width = Math.max(...examples.map(([line]) => line.length))
  if (examples.every(([, about]) => width + about.length + 4 <= WIDTH)) return table(examples)
  return examples.map(([line, about]) => `  ${line}\n      ${about}\n`).join('')
}

/** The flags that a command's help describes, its own and shared ones, and those that it only names: with verbs, all. */
export function describedFlags(command: Command): Readonly<Record<'own' | 'shared' | 'named', Flags>> {
  const shared = Object.entries(sharedFlagsOf(command))
  if (command.verbs.length > 0)
    return { own: {}, shared: {}, named: { ...command.flags, ...Object.fromEntries(shared) } }
  const isDescribed = ([name]: readonly [string, Flag]) => DESCRIBED.some((one) => one === name)
  return {
    own: command.flags,
    shared: Object.fromEntries(shared.filter(isDescribed)),
    named: Object.fromEntries(shared.filter((one) => !isDescribed(one))),
  }
}

/** After usage and flags. */
export function afterFlags(command: Command): string {
  const named = Object.values(describedFlags(command).named).map((flag) => spellings(flag).join('/'))
  const [verb] = command.verbs
  const flags = `${verb ? 'Flags' : 'More'}: ${[...named, '-h/--help', '--version'].join(' ')}`
  const see = verb
    ? `Of one verb: k3s-platform ${command.name} ${verb.name} --help; of all commands: k3s-platform help flags`
    : 'These flags, and their variables: k3s-platform help flags'
  const { 0: ok, 2: pending } = command.exits ?? { 0: 'done', 2: 'changes are pending (plan, --check)' }
  const codes = `Exit codes: 0 ${ok},${pending === undefined ? '' : ` 2 ${pending},`} 1 failed, 64 wrong usage or input: nothing was touched, 130 interrupted`
  return `
${helper.boxWrap(flags, WIDTH)}
${helper.boxWrap(see, WIDTH)}

Examples:
${exampleText(command.examples)}
${helper.boxWrap(codes, WIDTH)}`
}

/** `k3s-platform help flags` */
export function sharedFlagsHelp(): string {
  const groups = Object.entries<Flags>(SHARED_GROUPS).map(
    ([heading, flags]) => `${heading}:\n${table(Object.values(flags).map(({ flags: term, about }) => [term, about]))}`,
  )
  return `Flags that every command shares

${groups.join('\n')}
Every long flag has an environment variable, K3S_PLATFORM_SKIP_TAGS for
--skip-tags; flags win.
`
}

export const EXIT_CODES = `Exit codes:
  0 no changes, no errors        2 changes are pending (plan, --check)
  1 failed                    64 wrong usage or input, nothing was touched
  130 interrupted`
