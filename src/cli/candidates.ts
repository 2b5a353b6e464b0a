// Finds what can follow the words of a command line that is not finished yet: commands, flags and their values.

import type { Command } from './command.ts'
import type { Flag, Flags } from './flag.ts'
import { spellings } from './flag.ts'
import { sharedFlagsOf } from './help.ts'

export interface Candidate {
  /** The whole word. */
  readonly word: string
  readonly about: string
}

/** Loaded only when they are needed. None of them contacts a host or asks a question. */
export interface Sources {
  hosts(): Promise<readonly Candidate[]>
  groups(): Promise<readonly Candidate[]>
  tags(): Promise<readonly Candidate[]>
  variables(): Promise<readonly Candidate[]>
  readonly roles: readonly string[]
}

/** `files`: names of files, which the shell knows better. */
type Values = readonly Candidate[] | 'files'

const HELP: Candidate = { word: 'help', about: 'help of a command: help plan' }
const named = (words: readonly string[]): Candidate[] => words.map((word) => ({ word, about: '' }))

/** `words` without the program's name; the last one is the one that is being typed, perhaps still empty. */
export async function candidates(
  words: readonly string[],
  commands: readonly Command[],
  sources: Sources,
): Promise<Values> {
  const current = words.at(-1) ?? ''
  const found = await possible(words.slice(0, -1), current, commands, sources)
  return found === 'files' ? found : found.filter(({ word }) => word.startsWith(current))
}

async function possible(
  before: readonly string[],
  current: string,
  commands: readonly Command[],
  sources: Sources,
): Promise<Values> {
  const [first, ...rest] = before
  if (first === undefined) return [...commands.map(({ name, about }) => ({ word: name, about })), HELP]
  if (first === 'help') return helpTopics(rest, commands)
  const top = commands.find(({ name }) => name === first)
  if (top === undefined || (top.passesThrough && rest.includes('--'))) return []
  const verb = top.verbs.find(({ name }) => rest.includes(name))
  const command = verb ?? top
  const flags: Flags = { ...sharedFlagsOf(command), ...command.flags }
  const [, long, value] = /^--([a-z-]+)=(.*)$/s.exec(current) ?? []
  if (long !== undefined && value !== undefined) {
    return prefixed(`--${long}=`, await valuesOf(long, value, command, sources))
  }
  const waiting = waitingFlag(rest.at(-1), flags)
  if (waiting !== undefined) return valuesOf(waiting, current, command, sources)
  if (current.startsWith('-')) return flagsOf(flags)
  if (verb === undefined && top.verbs.length > 0) return top.verbs.map(({ name, about }) => ({ word: name, about }))
  return argumentsOf(command, sources)
}

function helpTopics([first]: readonly string[], commands: readonly Command[]): Candidate[] {
  const top = commands.find(({ name }) => name === first)
  const list = first === undefined ? commands : (top?.verbs ?? [])
  const flags: Candidate[] = first === undefined ? [{ word: 'flags', about: 'flags that every command shares' }] : []
  return [...list.map(({ name, about }) => ({ word: name, about })), ...flags]
}

function flagsOf(flags: Flags): Candidate[] {
  const all = Object.values(flags).flatMap((flag) => spellings(flag).map((word) => ({ word, about: flag.about })))
  return [...all, { word: '--help', about: 'show this help' }]
}

const takesValue = ({ kind }: Flag) => kind === 'value' || kind === 'values'

/** The flag whose value comes next. */
function waitingFlag(word: string | undefined, flags: Flags): string | undefined {
  if (word === undefined) return undefined
  return Object.entries(flags).find(([, flag]) => takesValue(flag) && spellings(flag).includes(word))?.[0]
}

async function argumentsOf({ arguments: { are } }: Command, sources: Sources): Promise<readonly Candidate[]> {
  switch (are) {
    case 'roles':
      return named(sources.roles)
    case 'hosts':
      return sources.hosts()
    case 'groups':
      return sources.groups()
    case 'variables':
      return sources.variables()
    case 'certificates':
    case 'none':
      return []
    default:
      return named(are)
  }
}

async function valuesOf(flag: string, current: string, command: Command, sources: Sources): Promise<Values> {
  switch (flag) {
    case 'limit':
      return inPattern(current, [...(await sources.hosts()), ...(await sources.groups())])
    case 'tags':
    case 'skip-tags':
      return inList(current, await sources.tags())
    case 'extra-vars':
      if (current.startsWith('@')) return 'files'
      return (await sources.variables()).map(({ word, about }) => ({ word: `${word}=`, about }))
    case 'output':
      return named(command.outputs)
    case 'fallback':
      return named(['selfsigned'])
    case 'server':
      return named(['ssh-host', 'tls-san'])
    case 'inventory':
    case 'private-key':
    case 'vault-password-file':
    case 'vault-id':
    case 'events':
    case 'tree':
      return 'files'
    default:
      return []
  }
}

const prefixed = (prefix: string, values: Values): Values =>
  values === 'files' ? values : values.map(({ word, about }) => ({ word: `${prefix}${word}`, about }))

/** `k3s,con` + `config` */
function inList(current: string, names: readonly Candidate[]): Values {
  const [prefix] = /^(?:.*,)?/s.exec(current) ?? ['']
  return prefixed(prefix, names)
}

/** `staging:!ed` + `edge-1`: parts with `,` or `:` between them, `!` or `&` before them. */
function inPattern(current: string, names: readonly Candidate[]): Values {
  const [prefix] = /^(?:.*[,:])?[!&]?/s.exec(current) ?? ['']
  return prefixed(prefix, names)
}

/** The values of -i among the words, as they are typed. */
export function typedInventories(words: readonly string[]): string[] {
  return words.flatMap((word, i) => {
    if (word === '-i' || word === '--inventory') return words.slice(i + 1, i + 2)
    const [, value] = /^(?:--inventory=|-i)(.+)$/s.exec(word) ?? []
    return value === undefined ? [] : [value]
  })
}
