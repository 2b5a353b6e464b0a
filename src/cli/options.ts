// From the command line and the environment to options, or to all usage problems at once.

import { CommanderError } from 'commander'
import type { Mode } from '../engine/events.ts'
import type { Problem } from '../engine/problem.ts'
import { nearest } from '../engine/suggest.ts'
import type { Output, ReportOptions } from '../report/sink.ts'
import { COMMANDS, commandOf, helpOf, mainHelp, type Raw } from './commands.ts'
import { parseDuration } from './duration.ts'
import { type Env, type Read, reader, usage, wholeNumber } from './flag-values.ts'
import { allFlags, belongs, type CommandName } from './flags.ts'
import { shellWords } from './shell-words.ts'
import { type CertsOptions, certMistakes, certWords } from './verbs.ts'

export interface CliOptions extends ReportOptions {
  readonly command: CommandName
  readonly mode: Mode
  /** Hosts that were named as words, for the commands that take them. */
  readonly hosts: readonly string[]
  /** In the order in which they are done; all there are when none was named. */
  readonly roles: readonly string[]
  /** Paths as given; empty: the default. */
  readonly inventory: readonly string[]
  readonly limit: string | null
  readonly tags: readonly string[]
  readonly skipTags: readonly string[]
  readonly listTags: boolean
  readonly listHosts: boolean
  /** Each as given: `k=v`, JSON, YAML or `@file`. */
  readonly extraVars: readonly string[]
  readonly user: string | null
  readonly become: boolean
  readonly askBecomePass: boolean
  readonly askPass: boolean
  readonly privateKey: string | null
  readonly vault: {
    readonly passwordFiles: readonly string[]
    readonly ask: boolean
    /** Each as given: `[label@]prompt` or `[label@]FILE`. */
    readonly ids: readonly string[]
  }
  readonly sshCommonArgs: string | null
  /** Hosts at a time, 1 to 1000. */
  readonly forks: number
  readonly timeoutMs: number | null
  readonly debug: boolean
  /** Of `upgrade`. */
  readonly to: string | null
  /** Whether only what is locked may be installed; null: not said. */
  readonly locked: boolean | null
  /** Of `reset` and `certs remove`: do not ask; of `lock`: take over a digest that changed; of `apply`: `--delete-crds` is meant. */
  readonly yes: boolean
  readonly deleteCrds: boolean
  /** Of `apply` and `plan`: what GitOps owns is taken back, or handed over again; null: it stays as it is. */
  readonly handing: 'take-back' | 'hand-over' | null
  readonly certs: CertsOptions
  readonly render: {
    /** As given. */
    readonly tree: string | null
    readonly commit: boolean
    readonly overwrite: boolean
  }
  /** Of `kubeconfig`. */
  readonly kubeconfig: {
    readonly context: string | null
    readonly server: string | null
    readonly use: boolean
    readonly replace: boolean
    readonly print: boolean
    readonly tunnel: boolean
    /** What stands behind `--`. */
    readonly command: readonly string[]
  }
}

export type Parsed =
  | { readonly is: 'run'; readonly options: CliOptions }
  | { readonly is: 'print'; readonly text: string }
  /** `report` is what could be understood of how to tell it. */
  | { readonly is: 'usage'; readonly problems: readonly Problem[]; readonly report: ReportOptions }

export interface Program {
  readonly version: string
  readonly roles: readonly string[]
}

const OUTPUTS = ['text', 'json', 'junit', 'github'] as const satisfies readonly Output[]

