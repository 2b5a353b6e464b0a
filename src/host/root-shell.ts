// Runs scripts as root over a transport: the script travels on stdin, behind the sudo password where one is needed.

import { randomBytes } from 'node:crypto'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { ProblemError } from '../engine/problem.ts'
import { FrameReader, framing, type Mark } from './frames.ts'
import { lines, type Sh } from './sh.ts'
import { type Become, becomeProblem, launch } from './ssh/become.ts'
import { type Channel, LinkError, type Transport } from './transport.ts'

export interface FrameResult {
  readonly code: number
  readonly bytes: Buffer
  readonly text: string
  readonly err: string
}

interface RunHow {
  /** For people: what is under way. */
  readonly what: string
  readonly signal: AbortSignal
  /** Title of each frame, to say which was the last when the link dies. */
  readonly names: readonly string[]
  readonly on?: (mark: Mark) => void
}

export interface RootShell {
  readonly execs: number
  /** Runs a whole script with frames; by frame number. A frame that is missing was not reached. */
  run(script: Sh, how: RunHow): Promise<ReadonlyMap<number, FrameResult>>
  /** Runs a script whose stdin stays open after it; the streams are the caller's. */
  open(script: Sh, what: string): Promise<Channel>
  /** Runs a script that reads `input` as its stdin. Rejects unless it exits 0. */
  feed(script: Sh, input: Readable, what: string, signal: AbortSignal): Promise<void>
  close(): Promise<void>
}

/** Told of every exec: for `-vvv`, counted in the report. The script is masked. */
export type OnExec = (exec: { readonly number: number; readonly what: string; readonly script: string }) => void

export function rootShell(transport: Transport, host: string, become: Become, onExec: OnExec): RootShell {
  let execs = 0
  const start = async (script: Sh, what: string, mode: 'whole' | 'open' | 'feed'): Promise<Channel> => {
    execs++
    onExec({ number: execs, what, script: script.toString() })
    const { command, preamble } = launch({ ...become, mode, script: script.reveal() })
    try {
      const channel = await transport.exec(command)
      channel.stdin.on('error', () => undefined) // its end is told by `exit`
      channel.stdin.write(preamble)
      return channel
    } catch (error) {
      throw lostLink(host, what, error)
    }
  }
  return {
    get execs() {
      return execs
    },
    close: () => transport.close(),

    run: async (script, how) => {
      const nonce = randomBytes(12).toString('hex')
      const channel = await start(lines([framing(nonce), script]), how.what, 'whole')
      channel.stdin.end()
      const abort = () => channel.close()
      how.signal.addEventListener('abort', abort)
      if (how.signal.aborted) abort()
      try {
        return await collect(channel, nonce, host, how, become)
      } finally {
        how.signal.removeEventListener('abort', abort)
      }
    },

    open: (script, what) => start(script, what, 'open'),

    feed: async (script, input, what, signal) => {
      const channel = await start(script, what, 'feed')
      let err = ''
      channel.stdout.resume()
      channel.stderr.on('data', (chunk: Buffer) => {
        err += chunk.toString('utf8')
      })
      const sent = pipeline(input, channel.stdin, { signal }).catch((error: unknown) => error)
      const { code } = await channel.exit.catch((error: unknown) => {
        throw lostLink(host, what, error)
      })
      const failure = await sent
      signal.throwIfAborted()
      if (code !== 0 || failure instanceof Error) {
        const why = err.trim() || String(failure)
        throw new ProblemError({ kind: 'failed', where: host, what: `${what}: failed with exit code ${code}`, why })
      }
    },
  }
}

async function collect(
  channel: Channel,
  nonce: string,
  host: string,
  how: RunHow,
  become: Become,
): Promise<ReadonlyMap<number, FrameResult>> {
  const found = new Map<number, { out: Buffer[]; err: Buffer[]; code: number | null }>()
  const of = (frame: number) => {
    const entry = found.get(frame) ?? { out: [], err: [], code: null }
    found.set(frame, entry)
    return entry
  }
  let finished = false
  let last = -1
  let stray = ''
  let before = ''
  const out = new FrameReader(nonce, (mark) => {
    if (mark.is === 'begin') last = mark.frame
    if (mark.is === 'data') of(mark.frame).out.push(mark.bytes)
    if (mark.is === 'error') of(mark.frame).err.push(mark.bytes)
    if (mark.is === 'end') of(mark.frame).code = mark.code
    if (mark.is === 'finish') finished = true
    how.on?.(mark)
  })
  const err = new FrameReader(nonce, (mark) => {
    if (mark.is === 'data') of(mark.frame).err.push(mark.bytes)
  })
  channel.stdout.on('data', (chunk: Buffer) => {
    if (last < 0) before = (before + chunk.toString('utf8')).slice(-1000)
    out.push(chunk)
  })
  channel.stderr.on('data', (chunk: Buffer) => {
    if (last < 0) stray += chunk.toString('utf8')
    err.push(chunk)
  })
  const doing = () => how.names[last] ?? how.what
  const exit = await channel.exit.catch((error: unknown) => {
    how.signal.throwIfAborted()
    throw lostLink(host, doing(), error)
  })
  how.signal.throwIfAborted()
  if (!finished) {
    // nologin speaks on stdout; where frames have begun, what came before is a banner.
    const spoken = stray.trim() === '' && last < 0 ? before : stray
    throw new ProblemError(
      becomeProblem({ host, stderr: spoken, code: exit.code, become }) ?? {
        kind: 'failed',
        where: host,
        what: `the remote shell ended during: ${doing()} (${exit.signal ?? `exit ${exit.code}`})`,
        ...(spoken.trim() === '' ? {} : { why: spoken.trim() }),
        hint: 'is /bin/sh there, and may this user log in and run commands? try: ssh to it and run /bin/sh -c true',
      },
    )
  }
  return new Map(
    [...found].flatMap(([frame, { out, err, code }]): [number, FrameResult][] => {
      const bytes = Buffer.concat(out)
      return code === null
        ? []
        : [[frame, { code, bytes, text: bytes.toString('utf8'), err: Buffer.concat(err).toString('utf8') }]]
    }),
  )
}

/** A link that ended, as a problem that says what was under way. */
export function lostLink(host: string, doing: string, error: unknown): ProblemError {
  const why = error instanceof LinkError ? error.message : String(error)
  return new ProblemError(
    {
      kind: 'unreachable',
      where: host,
      what: `the connection was lost during: ${doing}`,
      why,
      hint: 'run the same command again: it looks first and goes on from what is there',
    },
    { cause: error },
  )
}
