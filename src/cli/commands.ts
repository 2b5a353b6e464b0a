// All commands, in the order of the help.

import type { Command } from './command.ts'
import { certs } from './declarations/certs.ts'
import { completion } from './declarations/completion.ts'
import { charts, doctor, kubeconfig, lock, reset, upgrade } from './declarations/hosts.ts'
import { explain, inventory } from './declarations/inventory.ts'
import { apply, plan, render } from './declarations/roles.ts'
import { runs } from './declarations/runs.ts'
import { secrets } from './declarations/secrets.ts'
import { status } from './declarations/status.ts'

export const COMMANDS: readonly Command[] = [
  apply,
  plan,
  status,
  certs,
  charts,
  doctor,
  inventory,
  explain,
  render,
  lock,
  secrets,
  kubeconfig,
  upgrade,
  reset,
  runs,
  completion,
]

/** The commands and verbs with their full names: `certs remove`. */
export function allCommands(): readonly (readonly [where: string, command: Command])[] {
  return COMMANDS.flatMap((top) => [
    [top.name, top] as const,
    ...top.verbs.map((verb) => [`${top.name} ${verb.name}`, verb] as const),
  ])
}
