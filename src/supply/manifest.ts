// The install manifest of a release, as the text that is sent to an API: fetched like any asset, and read as what was verified.

import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { ProblemError } from '../engine/problem.ts'
import type { Asset } from './asset.ts'
import type { Cached } from './cache.ts'

export interface ManifestText {
  readonly text: string
  readonly sha256: string
}

/** A mirror that takes a connection and says nothing is given up after this long. */
const BOUND_MS = 120_000

/** Rejects with ProblemError: it cannot be fetched, or is another one. */
export async function fetchManifest(
  asset: Asset,
  fetch: (asset: Asset, signal: AbortSignal) => Promise<Cached>,
  signal: AbortSignal,
): Promise<ManifestText> {
  const bound = AbortSignal.timeout(BOUND_MS)
  const where = asset.file ?? asset.urls[0] ?? 'manifest'
  const { path, sha256 } = await fetch(asset, AbortSignal.any([signal, bound])).catch((error: unknown) => {
    signal.throwIfAborted()
    if (!bound.aborted) throw error
    const hint = `check the way there from this workstation, or give the file: ${asset.variables ?? ''}_manifest_file`
    throw new ProblemError({ kind: 'failed', where, what: `it was not there after ${BOUND_MS / 1000} s`, hint })
  })
  const bytes = await readFile(path)
  if (createHash('sha256').update(bytes).digest('hex') === sha256) return { text: bytes.toString('utf8'), sha256 }
  const hint = 'run it again when nobody writes the file'
  throw new ProblemError({ kind: 'failed', where: path, what: 'it changed while it was in use', hint })
}
