// Event sequences from data files, told to a reporter whose streams are strings.

import { readFileSync } from 'node:fs'
import { parse } from 'yaml'
import type { Event, HostResult, RunMode } from '../../src/engine/events.ts'
import type { Change } from '../../src/engine/plan.ts'
import type { Problem } from '../../src/engine/problem.ts'
import { Secret } from '../../src/engine/secret.ts'
import { openDoor } from '../../src/report/door.ts'
import { makeReporter } from '../../src/report/reporter.ts'
import type { ReportOptions, Streams } from '../../src/report/sink.ts'

type View = Partial<ReportOptions> & { readonly forced?: boolean }

export interface RunCase {
  readonly name: string
  readonly views: readonly View[]
  readonly mode: RunMode
  readonly again: string
  readonly secrets: readonly string[]
  readonly events: readonly Event[]
  readonly results: readonly HostResult[]
  readonly problems: readonly Problem[]
}

/** Written short in the file; what it leaves out is filled in here. */
export function loadRuns(): RunCase[] {
  const file = readFileSync(new URL('fixtures/runs.yaml', import.meta.url), 'utf8')
  const cases = parse(file, { merge: true })
  return cases.map((given: RunCase): RunCase => {
    const events = given.events.map((event) => expand(event, given.mode))
    return {
      ...given,
      again: given.again ?? 'k3s-platform apply',
      secrets: given.secrets ?? [],
      events,
      results: events.flatMap((event) => (event.event === 'end' ? [event] : [])),
      problems: given.problems ?? [],
    }
  })
}

// biome-ignore lint/suspicious/noExplicitAny: the parse edge of a data file
function expand(short: any, mode: RunMode): Event {
  const at = short.at * 1000
  if (short.event === 'start') return { ...short, at, mode }
  if (short.event === 'plan') {
    // biome-ignore lint/suspicious/noExplicitAny: the parse edge of a data file
    const stages = short.stages.map((stage: any) => ({ ...stage, changes: stage.changes.map(change) }))
    return { ...short, at, stages: undefined, plan: { stages } }
  }
  if (short.is === 'done') return { ...short, at, change: change(short.change) }
  const none = { ok: 0, changed: 0, unreachable: 0, failed: 0, skipped: 0, rescued: 0 }
  if (short.event === 'end') return { ...short, at, recap: { ...none, ...short.recap } }
  return { ...short, at }
}

// biome-ignore lint/suspicious/noExplicitAny: the parse edge of a data file
function change({ title, id = title, ...rest }: any): Change {
  // States hold what the deltas mask: none of it may come out anywhere.
  const state = { leak: 'STATE-MUST-NOT-LEAK' }
  return { deltas: [], because: [], ...rest, resource: { id, title, inputs: ['x'] }, actual: state, desired: state }
}

export interface Told {
  readonly stdout: string
  readonly stderr: string
}

export function tellRun(run: RunCase, view: View, env: Streams['env'] = {}): Told {
  const told = { stdout: '', stderr: '' }
  let now = 0
  const streams: Streams = {
    stdout: { write: (text: string) => (told.stdout += text) },
    stderr: { write: (text: string) => (told.stderr += text) },
    env: view.forced ? { ...env, FORCE_COLOR: '1' } : env,
    cwd: '/',
    now: () => now,
    onExit: () => () => {},
  }
  const options: ReportOptions = {
    mode: run.mode,
    output: 'text',
    diff: false,
    quiet: false,
    verbosity: 0,
    color: true,
    events: null,
    again: run.again,
    ...view,
  }
  const io = openDoor(streams, options.output)
  io.learn(run.secrets.map((s) => new Secret(s)))
  const reporter = makeReporter(options, io)
  for (const event of run.events) {
    now = event.at
    reporter.emit(event)
  }
  reporter.end(run.results, run.problems)
  return told
}
