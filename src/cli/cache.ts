// Finds the workstation's cache, and uses it only if no other user can write to it.

import { existsSync, rmSync } from 'node:fs'
import { lstat, mkdir, mkdtemp, realpath } from 'node:fs/promises'
import { tmpdir, userInfo } from 'node:os'
import { dirname, isAbsolute, join } from 'node:path'
import type { Io } from './io.ts'

/** Where the cache is; a relative XDG_CACHE_HOME does not count (XDG Base Directory Specification). */
function cachePath({ HOME, XDG_CACHE_HOME }: Io['env']): string {
  const base = XDG_CACHE_HOME && isAbsolute(XDG_CACHE_HOME) ? XDG_CACHE_HOME : undefined
  return join(base ?? join(HOME && isAbsolute(HOME) ? HOME : userInfo().homedir, '.cache'), 'k3s-platform')
}

/**
 * The real path of a directory of the cache, created when it is missing; undefined where others could have planted something:
 * then nothing in it is read, and nothing is written.
 */
export function privateCache(env: Io['env'], ...below: readonly string[]): Promise<string | undefined> {
  return privateDirectory(() => join(cachePath(env), ...below))
}

/** The same for a directory elsewhere. */
export async function privateDirectory(where: () => string): Promise<string | undefined> {
  try {
    const path = where()
    let existing = path
    while (!existsSync(existing)) existing = dirname(existing)
    if (!(await isPrivate(await realpath(existing), existing !== path))) return undefined
    await mkdir(path, { recursive: true, mode: 0o700 })
    const real = await realpath(path)
    return (await isPrivate(real)) ? real : undefined
  } catch {
    return undefined // read-only, full, or no home at all
  }
}

/** The cache of this user; where others could write to it, a directory of this run's own, which is deleted at its end. */
export async function openCache({ env, onExit }: Pick<Io, 'env' | 'onExit'>): Promise<string> {
  const cache = await privateCache(env)
  if (cache !== undefined) return cache
  const own = await mkdtemp(join(env.TMPDIR || tmpdir(), 'k3sp-cache-'))
  onExit(() => rmSync(own, { recursive: true, force: true }))
  return own
}

/** In a sticky directory above, such as /tmp, nobody else can replace what is this user's. */
async function isPrivate(real: string, above = false): Promise<boolean> {
  const { uid, mode } = await lstat(real)
  const user = process.geteuid?.()
  if (user !== undefined && uid !== user && uid !== 0) return false
  if ((mode & 0o022) !== 0 && !(above && (mode & 0o1000) !== 0)) return false
  return dirname(real) === real || isPrivate(dirname(real), true)
}
