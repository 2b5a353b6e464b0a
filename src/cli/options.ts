// Parses the command line and the environment into options, or reports all usage problems at once.

import { CommanderError } from 'commander'
import type { RunMode } from '../engine/events.ts'
import type { Problem } from '../engine/problem.ts'
import { shellWords } from '../engine/shell-words.ts'
import { maskInline } from '../report/mask.ts'
import type { Output, ReportOptions } from '../report/sink.ts'
import { COMMANDS, commandOf, helpOf, mainHelp, type Raw } from './commands.ts'
import { parseDuration } from './duration.ts'
import { type Env, isOneLine, type Read, reader, shown, usage, wholeNumber } from './flag-values.ts'
import { allFlags, type CommandName, type FlagName } from './flags.ts'
import { withoutSecrets } from './typed-secrets.ts'
import { unknownCommand, unknownFlags, unknownRoles } from './unknown-words.ts'
import { type CertsOptions, certMistakes, certWords } from './verbs.ts'

export interface CliOptions extends ReportOptions {
  readonly command: CommandName
  /** Flags whose value is that of their variable. */
  readonly fromEnv: ReadonlySet<FlagName>
  readonly mode: RunMode
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
  /** Of `apply`, `plan` and `upgrade`. */
  readonly noSnapshot: boolean
  /** Of `reset`. */
  readonly deleteSnapshots: boolean
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

export type ParsedArguments =
  | { readonly is: 'run'; readonly options: CliOptions }
  | { readonly is: 'print'; readonly text: string }
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

const OUTPUTS = ['text', 'json', 'junit', 'github'] as const satisfies readonly Output[]
/** What `certs` has beside them is a variant of one of them. */
const CERTS_OUTPUTS = ['wide', 'yaml', 'html'] as const
type CertsOutput = (typeof CERTS_OUTPUTS)[number]
const TEN_YEARS_MS = 3_653 * 86_400_000

/** `argv` without node and script. Never throws for what a user typed. */
export function parse(argv: readonly string[], env: Env, program: Program): ParsedArguments {
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
    problems.push(usage(flag, 'requires a value', `see: k3s-platform ${command?.name ?? 'apply'} --help`))
  }
  if (command === undefined) problems.unshift(unknownCommand(name === 'help' ? (rest[0] ?? '') : name, argv))
  else if (command.operands === 'roles') problems.push(...unknownRoles(words, program.roles))
  else if (command.operands === 'none')
    problems.push(...words.map((word) => usage(word, `${command.name} does not take arguments`)))
  if (words.some((word) => word.trim() === ''))
    problems.push(usage(name, 'one of its arguments is empty', 'remove it, or set the variable that it comes from'))
  for (const word of words.filter((one) => !isOneLine(one)))
    problems.push(usage(name, `an argument contains a control character: ${shown(word)}`))

  const given = new Map(raw)
  const fromEnv = new Set<FlagName>()
  const read = reader(raw, env, problems, command?.name ?? '', fromEnv)
  const named = command?.operands === 'roles' && words.length > 0
  const verb = command?.operands === 'verb' ? words : []
  const options = {
    ...optionsOf(read, command?.name, command?.mode ?? 'apply', behind, verb),
    command: command?.name ?? 'apply',
    fromEnv,
    hosts: command?.operands === 'hosts' ? words : [],
    roles: program.roles.filter((r) => (named ? words.includes(r) : (command?.roles?.includes(r) ?? true))),
  }
  if (command?.operands === 'verb') problems.push(...certMistakes(words, options.certs, new Set(raw.keys())))
  const doing = command?.mode === 'apply' ? command.name : 'apply'
  const again = shellWords(['k3s-platform', doing, ...words, ...sameFlags(given)])
  if (options.quiet && options.verbosity > 0)
    problems.push(usage('--quiet', 'cannot be combined with --verbose', 'remove one of them'))
  if (options.deleteCrds && !options.yes && options.mode === 'apply')
    problems.push(usage('--delete-crds', 'also deletes all objects of those CRDs', 'add --yes, or review first: -C'))
  if (raw.has('take-back') && raw.has('hand-over'))
    problems.push(usage('--take-back', 'cannot be combined with --hand-over', 'remove one of them'))
  if (problems.length > 0)
    return { is: 'usage', problems, report: { ...options, again, events: null }, extraVars: options.extraVars }
  return { is: 'run', options: { ...options, again } }
}

function optionsOf(
  read: Read,
  command: CommandName | undefined,
  mode: RunMode,
  behind: readonly string[],
  verb: readonly string[],
): Omit<CliOptions, 'command' | 'fromEnv' | 'hosts' | 'roles'> {
  const known = command === 'certs' ? [...OUTPUTS, ...CERTS_OUTPUTS] : OUTPUTS
  const expected = `${known.slice(0, -1).join(', ')} or ${known.at(-1)}`
  const format =
    read.as<Output | CertsOutput>('output', expected, (text) => known.find((one) => one === text)) ?? 'text'
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
    output: format === 'wide' || format === 'html' ? 'text' : format === 'yaml' ? 'json' : format,
    timeoutMs:
      read.as('timeout', 'a duration such as 90s, 10m or 1h30m, at most 168h', (text) => parseDuration(text)) ?? null,
    events: read.last('events'),
    color: !read.on('no-color'),
    quiet: read.on('quiet'),
    verbosity: read.count('verbose'),
    debug: read.on('debug'),
    to: read.last('to'),
    yes: read.on('yes'),
    deleteCrds: read.on('delete-crds'),
    noSnapshot: read.on('no-snapshot'),
    deleteSnapshots: read.on('delete-snapshots'),
    handing: read.on('take-back') ? 'take-back' : read.on('hand-over') ? 'hand-over' : null,
    certs: {
      ...certWords(verb),
      namespace: read.last('namespace'),
      all: read.on('all'),
      allNamespaces: read.on('all-namespaces'),
      wide: format === 'wide',
      yaml: format === 'yaml',
      html: format === 'html',
      days: read.as('days', 'a number from 1 to 1100', (text) => wholeNumber(text, 1, 1_100)) ?? 400,
      document: format === 'yaml' || format === 'json',
      watch: read.on('watch'),
      expiringWithinMs:
        read.as('expiring-within', 'a duration such as 30d or 12h', (text) => parseDuration(text, TEN_YEARS_MS)) ??
        null,
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

/** The flags the user typed that mean the same for `apply` as for `plan`, without the secrets among them. */
function sameFlags(given: Raw): string[] {
  return allFlags().flatMap(([name, { flags, kind, again }]) => {
    const values = again ? given.get(name) : undefined
    if (!values) return []
    const flag = flags.split(/[ ,]/)[0] ?? `--${name}`
    if (kind === 'switch') return [flag]
    const masked = values.map((value) => (name === 'extra-vars' ? withoutSecrets(value) : maskInline(value)))
    return (kind === 'value' ? masked.slice(-1) : masked).flatMap((value) => [flag, value])
  })
}
