// How a whole run ended: one word, and the exit code that goes with it.

import type { HostResult } from '../engine/events.ts'
import type { Problem } from '../engine/problem.ts'

export type Status = 'ok' | 'pending' | 'failed' | 'usage' | 'interrupted'

export const EXIT: Readonly<Record<Status, number>> = { ok: 0, pending: 2, failed: 1, usage: 64, interrupted: 130 }

export interface HostOutcome {
  readonly status: Status
  readonly exitCode: number
}

/** From the results of all hosts and the problems that belong to none; warnings do not count. */
export function outcome(results: readonly HostResult[], problems: readonly Problem[]): HostOutcome {
  const status = statusOf(results, problems)
  return { status, exitCode: EXIT[status] }
}

function statusOf(results: readonly HostResult[], problems: readonly Problem[]): Status {
  const has = (...statuses: HostResult['status'][]) => results.some((r) => statuses.includes(r.status))
  if (has('interrupted') || problems.some((p) => p.kind === 'interrupted')) return 'interrupted'
  if (problems.some((p) => p.kind === 'usage')) return 'usage'
  if (has('failed', 'unreachable') || problems.some((p) => p.kind !== 'warning')) return 'failed'
  return has('pending') ? 'pending' : 'ok'
}
