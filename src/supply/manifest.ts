// The install manifest of a release, as the text that is sent to an API: fetched like any asset, and read as what was verified.

import { readFile, stat } from 'node:fs/promises'
import { ProblemError } from '../engine/problem.ts'
import { sha256 as sha256Of } from '../files/digest.ts'
import type { Asset } from './asset.ts'
import type { Cached } from './cache.ts'

export interface ManifestText {
  readonly text: string
  readonly sha256: string
}

/** A mirror that takes a connection and says nothing is given up after this long. */
const BOUND_MS = 120_000
/** That of Flux has 1 MB. */
const MANIFEST_BYTES = 16_777_216

/** Rejects with ProblemError: it cannot be fetched, or is another one. */
export async function fetchManifest(
  asset: Asset,
  fetch: (asset: Asset, signal: AbortSignal) => Promise<Cached>,
  signal: AbortSignal,
): Promise<ManifestText> {
  const bound = AbortSignal.timeout(BOUND_MS)
  const where = asset.file ?? asset.urls[0] ?? 'manifest'
  const { path, sha256 } = await fetch({ maxBytes: MANIFEST_BYTES, ...asset }, AbortSignal.any([signal, bound])).catch(
    (error: unknown) => {
      signal.throwIfAborted()
      if (!bound.aborted) throw error
      const hint = `check whether this workstation can reach it, or set the file: ${asset.variables ?? ''}_manifest_file`
      throw new ProblemError({ kind: 'failed', where, what: `it was not downloaded within ${BOUND_MS / 1000} s`, hint })
    },
  )
  if ((await stat(path)).size > MANIFEST_BYTES) {
    const what = `It is larger than ${MANIFEST_BYTES / 1_048_576} MiB, which is too large for an install manifest`
    throw new ProblemError({ kind: 'failed', where: path, what, hint: 'check the file and its digest' })
  }
  const bytes = await readFile(path)
  if (sha256Of(bytes) === sha256) return { text: bytes.toString('utf8'), sha256 }
  const hint = 'run it again when no other program writes the file'
  throw new ProblemError({ kind: 'failed', where: path, what: 'the file changed while it was being read', hint })
}
