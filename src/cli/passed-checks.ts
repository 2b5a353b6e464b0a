// Remembers on this workstation which checks of a run passed, so that the next run does not repeat them.

import { createHmac, randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { readRegularFile, TEXT_BYTES } from '../files/read-file.ts'

export interface PassedChecks {
  has(identity: string): boolean
  add(identity: string): Promise<void>
}

/** Identities may hold passwords: without the key of this directory nobody can try them on the names in it. */
export async function passedChecks(directory: string): Promise<PassedChecks> {
  await mkdir(directory, { recursive: true, mode: 0o700 })
  const key = await ownKey(directory)
  const mark = (identity: string) => join(directory, `well-${createHmac('sha256', key).update(identity).digest('hex')}`)
  return {
    has: (identity) => existsSync(mark(identity)),
    add: (identity) => writeFile(mark(identity), ''),
  }
}

/** Where nothing may be kept. */
export const noPassedChecks: PassedChecks = { has: () => false, add: async () => {} }

async function ownKey(directory: string): Promise<Buffer> {
  const path = join(directory, 'key')
  // Two runs may be the first at the same time: the one that comes second takes what the first has written.
  await writeFile(path, randomBytes(32), { mode: 0o600, flag: 'wx' }).catch((error: unknown) => {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error
  })
  return readRegularFile(path, TEXT_BYTES)
}
