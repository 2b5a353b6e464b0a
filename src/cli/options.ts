// Parses the command line and the environment into options, or reports all usage problems at once.

import type { RunMode } from '../engine/events.ts'
import type { Problem } from '../engine/problem.ts'
import { shellWords } from '../engine/shell-words.ts'
import { maskInline } from '../report/mask.ts'
import type { ReportOptions } from '../report/sink.ts'
import type { Run } from './command.ts'
import { COMMANDS } from './commands.ts'
import { REPORTS } from './declarations/outputs.ts'
import { parseDuration } from './duration.ts'
import type { Flag, Flags } from './flag.ts'
import { type Env, isOneLine, type Raw, type Read, reader, shown, usage, wholeNumber } from './flag-values.ts'
import { RUN, type SHARED } from './flags.ts'
import { choice, sharedFlagsOf } from './help.ts'
import { collectFlags, type NamedCommand, parseArgv } from './parser.ts'
import { withoutSecrets } from './typed-secrets.ts'
import { foreignFlags, fullName, unknownCommand, unknownFlags } from './unknown-words.ts'

export interface CliOptions extends ReportOptions {
  readonly command: string
  /** Flags whose value is that of their variable. */
  readonly fromEnv: ReadonlyMap<string, Flag>
  readonly mode: RunMode
  /** Hosts that were named as operands, for the commands that take them. */
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
  /** Whether only what is locked may be installed; null: not said. */
  readonly locked: boolean | null
  /** Of `reset` and `certs remove`: do not ask; of `lock`: take over a digest that changed; of `apply`: `--delete-crds` is meant. */
  readonly yes: boolean
  readonly deleteCrds: boolean
  /** Of `apply`, `plan` and `upgrade`. */
  readonly noSnapshot: boolean
  /** Of `reset`. */
  readonly deleteSnapshots: boolean
  /** Of `apply` and `plan`: what GitOps owns is taken back, or handed over again; null: it stays as it is. */
  readonly handing: 'take-back' | 'hand-over' | null
}

/** A call of a command that is understood. */
export interface ParsedCall {
  readonly is: 'run'
  readonly options: CliOptions
  load(): Promise<Run>
}

export type ParsedArguments =
  | ParsedCall
  /** `requested`: by --help or --version; else it says what is missing. */
  | { readonly is: 'print'; readonly text: string; readonly requested: boolean }
  /** `report` is what could be understood of how to tell it. */
  | {
      readonly is: 'usage'
      readonly problems: readonly Problem[]
      readonly report: ReportOptions
      readonly extraVars: readonly string[]
    }

export interface Program {
  readonly version: string
  readonly roles: readonly string[]
}

/** `argv` without node and script. Never throws for what a user typed. */
export function parse(argv: readonly string[], env: Env, program: Program): ParsedArguments {
  const [ours, behind] = splitAtEnd(argv)
  const raw: Raw = new Map()
  const parsed = parseArgv(ours, raw, program.version)
  if (parsed.is === 'print') return parsed
  if (parsed.is === 'unknown command') {
    collectFlags(argv, raw)
    const call = { where: parsed.name, operands: [], behind }
    return understood(undefined, call, raw, env, program, [unknownCommand(parsed.name, argv)])
  }
  if (parsed.is === 'incomplete') {
    const problem = usage(parsed.flag, 'requires a value', `see: k3s-platform ${parsed.where} --help`)
    return understood(parsed, { where: parsed.where, operands: [], behind }, raw, env, program, [problem])
  }
  // What follows an unknown flag may be its value.
  const operands = [...parsed.operands, ...parsed.unknown.filter((word) => program.roles.includes(word))]
  const problems = [
    ...unknownFlags(parsed.unknown, parsed),
    ...foreignFlags(raw, parsed),
    ...parsed.command.arguments.problems(operands, parsed.where, program.roles),
    ...operandProblems(operands, parsed.where),
  ]
  return understood(parsed, { where: parsed.where, operands, behind }, raw, env, program, problems)
}

/** `kubeconfig --tunnel -- kubectl get pods -A`: those flags are not ours. */
function splitAtEnd(argv: readonly string[]): [ours: readonly string[], behind: readonly string[]] {
  const passes = COMMANDS.some(({ name, passesThrough }) => name === argv[0] && passesThrough)
  const end = passes && argv.includes('--') ? argv.indexOf('--') : argv.length
  return [argv.slice(0, end), argv.slice(end + 1)]
}

interface Operands {
  readonly where: string
  readonly operands: readonly string[]
  readonly behind: readonly string[]
}

