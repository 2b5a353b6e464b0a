// The whole run: observe, plan, and, unless it is a check, apply stage by stage, each time observing and planning again.

import pMap from 'p-map'
import type { Emit, HostResult, Recap, RunMode, Untimed } from './events.ts'
import { type Change, changesOf, count, isDue, isWaiting, type Plan, pending, plan, unwritten } from './plan.ts'
import { type Problem, ProblemError } from './problem.ts'
import type { Backend, Lock, Look, Resource, Stage, StepReport } from './resource.ts'
import { interrupted, notConverged, problemsOf } from './run-problems.ts'
import { makeTurns, type Turns } from './turns.ts'

/** One host and what it shall become. */
export interface RunTarget<R extends Resource, Facts> {
  readonly host: string
  readonly stages: readonly Stage<R>[]
  /** Throws ProblemError of kind `unreachable` or `usage`. */
  connect(signal: AbortSignal): Promise<Session<R, Facts>>
  /** What forbids this run, seen from the first look; warnings do not. Nothing was touched yet. */
  preflight(look: Look<Facts>): readonly Problem[]
  /**
   * What it shares with other targets of a run: of those that have one of these keys in common, only one is changed at a time.
   * Default: nothing.
   */
  exclusive?(look: Look<Facts>): readonly string[]
  /** Targets of the run that must be as they should be before this one is changed; those have none themselves. Default: none. */
  readonly after?: readonly string[]
  /** How many things preflight looks at. */
  readonly checks: number
  /** One line for people: `Debian 13, amd64, 2 CPU, 3.8 GiB`. */
  about(facts: Facts): string
}

export interface Session<R extends Resource, Facts> extends Backend<R, Facts> {
  /** Commands run so far. */
  readonly execs: number
  close(): Promise<void>
}

export interface RunOptions {
  readonly mode: RunMode
  /** Hosts at a time. */
  readonly forks: number
  readonly roles: readonly string[]
  /** First Ctrl-C: finish the step under way, then report. */
  readonly stop: AbortSignal
  /** Second Ctrl-C: end at once. */
  readonly signal: AbortSignal
  readonly emit: Emit
  /** Milliseconds since the epoch. */
  readonly now: () => number
}

/** Results in the order of the targets; never rejects for what happens to a host. */
export async function run<R extends Resource, Facts>(
  targets: readonly RunTarget<R, Facts>[],
  options: RunOptions,
): Promise<HostResult[]> {
  const emit = (event: Untimed) => options.emit({ at: options.now(), ...event })
  emit({ event: 'start', mode: options.mode, hosts: targets.map((t) => t.host), roles: options.roles })
  const turns = makeTurns()
  const runOne = async (target: RunTarget<R, Facts>): Promise<HostResult> => {
    const result = await runHost(target, options, emit, turns)
    turns.over(target.host, result.status === 'ok')
    emit({ event: 'end', ...result })
    return result
  }
  // Whoever is waited for comes first: with one fork nobody else would get there.
  const queue = [...targets.entries()].toSorted(([, a], [, b]) => Number(waits(a)) - Number(waits(b)))
  const results: HostResult[] = []
  await pMap(queue, async ([i, target]) => (results[i] = await runOne(target)), { concurrency: options.forks })
  return results
}

function waits({ after = [] }: { readonly after?: readonly string[] }): boolean {
  return after.length > 0
}

/** How often something that does not stay well is waited for. */
const WAITS = 3

type Tally = { -readonly [K in Exclude<keyof Recap, 'unreachable'>]: number }

