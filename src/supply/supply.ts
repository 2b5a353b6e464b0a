// What a run knows of where things come from before it speaks to a host: the lock file, and files of the workstation.

import { isAbsolute, join, relative, resolve } from 'node:path'
import type { Problem } from '../engine/problem.ts'
import { sha256OfFileSync } from '../files/digest.ts'
import { digestIn, LOCK_NAME, type LockEntry, type LockFile, noLock, readLock } from './lock.ts'

export interface Supply {
  readonly lock: LockFile
  /** The lock file for people. */
  readonly lockShown: string
  /** Whether what is neither pinned nor locked is refused. */
  readonly strict: boolean
  locked(entry: LockEntry): string | undefined
  /** Absolute: `~` is the home directory, relative paths start at the inventory. */
  locate(path: string): string
  /** Of a file of the workstation, computed once a run; undefined: there is none that can be read. */
  digestOf(path: string): string | undefined
}

export interface SupplyOptions {
  /** Of the first inventory that is a file or a directory; undefined: hosts were named on the command line. */
  readonly directory: string | undefined
  readonly cwd: string
  readonly home: string
  /** `--locked`; null: not said. */
  readonly locked: boolean | null
  /** Whether a build server runs it: then a lock that is there is kept to. */
  readonly ci: boolean
}

export async function openSupply(
  options: SupplyOptions,
): Promise<{ readonly supply: Supply; readonly problems: readonly Problem[] }> {
  const { cwd, home } = options
  const directory = options.directory ?? cwd
  const path = join(directory, LOCK_NAME)
  const short = relative(cwd, path)
  const lockShown = short.startsWith('..') || isAbsolute(short) ? path : short
  const { lock, problems } =
    options.directory === undefined ? { lock: noLock(path), problems: [] } : await readLock(path, lockShown)
  const digests = new Map<string, string | undefined>()
  return {
    problems,
    supply: {
      lock,
      lockShown,
      strict: options.locked ?? (options.ci && lock.text !== null),
      locked: (entry) => digestIn(lock, entry),
      locate: (given) => (given.startsWith('~/') ? join(home, given.slice(2)) : resolve(directory, given)),
      digestOf: (file) => {
        if (!digests.has(file)) digests.set(file, digestOfFile(file))
        return digests.get(file)
      },
    },
  }
}

function digestOfFile(path: string): string | undefined {
  try {
    return sha256OfFileSync(path)
  } catch {
    return undefined
  }
}
