// The tree on disk: what is there, and changes written file by file, each whole or not at all.

import { lstatSync, readFileSync, realpathSync } from 'node:fs'
import { mkdir, rename, rm, rmdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { ProblemError } from '../engine/problem.ts'
import type { Disk, FileChange } from './compare.ts'

/** Links are not followed: a file behind one is `other`, so that nothing is written outside of `directory`. */
export function diskOf(directory: string): Disk {
  return (path) => {
    const parts = path.split('/')
    for (const i of parts.keys()) {
      const found = lstatSync(join(directory, ...parts.slice(0, i + 1)), { throwIfNoEntry: false })
      if (found === undefined) return null
      if (i < parts.length - 1 ? !found.isDirectory() : !found.isFile()) return 'other'
    }
    return readFileSync(join(directory, path))
  }
}

/** The folder itself, links followed; it need not be there. Throws a usage ProblemError where it is a file. */
export function folderOf(directory: string): string {
  const found = lstatSync(directory, { throwIfNoEntry: false })
  const real = found === undefined ? directory : realpathSync(directory)
  if (found === undefined || lstatSync(real).isDirectory()) return real
  throw new ProblemError({ kind: 'usage', where: '--tree', what: `${directory} is no folder` })
}

/** Those of `create`, `update` and `delete`, in order; folders that become empty go, too. */
export async function write(directory: string, changes: readonly FileChange[]): Promise<void> {
  for (const { path, op, text } of changes) {
    const file = join(directory, path)
    if (op === 'delete') {
      await rm(file)
      await removeEmpty(directory, dirname(file))
    } else if ((op === 'create' || op === 'update') && text !== null) {
      await mkdir(dirname(file), { recursive: true })
      const part = `${file}.${process.pid}.part`
      await writeFile(part, text)
      await rename(part, file)
    }
  }
}

async function removeEmpty(top: string, folder: string): Promise<void> {
  for (let at = folder; at !== top && at.startsWith(top); at = dirname(at)) {
    try {
      await rmdir(at)
    } catch {
      return // not empty
    }
  }
}
