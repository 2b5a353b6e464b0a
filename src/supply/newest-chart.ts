// The newest version of a chart that its repository has, asked once an hour.

import { mkdir, readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { z } from 'zod'
import { sha256 } from '../files/digest.ts'
import { versionsInRegistry } from './chart-registry.ts'
import { versionsInRepo } from './chart-repo.ts'
import { type ChartSource, ociReference, type Way } from './chart-source.ts'
import { natural } from './lock.ts'
import { writeWhole } from './write-file.ts'

const FRESH_MS = 3_600_000

const remembered = z.object({ at: z.number(), versions: z.array(z.string()) })

export interface NewestOptions extends Way {
  /** The directory of the cache; made when it is missing. */
  readonly cache: string
  /** Milliseconds since the epoch. */
  readonly now: number
}

/**
 * Null for a file of the workstation, which has no other versions. Pre-releases count where the chart is one itself. Rejects with
 * ProblemError: the repository does not answer, or has no such chart.
 */
export async function newestVersion(source: ChartSource, options: NewestOptions): Promise<string | null> {
  if (source.file !== undefined) return null
  const versions = await versionsOf(source, options)
  const isPrerelease = (version: string) => plain(version).includes('-')
  const meant = isPrerelease(source.version) ? versions : versions.filter((version) => !isPrerelease(version))
  return meant.toSorted((a, b) => natural(plain(b), plain(a)))[0] ?? null
}

/** `v1.10.0` is newer than `1.9.3`. */
export const isNewer = (a: string, b: string): boolean => natural(plain(a), plain(b)) > 0

const plain = (version: string) => version.replace(/^v/, '').replace(/\+.*$/, '')

async function versionsOf(source: ChartSource, { cache, now, ...way }: NewestOptions): Promise<readonly string[]> {
  const isRegistry = source.url.startsWith('oci://')
  const identity = JSON.stringify([isRegistry ? ociReference(source) : source.url, source.name])
  const path = join(cache, 'charts', `versions-${sha256(identity)}`)
  const known = await rememberedAt(path)
  if (known !== undefined && now >= known.at && now - known.at < FRESH_MS) return known.versions
  const versions = await (isRegistry ? versionsInRegistry : versionsInRepo)(source, way)
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  await writeWhole(path, JSON.stringify({ at: now, versions }))
  return versions
}

/** A file that somebody damaged is none. */
async function rememberedAt(path: string): Promise<z.output<typeof remembered> | undefined> {
  const text = await readFile(path, 'utf8').catch(() => '')
  try {
    return remembered.parse(JSON.parse(text))
  } catch {
    return undefined
  }
}
