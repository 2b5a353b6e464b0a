// Whether Helm would take values for a chart: asked of the schemas in the chart, in a worker with bounds on time and memory.

import { Worker } from 'node:worker_threads'
import { isMap, type Json, type JsonMap } from '../engine/state.ts'
import type { ChartArchive, Subchart } from './chart-archive.ts'
import type { ValueFault } from './schema-faults.ts'
import { mergeValues } from './values.ts'

/** One schema, and what it is asked about. */
export interface SchemaQuestion {
  readonly schema: Json
  readonly values: JsonMap
  /** Where in the chart's values these are. */
  readonly top: readonly string[]
}

export interface ValuesCheck {
  /** Empty when Helm takes the values, or the chart has no schema. */
  readonly faults: readonly ValueFault[]
  /** Why the schemas could not be asked: they take too long, or too much memory. */
  readonly unchecked?: string
}

const BOUND_SECONDS = 10
/** Of the worker's heap, MiB: real schemas take 20. */
const BOUND_MEMORY = 256

/** Asks the schemas of the chart and of its installed subcharts about `values` laid over the chart's defaults. */
export async function checkValues(
  chart: Pick<ChartArchive, 'defaults' | 'valuesSchema' | 'subcharts'>,
  values: JsonMap,
  boundSeconds = BOUND_SECONDS,
): Promise<ValuesCheck> {
  const all = mergeValues(chart.defaults, values)
  const below = Object.entries(chart.subcharts).filter(([, { conditions }]) => installed(conditions, all))
  const questions: SchemaQuestion[] = [
    { schema: chart.valuesSchema, values: all, top: [] },
    ...below.map(([key, subchart]) => ({
      schema: subchart.valuesSchema,
      values: valuesOf(subchart, key, all),
      top: [key],
    })),
  ].filter(({ schema }) => schema !== null)
  return questions.length === 0 ? { faults: [] } : ask(questions, boundSeconds)
}

/** The schema is the chart author's, and a check made from it may never end: it runs where it can be stopped. */
async function ask(questions: readonly SchemaQuestion[], boundSeconds: number): Promise<ValuesCheck> {
  const { default: code } = await import('./schema-worker.ts?worker')
  const worker = new Worker(code, {
    eval: true,
    env: {},
    workerData: questions,
    resourceLimits: { maxOldGenerationSizeMb: BOUND_MEMORY, maxYoungGenerationSizeMb: BOUND_MEMORY / 4 },
  })
  try {
    return await new Promise<ValuesCheck>((resolve) => {
      const give = (unchecked: string) => resolve({ faults: [], unchecked })
      const timer = setTimeout(
        () => give(`validation with its schema takes more than ${boundSeconds} s`),
        boundSeconds * 1000,
      )
      worker.once('message', (faults: readonly ValueFault[]) => resolve({ faults: unique(faults) }))
      worker.once('error', (error) => give(`its schema cannot be used: ${error.message}`))
      worker.once('exit', () => {
        clearTimeout(timer)
        give('its schema has ended the worker')
      })
    })
  } finally {
    await worker.terminate()
  }
}

function installed(conditions: readonly string[], values: JsonMap): boolean {
  const told = conditions.map((path) => path.split('.').reduce<Json | undefined>(step, values))
  return told.find((value) => typeof value === 'boolean') ?? true
}

/** Helm hands the parent's `global` to every subchart. */
function valuesOf({ defaults }: Subchart, key: string, all: JsonMap): JsonMap {
  const own = mergeValues(defaults, mapOf(all[key]))
  return isMap(all.global) ? mergeValues({ global: all.global }, own) : own
}

function step(at: Json | undefined, key: string): Json | undefined {
  if (isMap(at)) return at[key]
  return Array.isArray(at) ? at[Number(key)] : undefined
}

const mapOf = (value: Json | undefined): JsonMap => (isMap(value) ? value : {})

function unique(faults: readonly ValueFault[]): readonly ValueFault[] {
  return [...new Map(faults.map((fault) => [JSON.stringify([fault.path, fault.message]), fault])).values()]
}
