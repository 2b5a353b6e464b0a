// What Helm has recorded of a release, what helm-controller's job says of it, and what their errors mean.

import { gunzipSync } from 'node:zlib'
import { z } from 'zod'
import { type Json, same } from '../engine/state.ts'
import { fieldsOfAnswer, parseAnswer } from './answer.ts'
import type { Live } from './object.ts'

/** https://github.com/k3s-io/helm-controller: on the job's pods as `SHA256=...`, on the release the first 63 digits. */
const CONFIG_HASH = 'helmcharts.helm.cattle.io/configHash'
/** Longest value of a label. */
const LABEL_LENGTH = 63
/** On a job that helm-controller is about to make anew. */
const REPLACE_WAIT = 'helmcharts.helm.cattle.io/replace-wait'

export interface Revision {
  readonly revision: number
  /** Helm's word: `deployed`, `failed`, `pending-install`, `pending-upgrade`, `superseded`. */
  readonly status: string
  /** Of what helm-controller made it; empty where Helm was run by somebody else. */
  readonly hash: string
  readonly secret: Live
}

/** Newest first, from the labels of the release's Secrets. */
export function releases(secrets: readonly Live[]): Revision[] {
  const all = secrets.flatMap((secret): Revision[] => {
    const labels = secret.metadata.labels ?? {}
    const revision = Number(labels.version ?? Number.NaN)
    if (!Number.isInteger(revision)) return []
    return [{ revision, status: labels.status ?? '', hash: labels[CONFIG_HASH] ?? '', secret }]
  })
  return all.sort((a, b) => b.revision - a.revision)
}

/** Helm was killed in the middle, or failed: nothing but a hand, or `heal`, lets the next job go on under policy abort. */
export function isStuck({ status }: Revision): boolean {
  return status === 'failed' || status === 'uninstalling' || status.startsWith('pending-')
}

export const json: z.ZodType<Json> = z.lazy(() =>
  z.union([z.string(), z.number(), z.boolean(), z.null(), z.array(json), z.record(z.string(), json)]),
)
const stored = z.looseObject({
  info: z.looseObject({ status: z.string().default(''), description: z.string().default('') }),
  chart: z.looseObject({ metadata: z.looseObject({ name: z.string().default(''), version: z.string().default('') }) }),
  config: z.record(z.string(), json).nullish(),
  manifest: z.string().default(''),
})
const data = z.looseObject({ data: z.looseObject({ release: z.string() }) })

export interface StoredRelease {
  /** `Upgrade "x" failed: ...`, `Install complete`: the only place that keeps the reason of a failure. */
  readonly description: string
  readonly chartVersion: string
  /** The values that it was made with. */
  readonly values: Json
  /** All objects as YAML documents, without hooks. */
  readonly manifest: string
}

/** Unpacked: a Secret has 1 MiB, and manifests pack about tenfold. */
const MAX_RELEASE_BYTES = 32 * 1024 * 1024

/** What a release's Secret holds: JSON, gzipped, base64, and once more base64 as all of a Secret. null: it is something else. */
export function readRelease(secret: Live): StoredRelease | null {
  const outer = data.safeParse(secret)
  if (!outer.success) return null
  try {
    const packed = Buffer.from(Buffer.from(outer.data.data.release, 'base64').toString('latin1'), 'base64')
    const { info, chart, config, manifest } = stored.parse(
      parseAnswer(gunzipSync(packed, { maxOutputLength: MAX_RELEASE_BYTES }).toString('utf8')),
    )
    return { description: info.description, chartVersion: chart.metadata.version, values: config ?? {}, manifest }
  } catch {
    return null
  }
}

/** Helm was ended in the middle: its record says what it was about to do, whatever its status is set to afterwards. */
export function wasInterrupted({ description }: StoredRelease): boolean {
  return /^(Initial install underway|Preparing upgrade|Rollback to \d+|Deletion in progress.*)$/.test(description)
}

/** Whether a release was made with these values; what is null counts as left out, as in Helm. */
export function madeWith({ values }: StoredRelease, wanted: Json): boolean {
  return same(withoutNull(values), withoutNull(wanted))
}

function withoutNull(value: Json): Json {
  if (value === null || typeof value !== 'object') return value
  if (isList(value)) return value.map(withoutNull)
  const kept = Object.entries(value).filter(([, inner]) => inner !== null)
  return Object.fromEntries(kept.map(([key, inner]) => [key, withoutNull(inner)]))
}

function isList(value: Json): value is readonly Json[] {
  return Array.isArray(value)
}

const jobShape = z.looseObject({
  spec: z
    .looseObject({
      suspend: z.boolean().default(false),
      template: z.looseObject({
        metadata: z.looseObject({ annotations: z.record(z.string(), z.string()).default({}) }).prefault({}),
      }),
    })
    .prefault({ template: {} }),
  status: z
    .looseObject({
      failed: z.number().default(0),
      startTime: z.string().optional(),
      conditions: z
        .array(z.looseObject({ type: z.string(), status: z.string(), lastTransitionTime: z.string().optional() }))
        .default([]),
    })
    .prefault({}),
})

export interface HelmJob {
  readonly is: 'complete' | 'failed' | 'running'
  /** As the label of the release that it makes. */
  readonly hash: string
  /** Pods of it that failed. */
  readonly failed: number
  /** How long it took to fail; null: it has not. */
  readonly seconds: number | null
}

/** A job of helm-controller. */
export function helmJob(job: Live): HelmJob {
  const { spec, status } = fieldsOfAnswer(jobShape, job)
  const on = (type: string) => status.conditions.find((c) => c.type === type && c.status === 'True')
  const failure = on('Failed')
  const took = (Date.parse(failure?.lastTransitionTime ?? '') - Date.parse(status.startTime ?? '')) / 1000
  return {
    is: on('Complete') ? 'complete' : failure ? 'failed' : 'running',
    hash: (spec.template.metadata.annotations[CONFIG_HASH] ?? '').replace(/^\w+=/, '').slice(0, LABEL_LENGTH),
    failed: status.failed,
    seconds: Number.isNaN(took) ? null : took,
  }
}

const managed = z.looseObject({
  time: z.string().optional(),
  subresource: z.string().optional(),
  fieldsV1: z.looseObject({}).optional(),
})

/**
 * Whether a job was made for what its HelmChart says now: the API server dates both the last change of a spec
 * (managedFields) and the making of a job. The job of before cannot be complete within the second in which it was made: the
 * job controller gathers what happens to pods for a second. A change that comes to nothing for Helm makes no new job: `false`
 * is no proof. `changed`: milliseconds since the epoch. `going`: helm-controller is about to put another in its place.
 */
export function madeFor(
  job: Live,
  chart: Live,
): { readonly current: boolean; readonly going: boolean; readonly changed: number } {
  const times = (chart.metadata.managedFields ?? []).flatMap((entry) => {
    const { time, subresource = '', fieldsV1 = {} } = fieldsOfAnswer(managed, entry)
    return time === undefined || subresource !== '' || !('f:spec' in fieldsV1) ? [] : [Date.parse(time)]
  })
  const changed = Math.max(Date.parse(chart.metadata.creationTimestamp ?? '') || 0, ...times)
  const made = Date.parse(job.metadata.creationTimestamp ?? '') || 0
  const going = job.metadata.deletionTimestamp !== undefined || job.metadata.annotations?.[REPLACE_WAIT] !== undefined
  return { current: made >= changed && !going, going, changed }
}
