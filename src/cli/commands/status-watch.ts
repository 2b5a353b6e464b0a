// Shows the status of all selected hosts while it changes: redrawn on a terminal, as lines in a pipe.

import { setTimeout as delay } from 'node:timers/promises'
import pMap from 'p-map'
import { ProblemError } from '../../engine/problem.ts'
import { redrawer } from '../../report/redraw.ts'
import { textOf } from '../../report/status-text.ts'
import type { HostStatus } from '../../report/status-v1.ts'
import { withoutOurs } from '../../report/style.ts'
import type { Io } from '../io.ts'
import type { HostSession } from '../session.ts'
import type { HostTarget } from '../targets.ts'
import type { ReadHost } from './status.ts'
import { unreadStatus } from './status-host.ts'

/** Between two looks at the hosts; a look is one exec on each, over the connection of the first. */
const PAUSE_MS = 10_000

interface Watching {
  readonly read: ReadHost
  readonly text: (hosts: readonly HostStatus[]) => string[]
  readonly exitCode: (hosts: readonly HostStatus[]) => number
  readonly forks: number
  /** Between two looks; default: 10 s. */
  readonly pauseMs?: number
}

/** Until Ctrl-C, or until the reader of stdout has gone; the exit code is that of the last look. */
export async function watchStatus(
  targets: readonly Pick<HostTarget, 'host' | 'connect'>[],
  watching: Watching,
  io: Io,
): Promise<number> {
  const { read, text, exitCode, forks, pauseMs = PAUSE_MS } = watching
  const stop = new AbortController()
  const end = () => stop.abort()
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
  for (const signal of signals) process.on(signal, end)
  const sessions = new Map<string, HostSession>()
  const show = io.stdout.isTTY === true ? screen(text, io) : lines(io)
  let last: readonly HostStatus[] = []
  try {
    while (!stop.signal.aborted && !io.stdout.destroyed) {
      const seen = await pMap(targets, (target) => lookAgain(target, sessions, read, stop.signal), {
        concurrency: forks,
      })
      if (stop.signal.aborted) break
      last = seen
      show(seen)
      await delay(pauseMs, undefined, { signal: stop.signal }).catch(() => undefined)
    }
    return exitCode(last)
  } finally {
    for (const signal of signals) process.off(signal, end)
    await Promise.all([...sessions.values()].map((session) => session.close()))
  }
}

/** A host whose connection is lost gets another one at the next look. */
async function lookAgain(
  target: Pick<HostTarget, 'host' | 'connect'>,
  sessions: Map<string, HostSession>,
  read: ReadHost,
  signal: AbortSignal,
): Promise<HostStatus> {
  const { host } = target
  try {
    const session = sessions.get(host) ?? (await target.connect(signal))
    sessions.set(host, session)
    return await read(target, session, signal)
  } catch (error) {
    const session = sessions.get(host)
    sessions.delete(host)
    await session?.close()
    if (signal.aborted) return unreadStatus(host, new ProblemError([]))
    if (error instanceof ProblemError) return unreadStatus(host, error)
    throw error
  }
}

type Show = (hosts: readonly HostStatus[]) => void

/** All of it in place, cut to the terminal. */
function screen(text: Watching['text'], io: Io): Show {
  const { draw } = redrawer(io.stdout)
  return (hosts) => {
    const { columns = 80, rows = 24 } = io.stdout
    const all = text(hosts)
    const left = all.length - (rows - 1)
    const shown = left > 0 ? [...all.slice(0, rows - 2), `... and ${left + 1} more lines`] : all
    draw(shown.map((line) => (withoutOurs(line).length < columns ? line : withoutOurs(line).slice(0, columns - 1))))
  }
}

/** A line for each host, then one for each change of what is not well. */
function lines(io: Io): Show {
  const told = new Map<string, string>()
  return (hosts) => {
    for (const host of io.shown(hosts)) {
      // Ages and counts of seconds are no change.
      const findings = host.notWell.map((one) => ({ place: one.where, what: one.what, line: textOf(host, one) }))
      const key = JSON.stringify([
        host.status,
        findings.map(({ place, what }) => [place, what]),
        host.node?.k3s.version,
      ])
      if (told.get(host.name) === key) continue
      told.set(host.name, key)
      const words = findings.length === 0 ? 'well' : findings.map(({ line }) => line).join('; ')
      io.stdout.write(`${new Date(io.now()).toISOString()}  ${host.name}  ${words}\n`)
    }
  }
}
