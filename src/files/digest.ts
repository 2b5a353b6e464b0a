// Computes and recognizes sha256 digests, in hex as sha256sum prints them.

import { createHash } from 'node:crypto'
import { closeSync, createReadStream, readSync } from 'node:fs'
import { pipeline } from 'node:stream/promises'
import { z } from 'zod'
import { openRegularFile } from './read-file.ts'

const SHA256 = /^[0-9a-f]{64}$/

export const digest = z.string().regex(SHA256, 'expected a sha256 digest: 64 lowercase hex digits')

export const isSha256 = (text: string): boolean => SHA256.test(text)

export function sha256(content: string | Buffer): string {
  return createHash('sha256').update(content).digest('hex')
}

/** Of a file of any size, without blocking. Throws UnreadableFile. */
export async function sha256OfFile(path: string): Promise<string> {
  const hash = createHash('sha256')
  await pipeline(createReadStream(path, { fd: openRegularFile(path) }), hash)
  return hash.digest('hex')
}

const CHUNK = 4_194_304

/** Of a file that the inventory names, while the inventory is read. Throws UnreadableFile. */
export function sha256OfFileSync(path: string): string {
  const hash = createHash('sha256')
  const chunk = Buffer.alloc(CHUNK)
  const file = openRegularFile(path)
  try {
    for (;;) {
      const size = readSync(file, chunk)
      if (size === 0) return hash.digest('hex')
      hash.update(chunk.subarray(0, size))
    }
  } finally {
    closeSync(file)
  }
}
