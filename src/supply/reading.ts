// Reads what charts and repositories are made of in a worker: no archive, YAML or JSON of theirs can stop the run or fill its memory.

import { Worker } from 'node:worker_threads'
import type { ChartArchive } from './chart-archive.ts'
import type { ChartIndex } from './chart-index.ts'

export type ReadingRequest =
  | { readonly kind: 'archive'; readonly bytes: Uint8Array }
  | { readonly kind: 'index'; readonly text: string; readonly name: string }

/** It takes more time or memory than anything real does. */
export class TooMuch extends Error {}

interface Bounds {
  readonly seconds: number
  /** Of the worker's heap, MiB. */
  readonly heap: number
}

/** The largest charts in use take half a second. */
const ARCHIVE: Bounds = { seconds: 20, heap: 512 }
/** That of bitnami, 20 MB, takes 10 s and 1 GiB. */
const INDEX: Bounds = { seconds: 90, heap: 2048 }

/** Rejects with an Error whose message says why it is not a chart. */
export async function readChart(bytes: Buffer, bounds = ARCHIVE): Promise<ChartArchive> {
  return ask<ChartArchive>({ kind: 'archive', bytes }, bounds)
}

/** Rejects with an Error whose message says why it is not an index. */
export async function readRepositoryIndex(text: string, name: string, bounds = INDEX): Promise<ChartIndex> {
  return ask<ChartIndex>({ kind: 'index', text, name }, bounds)
}

async function ask<T>(question: ReadingRequest, { seconds, heap }: Bounds): Promise<T> {
  const { default: code } = await import('./reading-worker.ts?worker')
  const worker = new Worker(code, {
    ...{ eval: true, env: {}, workerData: question },
    resourceLimits: { maxOldGenerationSizeMb: heap, maxYoungGenerationSizeMb: 64 },
  })
  let timer: ReturnType<typeof setTimeout> | undefined
  try {
    return await new Promise<T>((resolve, reject) => {
      timer = setTimeout(() => reject(new TooMuch(`it takes more than ${seconds} s to read`)), seconds * 1000)
      worker.once('message', ({ value, fault }: { value: T; fault?: string }) =>
        fault === undefined ? resolve(value) : reject(new Error(fault)),
      )
      worker.once('error', (error) => reject(new TooMuch(`it cannot be read: ${error.message}`)))
      worker.once('exit', () => reject(new Error('it cannot be read')))
    })
  } finally {
    clearTimeout(timer)
    await worker.terminate()
  }
}
