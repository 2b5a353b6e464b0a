// Checks the charts of a run before anything is changed: they exist, match the lock file, and accept their values.

import { join } from 'node:path'
import type { ChartCheck } from '../../roles/role.ts'
import { type Problem, ProblemError } from '../engine/problem.ts'
import type { Host } from '../inventory/index.ts'
import { type Chart, chartContentOf, fetchChart, unlockedChart } from '../supply/chart.ts'
import { Unreached } from '../supply/chart-source.ts'
import type { ValueFault } from '../supply/schema-faults.ts'
import { revealedValues } from '../supply/secret-values.ts'
import type { Supply } from '../supply/supply.ts'
import { unknownValues } from '../supply/unknown-values.ts'
import { checkValues } from '../supply/values-check.ts'
import { openCache } from './cache.ts'
import type { Io } from './io.ts'
import { passedChecks } from './passed-checks.ts'

/** A chart of one host. */
export interface HostChart {
  readonly host: Host
  readonly check: ChartCheck
}

const BOUND_MS = 10_000

/** Each chart is fetched once; what was found well before is not asked again, until chart or values change. */
export async function chartProblems(
  charts: readonly HostChart[],
  supply: Supply,
  io: Pick<Io, 'env' | 'onExit'>,
): Promise<Problem[]> {
  const cache = await openCache(io)
  const passed = await passedChecks(join(cache, 'charts'))
  const under = new Map<string, Promise<Chart>>()
  const found = await Promise.all(
    charts.map(async ({ host, check }) => {
      const { source } = check
      const values = check.secrets === undefined ? check.values : revealedValues(check.values, check.secrets)
      const { name, version } = source
      const file = source.file === undefined ? undefined : supply.digestOf(source.file)
      const locked = file ?? supply.locked(['charts', name, version])
      const identity = JSON.stringify([source, locked ?? null, values])
      const unlocked = source.file === undefined ? unlockedChart(source, supply) : undefined
      const where = host.where(check.place([]))
      if (unlocked !== undefined) return [{ kind: 'usage' as const, where, ...unlocked }]
      if (passed.has(identity)) return []
      const id = JSON.stringify([source, locked ?? null])
      const fetched =
        under.get(id) ??
        fetchChart(source, { cache, locked, boundMs: BOUND_MS, signal: AbortSignal.timeout(6 * BOUND_MS) })
      under.set(id, fetched)
      try {
        const chart = await fetched
        if (source.file !== undefined) await chartContentOf(chart)
        const { faults, unchecked } = await checkValues(chart, values)
        if (unchecked !== undefined) return [uncheckedValues(check, where, unchecked)]
        const unknown = unknownValues(chart, check.given)
        if (faults.length + unknown.length === 0) await passed.add(identity)
        const problem =
          (kind: 'usage' | 'warning', verb: string) =>
          (fault: ValueFault): Problem => {
            const { path, message, hint } = fault
            const place = check.place(path)
            const isSecret = place.includes('secret_values')
            const said = isSecret ? 'its schema refuses the secret value' : message
            const words = host.hiding(place, [path.join('.'), said].filter(Boolean).join(': '))
            const what = `the chart ${name} ${version} ${verb} ${words}`
            return { kind, where: host.where(place), what, ...(hint === undefined ? {} : { hint }) }
          }
        return [...faults.map(problem('usage', 'does not accept')), ...unknown.map(problem('warning', 'ignores'))]
      } catch (error) {
        return told(error, sourceOf(host, check) ?? where, supply.strict)
      }
    }),
  )
  return found.flat()
}

function uncheckedValues({ source: { name, version } }: ChartCheck, where: string, why: string): Problem {
  return {
    kind: 'warning',
    where,
    what: `The values of the chart ${name} ${version} were not checked`,
    why,
    hint: 'Review values.schema.json in the chart before you trust it; Helm validates the values during the installation',
  }
}

/** Where the inventory says which chart it is, or where from. */
function sourceOf(host: Host, { sourcePlaces }: ChartCheck): string | undefined {
  const given = new Set(host.names())
  const place = sourcePlaces.find(([name]) => given.has(String(name)))
  return place && host.where(place)
}

/** Where the workstation cannot ask, the node may: then only the values are unchecked. */
function told(error: unknown, where: string, strict: boolean): Problem[] {
  if (!(error instanceof ProblemError)) throw error
  const unchecked = error instanceof Unreached && !strict
  return error.problems.map((problem) => ({
    ...problem,
    kind: unchecked ? 'warning' : 'usage',
    where,
    what: unchecked ? `${problem.what} from the workstation: its values are not checked` : problem.what,
    why: [problem.where, problem.why].filter(Boolean).join(': '),
  }))
}
