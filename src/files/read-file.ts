// Reads a regular file of the workstation, whole and up to a limit; a FIFO, a socket or a device is refused before it can block.

import { closeSync, constants, fstatSync, openSync, readSync, type Stats, statSync } from 'node:fs'
import { diagnose } from '../diagnosis/diagnose.ts'
import { FILES } from '../diagnosis/files.ts'
import { ProblemError } from '../engine/problem.ts'

/** A usage problem where nobody says it better; the message alone completes the sentence `FILE cannot be read: ...`. */
export class UnreadableFile extends ProblemError {
  /** There is nothing at the path. */
  readonly missing: boolean
  constructor(path: string, why: string, missing = false) {
    super({ kind: 'usage', where: path, what: `cannot be read: ${why}` })
    this.message = why
    this.missing = missing
  }
}

/** What people write by hand, and keys: far more than any of them has. */
export const TEXT_BYTES = 1_048_576
/** What programs collect or pack: known_hosts, kubeconfigs, charts. */
export const PACKED_BYTES = 67_108_864

/** Throws UnreadableFile. A relative path starts at the current directory of the process. */
export function readRegularFile(path: string, limitBytes: number): Buffer {
  const file = openRegularFile(path, limitBytes)
  try {
    return readWhole(path, file, limitBytes)
  } catch (error) {
    throw unreadable(path, error)
  } finally {
    closeSync(file)
  }
}

/** The first bytes of a regular file, however big it is; none when it cannot be read. */
export function headOf(path: string, count: number): Buffer {
  try {
    const file = openRegularFile(path)
    try {
      const head = Buffer.alloc(count)
      return head.subarray(0, readSync(file, head))
    } finally {
      closeSync(file)
    }
  } catch {
    return Buffer.alloc(0)
  }
}

/** A file descriptor, for files that are too big to be read whole. Throws UnreadableFile. */
export function openRegularFile(path: string, limitBytes = Number.POSITIVE_INFINITY): number {
  let file: number | undefined
  try {
    // To open a device may do something, and to open a FIFO waits: what is there is asked first, and again once it is open.
    requireRegular(path, statSync(path), limitBytes)
    file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
    requireRegular(path, fstatSync(file), limitBytes)
    return file
  } catch (error) {
    if (file !== undefined) closeSync(file)
    throw unreadable(path, error)
  }
}

const unreadable = (path: string, error: unknown): UnreadableFile =>
  error instanceof UnreadableFile ? error : new UnreadableFile(path, reason(error), codeOf(error) === 'ENOENT')

/** As `readRegularFile`; undefined when there is nothing at the path. */
export function readIfPresent(path: string, limitBytes: number): Buffer | undefined {
  try {
    return readRegularFile(path, limitBytes)
  } catch (error) {
    if (error instanceof UnreadableFile && error.missing) return undefined
    throw error
  }
}

/** Why a file or a directory cannot be read, in words. */
export function reason(error: unknown): string {
  const known = diagnose(FILES, { text: String(codeOf(error)) })
  if (known !== undefined) return known.cause
  return error instanceof Error ? error.message : String(error)
}

const codeOf = (error: unknown) => (error instanceof Error && 'code' in error ? error.code : undefined)

function requireRegular(path: string, found: Stats, limitBytes: number): void {
  if (found.isDirectory()) throw new UnreadableFile(path, 'it is a directory')
  if (!found.isFile()) throw new UnreadableFile(path, `it is ${kindOf(found)}, not a regular file`)
  if (found.size > limitBytes) throw tooBig(path, limitBytes)
}

function kindOf(found: Stats): string {
  if (found.isFIFO()) return 'a FIFO'
  return found.isSocket() ? 'a socket' : 'a device'
}

const tooBig = (path: string, limitBytes: number) =>
  new UnreadableFile(path, `it has more than ${limitBytes.toLocaleString('en-US')} bytes`)

/** The size is only where to begin: files of /proc say 0, and another process may write on. */
function readWhole(path: string, file: number, limitBytes: number): Buffer {
  const chunks: Buffer[] = []
  const { size } = fstatSync(file)
  let length = 0
  for (;;) {
    const chunk = Buffer.allocUnsafe(Math.max(size - length, 0) + 4096)
    const count = readSync(file, chunk)
    if (count === 0) return chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks)
    length += count
    if (length > limitBytes) throw tooBig(path, limitBytes)
    chunks.push(chunk.subarray(0, count))
  }
}
