// The event stream as JSON lines, one a line, each on disk before the run goes on.

import { closeSync, openSync, writeSync } from 'node:fs'
import { resolve } from 'node:path'
import { ProblemError } from '../engine/problem.ts'
import type { ReportIo, Sink } from './sink.ts'

/** Appends. Scripts on the wire (`wire`) are written from verbosity 3 on. Throws a usage ProblemError when it cannot be opened. */
export function eventsFile(path: string, verbosity: number, io: ReportIo): Sink {
  const file = open(resolve(io.cwd, path))
  let broken = false
  return {
    emit(told) {
      if (broken || (told.event === 'wire' && verbosity < 3)) return
      try {
        writeSync(file, `${JSON.stringify(told)}\n`)
      } catch (error) {
        // A full disk here is no reason to stop a run half way there.
        broken = true
        io.stderr.write(`! --events: the rest is lost: ${messageOf(error)}\n`)
      }
    },
    end: () => closeSync(file),
  }
}

function open(path: string): number {
  try {
    return openSync(path, 'a', 0o600)
  } catch (error) {
    throw new ProblemError({
      kind: 'usage',
      where: '--events',
      what: `cannot write ${path}`,
      why: messageOf(error),
      hint: 'name a file in a directory that exists and that you may write to',
    })
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
