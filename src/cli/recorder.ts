// Records a run that changes hosts. A record that cannot be kept never fails the run: only -v says so.

import { maskInline } from '../report/mask.ts'
import { recordSink } from '../report/run-record.ts'
import type { Sink } from '../report/sink.ts'
import type { Io } from './io.ts'
import type { CliOptions } from './options.ts'
import { newRunId, recordsDirectory, saveRecord } from './run-records.ts'

export interface Recorder {
  readonly sink: Sink
  /** Finds the directory; without it nothing is recorded. */
  prepare(): Promise<void>
}

export function recorder(
  { again, mode, verbosity }: Pick<CliOptions, 'again' | 'mode' | 'verbosity'>,
  io: Io,
): Recorder {
  const startedMs = io.now()
  const id = newRunId(startedMs)
  let directory: string | undefined
  const orTell = (error: unknown) => {
    const why = error instanceof Error ? error.message : String(error)
    if (verbosity > 0) io.stderr.write(`! the run was not recorded: ${why}\n`)
  }
  return {
    sink: recordSink({ id, command: maskInline(again), startedMs, mode }, io, (json) => {
      if (directory === undefined) return
      try {
        saveRecord(directory, id, json)
      } catch (error) {
        orTell(error)
      }
    }),
    prepare: async () => {
      try {
        directory = await recordsDirectory(io.env)
      } catch (error) {
        orTell(error)
      }
    },
  }
}
