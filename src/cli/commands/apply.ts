// apply: makes the hosts match the inventory; only what takes objects out of Git's hands is asked for first.

import type { Io } from '../io.ts'
import type { CliOptions } from '../options.ts'
import { runRoles } from '../run.ts'

export async function run(options: CliOptions, io: Io): Promise<number> {
  if (options.handing !== 'take-back') return runRoles(options, io)
  const { askedRun } = await import('../asked.ts')
  return askedRun(options, io, {
    where: '--take-back',
    text: (hosts) => `Stop what GitOps applies on ${hosts}, and make its objects the inventory's?`,
    stages: (role) => role.stages,
  })
}
