// Writes a file whole or not at all, through a temporary name that nobody can have planted a link at.

import { randomBytes } from 'node:crypto'
import { rename, rm, writeFile } from 'node:fs/promises'

/** Readers see the old file or the new one; a link at `path` is replaced, never followed. */
export async function writeWhole(path: string, content: string | Uint8Array): Promise<void> {
  const part = `${path}.${randomBytes(6).toString('hex')}.part`
  try {
    await writeFile(part, content, { flag: 'wx' })
    await rename(part, path)
  } finally {
    await rm(part, { force: true })
  }
}
