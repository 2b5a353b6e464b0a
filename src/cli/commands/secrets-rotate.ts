// secrets rotate: replaces the generated secret values of a custom chart, and waits until its release has them.

import type { z } from 'zod'
import type { Role } from '../../../roles/role.ts'
import { ProblemError } from '../../engine/problem.ts'
import { nearest } from '../../engine/suggest.ts'
import { askedRun } from '../confirm.ts'
import type { Io } from '../io.ts'
import type { CliOptions } from '../options.ts'

interface RotateCall extends CliOptions {
  /** As in `k3s_platform_charts`. */
  readonly chart: string
}

export async function run(options: RotateCall, io: Io): Promise<number> {
  const { chart } = options
  const known = new Set<string>()
  return askedRun(options, io, {
    where: 'secrets rotate',
    text: (hosts) =>
      `Replace the generated secret values of ${chart} on ${hosts}? What the chart has stored with the old values may need them.`,
    stages: stagesOf(chart, known),
    target: (target) => {
      if (!known.has(chart)) throw unknown(chart, [...known])
      return target
    },
  })
}

/** Notes the names of all that could be rotated. */
const stagesOf =
  (chart: string, known: Set<string>) =>
  <V extends z.ZodObject>(role: Role<V>): Role<V>['stages'] =>
  (vars, context) => {
    const all = role.rotations?.(vars, context) ?? []
    for (const { name } of all) known.add(name)
    return all.filter(({ name }) => name === chart)
  }

function unknown(chart: string, known: readonly string[]): ProblemError {
  const near = nearest(chart, known)
  const listed = known.length === 0 ? 'no chart has any' : `charts that have: ${known.join(', ')}`
  return new ProblemError({
    kind: 'usage',
    where: 'secrets rotate',
    what: `no chart ${JSON.stringify(chart)} of these hosts has generated secret values`,
    hint: near === undefined ? listed : `did you mean ${near}?`,
  })
}
