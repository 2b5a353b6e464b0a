// A problem as people read it: where, what, why, and what to do next.

/**
 * `unreachable`: no login was possible; `failed`: the work on a host failed; `usage`: wrong input, nothing was touched;
 * `interrupted`: the user stopped it before it began.
 */
export type ProblemKind = 'usage' | 'unreachable' | 'failed' | 'warning' | 'interrupted'

export interface Problem {
  readonly kind: ProblemKind
  /** `file:line:col path.in.file`, `host`, or `host resource`. */
  readonly where: string
  /** One sentence without a full stop: what is wrong. */
  readonly what: string
  /** The cause as far as it is known; may have several lines (a journal, a log). */
  readonly why?: string
  /** What to do next: best a command. */
  readonly hint?: string
  /** Something failed and the last good state was put back. */
  readonly rescued?: true
  /** The stack of an unexpected error: for --debug and reports of defects, not for people. */
  readonly debug?: string
}

/** Carries problems through code that cannot go on; the only error that is shown without a stack trace. */
export class ProblemError extends Error {
  readonly problems: readonly Problem[]

  constructor(problems: Problem | readonly Problem[], options?: ErrorOptions) {
    const all = 'kind' in problems ? [problems] : problems
    super(all.map((p) => `${p.where}: ${p.what}`).join('\n'), options)
    this.name = 'ProblemError'
    this.problems = all
  }
}
