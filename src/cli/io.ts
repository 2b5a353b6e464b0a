// The world as the command line sees it, passed in so that tests bring their own.

import type { ReportIo } from '../report/sink.ts'

export type Io = ReportIo

/** The real one. A stream whose reader has gone away (`| head`) swallows what is written to it: the run itself goes on. */
export function processIo(): Io {
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