async function runHost<R extends Resource, Facts>(
  target: RunTarget<R, Facts>,
  options: RunOptions,
  emit: (event: Untimed) => void,
  turns: Turns,
): Promise<HostResult> {
  const { host } = target
  const started = options.now()
  const tally: Tally = { ok: 0, changed: 0, failed: 0, skipped: 0, rescued: 0 }
  let session: Session<R, Facts> | undefined
  const finish = (status: HostResult['status']): HostResult => {
    const recap: Recap = { ...tally, unreachable: status === 'unreachable' ? 1 : 0 }
    return { host, status, recap, seconds: (options.now() - started) / 1000, execs: session?.execs ?? 0 }
  }
  try {
    if (options.stop.aborted) return finish('interrupted')
    emit({ event: 'busy', host, doing: 'connecting' })
    session = await target.connect(options.signal)
    return finish(await converge(target, session, options, emit, tally, turns))
  } catch (error) {
    const problems = problemsOf(error, host, options.signal)
    for (const problem of problems) {
      emit({ event: 'problem', host, problem })
      if (problem.rescued) tally.rescued++
    }
    if (options.signal.aborted) return finish('interrupted')
    if (problems.some((p) => p.kind === 'unreachable')) return finish('unreachable')
    tally.failed = problems.filter((p) => p.kind !== 'warning').length
    tally.skipped = Math.max(0, tally.skipped - tally.failed)
    return finish('failed')
  } finally {
    await session?.close().catch(() => undefined)
  }
}

async function converge<R extends Resource, Facts>(
  target: RunTarget<R, Facts>,
  session: Session<R, Facts>,
  options: RunOptions,
  emit: (event: Untimed) => void,
  tally: Tally,
  turns: Turns,
): Promise<HostResult['status']> {
  const { host, stages } = target
  const resources = stages.flatMap((stage) => stage.resources)
  const look = async (doing: string) => {
    emit({ event: 'busy', host, doing })
    const found = await session.observe(resources, options.signal)
    return { ...found, plan: plan(stages, found.observations) }
  }

  const first = await look('looking')
  const findings = target.preflight(first)
  const blocking = findings.filter((p) => p.kind !== 'warning')
  if (blocking.length > 0) throw new ProblemError(findings)
  for (const problem of findings) emit({ event: 'problem', host, problem })
  const keys = target.exclusive?.(first) ?? []
  const about = target.about(first.facts)
  emit({
    event: 'plan',
    host,
    about,
    checks: target.checks,
    plan: first.plan,
    ...(keys.length > 0 && { exclusive: keys }),
  })
  settleTally(first.plan, 0, tally)
  if (!changesOf(first.plan).some(options.mode === 'check' ? pending : isDue)) return 'ok'
  if (options.mode === 'check') {
    tally.changed = changesOf(first.plan).filter(pending).length
    settleTally(first.plan, tally.changed, tally)
    return 'pending'
  }

  const asked = AbortSignal.any([options.stop, options.signal])
  const waiting = (other: string) =>
    emit({ event: 'busy', host, doing: `waiting for ${other}: servers of one cluster are changed one at a time` })
  const turn = await turns.take({ host, keys, after: target.after ?? [] }, waiting, asked).catch((error: unknown) => {
    if (!options.stop.aborted || options.signal.aborted) throw error
    return undefined
  })
  if (turn === undefined) {
    emit({ event: 'problem', host, problem: interrupted(host, new Map(), new Set(), first.plan) })
    return 'interrupted'
  }
  let status: HostResult['status'] | undefined
  try {
    status = await change(target, session, first.plan, options, emit, tally, look)
    return status
  } finally {
    turn.end(status === 'ok')
  }
}

