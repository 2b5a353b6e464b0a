// A run that asks first: it looks, shows what it would do, and goes on when the answer is yes.

import type { Event } from '../engine/events.ts'
import { ProblemError } from '../engine/problem.ts'
import { planBlocks, planSentence } from '../report/plan-text.ts'
import { painter } from '../report/style.ts'
import { type ToldOf, tell } from '../report/told.ts'
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
    const hint = 'look with --check, then say --yes'
    throw new ProblemError({ kind: 'usage', where, what: 'there is no terminal to ask on', hint })
  }
  const plans: ToldOf<'plan'>[] = []
  const opened = await open(options, io, stages, (event: Event) => {
    const told = tell(event, (one) => one)
    if (told.event === 'plan') plans.push(told)
  })
  const targets = opened.targets.map(target)
  if (options.listHosts) {
    io.stdout.write(targets.map(({ host }) => `${host}\n`).join(''))
    return 0
  }
  if (sure) return opened.end(await opened.run(targets, options.mode))

  const looked = await opened.run(targets, 'check')
  if (!looked.some(({ status }) => status === 'pending') || looked.some(({ status }) => isBad(status))) {
    return opened.end(looked)
  }
  const style = { paint: painter(false), full: false, contents: 'none' } as const
  const blocks = planBlocks(plans, style).map((lines) => `${lines.join('\n')}\n\n`)
  io.stderr.write(`\n${blocks.join('')}${planSentence(plans.map(({ plan }) => plan))}\n`)
  const names = targets.map(({ host }) => host).join(', ')
  if ((await ask(`${text(names)} Only yes is taken: `)) !== 'yes') {
    throw new ProblemError({ kind: 'interrupted', where, what: 'not confirmed; nothing was touched' })
  }
  return opened.end(await opened.run(targets, 'apply'))
}

const isBad = (status: string) => status !== 'ok' && status !== 'pending'
