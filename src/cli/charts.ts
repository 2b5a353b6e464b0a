// The charts of a run, asked for before anything is touched: whether they are there, as locked, and take the values they get.

import { createHash } from 'node:crypto'
import { mkdir, stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { ChartCheck } from '../../roles/role.ts'
import { type Problem, ProblemError } from '../engine/problem.ts'
import type { Host } from '../inventory/index.ts'
import { cacheIn } from '../supply/cache.ts'
import { type Chart, chartContentOf, fetchChart, unlockedChart } from '../supply/chart.ts'
import { Unreached } from '../supply/chart-source.ts'
import type { Supply } from '../supply/supply.ts'
import { checkValues } from '../supply/values-check.ts'
import type { Io } from './io.ts'

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
  { env }: Pick<Io, 'env'>,
): Promise<Problem[]> {
  const cache = cacheIn(env)
  const under = new Map<string, Promise<Chart>>()
  const found = await Promise.all(
    charts.map(async ({ host, check }) => {
      const { source, values } = check
      const { name, version } = source
      const file = source.file === undefined ? undefined : supply.digestOf(source.file)
      const locked = file ?? supply.locked(['charts', name, version])
      const key = JSON.stringify([source, locked ?? null, values])
      const mark = join(cache, 'charts', `well-${createHash('sha256').update(key).digest('hex')}`)
      const unlocked = source.file === undefined ? unlockedChart(source, supply) : undefined
      const where = host.where(check.place([]))
      if (unlocked !== undefined) return [{ kind: 'usage' as const, where, ...unlocked }]
      if (await exists(mark)) return []
      const id = JSON.stringify([source, locked ?? null])
      const fetched =
        under.get(id) ??
        fetchChart(source, { cache, locked, boundMs: BOUND_MS, signal: AbortSignal.timeout(6 * BOUND_MS) })
      under.set(id, fetched)
      try {
        const chart = await fetched
        if (source.file !== undefined) await chartContentOf(chart)
        const faults = await checkValues(chart, values)
        if (faults.length === 0) await keep(mark)
        return faults.map(({ path, message, hint }): Problem => {
          const place = check.place(path)
          const words = host.hiding(place, `${path.join('.')}: ${message}`)
          const what = `the chart ${name} ${version} does not take ${words}`
          return { kind: 'usage', where: host.where(place), what, ...(hint === undefined ? {} : { hint }) }
        })
      } catch (error) {
        return told(error, sourceOf(host, check) ?? where, supply.strict)
      }
    }),
  )
  return found.flat()
}

/** Where the inventory says which chart it is, or where from. */
function sourceOf(host: Host, { source: { variables } }: ChartCheck): string | undefined {
  const given = new Set(host.names())
  const name = ['file', 'version', 'repo_url'].map((one) => `${variables}_chart_${one}`).find((one) => given.has(one))
  return name && host.where([name])
}

/** Where the workstation cannot ask, the node may: then only the values are unchecked. */
function told(error: unknown, where: string, strict: boolean): Problem[] {
  if (!(error instanceof ProblemError)) throw error
  const unchecked = error instanceof Unreached && !strict
  return error.problems.map((problem) => ({
    ...problem,
    kind: unchecked ? 'warning' : 'usage',
    where,
    what: unchecked ? `${problem.what} from here: its values are not checked` : problem.what,
    why: [problem.where, problem.why].filter(Boolean).join(': '),
  }))
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  )
}

async function keep(path: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  await writeFile(path, '')
}
