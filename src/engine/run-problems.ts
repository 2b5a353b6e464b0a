// Builds the problems of a host whose run failed: not converged, interrupted, or an internal error.

import { type Change, changesOf, isDue, isWaiting, type Plan } from './plan.ts'
import { type Problem, ProblemError } from './problem.ts'

export function notConverged(host: string, left: readonly Change[]): ProblemError {
  return new ProblemError(
    left.map((change) => ({
      kind: 'failed' as const,
      where: `${host} ${change.resource.title}`,
      what:
        change.op === 'local'
          ? 'The file on this workstation still differs after apply'
          : 'not converged: the change is still pending after apply',
      why: isWaiting(change)
        ? `still unknown: ${change.note}`
        : change.deltas
            .map((d) => `${d.field}: is ${JSON.stringify(d.from)}, should be ${JSON.stringify(d.to)}`)
            .join('\n'),
      hint:
        change.op === 'local'
          ? 'check the file and its directory on this workstation, then run apply again'
          : 'another process or tool on the host reverts it: see the difference with plan --diff, then find what writes it',
    })),
  )
}

export function interrupted(
  host: string,
  changed: ReadonlyMap<string, Change>,
  fresh: ReadonlySet<string>,
  plan: Plan,
): Problem {
  // What is done to an object is no more its making: a wait for it is told as such.
  const words = ({ op, note, resource }: Change) => (op === 'action' && note !== undefined ? note : resource.title)
  const all = changesOf(plan)
  const done = all.flatMap((c) => changed.get(c.resource.id) ?? []).map(words)
  const open = all.filter((c) => isDue(c) && !fresh.has(c.resource.id)).map(words)
  return {
    kind: 'failed',
    where: host,
    what: `interrupted after ${done.length} of ${done.length + open.length} changes`,
    why: `done: ${done.join(', ') || 'nothing'}\nnot done: ${open.join(', ') || 'nothing'}`,
    hint: 'run apply again: it continues where this run stopped',
  }
}

export function problemsOf(error: unknown, host: string, signal: AbortSignal): readonly Problem[] {
  if (error instanceof ProblemError) return error.problems
  if (signal.aborted) {
    return [
      {
        kind: 'failed',
        where: host,
        what: 'stopped immediately on the second Ctrl-C: the current step may be incomplete',
        hint: 'run apply again: it checks the state first and repairs it',
      },
    ]
  }
  return [
    {
      kind: 'failed',
      where: host,
      what: `internal error: ${error instanceof Error ? error.message : String(error)}`,
      hint: 'this is a bug in k3s-platform: please report it with the output of --debug',
      ...(error instanceof Error && error.stack !== undefined ? { debug: error.stack } : {}),
    },
  ]
}
