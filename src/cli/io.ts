// The process as the command line sees it (streams, environment, clock), passed in so that tests can replace it.

import { format } from 'node:util'
import { problemLines } from '../report/problem-text.ts'
import type { ReportIo, Streams } from '../report/sink.ts'
import { painter } from '../report/style.ts'
import { problemsOf } from './internal-error.ts'

/** What commands write to: through the door. */
export type Io = ReportIo

/** The real one. A stream whose reader has gone away (`| head`) swallows what is written to it: the run itself goes on. */
export function processStreams(): Streams {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error
    })
  }
  return {
    stdout: process.stdout,
    stderr: process.stderr,
    env: process.env,
    cwd: process.cwd(),
    now: Date.now,
    onExit: (restore) => {
      process.once('exit', restore)
      return () => process.off('exit', restore)
    },
  }
}

/** What libraries and Node.js itself print, and an error that nobody has caught, leave through the door as well. */
export function catchStrays(io: Io, debug: boolean): void {
  const print = (...words: unknown[]) => io.stderr.write(`${io.shown({ text: format(...words) }).text}\n`)
  Object.assign(console, { log: print, info: print, debug: print, warn: print, error: print, trace: print })
  // None: --no-warnings.
  if (process.listenerCount('warning') > 0) {
    process.removeAllListeners('warning')
    // What a library will have to change is nothing that a user could act on.
    process.on('warning', ({ name, message }) => {
      if (name !== 'DeprecationWarning') print(`! ${name}: ${message}`)
    })
  }
  process.on('uncaughtException', (error) => {
    for (const problem of io.shown(problemsOf(error, debug))) {
      io.stderr.write(`${problemLines(problem, painter(false)).join('\n')}\n`)
    }
    process.exit(1)
  })
}
