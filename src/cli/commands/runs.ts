// runs: lists, shows and compares the records of earlier runs.

import { alignColumns } from '../../certificates/align.ts'
import { duration } from '../../engine/duration.ts'
import { ProblemError } from '../../engine/problem.ts'
import { EXIT } from '../../report/outcome.ts'
import {
  diffRuns,
  type RunRecord,
  type RunSummaryV1,
  type RunsDiffDocument,
  type RunsDocument,
  summaryOfRun,
} from '../../report/run-record.ts'
import { plural } from '../../report/words.ts'
import type { RunsCall } from '../declarations/runs.ts'
import { usage } from '../flag-values.ts'
import type { Io } from '../io.ts'
import { readRecord, recordedIds } from '../run-records.ts'

export async function run({ runs: { verb, ids }, output }: RunsCall, io: Io): Promise<number> {
  const known = recordedIds(io.env)
  const read = (id: string) => readRecord(io.env, id)
  if (verb === 'list') {
    const all = known.map((id) => summaryOfRun(read(id)))
    const document: RunsDocument = { schema: 'k3s-platform/runs/v1', runs: all }
    if (output === 'json') io.document(document)
    else io.stdout.write(all.length === 0 ? 'no runs are recorded yet\n' : textLines(listLines(io.shown(all))))
    return EXIT.ok
  }
  const wanted = verb === 'show' ? 1 : 2
  const [to, from] = idsFor(ids.toReversed(), wanted, known).map(read)
  if (to === undefined) return EXIT.ok
  if (from === undefined) {
    if (output === 'json') io.document(to)
    else io.stdout.write(textLines(showLines(io.shown(to))))
    return EXIT.ok
  }
  const difference = diffRuns(from, to)
  if (output === 'json') io.document(difference)
  else io.stdout.write(textLines(diffLines(io.shown(difference))))
  return EXIT.ok
}

/** Newest first. Those that are not named are the newest others. Throws a usage ProblemError. */
function idsFor(words: readonly string[], count: number, known: readonly string[]): string[] {
  const named = words.map((word) => {
    const [only, ...more] = known.filter((id) => id.startsWith(word))
    if (only !== undefined && more.length === 0) return only
    const what = only === undefined ? 'no recorded run has this id' : `${more.length + 1} recorded runs begin so`
    throw new ProblemError(usage(word, what, 'list them: k3s-platform runs list'))
  })
  const others = known.filter((id) => !named.includes(id)).slice(0, count - named.length)
  // One that is named is compared with the newest.
  const found = [...others, ...named]
  if (found.length === count) return found
  const what = count === 1 ? 'no run is recorded yet' : `${plural(count, 'run')} are required, ${known.length} recorded`
  throw new ProblemError(usage('runs', what, 'apply, upgrade, reset and certs record what they change'))
}

const textLines = (lines: readonly string[]) => lines.map((line) => `${line}\n`).join('')

function listLines(runs: readonly RunSummaryV1[]): string[] {
  const rows = runs.map(({ id, status, hosts, changed, seconds, command }) => [
    ...[id, status, String(hosts.length), String(changed), duration(seconds), command],
  ])
  return alignColumns([['ID', 'STATUS', 'HOSTS', 'CHANGED', 'TIME', 'COMMAND'], ...rows])
}

function showLines({ id, command, startedAt, endedAt, run }: RunRecord): string[] {
  const took = duration((Date.parse(endedAt) - Date.parse(startedAt)) / 1000)
  const hosts = run.hosts.flatMap(({ host, status, seconds, recap, steps, problems }) => {
    const slowest = steps.toSorted((a, b) => b.seconds - a.seconds)
    return [
      `${host}  ${status}, ${recap.changed} changed, ${duration(seconds)}`,
      ...alignColumns(slowest.map((one) => ['', one.stage, one.op, one.title, duration(one.seconds)])),
      ...problems.map(({ what, where }) => `  ! ${where}: ${what.split('\n')[0]}`),
    ]
  })
  return [`${id}  ${run.status}, ${took}`, `  ${command}`, ...hosts]
}

function diffLines({ from, to, hosts }: RunsDiffDocument): string[] {
  const time = (seconds: number | null) => (seconds === null ? '-' : duration(seconds))
  return [
    `- ${from.id}  ${from.status}, ${duration(from.seconds)}  ${from.command}`,
    `+ ${to.id}  ${to.status}, ${duration(to.seconds)}  ${to.command}`,
    ...hosts.flatMap(({ host, status, seconds, onlyFrom, onlyTo, stages }) => [
      `${host}  ${status.map((one) => one ?? 'absent').join(' -> ')}  ${seconds.map(time).join(' -> ')}`,
      ...onlyFrom.map(({ stage, op, title }) => `  - ${stage}  ${op}  ${title}`),
      ...onlyTo.map(({ stage, op, title }) => `  + ${stage}  ${op}  ${title}`),
      ...alignColumns(stages.map(({ stage, from: a, to: b }) => ['', stage, `${duration(a)} -> ${duration(b)}`])),
    ]),
  ]
}
