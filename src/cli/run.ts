// Opens a run (inventory, targets, report) and runs the roles' stages: apply and plan.

import type { Event, HostResult, RunMode } from '../engine/events.ts'
import { type Problem, ProblemError } from '../engine/problem.ts'
import { run } from '../engine/runner.ts'
import {
  BoundBefore,
  type ConnectionDefaults,
  clusterProblems,
  type Decrypt,
  grouped,
  selectHosts,
  sorted,
  userFault,
} from '../inventory/index.ts'
import { boundedProblems, isCi } from '../report/door.ts'
import { outcome } from '../report/outcome.ts'
import { makeReporter } from '../report/reporter.ts'
import type { Reporter, Sink } from '../report/sink.ts'
import type { LockFile } from '../supply/lock.ts'
import { openSupply, type Supply } from '../supply/supply.ts'
import type { HostChart } from './charts.ts'
import { asGiven, usage } from './flag-values.ts'
import type { HostRepository } from './git.ts'
import { decrypter, inventoryOf, requirePasswordFiles } from './inventory.ts'
import type { Io } from './io.ts'
import type { CliOptions } from './options.ts'
import { askSecret, askSecretOnce } from './prompt.ts'
import { recorder } from './recorder.ts'
import { listenForInterrupts } from './signals.ts'
import { unknownTags } from './tags.ts'
import {
  type HostTarget,
  type Prepared,
  prepare,
  type Shared,
  type StagesOf,
  sharedFetch,
  sharedKeyFault,
  targetsOf,
  unknownIn,
} from './targets.ts'
import { terminalOf } from './terminal.ts'

export async function runRoles(options: CliOptions, io: Io): Promise<number> {
  // Names of hosts need no stages, and of a fleet these are most of the work.
  const opened = await open(options, io, (role) => (options.listHosts ? () => [] : role.stages))
  if (options.listHosts || options.listTags) {
    const words = options.listHosts ? opened.targets.map((t) => t.host) : opened.tags
    io.stdout.write(words.map((word) => `${word}\n`).join(''))
    return 0
  }
  const results = await opened.run(opened.targets, options.mode)
  return opened.end(results)
}

/** A run whose input is understood: nothing was touched yet, and nothing is wrong with what was written. */
export interface PreparedRun {
  readonly prepared: readonly Prepared[]
  readonly targets: readonly HostTarget[]
  /** What `--tags` may name. */
  readonly tags: readonly string[]
  readonly reporter: Reporter
  /** What is wrong with the input and does not stop a run; the reporter has shown it. */
  readonly warnings: readonly Problem[]
  /** The lock file of the inventory; empty where there is none. */
  readonly lock: LockFile
  /** How many groups the inventory has. */
  readonly groups: number
  /** The lock file and the workstation's files, whatever the command is. */
  readonly supply: Supply
  /** Knows the passwords that were asked for. */
  readonly decrypt: Decrypt
  run(targets: readonly HostTarget[], mode: RunMode): Promise<HostResult[]>
  /** Reports the results; the exit code. */
  end(results: readonly HostResult[]): number
}

/** Throws ProblemError with all that is wrong, of kind `usage`, before any host is spoken to. */
export async function open(
  options: CliOptions,
  io: Io,
  stagesOf: StagesOf,
  listen: (event: Event) => void = () => undefined,
): Promise<PreparedRun> {
  requirePasswordFiles(options, io)
  const decrypt = decrypter(options, io)
  const inventory = await inventoryOf(options, io, decrypt)
  stopAt(inventory.problems)
  const selected = selectHosts(inventory, ...patternsOf(options))
  const clusters = CONVERGES.includes(options.command) ? clusterProblems(inventory, selected.hosts) : []
  const noticed = [...inventory.problems, ...selected.problems, ...clusters, ...userMistakes(options)]
  stopAt(noticed)
  const { supply, problems: unread } = await supplyOf(inventory.directories, options, io)
  stopAt(unread)
  let reporter: Reporter | undefined
  const shared: Shared = {
    options,
    io,
    stagesOf,
    defaults: await defaultsOf(options, io),
    met: new Map(),
    before: new BoundBefore(),
    supply: BINDS.includes(options.command) ? supply : undefined,
    emit: (event: Event) => {
      listen(event)
      reporter?.emit(event)
    },
    keyFault: sharedKeyFault(),
    fetch: sharedFetch(io),
    askSecret: askSecretOnce('ssh key', (secret) => io.learn([secret])),
    terminal: terminalOf(options, io, (line) => reporter?.reveal(line)),
  }
  const prepared = selected.hosts.map((host) => prepare(host, shared))
  const found = prepared.map(({ host, problems }) => ({ hosts: [host], problems }))
  const mistakes = [...noticed, ...grouped([...unknownIn(selected.hosts), ...found])]
  io.learn(prepared.flatMap((one) => one.secrets))
  stopAt(sorted(mistakes))
  const tags = [...new Set(prepared.flatMap((one) => one.tags))]
  // To list hosts no stage is made.
  if (!options.listHosts) stopAt(unknownTags(options, tags))
  const isOffline = options.command === 'inventory'
  const charts = isOffline ? [] : prepared.flatMap((one) => one.charts)
  const repositories = isOffline ? [] : prepared.flatMap((one) => one.repositories)
  const asked = await Promise.all([
    charts.length === 0 ? [] : chartsAsked(charts, supply, io),
    repositories.length === 0 ? [] : repositoriesRead(repositories, io),
  ])
  const problems = sorted([...mistakes, ...asked.flat()])
  stopAt(problems)

  const records = recorder(options, io)
  reporter = reporterFor(problems, options, io, [records.sink])
  const told = reporter
  return {
    prepared,
    tags,
    targets: targetsOf(prepared, INSTALLS.includes(options.command)),
    reporter: told,
    warnings: problems,
    lock: supply.lock,
    groups: inventory.groups.size,
    supply,
    decrypt,
    run: async (targets, mode) => {
      const { stop, signal, dispose } = listenForInterrupts(
        process,
        (text) => told.say(text),
        () => process.exit(130),
      )
      try {
        const { forks, roles } = options
        const results = await run(targets, { mode, forks, roles, stop, signal, emit: shared.emit, now: io.now })
        if (mode === 'apply') await records.prepare()
        return results
      } finally {
        dispose()
      }
    },
    end: (results) => {
      told.end(results, [])
      return outcome(results, []).exitCode
    },
  }
}

