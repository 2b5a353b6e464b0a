// Runs with confirmation: shows the plan, asks, and applies it after a yes.

import type { Event } from '../engine/events.ts'
import { ProblemError } from '../engine/problem.ts'
import { planBlocks, planSentence } from '../report/plan-text.ts'
import { type ToldOf, tell } from '../report/serialize.ts'
import { painter } from '../report/style.ts'
import type { Io } from './io.ts'
import type { CliOptions } from './options.ts'
import { ask, hasTerminal } from './prompt.ts'
import { open } from './run.ts'
import type { HostTarget, StagesOf } from './targets.ts'

export interface Question {
  /** What is asked for: `reset`, `--take-back`. */
  readonly where: string
  /** Without `Only yes is taken`. */
  readonly text: (hosts: string) => string
  readonly stages: StagesOf
  readonly target?: (target: HostTarget) => HostTarget
}

/** Asks nothing where that was said already, where nothing is to be done, and where only is looked. */
export async function askedRun(options: CliOptions, io: Io, question: Question): Promise<number> {
  const { where, text, stages, target = (one) => one } = question
  const sure = options.yes || options.mode === 'check' || options.listHosts
  if (!sure && !hasTerminal()) {
    const hint = 'review with --check, then run with --yes'
    throw new ProblemError({ kind: 'usage', where, what: 'confirmation is required, but there is no terminal', hint })
  }
  const plans: ToldOf<'plan'>[] = []
  const opened = await open(options, io, stages, (event: Event) => {
    const told = io.shown(tell(event))
    if (told.event === 'plan') plans.push(told)
  })
  const targets = opened.targets.map(target)
  if (options.listHosts) {
    io.stdout.write(targets.map(({ host }) => `${host}\n`).join(''))
    return 0
  }
  if (sure) return opened.end(await opened.run(targets, options.mode))

  const looked = await opened.run(targets, 'check')
  const changes = plans.flatMap(({ plan }) => plan.stages.flatMap((stage) => stage.changes))
  const due = changes.some(({ op, deltas }) => !['none', 'owned'].includes(op) && (op !== 'local' || deltas.length > 0))
  if (!due || looked.some(({ status }) => isBad(status))) {
    return opened.end(looked)
  }
  const style = { paint: painter(false), full: false, contents: 'none' } as const
  const blocks = planBlocks(plans, style).map((lines) => `${lines.join('\n')}\n\n`)
  io.stderr.write(`\n${blocks.join('')}${planSentence(plans.map(({ plan }) => plan))}\n`)
  const names = targets.map(({ host }) => host).join(', ')
  if ((await ask(`${io.shown(text(names))} Type yes to confirm: `)) !== 'yes') {
    throw new ProblemError({ kind: 'interrupted', where, what: 'not confirmed; nothing was touched' })
  }
  return opened.end(await opened.run(targets, 'apply'))
}

const isBad = (status: string) => status !== 'ok' && status !== 'pending'
