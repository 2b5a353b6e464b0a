// The worker of reading.ts: reads one chart or one index, and ends.

import { parentPort, workerData } from 'node:worker_threads'
import { readArchive } from './chart-archive.ts'
import { readIndex } from './chart-index.ts'
import type { ReadingRequest } from './reading.ts'

const question: ReadingRequest = workerData
const answer = async () =>
  question.kind === 'archive' ? readArchive(Buffer.from(question.bytes)) : readIndex(question.text, question.name)
answer().then(
  (value) => parentPort?.postMessage({ value }),
  (error: unknown) => parentPort?.postMessage({ fault: error instanceof Error ? error.message : String(error) }),
)
