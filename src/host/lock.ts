// The connection is the lock: a channel of the run's own connection holds flock on the host while its workstation lives.
// It ends with the channel's stdin, or when no beat has come for 20 s: a dead workstation leaves no stale lock.

import { ProblemError } from '../engine/problem.ts'
import type { Lock } from '../engine/resource.ts'
import { excerpt, MAX_EXCERPT_CHARS } from './limits.ts'
import { prelude } from './prelude.ts'
import { lostLink, type RootShell } from './root-shell.ts'
import { lines, script } from './sh.ts'
import lockText from './shell/lock.sh'

const BEAT_MS = 5000
const RELEASE_MS = 2000
/** Beyond the wait for another run: to start the shell and to say so. */
const ANSWER_SECONDS = 60
/** Holders of the lock that are reported while it is waited for; more are a node's lies. */
const MAX_HOLDERS = 20

/** `go` is a file that exists while steps may go on; steps look at it between two steps and in every wait. */
export interface HostLock extends Lock {
  readonly go: string
  /** No step shall start any more. */
  stop(): void
}

export interface LockOptions {
  readonly host: string
  /** What another run reads when it finds the lock taken: who, from where, since when. */
  readonly holder: () => string
  /** How long another run's lock is waited for. */
  readonly waitSeconds: number
  /** Told why it has to be waited for. */
  readonly waiting: (why: string) => void
}

/** Throws ProblemError, or the signal's reason: then nothing is held. */
export async function takeLock(
  shell: RootShell,
  { host, holder, waitSeconds, waiting }: LockOptions,
  signal: AbortSignal,
): Promise<HostLock> {
  const channel = await shell.open(lines([prelude, script(lockText, { waitSeconds, holder: holder() })]), 'lock')
  let lastHolder = ''
  let holders = 0
  const abort = () => channel.close()
  signal.addEventListener('abort', abort)
  if (signal.aborted) abort()
  let timer: ReturnType<typeof setTimeout> | undefined
  const go = await new Promise<string>((resolve, reject) => {
    let text = ''
    let err = ''
    let locked = false
    channel.stderr.on('data', (chunk: Buffer) => {
      err = (err + chunk.toString()).slice(-MAX_EXCERPT_CHARS)
    })
    channel.stdout.on('data', (chunk: Buffer) => {
      if (locked) return
      text = (text + chunk.toString()).slice(-MAX_EXCERPT_CHARS)
      const held = /^held (.*)$/m.exec(text)?.[1]
      if (held !== undefined && held !== lastHolder && ++holders <= MAX_HOLDERS) {
        lastHolder = held
        waiting(`another run holds the lock: ${held}`)
      }
      const path = /^locked (.*)$/m.exec(text)?.[1]
      if (path === undefined) return
      locked = true
      resolve(path)
    })
    const answerSeconds = waitSeconds + ANSWER_SECONDS
    timer = setTimeout(() => {
      const why = `no answer within ${answerSeconds} s`
      reject(new ProblemError({ kind: 'failed', where: host, what: 'the lock could not be acquired', why }))
      channel.close()
    }, answerSeconds * 1000)
    channel.exit.then(
      ({ code }) => {
        if (signal.aborted) return reject(signal.reason)
        reject(
          new ProblemError(
            code === 75
              ? {
                  kind: 'failed',
                  where: host,
                  what: `another run holds the lock: ${lastHolder || 'unknown'}`,
                  why: `it was not released within ${waitSeconds} s`,
                  hint: 'wait for that run, or stop it; the lock is released when its connection closes',
                }
              : { kind: 'failed', where: host, what: 'the lock could not be acquired', why: excerpt(err) },
          ),
        )
      },
      (error: unknown) => reject(signal.aborted ? signal.reason : lostLink(host, 'lock', error)),
    )
  }).finally(() => {
    clearTimeout(timer)
    signal.removeEventListener('abort', abort)
  })
  const beat = setInterval(() => channel.stdin.write('beat\n'), BEAT_MS)
  beat.unref()
  return {
    go,
    stop: () => {
      channel.stdin.write('stop\n')
    },
    release: async () => {
      clearInterval(beat)
      channel.stdin.end('bye\n')
      // A link that is silent must not hold the end of the run.
      const timer = setTimeout(() => channel.close(), RELEASE_MS)
      await channel.exit.catch(() => undefined)
      clearTimeout(timer)
    },
  }
}
