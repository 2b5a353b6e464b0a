// The record of a run that changed something: its document with id, command and times. docs/schema/run-record-v1.json is made from it.

import { z } from 'zod'
import { runDocumentSink } from './json.ts'
import { type RunDocument, runDocument } from './run-v1.ts'
import type { ReportIo, Sink } from './sink.ts'

const time = z.string().describe('RFC 3339')

export const runRecord = z.strictObject({
  schema: z.literal('k3s-platform/run-record/v1'),
  id: z.string().describe('start time and a random part: 20261201T114500Z-3f9a1c'),
  command: z.string().describe('the command line, without secrets'),
  startedAt: time,
  endedAt: time,
  run: runDocument,
})

const summary = z
  .strictObject({
    id: z.string(),
    command: z.string(),
    startedAt: time,
    seconds: z.number().nonnegative().describe('from its start to its end'),
    status: runDocument.shape.status,
    hosts: z.array(z.string()).readonly(),
    changed: z.int().nonnegative(),
  })
  .readonly()

export const runsDocument = z.strictObject({
  schema: z.literal('k3s-platform/runs/v1'),
  runs: z.array(summary).readonly().describe('newest first'),
})

const step = z.strictObject({ stage: z.string(), id: z.string(), title: z.string(), op: z.string() }).readonly()
const steps = z.array(step).readonly()

export const runsDiffDocument = z.strictObject({
  schema: z.literal('k3s-platform/runs-diff/v1'),
  from: summary,
  to: summary,
  hosts: z
    .array(
      z
        .strictObject({
          host: z.string(),
          status: z.tuple([z.string().nullable(), z.string().nullable()]).readonly().describe('null: not in that run'),
          seconds: z.tuple([z.number().nullable(), z.number().nullable()]).readonly(),
          onlyFrom: steps.describe('changes that only the first run applied'),
          onlyTo: steps.describe('changes that only the second run applied'),
          stages: z
            .array(z.strictObject({ stage: z.string(), from: z.number(), to: z.number() }).readonly())
            .readonly()
            .describe('seconds of the changes of each stage'),
        })
        .readonly(),
    )
    .readonly(),
})

export type RunRecord = z.output<typeof runRecord>
export type RunSummaryV1 = z.output<typeof summary>
export type RunsDocument = z.output<typeof runsDocument>
export type RunsDiffDocument = z.output<typeof runsDiffDocument>

export interface RecordedRun {
  readonly id: string
  readonly command: string
  readonly startedMs: number
  readonly mode: RunDocument['mode']
}

/** Gives `save` the record as JSON at the end of a run that had hosts; what comes to it has passed the door. */
export function recordSink(
  { id, command, startedMs, mode }: RecordedRun,
  io: ReportIo,
  save: (json: string) => void,
): Sink {
  return runDocumentSink(mode, (run) => {
    if (run.hosts.length === 0) return
    const [startedAt = '', endedAt = ''] = [startedMs, io.now()].map((ms) => new Date(ms).toISOString())
    const record: RunRecord = { schema: 'k3s-platform/run-record/v1', id, command, startedAt, endedAt, run }
    save(`${io.json(io.data(record))}\n`)
  })
}

export function summaryOfRun({ id, command, startedAt, endedAt, run }: RunRecord): RunSummaryV1 {
  return {
    ...{ id, command, startedAt },
    seconds: Math.max(0, (Date.parse(endedAt) - Date.parse(startedAt)) / 1000),
    status: run.status,
    hosts: run.hosts.map(({ host }) => host),
    changed: run.hosts.reduce((sum, { recap }) => sum + recap.changed, 0),
  }
}

/** What one run applied and the other did not, and how long the stages of each took. */
export function diffRuns(from: RunRecord, to: RunRecord): RunsDiffDocument {
  const names = [...new Set([...from.run.hosts, ...to.run.hosts].map(({ host }) => host))]
  return {
    schema: 'k3s-platform/runs-diff/v1',
    from: summaryOfRun(from),
    to: summaryOfRun(to),
    hosts: names.map((host) => {
      const [a, b] = [from, to].map(({ run }) => run.hosts.find((one) => one.host === host))
      const [before = [], after = []] = [a, b].map((one) => one?.steps ?? [])
      const without = (all: typeof before, others: typeof before) =>
        all
          .filter((one) => !others.some(({ id, op }) => id === one.id && op === one.op))
          .map(({ stage, id, title, op }) => ({ stage, id, title, op }))
      const took = (all: typeof before, stage: string) =>
        all.reduce((sum, one) => sum + (one.stage === stage ? one.seconds : 0), 0)
      const stages = [...new Set([...before, ...after].map(({ stage }) => stage))]
      return {
        host,
        status: [a?.status ?? null, b?.status ?? null],
        seconds: [a?.seconds ?? null, b?.seconds ?? null],
        onlyFrom: without(before, after),
        onlyTo: without(after, before),
        stages: stages.map((stage) => ({ stage, from: took(before, stage), to: took(after, stage) })),
      }
    }),
  }
}