/** A reporter that has told the warnings about what was written. */
export function reporterFor(
  warnings: readonly Problem[],
  options: CliOptions,
  io: Io,
  more: readonly Sink[] = [],
): Reporter {
  const reporter = makeReporter(options, io, more)
  for (const warning of boundedProblems(warnings)) {
    const problem = asGiven(warning, options.fromEnv)
    reporter.emit({ at: io.now(), event: 'problem', host: null, problem })
  }
  return reporter
}

async function chartsAsked(charts: readonly HostChart[], supply: Supply, io: Io): Promise<Problem[]> {
  const { chartProblems } = await import('./charts.ts')
  return chartProblems(charts, supply, io)
}

async function repositoriesRead(repositories: readonly HostRepository[], io: Io): Promise<Problem[]> {
  const { repositoryProblems } = await import('./git.ts')
  return repositoryProblems(repositories, io)
}

/** The hosts that were named as arguments, and the limit; what was not said is undefined, never empty. */
export function patternsOf({ hosts, limit }: CliOptions): [pattern: string | undefined, limit: string | undefined] {
  return [hosts.length > 0 ? hosts.join(',') : undefined, limit ?? undefined]
}

const INSTALLS: readonly string[] = ['apply', 'plan', 'upgrade']
/** What installs, and what checks the same without a network. */
const BINDS: readonly string[] = [...INSTALLS, 'inventory']
const CONVERGES: readonly string[] = [...BINDS, 'render']

/** The lock file is that of the first `-i` that is a file or a directory. */
export function supplyOf(
  [directory]: readonly string[],
  { locked }: Pick<CliOptions, 'locked'>,
  { env, cwd }: Pick<Io, 'env' | 'cwd'>,
) {
  return openSupply({ directory, cwd, home: env.HOME ?? '', locked, ci: isCi(env) })
}

export function stopAt(problems: readonly Problem[]): void {
  if (problems.some((problem) => problem.kind !== 'warning')) throw new ProblemError(problems)
}

function userMistakes({ user }: CliOptions): Problem[] {
  const fault = user === null ? undefined : userFault(user)
  return fault === undefined ? [] : [usage('--user', fault.what, fault.hint)]
}

/** What the command line says of the connection; passwords are asked for once, before anything is touched. */
async function defaultsOf(options: CliOptions, io: Io): Promise<ConnectionDefaults> {
  const ask = async (on: boolean, prompt: string, flag: string, variable: string) =>
    on ? await askSecret(prompt, flag, `set ${variable} in the inventory or with -e @file`) : undefined
  const password = await ask(options.askPass, 'SSH password: ', '--ask-pass', 'ansible_password')
  const becomePassword = await ask(
    options.askBecomePass,
    'BECOME password: ',
    '--ask-become-pass',
    'ansible_become_password',
  )
  io.learn([password, becomePassword].filter((one) => one !== undefined))
  return {
    user: options.user ?? undefined,
    privateKeyFile: options.privateKey ?? undefined,
    sshCommonArgs: options.sshCommonArgs ?? undefined,
    password,
    becomePassword,
    become: options.become ? true : undefined,
  }
}
