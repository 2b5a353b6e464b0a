// Changes the servers of a cluster one at a time, and skips the rest if one fails.

import { ProblemError } from './problem.ts'

interface Turn {
  /** `well`: the host is as it should be, and the next one may begin. */
  end(well: boolean): void
}

export interface Turns {
  /**
   * Waits until the hosts before it are as they should be, and no host with one of these keys is being changed; `waiting` hears
   * which host is waited for. Rejects with ProblemError when one of them failed, and with the signal's reason.
   */
  take(member: Member, waiting: (other: string) => void, signal: AbortSignal): Promise<Turn>
  /** The run of a host has ended, whether it took a turn or not. */
  over(host: string, well: boolean): void
}

interface Member {
  readonly host: string
  readonly keys: readonly string[]
  readonly after: readonly string[]
}

interface Holder {
  readonly host: string
  readonly keys: readonly string[]
  readonly ended: Promise<void>
}

export function makeTurns(): Turns {
  const holders = new Set<Holder>()
  const failed = new Map<string, string>()
  const ends = new Map<string, { readonly well: Promise<boolean>; resolve(well: boolean): void }>()
  const endOf = (host: string) => {
    const known = ends.get(host)
    if (known !== undefined) return known
    let resolve: (well: boolean) => void = () => {}
    const end = { well: new Promise<boolean>((done) => (resolve = done)), resolve: (well: boolean) => resolve(well) }
    ends.set(host, end)
    return end
  }
  return {
    over: (host, well) => endOf(host).resolve(well),
    take: async ({ host, keys, after }, waiting, signal) => {
      for (const other of after) {
        waiting(other)
        const well = await Promise.race([endOf(other).well, aborted(signal)])
        signal.throwIfAborted()
        if (well !== true) throw new ProblemError(notBegun(host, other))
      }
      for (;;) {
        signal.throwIfAborted()
        const culprit = keys.map((key) => failed.get(key)).find((one) => one !== undefined)
        if (culprit !== undefined) throw new ProblemError(notBegun(host, culprit))
        const before = [...holders].find((one) => one.keys.some((key) => keys.includes(key)))
        if (before === undefined) break
        waiting(before.host)
        await Promise.race([before.ended, aborted(signal)])
      }
      let resolve = () => {}
      const holder: Holder = { host, keys, ended: new Promise<void>((done) => (resolve = done)) }
      holders.add(holder)
      return {
        end: (well) => {
          if (!well) for (const key of keys) failed.set(key, host)
          holders.delete(holder)
          resolve()
        },
      }
    },
  }
}

function notBegun(host: string, culprit: string) {
  return {
    kind: 'failed' as const,
    where: host,
    what: `${host} was not changed, because ${culprit} of the same cluster failed`,
    why: 'servers of one cluster are changed one at a time, each ready before the next',
    hint: `fix ${culprit}, then run apply again`,
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
}
