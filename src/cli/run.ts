// Opens a run (inventory, targets, report) and runs the roles' stages: apply and plan.

import type { Event, HostResult, Mode } from '../engine/events.ts'
import { type Problem, ProblemError } from '../engine/problem.ts'
import { run } from '../engine/runner.ts'
import { type ConnectionDefaults, type Decrypt, selectHosts, sorted } from '../inventory/index.ts'
import { outcome } from '../report/outcome.ts'
import { redactor } from '../report/redact.ts'
import { makeReporter } from '../report/reporter.ts'
import type { Reporter } from '../report/sink.ts'
import { tellProblem } from '../report/told.ts'
import { openSupply, type Supply } from '../supply/supply.ts'
import type { HostChart } from './charts.ts'
import type { CommandName } from './flags.ts'
import type { HostRepository } from './git.ts'
import { decrypter, inventoryOf } from './inventory.ts'
import type { Io } from './io.ts'
import type { CliOptions } from './options.ts'
import { askSecret } from './prompt.ts'
import { listenForInterrupts } from './signals.ts'
import {
  type HostTarget,
  type Prepared,
  prepare,
  type Shared,
  type StagesOf,
  sharedFetch,
  unknownTags,
} from './targets.ts'
import { terminalOf } from './terminal.ts'

export async function runRoles(options: CliOptions, io: Io): Promise<number> {
  const opened = await open(options, io, (role) => role.stages)
  if (options.listHosts || options.listTags) {
    const words = options.listHosts ? opened.targets.map((t) => t.host) : opened.tags
    io.stdout.write(words.map((word) => `${word}\n`).join(''))
    return 0
  }
  const results = await opened.run(opened.targets, options.mode)
  return opened.end(results)
}

/** A run whose input is understood: nothing was touched yet, and nothing is wrong with what was written. */
export interface Opened {
  readonly prepared: readonly Prepared[]
  readonly targets: readonly HostTarget[]
  /** What `--tags` may name. */
  readonly tags: readonly string[]
  readonly reporter: Reporter
  /** Knows the passwords that were asked for. */
  readonly decrypt: Decrypt
  run(targets: readonly HostTarget[], mode: Mode): Promise<HostResult[]>
  /** Reports the results; the exit code. */
  end(results: readonly HostResult[]): number
}

/** Throws ProblemError with all that is wrong, of kind `usage`, before any host is spoken to. */
export async function open(
  options: CliOptions,
  io: Io,
  stagesOf: StagesOf,
  listen: (event: Event) => void = () => undefined,
): Promise<Opened> {
  const decrypt = decrypter(options, io)
  const inventory = await inventoryOf(options, io, decrypt)
  stopAt(inventory.problems)
  const selected = selectHosts(inventory, options.hosts.join(',') || 'all', options.limit ?? undefined)
  stopAt([...inventory.problems, ...selected.problems])
  const { supply, problems: unread } = await supplyOf(inventory.directories, options, io)
  stopAt(unread)
  let reporter: Reporter | undefined
  const shared: Shared = {
    options,
    io,
    stagesOf,
    defaults: await defaultsOf(options),
    met: new Map(),
    supply: INSTALLS.includes(options.command) ? supply : undefined,
    emit: (event: Event) => {
      listen(event)
      reporter?.emit(event)
    },
    fetch: sharedFetch(io.env),
    terminal: terminalOf(options, io, (line) => reporter?.reveal(line)),
  }
  const prepared = selected.hosts.map((host) => prepare(host, shared))
  const mistakes = [...inventory.problems, ...prepared.flatMap((one) => one.problems)]
  const hide = redactor(prepared.flatMap((one) => one.secrets))
  const stopHiding = (problems: readonly Problem[]) => stopAt(problems.map((problem) => tellProblem(problem, hide)))
  stopHiding(sorted(mistakes))
  const tags = [...new Set(prepared.flatMap((one) => one.tags))]
  stopAt(unknownTags(options, tags))
  const charts = prepared.flatMap((one) => one.charts)
  const repositories = prepared.flatMap((one) => one.repositories)
  const asked = await Promise.all([
    charts.length === 0 ? [] : chartsAsked(charts, supply, io),
    repositories.length === 0 ? [] : repositoriesRead(repositories, io),
  ])
  const problems = sorted([...mistakes, ...asked.flat()])
  stopHiding(problems)

  reporter = makeReporter(options, io, hide)
  const told = reporter
  for (const problem of problems) told.emit({ at: io.now(), event: 'problem', host: null, problem })
  return {
    prepared,
    tags,
    targets: prepared.flatMap((one) => one.target ?? []),
    reporter: told,
    decrypt,
    run: async (targets, mode) => {
      const { stop, signal, dispose } = listenForInterrupts(
        process,
        (text) => told.say(text),
        () => process.exit(130),
      )
      try {
        const { forks, roles } = options
        return await run(targets, { mode, forks, roles, stop, signal, emit: shared.emit, now: io.now })
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

async function chartsAsked(charts: readonly HostChart[], supply: Supply, io: Io): Promise<Problem[]> {
  const { chartProblems } = await import('./charts.ts')
  return chartProblems(charts, supply, io)
}

async function repositoriesRead(repositories: readonly HostRepository[], io: Io): Promise<Problem[]> {
  const { repositoryProblems } = await import('./git.ts')
  return repositoryProblems(repositories, io)
}

const INSTALLS: readonly CommandName[] = ['apply', 'plan', 'upgrade']

/** The lock file is that of the first `-i` that is a file or a directory. */
export function supplyOf([directory]: readonly string[], { locked }: CliOptions, { env, cwd }: Io) {
  const ci = ['1', 'true'].includes(env.CI ?? '')
  return openSupply({ directory, cwd, home: env.HOME ?? '', locked, ci })
}

export function stopAt(problems: readonly Problem[]): void {
  if (problems.some((problem) => problem.kind !== 'warning')) throw new ProblemError(problems)
}

/** What the command line says of the connection; passwords are asked for once, before anything is touched. */
async function defaultsOf(options: CliOptions): Promise<ConnectionDefaults> {
  const ask = async (on: boolean, prompt: string, flag: string, variable: string) =>
    on ? await askSecret(prompt, flag, `give ${variable} in the inventory or with -e @file`) : undefined
  const password = await ask(options.askPass, 'SSH password: ', '--ask-pass', 'ansible_password')
  const becomePassword = await ask(
    options.askBecomePass,
    'BECOME password: ',
    '--ask-become-pass',
    'ansible_become_password',
  )
  return {
    user: options.user ?? undefined,
    privateKeyFile: options.privateKey ?? undefined,
    sshCommonArgs: options.sshCommonArgs ?? undefined,
    password,
    becomePassword,
    become: options.become ? true : undefined,
  }
}
