// Maps a command's name to its function, which is loaded when it is called.

import type { CommandName } from './flags.ts'
import type { Io } from './io.ts'
import type { CliOptions } from './options.ts'

type Run = (options: CliOptions, io: Io) => Promise<number>

const roles = async (): Promise<Run> => (await import('./run.ts')).runRoles

const RUNS: Readonly<Record<CommandName, () => Promise<Run>>> = {
  apply: async () => (await import('./commands/apply.ts')).run,
  plan: roles,
  certs: async () => (await import('./commands/certs.ts')).run,
  doctor: async () => (await import('./commands/doctor.ts')).run,
  lock: async () => (await import('./commands/lock.ts')).run,
  kubeconfig: async () => (await import('./commands/kubeconfig.ts')).run,
  render: async () => (await import('./commands/render.ts')).run,
  reset: async () => (await import('./commands/reset.ts')).run,
  upgrade: async () => (await import('./commands/upgrade.ts')).run,
}

export async function dispatch(options: CliOptions, io: Io): Promise<number> {
  const run = await RUNS[options.command]()
  return run(options, io)
}
