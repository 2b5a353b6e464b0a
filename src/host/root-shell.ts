// Runs scripts as root over a transport: the script travels on stdin, behind the sudo password where one is needed.

import { randomBytes } from 'node:crypto'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { ProblemError } from '../engine/problem.ts'
import { FrameReader, framing, type Mark } from './frames.ts'
import { Budget, excerpt, LimitError, MAX_EXCERPT_CHARS, MAX_EXEC_BYTES, MAX_FRAME_BYTES } from './limits.ts'
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

/** Of one frame, and of a file that is sent: a download at 20 kB/s is done within it. */
export const STEP_MS = 3_600_000

/** `stepMs`: bound of each frame and of each file that is fed. */
export function rootShell(
  transport: Transport,
  host: string,
  become: Become,
  onExec: OnExec,
  stepMs: number = STEP_MS,
): RootShell {
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
      throw error instanceof ProblemError ? error : lostLink(host, what, error)
    }
  }
  return {
    get execs() {
      return execs
    },
    close: () => transport.close(),

    run: async (script, how) => {
      const nonce = randomBytes(12).toString('hex')
      const clock = stepClock(host, how.what, stepMs)
      const on = (mark: Mark) => {
        if (mark.is === 'begin') clock.restart(how.names[mark.frame] ?? how.what)
        if (mark.is === 'wait') clock.heard(`${mark.why}\n`)
        if (mark.is === 'data' || mark.is === 'error') clock.heard(mark.bytes.toString('utf8'))
        how.on?.(mark)
      }
      const signal = AbortSignal.any([how.signal, clock.signal])
      try {
        const channel = await closedBy(signal, start(lines([framing(nonce), script]), how.what, 'whole'))
        channel.stdin.end()
        return await collect(channel, nonce, host, { ...how, signal, on }, become, () => transport.close())
      } finally {
        clock.stop()
      }
    },

    open: (script, what) => start(script, what, 'open'),

    feed: async (script, input, what, asked) => {
      const clock = stepClock(host, what, stepMs)
      const signal = AbortSignal.any([asked, clock.signal])
      const channel = await closedBy(signal, start(script, what, 'feed'))
      let err = ''
      channel.stdout.resume()
      channel.stderr.on('data', (chunk: Buffer) => {
        err = (err + chunk.toString('utf8')).slice(-MAX_EXCERPT_CHARS)
      })
      const sent = pipeline(input, channel.stdin, { signal }).catch((error: unknown) => error)
      const { code } = await channel.exit
        .catch((error: unknown) => {
          signal.throwIfAborted()
          throw lostLink(host, what, error)
        })
        .finally(clock.stop)
      const failure = await sent
      signal.throwIfAborted()
      if (code !== 0 || failure instanceof Error) {
        const why = err.trim() || String(failure)
        throw new ProblemError({ kind: 'failed', where: host, what: `${what}: failed with exit code ${code}`, why })
      }
    },
  }
}

/** Aborts with a problem when a step takes longer than it may. */
function stepClock(host: string, what: string, ms: number) {
  const over = new AbortController()
  let doing = what
  let last = ''
  const end = () =>
    over.abort(
      new ProblemError({
        kind: 'failed',
        where: host,
        what: `${doing}: did not end within ${ms / 1000} s`,
        why: excerpt(last, 3) || 'nothing was heard of it',
        hint: 'log in and find what hangs (ps axf, dmesg), then run the same command again; to wait longer: --timeout',
      }),
    )
  let timer = setTimeout(end, ms)
  return {
    signal: over.signal,
    restart: (step: string) => {
      doing = step
      last = ''
      clearTimeout(timer)
      timer = setTimeout(end, ms)
    },
    heard: (text: string) => {
      last = (last + text).slice(-MAX_EXCERPT_CHARS)
    },
    stop: () => clearTimeout(timer),
  }
}

