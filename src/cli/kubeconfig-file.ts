// Changes a kubeconfig that other tools change, too: kubectl's lock, a backup beside it, a rename; a link stays a link.

import { randomBytes } from 'node:crypto'
import { constants, existsSync, readdirSync, realpathSync, rmSync } from 'node:fs'
import { chmod, copyFile, link, mkdir, open, rename, rm, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { ProblemError } from '../engine/problem.ts'
import { PACKED_BYTES, readIfPresent } from '../files/read-file.ts'

const LOCK_SECONDS = 5
const BACKUPS = 5

/** Writes atomically with mode 600; missing directories get 700. */
export async function writePrivate(file: string, content: string): Promise<void> {
  await mkdir(dirname(file), { recursive: true, mode: 0o700 })
  // Always the same name, so that what a killed run left goes; created exclusively, so that a planted link is not followed.
  const part = `${file}.k3s-platform.part`
  await rm(part, { force: true })
  try {
    const handle = await open(part, 'wx', 0o600)
    try {
      await handle.writeFile(content)
      await handle.sync()
    } finally {
      await handle.close()
    }
    await chmod(part, 0o600)
    await rename(part, file)
  } catch (error) {
    await rm(part, { force: true })
    throw error
  }
}

/** The same, but never over what is there: false then. */
export async function createPrivate(file: string, content: string): Promise<boolean> {
  await mkdir(dirname(file), { recursive: true, mode: 0o700 })
  const part = `${file}.${randomBytes(4).toString('hex')}.k3s-platform.part`
  try {
    await writeFile(part, content, { mode: 0o600, flag: 'wx', flush: true })
    await link(part, file)
    return true
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false
    throw error
  } finally {
    await rm(part, { force: true })
  }
}

/**
 * `change` gets the text, null when there is no file, and returns the new one. The file as it was becomes
 * `<file>.k3s-platform-backup-<n>`; the five newest stay. Nothing is written when nothing changes.
 */
export async function editKubeconfig(file: string, change: (text: string | null) => string): Promise<void> {
  await mkdir(dirname(file), { recursive: true, mode: 0o700 })
  const unlock = await lock(file)
  try {
    // A link may lead to where there is nothing yet: then it is replaced.
    const real = existsSync(file) ? realpathSync(file) : file
    const text = readIfPresent(real, PACKED_BYTES)?.toString('utf8') ?? null
    const next = change(text)
    if (next === text) return
    if (text !== null) await backup(real)
    await writePrivate(real, next)
  } finally {
    unlock()
  }
}

/** kubectl makes the same file, and does not wait for ours. */
async function lock(file: string): Promise<() => void> {
  const path = `${file}.lock`
  const unlock = () => rmSync(path, { force: true })
  for (let left = LOCK_SECONDS * 10; ; left--, await sleep(100)) {
    try {
      await (await open(path, 'wx', 0o600)).close()
      return unlock
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error
      if (left > 0) continue
      throw new ProblemError({
        kind: 'failed',
        where: file,
        what: `another program holds the lock ${path}`,
        why: `it was not released within ${LOCK_SECONDS} s`,
        hint: `if no kubectl is running, the lock is stale: rm ${path}`,
      })
    }
  }
}

async function backup(file: string): Promise<void> {
  const prefix = `${basename(file)}.k3s-platform-backup-`
  const numbers = readdirSync(dirname(file))
    .filter((name) => name.startsWith(prefix))
    .map((name) => Number(name.slice(prefix.length)))
    .filter(Number.isInteger)
    .toSorted((a, b) => a - b)
  const path = (n: number) => join(dirname(file), `${prefix}${n}`)
  const next = (numbers.at(-1) ?? 0) + 1
  await copyFile(file, path(next), constants.COPYFILE_EXCL)
  await chmod(path(next), 0o600)
  for (const old of numbers.filter((n) => n <= next - BACKUPS)) await rm(path(old), { force: true })
}
