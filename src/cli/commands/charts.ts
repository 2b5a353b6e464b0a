// charts: lists what the inventory installs from charts, with the versions, the locked digest and the state of each.

import pMap from 'p-map'
import { addon } from '../../../roles/k3s_platform_addon/role.ts'
import type { ChartCheck } from '../../../roles/role.ts'
import { type InstalledRelease, installedRelease } from '../../cluster/installed-release.ts'
import { type Problem, ProblemError } from '../../engine/problem.ts'
import { bindVars } from '../../inventory/index.ts'
import type { ChartsDocument } from '../../report/documents.ts'
import { boundedProblems } from '../../report/door.ts'
import { EXIT } from '../../report/outcome.ts'
import { type ChartSource, shown } from '../../supply/chart-source.ts'
import { newestVersion } from '../../supply/newest-chart.ts'
import { openCache } from '../cache.ts'
import { chartState, chartTable } from '../chart-table.ts'
import type { Io } from '../io.ts'
import type { CliOptions } from '../options.ts'
import { open, type PreparedRun } from '../run.ts'
import type { Prepared } from '../targets.ts'
import { withCluster } from './certs-hosts.ts'

type Row = ChartsDocument['charts'][number]

const ANSWER_MS = 10_000

export async function run(options: CliOptions, io: Io): Promise<number> {
  const opened = await open(options, io, () => () => [])
  if (options.listHosts) {
    io.stdout.write(opened.targets.map(({ host }) => `${host}\n`).join(''))
    return EXIT.ok
  }
  const wanted = opened.prepared.map((prepared) => ({ prepared, checks: checksOf(prepared, opened, io) }))
  const [newest, installed] = await Promise.all([
    newestOf(
      wanted.flatMap(({ checks }) => checks.map(({ source }) => source)),
      options,
      io,
    ),
    pMap(wanted, ({ prepared, checks }) => installedOn(prepared, checks), { concurrency: options.forks }),
  ])
  const rows = wanted.flatMap(({ prepared, checks }, i) =>
    checks.map((check, j): Row => rowOf(prepared, check, installed[i]?.found?.[j], newest.versions, opened)),
  )
  const failures = installed.flatMap((one) => one.problems)
  const bad = rows.some(({ state }) => state !== 'deployed')
  const exitCode = failures.length > 0 ? 1 : bad ? 2 : 0
  const problems = boundedProblems([...newest.problems, ...failures])
  if (options.output === 'json') {
    io.document({ schema: 'k3s-platform/charts/v1', exitCode, charts: rows, problems } satisfies ChartsDocument)
    return exitCode
  }
  const hosts = new Set(rows.map(({ host }) => host)).size > 1
  io.stdout.write(chartTable(io.shown(rows), hosts))
  for (const problem of newest.problems) opened.reporter.emit({ at: io.now(), event: 'problem', host: null, problem })
  if (failures.length > 0) throw new ProblemError(failures)
  return exitCode
}

function checksOf({ host, address }: Prepared, { supply }: PreparedRun, { env }: Io): readonly ChartCheck[] {
  const { sound } = bindVars(host, addon.vars, { env })
  const context = { host: host.name, address, boundSeconds: undefined, supply, workstation: NOTHING }
  return (sound && addon.charts?.(sound, context)) ?? []
}

/** Nothing is read or written there to list charts. */
const NOTHING = {
  kubeconfigs: [],
  read: () => null,
  write: () => Promise.resolve(),
  edit: () => Promise.resolve(),
  create: () => Promise.resolve(false),
  remove: () => Promise.resolve(),
}

const sourceId = ({ url, name, version, file }: ChartSource) => JSON.stringify([url, name, version, file])

/** Each source is asked once; one that does not answer is a warning. */
async function newestOf(
  sources: readonly ChartSource[],
  { forks, timeoutMs }: CliOptions,
  io: Io,
): Promise<{ readonly versions: ReadonlyMap<string, string | null>; readonly problems: readonly Problem[] }> {
  const cache = await openCache(io)
  const all = [...new Map(sources.map((source) => [sourceId(source), source]))]
  const { signal } = new AbortController()
  const boundMs = timeoutMs ?? ANSWER_MS
  const problems: Problem[] = []
  const found = await pMap(
    all,
    async ([id, source]): Promise<[string, string | null]> => {
      try {
        return [id, await newestVersion(source, { cache, now: io.now(), signal, boundMs })]
      } catch (error) {
        if (!(error instanceof ProblemError)) throw error
        const what = `the versions of the chart ${source.name} could not be read`
        problems.push(...error.problems.map((one): Problem => ({ ...one, kind: 'warning', what })))
        return [id, null]
      }
    },
    { concurrency: forks },
  )
  return { versions: new Map(found), problems }
}

interface InstalledOn {
  /** As the checks are; undefined: the cluster could not be read. */
  readonly found: readonly (InstalledRelease | null)[] | undefined
  readonly problems: readonly Problem[]
}

async function installedOn(prepared: Prepared, checks: readonly ChartCheck[]): Promise<InstalledOn> {
  const { signal } = new AbortController()
  try {
    const read = 'its releases could not be read'
    const found = await withCluster(
      prepared,
      signal,
      (cluster) => Promise.all(checks.map((check) => installedRelease(cluster, check))),
      read,
    )
    return { found, problems: [] }
  } catch (error) {
    if (!(error instanceof ProblemError)) throw error
    return { found: undefined, problems: error.problems }
  }
}

function rowOf(
  { host }: Prepared,
  { release, namespace, source }: ChartCheck,
  installed: InstalledRelease | null | undefined,
  newest: ReadonlyMap<string, string | null>,
  { supply }: PreparedRun,
): Row {
  const { name, version, file } = source
  const digest = file === undefined ? supply.locked(['charts', name, version]) : supply.digestOf(file)
  return {
    ...{ host: host.name, release, namespace, chart: name, version },
    installed: installed?.chartVersion ?? null,
    newest: newest.get(sourceId(source)) ?? null,
    digest: digest ?? null,
    source: file ?? shown(source.url),
    state: chartState(installed, version),
  }
}
