// reset: removes k3s from hosts after it has shown what will be removed and asked for confirmation.

import type { z } from 'zod'
import type { Role } from '../../../roles/role.ts'
import { ProblemError } from '../../engine/problem.ts'
import { askedRun } from '../confirm.ts'
import type { Io } from '../io.ts'
import type { CliOptions } from '../options.ts'
import type { HostTarget } from '../targets.ts'

export async function run(options: CliOptions, io: Io): Promise<number> {
  if (options.hosts.length === 0 && options.limit === null) {
    const hint = 'name the host: k3s-platform reset -l edge-1; every host of the inventory: -l all'
    throw new ProblemError({ kind: 'usage', where: 'reset', what: 'reset requires a host', hint })
  }
  return askedRun(options, io, {
    where: 'reset',
    text: (hosts) => `Remove k3s and its data from ${hosts}?`,
    stages: stagesOf,
    target: onlyAsRoot,
  })
}

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
              what: 'root is required, but ansible_become is false',
              hint: 'remove ansible_become, log in as root, or use a user with sudo rights',
            },
          ],
  }
}