/** The part of a run that changes something, under the lock. */
async function change<R extends Resource, Facts>(
  { host, stages }: RunTarget<R, Facts>,
  session: Session<R, Facts>,
  planned: Plan<R>,
  options: RunOptions,
  emit: (event: Untimed) => void,
  tally: Tally,
  look: (doing: string) => Promise<{ readonly plan: Plan<R> }>,
): Promise<HostResult['status']> {
  emit({ event: 'busy', host, doing: 'acquiring the lock' })
  let lock: Lock
  try {
    lock = await session.lock(AbortSignal.any([options.stop, options.signal]))
  } catch (error) {
    // Another run may hold it for a minute: that is no step to be finished.
    if (!options.stop.aborted || options.signal.aborted) throw error
    emit({ event: 'problem', host, problem: interrupted(host, new Map(), new Set(), planned) })
    return 'interrupted'
  }
  let isHeld = true
  const release = async () => {
    if (isHeld) await lock.release()
    isHeld = false
  }
  let current = planned
  // By id, what it was.
  const changed = new Map<string, Change>()
  // Changed, but not yet looked at.
  const fresh = new Set<string>()
  try {
    current = (await look('checking again, under the lock')).plan
    for (let round = 1; ; round++) {
      for (const [i, stage] of stages.entries()) {
        if (stage.unlocked) await release()
        const attempts = new Map<string, number>()
        const triedEnough = ({ resource }: Change) => (attempts.get(resource.id) ?? 0) >= (resource.waits ? WAITS : 1)
        for (;;) {
          // A file that cannot be written keeps nothing from the host: it is told at the end.
          const writable = (change: Change) => !isWaiting(change) && !triedEnough(change)
          const todo = (current.stages[i]?.changes ?? []).filter(
            (change) => pending(change) || (unwritten(change) && writable(change)),
          )
          if (todo.length === 0) break
          const possible = todo.filter((change) => !isWaiting(change))
          const again = possible.filter(triedEnough)
          if (possible.length === 0 || again.length > 0) throw notConverged(host, again.length > 0 ? again : todo)
          if (!options.stop.aborted) {
            await session.apply(possible, {
              stop: options.stop,
              signal: options.signal,
              step: stepEmitter(host, stage, possible, options.now, emit, (change) => {
                fresh.add(change.resource.id)
                changed.set(change.resource.id, change)
              }),
            })
            for (const { resource } of possible) attempts.set(resource.id, (attempts.get(resource.id) ?? 0) + 1)
          }
          if (options.stop.aborted) {
            emit({ event: 'problem', host, problem: interrupted(host, changed, fresh, current) })
            return 'interrupted'
          }
          current = (await look('verifying the result')).plan
          fresh.clear()
        }
      }
      const left = changesOf(current).filter(isDue)
      if (left.length === 0) return 'ok'
      // What was well when it was waited for, and is not now, has not been undone by anybody: it flaps.
      if (round === WAITS || !left.every(({ resource }) => resource.waits)) throw notConverged(host, left)
    }
  } finally {
    tally.changed = [...changed.values()].filter(pending).length
    settleTally(current, [...fresh].filter((id) => changed.get(id)?.op !== 'local').length, tally)
    await release()
  }
}

/** `done`: how many of the plan's pending changes are made by now. What is pending still was not got to. */
function settleTally(plan: Plan, done: number, tally: Tally): void {
  const counts = count(plan)
  tally.ok = counts.none + done
  tally.skipped = counts.owned + changesOf(plan).filter(pending).length - done
}

function stepEmitter(
  host: string,
  stage: Stage,
  changes: readonly Change[],
  now: () => number,
  emit: (event: Untimed) => void,
  changed: (change: Change) => void,
): (report: StepReport) => void {
  const byId = new Map(changes.map((change) => [change.resource.id, change]))
  const started = new Map<string, number>()
  return (report) => {
    const base = { event: 'step', host, role: stage.role, stage: stage.name, resource: report.resource } as const
    if (report.is === 'start' && !started.has(report.resource)) started.set(report.resource, now())
    if (report.is === 'warning') return emit({ event: 'problem', host, problem: report.problem })
    if (report.is !== 'done') return emit({ ...base, ...report })
    const change = byId.get(report.resource)
    if (change === undefined) return
    changed(change)
    const seconds = (now() - (started.get(report.resource) ?? now())) / 1000
    emit({ ...base, is: 'done', title: report.title, change, seconds })
  }
}