/** `argv` without node and script. Never throws for what a user typed. */
export function parse(argv: readonly string[], env: Env, program: Program): Parsed {
  const [name = '', ...all] = argv
  // `kubeconfig --tunnel -- kubectl get pods -A`: those flags are not ours.
  const end = name === 'kubeconfig' && all.includes('--') ? all.indexOf('--') : all.length
  const [rest, behind] = [all.slice(0, end), all.slice(end + 1)]
  const problems: Problem[] = []
  if (name === '' || name === '-h' || name === '--help' || (name === 'help' && rest.length === 0)) {
    return { is: 'print', text: mainHelp() }
  }
  const command = COMMANDS.find((c) => c.name === (name === 'help' ? rest[0] : name))
  const raw: Raw = new Map()
  let words: readonly string[] = []
  try {
    const parsed = commandOf(command?.name ?? 'apply', raw).parseOptions([...(command ? rest : argv)])
    if (command && (name === 'help' || raw.has('help'))) return { is: 'print', text: helpOf(command.name) }
    if (raw.has('version')) return { is: 'print', text: `${program.version}\n` }
    words = parsed.operands
    if (command) problems.push(...unknownFlags(parsed.unknown, command.name))
    // What follows an unknown flag may be its value.
    if (command) words = [...words, ...parsed.unknown.filter((word) => program.roles.includes(word))]
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    const flag = /--[a-z-]+/.exec(error.message)?.[0] ?? name
    problems.push(usage(flag, 'needs a value', `see: k3s-platform ${command?.name ?? 'apply'} --help`))
  }
  if (command === undefined) problems.unshift(unknownCommand(name === 'help' ? (rest[0] ?? '') : name, argv))
  else if (command.operands === 'roles') problems.push(...unknownRoles(words, program.roles))
  else if (command.operands === 'none')
    problems.push(...words.map((word) => usage(word, `${command.name} takes no words`)))

  const given = new Map(raw)
  const read = reader(raw, env, problems)
  const named = command?.operands === 'roles' && words.length > 0
  const verb = command?.operands === 'verb' ? words : []
  const options = {
    ...optionsOf(read, command?.mode ?? 'apply', behind, verb),
    command: command?.name ?? 'apply',
    hosts: command?.operands === 'hosts' ? words : [],
    roles: program.roles.filter((r) => (named ? words.includes(r) : (command?.roles?.includes(r) ?? true))),
  }
  if (command?.operands === 'verb') problems.push(...certMistakes(words, options.certs, new Set(raw.keys())))
  const doing = command?.mode === 'apply' ? command.name : 'apply'
  const again = shellWords(['k3s-platform', doing, ...words, ...sameFlags(given)])
  if (options.quiet && options.verbosity > 0)
    problems.push(usage('--quiet', 'contradicts --verbose', 'leave out one of them'))
  if (options.deleteCrds && !options.yes && options.mode === 'apply')
    problems.push(usage('--delete-crds', 'deletes all objects of those kinds, too', 'add --yes, or look first: -C'))
  if (raw.has('take-back') && raw.has('hand-over'))
    problems.push(usage('--take-back', 'contradicts --hand-over', 'leave out one of them'))
  if (problems.length > 0) return { is: 'usage', problems, report: { ...options, again, events: null } }
  return { is: 'run', options: { ...options, again } }
}

