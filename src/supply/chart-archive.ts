// What is in a chart's .tgz, read in memory: nothing of it is ever unpacked onto a disk.

import { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { promisify } from 'node:util'
import { gunzip } from 'node:zlib'
import { extract } from 'tar-stream'
import { parse } from 'yaml'
import { z } from 'zod'
import type { Json, JsonMap } from '../engine/state.ts'

/** Helm's own bounds: of all that a chart unpacks to, and of one file in it. */
const ALL_BYTES = 104_857_600
const FILE_BYTES = 5_242_880
/** Of values and schemas: what walks through them outside of the worker has less room than it. Those in use have 40 levels at most. */
const MOST_LEVELS = 200

export interface Subchart {
  readonly defaults: JsonMap
  readonly valuesSchema: Json
  /** Paths in the parent's values, the first that is a boolean counts: whether it is installed. */
  readonly conditions: readonly string[]
}

export interface ChartArchive {
  readonly name: string
  readonly version: string
  readonly appVersion: string | null
  /** The versions of Kubernetes that it is for, as Helm writes ranges. */
  readonly kubeVersion: string | null
  /** values.yaml; empty where it has none. */
  readonly defaults: JsonMap
  /** values.schema.json; null where it has none. */
  readonly valuesSchema: Json | null
  /** Those below charts/ that have a schema, by the key of their values in the parent's. */
  readonly subcharts: Readonly<Record<string, Subchart>>
  /** Keys in the values that belong to other charts, with a schema or without. */
  readonly dependencies: readonly string[]
  /** As text: what its own templates ask for is not told by defaults and schema alone. */
  readonly source: { readonly templates: string; readonly values: string }
}

const metadata = z.looseObject({
  name: z.string().min(1),
  version: z.string().min(1),
  appVersion: z.string().optional(),
  kubeVersion: z.string().optional(),
  dependencies: z
    .array(z.looseObject({ name: z.string(), alias: z.string().optional(), condition: z.string().optional() }))
    .optional(),
})
const values = z.record(z.string(), z.json())

/** Rejects with an Error whose message says why it is not a chart. */
export async function readArchive(bytes: Buffer): Promise<ChartArchive> {
  const files = await filesOf(bytes)
  const yaml = files.get('Chart.yaml')
  if (yaml === undefined) throw new Error('it contains no Chart.yaml')
  // Every scalar is text: a version like 1.10 is not a number.
  const chart = read('Chart.yaml', () =>
    metadata.parse(parse(yaml, { schema: 'failsafe', uniqueKeys: false, logLevel: 'error' })),
  )
  const defaults = valuesIn(files, '')
  const subcharts = [...files.keys()].flatMap((path) => {
    const [, name] = /^charts\/([^/]+)\/values\.schema\.json$/.exec(path) ?? []
    if (name === undefined) return []
    const own = { defaults: valuesIn(files, `charts/${name}/`), valuesSchema: schemaIn(files, `charts/${name}/`) }
    const asked = (chart.dependencies ?? []).filter((one) => one.name === name)
    return (asked.length === 0 ? [{ name }] : asked).map((one): [string, Subchart] => {
      const { alias, condition } = { alias: undefined, condition: undefined, ...one }
      return [alias ?? name, { ...own, conditions: (condition ?? '').split(',').map((path) => path.trim()) }]
    })
  })
  return {
    name: chart.name,
    version: chart.version,
    appVersion: chart.appVersion ?? null,
    kubeVersion: chart.kubeVersion ?? null,
    defaults,
    valuesSchema: schemaIn(files, ''),
    subcharts: Object.fromEntries(subcharts),
    dependencies: (chart.dependencies ?? []).map(({ name, alias }) => alias ?? name),
    source: {
      templates: [...files].flatMap(([path, content]) => (path.startsWith('templates/') ? [content] : [])).join('\n'),
      values: files.get('values.yaml') ?? '',
    },
  }
}

const WANTED =
  /^(?:(?:charts\/[^/]+\/)?(?:Chart\.yaml|values\.yaml|values\.schema\.json)|templates\/.+\.(?:ya?ml|tpl|txt|json))$/

/** The files that matter, by their path below the chart's own directory. */
async function filesOf(bytes: Buffer): Promise<ReadonlyMap<string, string>> {
  const files = new Map<string, string>()
  const archive = extract()
  archive.end(await unzipped(bytes))
  try {
    for await (const entry of archive) {
      const path = entry.header.name.replace(/^(?:\.\/)?[^/]+\//, '')
      if (entry.header.type !== 'file' || !WANTED.test(path)) {
        entry.resume()
        continue
      }
      if (entry.header.size > FILE_BYTES) throw new Error(`${path} is longer than ${FILE_BYTES / 1_048_576} MiB`)
      files.set(path, await text(Readable.from(entry)))
    }
  } catch (error) {
    throw new Error(`its archive cannot be read: ${error instanceof Error ? error.message : String(error)}`)
  }
  return files
}

async function unzipped(bytes: Buffer): Promise<Buffer> {
  try {
    return await promisify(gunzip)(bytes, { maxOutputLength: ALL_BYTES })
  } catch (error) {
    const tooLong = error instanceof Error && 'code' in error && error.code === 'ERR_BUFFER_TOO_LARGE'
    if (tooLong) throw new Error(`its unpacked size exceeds ${ALL_BYTES / 1_048_576} MiB`)
    const page = bytes.subarray(0, 256).toString('latin1').trimStart().startsWith('<')
    throw new Error(page ? 'it is a web page' : 'it is not a gzip archive, or is truncated')
  }
}

function valuesIn(files: ReadonlyMap<string, string>, directory: string): JsonMap {
  const path = `${directory}values.yaml`
  const yaml = files.get(path) ?? ''
  // Helm lets the last of two equal keys count.
  return read(path, () => values.parse(flat(parse(yaml, { uniqueKeys: false, merge: true, logLevel: 'error' }) ?? {})))
}

function schemaIn(files: ReadonlyMap<string, string>, directory: string): Json {
  const path = `${directory}values.schema.json`
  const json = files.get(path)
  return json === undefined ? null : read(path, () => z.json().parse(flat(JSON.parse(json))))
}

function flat(value: unknown): unknown {
  let level = new Set([value])
  for (let depth = 0; level.size > 0; depth++) {
    if (depth > MOST_LEVELS) throw new Error(`it is nested more than ${MOST_LEVELS} levels deep`)
    level = new Set([...level].flatMap((one) => (typeof one === 'object' && one !== null ? Object.values(one) : [])))
  }
  return value
}

function read<T>(path: string, how: () => T): T {
  try {
    return how()
  } catch (error) {
    const [issue] = error instanceof z.ZodError ? error.issues : []
    const why = issue === undefined ? error : `${issue.path.join('.')}: ${issue.message}`
    throw new Error(`${path}: ${why instanceof Error ? (why.message.split('\n')[0] ?? '') : why}`)
  }
}
