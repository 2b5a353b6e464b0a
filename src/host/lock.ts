// The connection is the lock: a channel of the run's own connection holds flock on the host while its workstation lives.
// It ends with the channel's stdin, or when no beat has come for 20 s: a dead workstation leaves no stale lock.

import { ProblemError } from '../engine/problem.ts'
import type { Lock } from '../engine/resource.ts'
import { prelude } from './prelude.ts'
import { lostLink, type RootShell } from './root-shell.ts'
import { lines, sh } from './sh.ts'

const BEAT_MS = 5000
const RELEASE_MS = 2000

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
  const channel = await shell.open(
    lines([
      prelude,
      sh`L=/run/k3s-platform.lock
exec 9>>"$L" || exit 1
k_has flock || k_fail 'flock is missing (package util-linux)'
if ! flock -n 9; then
  printf 'held %s\n' "$(cat "$L.holder" 2>/dev/null)"
  k_lock 9 ${waitSeconds} || exit 75
fi
rm -rf /run/k3s-platform.go.*
D=$(mktemp -d /run/k3s-platform.go.XXXXXX) && : >"$D/go" || exit 1
trap 'rm -rf "$D"' EXIT; trap 'exit 1' HUP TERM INT PIPE
printf '%s\n' ${holder()} >"$L.holder"
printf 'locked %s\n' "$D/go"
while k_line=$(timeout 20 sh -c 'IFS= read -r k_l && printf %s "$k_l"' 9>&-); do
  case $k_line in stop) rm -f "$D/go" ;; bye) exit 0 ;; esac
done`,
    ]),
    'lock',
  )
  let text = ''
  let lastHolder = ''
  const abort = () => channel.close()
  signal.addEventListener('abort', abort)
  if (signal.aborted) abort()
  const go = await new Promise<string>((resolve, reject) => {
    let err = ''
    channel.stderr.on('data', (chunk: Buffer) => {
      err += chunk.toString()
    })
    channel.stdout.on('data', (chunk: Buffer) => {
      text += chunk.toString()
      const held = /^held (.*)$/m.exec(text)?.[1]
      if (held !== undefined && held !== lastHolder) {
        lastHolder = held
        waiting(`another run holds the lock: ${held}`)
      }
      const path = /^locked (.*)$/m.exec(text)?.[1]
      if (path !== undefined) resolve(path)
    })
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
                  hint: 'wait for that run, or stop it; the lock ends with its connection',
                }
              : { kind: 'failed', where: host, what: 'the lock could not be taken', why: err.trim() },
          ),
        )
      },
      (error: unknown) => reject(signal.aborted ? signal.reason : lostLink(host, 'lock', error)),
    )
  }).finally(() => signal.removeEventListener('abort', abort))
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
