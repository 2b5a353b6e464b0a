// Charts on the workstation: fetched once, verified always, and read for what they are and take.

import { createHash, randomBytes } from 'node:crypto'
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Problem, ProblemError } from '../engine/problem.ts'
import { type ChartArchive, readArchive } from './chart-archive.ts'
import { locateInRegistry } from './chart-registry.ts'
import { locateInRepo } from './chart-repo.ts'
import { type ChartSource, failed, otherDigest } from './chart-source.ts'
import { reasonOf } from './sums.ts'
import type { Supply } from './supply.ts'

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
    const bytes = await readFile(source.file).catch((error: unknown) => {
      throw failed(source, source.file ?? '', reasonOf(error), 'relative paths start at the inventory')
    })
    if (locked !== undefined && locked !== digestOf(bytes)) {
      throw otherDigest(source, source.file, 'locked', locked, digestOf(bytes))
    }
    return chartOf(source, source.file, source.file, bytes)
  }
  const memory = join('charts', digestOf(Buffer.from(JSON.stringify([source.url, source.name, source.version]))))
  const known = locked ?? (options.fresh ? undefined : await remembered(cache, memory))
  const kept = known === undefined ? undefined : await cached(cache, known)
  if (kept !== undefined) return chartOf(source, source.url, join(cache, digestOf(kept)), kept)

  const way = { signal, boundMs: options.boundMs ?? BOUND_MS }
  const locate = source.url.startsWith('oci://') ? locateInRegistry : locateInRepo
  const { sha256: said, from, fetch } = await locate(source, way)
  if (locked !== undefined && said !== null && said !== locked) throw otherDigest(source, from, 'locked', locked, said)
  const bytes = (said === null ? undefined : await cached(cache, said)) ?? (await fetch())
  const sha256 = digestOf(bytes)
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
  if (digestOf(bytes) !== sha256) {
    const hint = 'run it again when nobody writes the file'
    throw new ProblemError({ kind: 'failed', where: path, what: 'it changed while it was in use', hint })
  }
  const content = bytes.toString('base64')
  if (content.length <= CONTENT_BYTES) return content
  throw new ProblemError({
    kind: 'failed',
    where: path,
    what: `the chart ${name} ${version} is too big to lie in the cluster itself`,
    why: `in base64 it has ${content.length} bytes, and a ConfigMap takes ${CONTENT_BYTES}`,
    hint: 'serve it from a chart repository or an OCI registry that the node reaches, or package it without what .helmignore can leave out',
  })
}

/**
 * What is said of a chart that is not locked, where only what is locked is installed; undefined: there is nothing to say. A file
 * of the workstation is what it is.
 */
export function unlockedChart(
  { name, version, variables, file }: ChartSource,
  { lock, lockShown, strict, locked }: Supply,
): Pick<Problem, 'what' | 'hint'> | undefined {
  if (!strict || file !== undefined || locked(['charts', name, version]) !== undefined) return undefined
  return {
    what: `the chart ${name} ${version} is not locked`,
    hint: `${lock.text === null ? 'there is no' : 'it is missing in'} ${lockShown}: run k3s-platform lock -e ${variables}_chart_version=${version} and commit the file (only what is locked is installed with --locked, and where CI=true)`,
  }
}

async function chartOf(source: ChartSource, from: string, path: string, bytes: Buffer): Promise<Chart> {
  const archive = await readArchive(bytes).catch((error: unknown) => {
    throw failed(source, from, `it is not a chart: ${reasonOf(error)}`)
  })
  if (archive.name !== source.name || archive.version !== source.version) {
    const hint = `set ${source.variables}_chart_version to the version that is there, or correct the place`
    throw failed(source, from, `what is there is the chart ${archive.name} ${archive.version}`, hint)
  }
  return { ...archive, sha256: digestOf(bytes), path }
}

async function cached(cache: string, sha256: string): Promise<Buffer | undefined> {
  const bytes = await readFile(join(cache, sha256)).catch(() => undefined)
  return bytes !== undefined && digestOf(bytes) === sha256 ? bytes : undefined
}

async function remembered(cache: string, memory: string): Promise<string | undefined> {
  const text = await readFile(join(cache, memory), 'utf8').catch(() => '')
  return /^[0-9a-f]{64}$/.test(text) ? text : undefined
}

/** Several hosts of a run, or several runs, may write the same at the same time. */
async function keep(cache: string, name: string, bytes: Buffer): Promise<void> {
  const path = join(cache, name)
  await mkdir(join(path, '..'), { recursive: true, mode: 0o700 })
  const part = `${path}.part-${randomBytes(6).toString('hex')}`
  try {
    await writeFile(part, bytes)
    await rename(part, path)
  } finally {
    await rm(part, { force: true })
  }
}

function digestOf(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex')
}