/** The call, or all that is wrong with it: `found` and what reading the options finds. */
function understood(
  named: NamedCommand | undefined,
  { where, operands, behind }: Operands,
  raw: Raw,
  env: Env,
  { roles }: Program,
  found: readonly Problem[],
): ParsedArguments {
  const command = named?.command
  const problems = [...found]
  const fromEnv = new Map<string, Flag>()
  const flags: Flags = { ...sharedFlagsOf(command ?? { outputs: REPORTS }), ...RUN, ...command?.flags }
  const read = reader(raw, env, problems, flags, fromEnv)
  const format = formatOf(read, named)
  const areRoles = command?.arguments.are === 'roles' && operands.length > 0
  const mode = command?.mode ?? 'apply'
  const path = named === undefined ? ['apply'] : named.where.split(' ')
  const again = shellWords([
    'k3s-platform',
    ...(mode === 'apply' ? path : ['apply']),
    ...operands,
    ...repeatedFlags(raw, flags),
  ])
  const shared: CliOptions = {
    ...sharedOptions(read, mode, format),
    ...{ command: path[0] ?? 'apply', fromEnv, again },
    hosts: command?.arguments.are === 'hosts' ? operands : [],
    roles: roles.filter((role) => (areRoles ? operands.includes(role) : (command?.roles?.includes(role) ?? true))),
  }
  const bound = command?.read?.(read, { where, operands, behind, format, commands: COMMANDS })(shared)
  problems.push(...(bound?.problems ?? []), ...formatProblems(format, named), ...sharedProblems(shared, raw))
  if (bound === undefined || problems.length > 0)
    return { is: 'usage', problems, report: { ...shared, events: null }, extraVars: shared.extraVars }
  return { is: 'run', options: bound.options, load: bound.load }
}

/** Also those of other verbs: they get a sentence of their own. */
function formatOf(read: Read<'output'>, named: NamedCommand | undefined): string {
  const verbs = (named?.parent ?? named?.command)?.verbs ?? []
  const own = named?.command.outputs ?? REPORTS
  const known = [...new Set([...REPORTS, ...own, ...verbs.flatMap(({ outputs }) => outputs)])]
  return read.as('output', choice(known), (text) => known.find((one) => one === text)) ?? own[0] ?? 'text'
}

function formatProblems(format: string, named: NamedCommand | undefined): Problem[] {
  if (named === undefined || named.command.outputs.includes(format)) return []
  const hint = `supported formats: ${named.command.outputs.join(', ')}`
  return [usage('--output', `${fullName(named)} does not support ${format}`, hint)]
}

function sharedOptions(
  read: Read<keyof typeof SHARED | keyof typeof RUN>,
  mode: RunMode,
  format: string,
): Omit<CliOptions, 'command' | 'fromEnv' | 'hosts' | 'roles' | 'again'> {
  return {
    mode: read.on('check') ? 'check' : mode,
    inventory: read.all('inventory'),
    limit: read.last('limit'),
    tags: read.names('tags'),
    skipTags: read.names('skip-tags'),
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
    output: format === 'yaml' ? 'json' : (REPORTS.find((one) => one === format) ?? 'text'),
    timeoutMs:
      read.as('timeout', 'a duration such as 90s, 10m or 1h30m, at most 168h', (text) => parseDuration(text)) ?? null,
    events: read.last('events'),
    color: !read.on('no-color'),
    quiet: read.on('quiet'),
    verbosity: read.count('verbose'),
    debug: read.on('debug'),
    yes: read.on('yes'),
    deleteCrds: read.on('delete-crds'),
    noSnapshot: read.on('no-snapshot'),
    deleteSnapshots: read.on('delete-snapshots'),
    handing: read.on('take-back') ? 'take-back' : read.on('hand-over') ? 'hand-over' : null,
    locked: read.said('locked'),
  }
}

function sharedProblems(options: CliOptions, raw: Raw): Problem[] {
  return [
    ...(options.quiet && options.verbosity > 0
      ? [usage('--quiet', 'cannot be combined with --verbose', 'remove one of them')]
      : []),
    ...(options.deleteCrds && !options.yes && options.mode === 'apply'
      ? [usage('--delete-crds', 'also deletes all objects of those CRDs', 'add --yes, or review first: -C')]
      : []),
    ...(raw.has('take-back') && raw.has('hand-over')
      ? [usage('--take-back', 'cannot be combined with --hand-over', 'remove one of them')]
      : []),
  ]
}

/** The flag sets a variable for one run. */
function fallbackVars(read: Read<'fallback'>): string[] {
  const issuer = read.as('fallback', 'selfsigned', (text) => ['selfsigned'].find((one) => one === text))
  return issuer === undefined ? [] : [`k3s_platform_certificates_fallback=${issuer}`]
}

/** The flags the user typed that mean the same for `apply` as for `plan`, without the secrets among them. */
function repeatedFlags(raw: Raw, flags: Flags): string[] {
  return Object.entries(flags).flatMap(([name, { flags: term, kind, again }]) => {
    const values = again ? raw.get(name) : undefined
    if (!values) return []
    const flag = term.split(/[ ,]/)[0] ?? `--${name}`
    if (kind === 'switch') return [flag]
    const masked = values.map((value) => (name === 'extra-vars' ? withoutSecrets(value) : maskInline(value)))
    return (kind === 'value' ? masked.slice(-1) : masked).flatMap((value) => [flag, value])
  })
}

function operandProblems(operands: readonly string[], where: string): Problem[] {
  return [
    ...(operands.some((word) => word.trim() === '')
      ? [usage(where, 'one of its arguments is empty', 'remove it, or set the variable that it comes from')]
      : []),
    ...operands
      .filter((one) => !isOneLine(one))
      .map((word) => usage(where, `an argument contains a control character: ${shown(word)}`)),
  ]
}
