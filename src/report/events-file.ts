// The event stream as JSON lines, one a line, each on disk before the run goes on.

import { closeSync, constants, fstatSync, openSync, writeSync } from 'node:fs'
import { resolve } from 'node:path'
import { ProblemError } from '../engine/problem.ts'
import type { ReportIo, Sink } from './sink.ts'

/** Appends. Scripts on the wire (`wire`) are written from verbosity 3 on. Throws a usage ProblemError when it cannot be opened. */
export function eventsFile(path: string, verbosity: number, io: ReportIo): Sink {
  const file = open(resolve(io.cwd, path))
  let broken = false
  return {
    wants: 'data',
    emit(told) {
      if (broken || (told.event === 'wire' && verbosity < 3)) return
      try {
        writeSync(file, `${io.json(told)}\n`)
      } catch (error) {
        // A full disk here is no reason to stop a run half way there.
        broken = true
        io.stderr.write(`! --events: the remaining events are lost: ${messageOf(error)}\n`)
      }
    },
    end: () => closeSync(file),
  }
}

function open(path: string): number {
  try {
    // Where a FIFO has no reader, to open it would wait for one; without waiting it is an error.
    const { O_APPEND, O_CREAT, O_NONBLOCK, O_WRONLY } = constants
    const file = openSync(path, O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK, 0o600)
    if (!fstatSync(file).isFIFO()) return file
    closeSync(file)
    return openSync(path, 'a')
  } catch (error) {
    throw new ProblemError({
      kind: 'usage',
      where: '--events',
      what: `cannot write ${path}`,
      why: messageOf(error),
      hint: 'use a file in an existing, writable directory',
    })
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
