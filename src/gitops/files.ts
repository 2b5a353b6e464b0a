// Reads and writes the files of the tree, each atomically.

import { lstatSync, realpathSync, type Stats } from 'node:fs'
import { mkdir, rm, rmdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { ProblemError } from '../engine/problem.ts'
import { pathInside, relativePath } from '../files/path-inside.ts'
import { readRegularFile, reason } from '../files/read-file.ts'
import { writeWhole } from '../supply/write-file.ts'
import type { FileChange, ReadTreeFile } from './compare.ts'

/** Whether a relative path leads neither out of its folder nor into Git's own. */
export function isInside(path: string): boolean {
  return path.split('/').every((part) => !['', '.', '..', '.git'].includes(part.toLowerCase()))
}

/** No file of a tree has that much. */
const FILE_BYTES = 16_777_216

/** Links are not followed: a file behind one is `other`, so that nothing is written outside of `directory`. */
export function diskOf(directory: string): ReadTreeFile {
  return (path) => {
    const parts = relativePath(path).split('/')
    try {
      for (const i of parts.keys()) {
        const found = lstatSync(join(directory, ...parts.slice(0, i + 1)), { throwIfNoEntry: false })
        if (found === undefined) return null
        if (i < parts.length - 1 ? !found.isDirectory() : !found.isFile() || found.size > FILE_BYTES) return 'other'
      }
      return readRegularFile(join(directory, path), FILE_BYTES)
    } catch (error) {
      throw new ProblemError({ kind: 'usage', where: path, what: `it cannot be read: ${reason(error)}` })
    }
  }
}

/** The folder itself, links followed; it need not be there. Throws a usage ProblemError where it is a file or cannot be reached. */
export function folderOf(directory: string): string {
  const refuse = (why: string) => new ProblemError({ kind: 'usage', where: '--tree', what: `${directory} ${why}` })
  let found: Stats | undefined
  try {
    found = lstatSync(directory, { throwIfNoEntry: false })
    const real = found === undefined ? directory : realpathSync(directory)
    if (found === undefined || lstatSync(real).isDirectory()) return real
  } catch (error) {
    throw refuse(found?.isSymbolicLink() ? 'is a broken symbolic link' : `cannot be used: ${reason(error)}`)
  }
  throw refuse('is not a directory')
}

/** Those of `create`, `update` and `delete`, in order; folders that become empty go, too. Throws a ProblemError where one fails. */
export async function write(directory: string, changes: readonly FileChange[]): Promise<void> {
  for (const change of changes) {
    try {
      await writeOne(directory, change)
    } catch (error) {
      if (error instanceof ProblemError) throw error
      const hint = 'make the directory writable, then run the same command again'
      throw new ProblemError({
        kind: 'failed',
        where: change.path,
        what: `it cannot be written: ${reason(error)}`,
        hint,
      })
    }
  }
}

async function writeOne(directory: string, { path, op, text }: FileChange): Promise<void> {
  if (!isInside(path)) throw new ProblemError({ kind: 'usage', where: path, what: 'The path points outside the tree' })
  const file = pathInside(directory, path)
  if (op === 'delete') {
    await rm(file)
    await removeEmpty(directory, dirname(file))
  } else if ((op === 'create' || op === 'update') && text !== null) {
    await mkdir(dirname(file), { recursive: true })
    await writeWhole(file, text)
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