function optionsOf(
  read: Read,
  mode: Mode,
  behind: readonly string[],
  verb: readonly string[],
): Omit<CliOptions, 'command' | 'hosts' | 'roles'> {
  return {
    mode: read.on('check') ? 'check' : mode,
    inventory: read.all('inventory'),
    limit: read.last('limit'),
    tags: names(read.all('tags')),
    skipTags: names(read.all('skip-tags')),
    listTags: read.on('list-tags'),
    listHosts: read.on('list-hosts'),
    extraVars: [...read.all('extra-vars'), ...fallbackVars(read)],
    diff: read.on('diff'),
    user: read.last('user'),
    become: read.on('become'),
    askBecomePass: read.on('ask-become-pass'),
    askPass: read.on('ask-pass'),
    privateKey: read.last('private-key'),
    sshCommonArgs: read.last('ssh-common-args'),
    vault: {
      passwordFiles: read.all('vault-password-file'),
      ask: read.on('ask-vault-pass'),
      ids: read.all('vault-id'),
    },
    forks: read.as('forks', 'a number from 1 to 1000', (text) => wholeNumber(text, 1, 1000)) ?? 10,
    output: read.as('output', 'text, json, junit or github', (text) => OUTPUTS.find((o) => o === text)) ?? 'text',
    timeoutMs: read.as('timeout', 'a duration such as 90s, 10m or 1h30m', parseDuration) ?? null,
    events: read.last('events'),
    color: !read.on('no-color'),
    quiet: read.on('quiet'),
    verbosity: read.count('verbose'),
    debug: read.on('debug'),
    to: read.last('to'),
    yes: read.on('yes'),
    deleteCrds: read.on('delete-crds'),
    handing: read.on('take-back') ? 'take-back' : read.on('hand-over') ? 'hand-over' : null,
    certs: {
      ...certWords(verb),
      namespace: read.last('namespace'),
      all: read.on('all'),
      deleteSecret: read.on('delete-secret'),
    },
    render: { tree: read.last('tree'), commit: read.on('commit'), overwrite: read.on('overwrite') },
    locked: read.said('locked'),
    kubeconfig: {
      context: read.last('context'),
      server: read.last('server'),
      use: read.on('use'),
      replace: read.on('replace'),
      print: read.on('print'),
      tunnel: read.on('tunnel'),
      command: behind,
    },
    again: '',
  }
}

/** The flag is the variable, said for one run. */
function fallbackVars(read: Read): string[] {
  const issuer = read.as('fallback', 'selfsigned', (text) => ['selfsigned'].find((one) => one === text))
  return issuer === undefined ? [] : [`k3s_platform_certificates_fallback=${issuer}`]
}

function names(lists: readonly string[]): string[] {
  return lists
    .flatMap((list) => list.split(','))
    .map((name) => name.trim())
    .filter(Boolean)
}

/** The flags the user typed that mean the same for `apply` as for `plan`. */
function sameFlags(given: Raw): string[] {
  return allFlags().flatMap(([name, { flags, kind, again }]) => {
    const values = again ? given.get(name) : undefined
    if (!values) return []
    const flag = flags.split(/[ ,]/)[0] ?? `--${name}`
    if (kind === 'switch') return [flag]
    return (kind === 'value' ? values.slice(-1) : values).flatMap((value) => [flag, value])
  })
}

function unknownFlags(words: readonly string[], command: string): Problem[] {
  const known = allFlags()
    .filter(([, flag]) => belongs(flag, command))
    .map(([name]) => `--${name}`)
    .concat('--help', '--version')
  return words
    .filter((word) => word.startsWith('-') && word !== '--')
    .map((word) => {
      const [flag = word] = word.split('=')
      const near = flag.startsWith('--') ? nearest(flag, known) : undefined
      return usage(flag, 'unknown flag', near ? `did you mean ${near}?` : `see: k3s-platform ${command} --help`)
    })
}

function unknownCommand(name: string, argv: readonly string[]): Problem {
  if (name.startsWith('-')) {
    const command = COMMANDS.find((c) => argv.includes(c.name))
    const hint = command
      ? `flags come after the command: k3s-platform ${command.name} ${name} ...`
      : 'see: k3s-platform --help'
    return usage(name, 'stands where a command is expected', hint)
  }
  const near = nearest(
    name,
    COMMANDS.map((c) => c.name),
  )
  return usage(
    name,
    'unknown command',
    near ? `did you mean ${near}?` : `there are: ${COMMANDS.map((c) => c.name).join(', ')}`,
  )
}

function unknownRoles(words: readonly string[], roles: readonly string[]): Problem[] {
  return words
    .filter((word) => !roles.includes(word))
    .map((word) => {
      const near = nearest(word, roles)
      return usage(word, 'unknown role', near ? `did you mean ${near}?` : `there are: ${roles.join(', ')}`)
    })
}
