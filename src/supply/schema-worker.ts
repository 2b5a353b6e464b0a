// The worker of values-check.ts: judges values by schemas, and ends.

import { parentPort, workerData } from 'node:worker_threads'
import { schemaFaults } from './schema-faults.ts'
import type { SchemaQuestion } from './values-check.ts'

const questions: readonly SchemaQuestion[] = workerData
parentPort?.postMessage(questions.flatMap(({ schema, values, top }) => schemaFaults(schema, values, top)))
