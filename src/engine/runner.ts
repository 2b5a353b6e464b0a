// The whole run: observe, plan, and, unless it is a check, apply stage by stage, each time observing and planning again.

import type { Emit, HostResult, Mode, Recap, Untimed } from './events.ts'
import { type Change, changesOf, count, type Plan, pending, plan } from './plan.ts'
import { type Problem, ProblemError } from './problem.ts'
import type { Backend, Lock, Look, Resource, Stage, StepReport } from './resource.ts'

/** One host and what it shall become. */
export interface Target<R extends Resource, Facts> {
  readonly host: string
  readonly stages: readonly Stage<R>[]
  /** Throws ProblemError of kind `unreachable` or `usage`. */
  connect(signal: AbortSignal): Promise<Session<R, Facts>>
  /** What forbids this run, seen from the first look; warnings do not. Nothing was touched yet. */
  preflight(look: Look<Facts>): readonly Problem[]
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
  readonly mode: Mode
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
  targets: readonly Target<R, Facts>[],
  options: RunOptions,
): Promise<HostResult[]> {
  const results: HostResult[] = []
  const queue = targets.entries()
  const emit = (event: Untimed) => options.emit({ at: options.now(), ...event })
  emit({ event: 'start', mode: options.mode, hosts: targets.map((t) => t.host), roles: options.roles })
  const worker = async () => {
    for (const [i, target] of queue) {
      const result = await runHost(target, options, emit)
      results[i] = result
      emit({ event: 'end', ...result })
    }
  }
  await Promise.all(Array.from({ length: Math.min(options.forks, targets.length) }, worker))
  return results
}

type Tally = { -readonly [K in Exclude<keyof Recap, 'unreachable'>]: number }

async function runHost<R extends Resource, Facts>(
  target: Target<R, Facts>,
  options: RunOptions,
  emit: (event: Untimed) => void,
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
    return finish(await converge(target, session, options, emit, tally))
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
  target: Target<R, Facts>,
  session: Session<R, Facts>,
  options: RunOptions,
  emit: (event: Untimed) => void,
  tally: Tally,
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
  emit({ event: 'plan', host, about: target.about(first.facts), checks: target.checks, plan: first.plan })
  settleTally(first.plan, 0, tally)
  if (!changesOf(first.plan).some(pending)) return 'ok'
  if (options.mode === 'check') {
    tally.changed = changesOf(first.plan).filter(pending).length
    settleTally(first.plan, tally.changed, tally)
    return 'pending'
  }

  emit({ event: 'busy', host, doing: 'taking the lock' })
  let lock: Lock
  try {
    lock = await session.lock(AbortSignal.any([options.stop, options.signal]))
  } catch (error) {
    // Another run may hold it for a minute: that is no step to be finished.
    if (!options.stop.aborted || options.signal.aborted) throw error
    emit({ event: 'problem', host, problem: interrupted(host, new Map(), new Set(), first.plan) })
    return 'interrupted'
  }
  let current = first.plan
  // By id, what it was.
  const changed = new Map<string, Change>()
  // Changed, but not yet looked at.
  const fresh = new Set<string>()
  try {
    current = (await look('looking again, under the lock')).plan
    for (const [i, stage] of stages.entries()) {
      const attempted = new Set<string>()
      for (;;) {
        const todo = (current.stages[i]?.changes ?? []).filter(pending)
        if (todo.length === 0) break
        const possible = todo.filter((change) => change.op !== 'deferred')
        const again = possible.filter((change) => attempted.has(change.resource.id))
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
          for (const change of possible) attempted.add(change.resource.id)
        }
        if (options.stop.aborted) {
          emit({ event: 'problem', host, problem: interrupted(host, changed, fresh, current) })
          return 'interrupted'
        }
        current = (await look('looking at the result')).plan
        fresh.clear()
      }
    }
    const left = changesOf(current).filter(pending)
    if (left.length > 0) throw notConverged(host, left)
    return 'ok'
  } finally {
    tally.changed = changed.size
    settleTally(current, fresh.size, tally)
    await lock.release()
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

function notConverged(host: string, left: readonly Change[]): ProblemError {
  return new ProblemError(
    left.map((change) => ({
      kind: 'failed' as const,
      where: `${host} ${change.resource.title}`,
      what: 'not converged: after apply the plan still has it',
      why:
        change.op === 'deferred'
          ? `still unknown: ${change.note}`
          : change.deltas
              .map((d) => `${d.field}: is ${JSON.stringify(d.from)}, should be ${JSON.stringify(d.to)}`)
              .join('\n'),
      hint: 'something on the host undoes it or another tool manages it: run plan --diff to see it, then find what writes it',
    })),
  )
}

function interrupted(
  host: string,
  changed: ReadonlyMap<string, Change>,
  fresh: ReadonlySet<string>,
  plan: Plan,
): Problem {
  // What is done to an object is no more its making: a wait for it is told as such.
  const words = ({ op, note, resource }: Change) => (op === 'action' && note !== undefined ? note : resource.title)
  const all = changesOf(plan)
  const done = all.flatMap((c) => changed.get(c.resource.id) ?? []).map(words)
  const open = all.filter((c) => pending(c) && !fresh.has(c.resource.id)).map(words)
  return {
    kind: 'failed',
    where: host,
    what: `interrupted after ${done.length} of ${done.length + open.length} changes`,
    why: `done: ${done.join(', ') || 'nothing'}\nnot done: ${open.join(', ') || 'nothing'}`,
    hint: 'run apply again: it goes on where this run stopped',
  }
}

function problemsOf(error: unknown, host: string, signal: AbortSignal): readonly Problem[] {
  if (error instanceof ProblemError) return error.problems
  if (signal.aborted) {
    return [
      {
        kind: 'failed',
        where: host,
        what: 'stopped at once, as asked: the step under way may be half done',
        hint: 'run apply again: it looks first and puts right what is not',
      },
    ]
  }
  return [
    {
      kind: 'failed',
      where: host,
      what: `internal error: ${error instanceof Error ? error.message : String(error)}`,
      hint: 'this is a defect of k3s-platform: please report it with what --debug shows',
      ...(error instanceof Error && error.stack !== undefined ? { debug: error.stack } : {}),
    },
  ]
}
