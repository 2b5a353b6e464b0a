// Uploads a file to a host: resumes an interrupted upload and verifies the result.

import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { ProblemError } from '../engine/problem.ts'
import { openRegularFile } from '../files/read-file.ts'
import { frame } from './frames.ts'
import { excerpt } from './limits.ts'
import { prelude } from './prelude.ts'
import type { RootShell } from './root-shell.ts'
import { lines, type Sh, sh } from './sh.ts'

export interface Sending {
  /** Host and resource, for problems. */
  readonly where: string
  readonly path: string
  readonly sha256: string
  /** Absolute path on the host; its directory is made. */
  readonly to: string
  readonly signal: AbortSignal
}

/** Afterwards `to` holds exactly the bytes of `path`; otherwise a ProblemError, and what arrived stays for the next try. */
export async function sendFile(shell: RootShell, sending: Sending, progress: (why: string) => void): Promise<void> {
  const { where, path, sha256, to, signal } = sending
  const { size } = await stat(path)
  const ask = async (script: Sh, what: string): Promise<string> => {
    const found = (
      await shell.run(lines([prelude, frame(0, script), sh`k_finish`]), { what, signal, names: [what] })
    ).get(0)
    if (found?.code === 0) return found.text.trim()
    throw new ProblemError({
      kind: 'failed',
      where,
      what: `${what}: failed`,
      why: found === undefined ? 'no answer' : excerpt(found.err),
    })
  }
  const there = Number(
    await ask(
      sh`mkdir -p -- "$(dirname ${to})" && { wc -c <${to} 2>/dev/null || echo 0; }`,
      'check for an earlier upload',
    ),
  )
  const offset = there <= size ? there : 0
  if (offset < there) await ask(sh`rm -f -- ${to}`, 'restart the upload')
  async function* told(input: AsyncIterable<Buffer>, start: number): AsyncGenerator<Buffer> {
    let sent = start
    let last = start
    for await (const chunk of input) {
      yield chunk
      sent += chunk.length
      if (sent - last < 4_194_304) continue
      last = sent
      progress(`uploading: ${mib(sent)} of ${mib(size)} MiB`)
    }
  }
  const from = async (start: number): Promise<string> => {
    // A listener for `data` would let the file flow before the channel takes it: the first megabyte would be lost.
    const input = Readable.from(
      told(createReadStream(path, { fd: openRegularFile(path), start, highWaterMark: 262_144 }), start),
    )
    // A write fails when the disk is full: then others need the room.
    await shell.feed(sh`cat >>${to} || { rm -f -- ${to}; exit 1; }`, input, `upload ${to}`, signal)
    return ask(sh`s=$(k_sum_large ${to}); [ "$s" = ${sha256} ] || rm -f -- ${to}; printf %s "$s"`, 'verify the upload')
  }
  let got = await from(offset)
  if (got !== sha256 && offset > 0) got = await from(0) // what was there was a part of something else
  if (got === sha256) return
  throw new ProblemError({
    kind: 'failed',
    where,
    what: 'the upload is corrupt',
    why: `sent sha256 ${sha256}\ngot sha256  ${got}`,
    hint: 'run apply again; if it happens again, check the memory and the disk of the host',
  })
}

function mib(bytes: number): number {
  return Math.floor(bytes / 1_048_576)
}