/** The channel, which is closed when the signal aborts; the signal's reason if that happens before it is open. */
async function closedBy(signal: AbortSignal, opening: Promise<Channel>): Promise<Channel> {
  const closing = opening.then((channel) => {
    const close = () => channel.close()
    if (signal.aborted) close()
    signal.addEventListener('abort', close)
    return channel
  })
  const aborted = new Promise<never>((_, reject) => {
    const abort = () => reject(signal.reason)
    if (signal.aborted) abort()
    signal.addEventListener('abort', abort)
  })
  return Promise.race([closing, aborted])
}

async function collect(
  channel: Channel,
  nonce: string,
  host: string,
  how: RunHow,
  become: Become,
  close: () => Promise<void>,
): Promise<ReadonlyMap<number, FrameResult>> {
  const found = new Map<number, Gathered>()
  const total = new Budget('the output of one command', MAX_EXEC_BYTES)
  const gather = (frame: number): Gathered => {
    const entry = found.get(frame) ?? new Gathered()
    found.set(frame, entry)
    return entry
  }
  let finished = false
  let last = -1
  let stray = ''
  let before = ''
  let overrun: LimitError | undefined
  const out = new FrameReader(nonce, how.names.length, (mark) => {
    if (mark.is === 'begin') last = mark.frame
    if (mark.is === 'data') gather(mark.frame).add('out', mark.bytes)
    if (mark.is === 'error') gather(mark.frame).add('err', mark.bytes)
    if (mark.is === 'end') gather(mark.frame).code = mark.code
    if (mark.is === 'finish') finished = true
    how.on?.(mark)
  })
  const err = new FrameReader(nonce, how.names.length, (mark) => {
    if (mark.is === 'data') gather(mark.frame).add('err', mark.bytes)
  })
  /** Nothing more is taken from a node that sends too much: its connection is closed. */
  const take = (reader: FrameReader, chunk: Buffer) => {
    if (overrun !== undefined) return
    try {
      total.spend(chunk.length)
      reader.push(chunk)
    } catch (error) {
      if (!(error instanceof LimitError)) throw error
      overrun = error
      channel.close()
      void close()
    }
  }
  channel.stdout.on('data', (chunk: Buffer) => {
    if (last < 0) before = (before + chunk.toString('utf8')).slice(-1000)
    take(out, chunk)
  })
  channel.stderr.on('data', (chunk: Buffer) => {
    if (last < 0) stray = (stray + chunk.toString('utf8')).slice(-MAX_EXCERPT_CHARS)
    take(err, chunk)
  })
  const doing = () => how.names[last] ?? how.what
  const exit = await channel.exit.catch((error: unknown) => {
    if (overrun !== undefined) throw overrunProblem(host, doing(), overrun)
    how.signal.throwIfAborted()
    throw lostLink(host, doing(), error)
  })
  if (overrun !== undefined) throw overrunProblem(host, doing(), overrun)
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
        hint: 'check that /bin/sh exists and that this user may run commands: log in with ssh and run /bin/sh -c true',
      },
    )
  }
  return new Map([...found].flatMap(([frame, { result }]) => (result === null ? [] : [[frame, result]])))
}

/** What one frame has printed so far. */
class Gathered {
  readonly #budget = new Budget('the output of one probe or step', MAX_FRAME_BYTES)
  readonly #out: Buffer[] = []
  readonly #err: Buffer[] = []
  code: number | null = null

  add(stream: 'out' | 'err', bytes: Buffer): void {
    this.#budget.spend(bytes.length)
    if (stream === 'out') this.#out.push(bytes)
    else this.#err.push(bytes)
  }

  /** null: it has not come to its end. */
  get result(): FrameResult | null {
    if (this.code === null) return null
    const bytes = Buffer.concat(this.#out)
    return { code: this.code, bytes, text: bytes.toString('utf8'), err: Buffer.concat(this.#err).toString('utf8') }
  }
}

function overrunProblem(host: string, doing: string, { message }: LimitError): ProblemError {
  return new ProblemError({
    kind: 'unreachable',
    where: `${host} ${doing}`,
    what: 'The connection was closed because the node sent too much data',
    why: message,
    hint: 'log in by hand and check what sends the data: a program that floods the output, or a compromised node',
  })
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
      hint: 'run the same command again: it checks the state first and continues from there',
    },
    { cause: error },
  )
}
