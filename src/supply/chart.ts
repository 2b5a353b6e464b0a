// Charts on the workstation: fetched once, verified always, and read for what they are and take.

import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Problem, ProblemError } from '../engine/problem.ts'
import { isSha256, sha256 as sha256Of } from '../files/digest.ts'
import { pathInside } from '../files/path-inside.ts'
import { readRegularFile } from '../files/read-file.ts'
import type { ChartArchive } from './chart-archive.ts'
import { locateInRegistry } from './chart-registry.ts'
import { locateInRepo } from './chart-repo.ts'
import { CHART_BYTES, type ChartSource, failed, otherDigest } from './chart-source.ts'
import { readChart } from './reading.ts'
import type { Supply } from './supply.ts'
import { reasonOf } from './web.ts'
import { writeWhole } from './write-file.ts'

export interface Chart extends ChartArchive {
  /** Of the .tgz, lower case hex. An OCI registry's digest of the layer is the same. */
  readonly sha256: string
  /** The .tgz: in the cache, or the workstation's own file. */
  readonly path: string
}

export interface FetchOptions {
  /** The directory of the cache; made when it is missing. */
  readonly cache: string
  readonly signal: AbortSignal
  /** Of each silence while a source is asked, milliseconds; default 10 000. */
  readonly boundMs?: number | undefined
  /** The digest that it must have: `supply.locked(['charts', name, version])`. */
  readonly locked?: string | undefined
  /** Asks the source even when the cache knows the chart: what is published now counts. Default: false. */
  readonly fresh?: boolean
}

const BOUND_MS = 10_000

/**
 * The network is asked only for what is not in the cache: by its locked digest, else by what this source had under this version
 * before. Its digest is computed each time. Rejects with ProblemError: the source cannot be reached, has no such chart or version
 * (the nearest is named), or has something else than is locked, than its index says, or than a chart of that name and version.
 */
export async function fetchChart(source: ChartSource, options: FetchOptions): Promise<Chart> {
  const { cache, signal, locked } = options
  if (source.file !== undefined) {
    const bytes = ownFile(source, source.file)
    if (locked !== undefined && locked !== sha256Of(bytes)) {
      throw otherDigest(source, source.file, 'locked', locked, sha256Of(bytes))
    }
    return chartOf(source, source.file, source.file, bytes)
  }
  const memory = join('charts', sha256Of(JSON.stringify([source.url, source.name, source.version])))
  const known = locked ?? (options.fresh ? undefined : await remembered(cache, memory))
  const kept = known === undefined ? undefined : await cached(cache, known)
  if (kept !== undefined) return chartOf(source, source.url, join(cache, sha256Of(kept)), kept)

  const way = { signal, boundMs: options.boundMs ?? BOUND_MS }
  const locate = source.url.startsWith('oci://') ? locateInRegistry : locateInRepo
  const { sha256: said, from, fetch } = await locate(source, way)
  if (locked !== undefined && said !== null && said !== locked) throw otherDigest(source, from, 'locked', locked, said)
  const bytes = (said === null ? undefined : await cached(cache, said)) ?? (await fetch())
  const sha256 = sha256Of(bytes)
  if (said !== null && said !== sha256) throw otherDigest(source, from, 'named', said, sha256)
  if (locked !== undefined && locked !== sha256) throw otherDigest(source, from, 'locked', locked, sha256)
  const chart = await chartOf(source, from, join(cache, sha256), bytes)
  await keep(cache, sha256, bytes)
  await keep(cache, memory, Buffer.from(sha256))
  return chart
}

/** Of helm-controller, which copies it into a ConfigMap, base64 as it is: k3s-io/helm-controller#267. */
const CONTENT_BYTES = 1_048_576

/** The .tgz in base64, for `spec.chartContent` of a HelmChart; rejects with ProblemError when that is over 1 MiB. */
export async function chartContentOf({ name, version, path, sha256 }: Chart): Promise<string> {
  const bytes = await readFile(path)
  if (sha256Of(bytes) !== sha256) {
    const hint = 'run it again when no other program writes the file'
    throw new ProblemError({ kind: 'failed', where: path, what: 'the file changed while it was being read', hint })
  }
  const content = bytes.toString('base64')
  if (content.length <= CONTENT_BYTES) return content
  throw new ProblemError({
    kind: 'failed',
    where: path,
    what: `the chart ${name} ${version} is too large to be stored in the cluster`,
    why: `in base64 it has ${content.length} bytes, but a ConfigMap holds at most ${CONTENT_BYTES}`,
    hint: 'serve it from a chart repository or an OCI registry that the node can reach, or exclude files from the package with .helmignore',
  })
}

/**
 * What is said of a chart that is not locked, where only what is locked is installed; undefined: there is nothing to say. A file
 * of the workstation is what it is.
 */
export function unlockedChart(
  { name, version, settings, file }: ChartSource,
  { lock, lockShown, strict, locked }: Supply,
): Pick<Problem, 'what' | 'hint'> | undefined {
  if (!strict || file !== undefined || locked(['charts', name, version]) !== undefined) return undefined
  return {
    what: `the chart ${name} ${version} is not locked`,
    hint: `${lock.text === null ? 'there is no' : 'no entry in'} ${lockShown}: run ${settings.lock} and commit the file (only what is locked is installed with --locked, and where CI is set)`,
  }
}

function ownFile(source: ChartSource, path: string): Buffer {
  try {
    return readRegularFile(path, CHART_BYTES)
  } catch (error) {
    throw failed(source, path, reasonOf(error), 'relative paths start at the inventory')
  }
}

async function chartOf(source: ChartSource, from: string, path: string, bytes: Buffer): Promise<Chart> {
  const archive = await readChart(bytes).catch((error: unknown) => {
    throw failed(source, from, `the file is not a chart: ${reasonOf(error)}`)
  })
  if (archive.name !== source.name || archive.version !== source.version) {
    const hint = `set ${source.settings.version} to the version of the file, or correct the path`
    throw failed(source, from, `the file is the chart ${archive.name} ${archive.version}`, hint)
  }
  return { ...archive, sha256: sha256Of(bytes), path }
}

async function cached(cache: string, sha256: string): Promise<Buffer | undefined> {
  const bytes = await readFile(pathInside(cache, sha256)).catch(() => undefined)
  return bytes !== undefined && sha256Of(bytes) === sha256 ? bytes : undefined
}

async function remembered(cache: string, memory: string): Promise<string | undefined> {
  const text = await readFile(join(cache, memory), 'utf8').catch(() => '')
  return isSha256(text) ? text : undefined
}

/** Several hosts of a run, or several runs, may write the same at the same time. */
async function keep(cache: string, name: string, bytes: Buffer): Promise<void> {
  const path = pathInside(cache, name)
  await mkdir(join(path, '..'), { recursive: true, mode: 0o700 })
  await writeWhole(path, bytes)
}
