// apply: makes the hosts match the inventory. Only --take-back asks for confirmation.

import type { Io } from '../io.ts'
import type { CliOptions } from '../options.ts'
import { runRoles } from '../run.ts'

export async function run(options: CliOptions, io: Io): Promise<number> {
  if (options.handing !== 'take-back') return runRoles(options, io)
  const { askedRun } = await import('../confirm.ts')
  return askedRun(options, io, {
    where: '--take-back',
    text: (hosts) => `Suspend GitOps on ${hosts} and take its objects back into the inventory?`,
    stages: (role) => role.stages,
  })
}
