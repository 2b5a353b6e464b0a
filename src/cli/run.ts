// Runs a command: inventory, targets, engine, report.

import type { Event } from '../engine/events.ts'
import type { Problem } from '../engine/problem.ts'
import { run } from '../engine/runner.ts'
import { preload } from '../host/ssh/connect.ts'
import { type ConnectionDefaults, loadInventory, selectHosts, unique } from '../inventory/index.ts'
import { outcome } from '../report/outcome.ts'
import { redactor } from '../report/redact.ts'
import { makeReporter } from '../report/reporter.ts'
import type { Io } from './io.ts'
import type { CliOptions } from './options.ts'
import { askSecret } from './prompt.ts'
import { listenForInterrupts } from './signals.ts'
import { prepare, type Shared, sharedFetch, unknownTags } from './targets.ts'

export async function runCommand(options: CliOptions, io: Io): Promise<number> {
  preload().catch(() => undefined) // what fails here fails again, and is told, at the login
  const inventory = await loadInventory({
    sources: options.inventory,
    extraVars: options.extraVars,
    cwd: io.cwd,
    env: io.env,
  })
  const selected = selectHosts(inventory, 'all', options.limit ?? undefined)
  const problems: Problem[] = [...inventory.problems]
  // Without hosts there is little sense in more: what is wrong with the files comes first.
  if (!problems.some(blocks)) problems.push(...selected.problems)
  const listeners: ((event: Event) => void)[] = []
  const shared: Shared = {
    options,
    io,
    defaults: problems.some(blocks) ? {} : await defaultsOf(options),
    emit: (event) => {
      for (const listener of listeners) listener(event)
    },
    fetch: sharedFetch(io.env),
  }
  const prepared = problems.some(blocks) ? [] : selected.hosts.map((host) => prepare(host, shared))
  problems.push(...unique(prepared.flatMap((one) => one.problems)))
  const reporter = makeReporter(options, io, redactor(prepared.flatMap((one) => one.secrets)))
  const targets = prepared.flatMap((one) => one.target ?? [])
  const tags = [...new Set(prepared.flatMap((one) => one.tags))]
  if (!problems.some(blocks)) problems.push(...unknownTags(options, tags))
  if (problems.some(blocks)) {
    reporter.end([], problems)
    return outcome([], problems).exitCode
  }
  if (options.listHosts || options.listTags) {
    const lines = options.listHosts ? targets.map((t) => t.host) : tags
    io.stdout.write(lines.map((line) => `${line}\n`).join(''))
    return 0
  }
  for (const problem of problems) reporter.emit({ at: io.now(), event: 'problem', host: null, problem })
  listeners.push((event) => reporter.emit(event))
  const interrupts = listenForInterrupts(
    process,
    (text) => reporter.say(text),
    () => process.exit(130),
  )
  const results = await run(targets, {
    mode: options.mode,
    forks: options.forks,
    roles: options.roles,
    stop: interrupts.stop,
    signal: interrupts.signal,
    emit: shared.emit,
    now: io.now,
  })
  interrupts.dispose()
  reporter.end(results, [])
  return outcome(results, []).exitCode
}

function blocks(problem: Problem): boolean {
  return problem.kind !== 'warning'
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
