// reset: takes k3s off hosts again; shows what will go and asks, or is told --yes.

import type { z } from 'zod'
import type { Role } from '../../../roles/role.ts'
import type { Event } from '../../engine/events.ts'
import { ProblemError } from '../../engine/problem.ts'
import { planBlocks, planSentence } from '../../report/plan-text.ts'
import { painter } from '../../report/style.ts'
import { type ToldOf, tell } from '../../report/told.ts'
import type { Io } from '../io.ts'
import type { CliOptions } from '../options.ts'
import { ask, hasTerminal } from '../prompt.ts'
import { open } from '../run.ts'
import type { HostTarget } from '../targets.ts'

export async function run(options: CliOptions, io: Io): Promise<number> {
  if (options.hosts.length === 0 && options.limit === null) {
    const hint = 'name it: k3s-platform reset -l edge-1; all of the inventory is -l all'
    throw new ProblemError({ kind: 'usage', where: 'reset', what: 'say which host', hint })
  }
  const sure = options.yes || options.mode === 'check' || options.listHosts
  if (!sure && !hasTerminal()) {
    const hint = 'look with --check, then say --yes'
    throw new ProblemError({ kind: 'usage', where: 'reset', what: 'there is no terminal to ask on', hint })
  }
  const plans: ToldOf<'plan'>[] = []
  const opened = await open(options, io, stagesOf, (event: Event) => {
    const told = tell(event, (text) => text)
    if (told.event === 'plan') plans.push(told)
  })
  const targets = opened.targets.map(onlyAsRoot)
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
  if ((await ask(`Remove k3s and its data from ${names}? Only yes is taken: `)) !== 'yes') {
    throw new ProblemError({ kind: 'interrupted', where: 'reset', what: 'not confirmed; nothing was touched' })
  }
  return opened.end(await opened.run(targets, 'apply'))
}

const isBad = (status: string) => status !== 'ok' && status !== 'pending'

const stagesOf =
  <V extends z.ZodObject>(role: Role<V>): Role<V>['stages'] =>
  (vars, context) =>
    role.reset?.(vars, context) ?? []

/** What forbids to install k3s does not forbid to remove it. */
function onlyAsRoot(target: HostTarget): HostTarget {
  return {
    ...target,
    checks: 0,
    preflight: ({ facts }) =>
      facts.uid === 0
        ? []
        : [
            {
              kind: 'usage',
              where: target.host,
              what: 'needs root, and ansible_become: false forbids to become it',
              hint: 'remove ansible_become, log in as root, or give a user who may use sudo',
            },
          ],
  }
}
