// The workstation's cache of release assets: fetched once, verified always.

import { createHash, randomBytes } from 'node:crypto'
import { createReadStream, createWriteStream } from 'node:fs'
import { mkdir, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { ProblemError } from '../engine/problem.ts'
import type { Asset } from './asset.ts'
import { fetchSums, open, reasonOf } from './sums.ts'

export interface Cached {
  readonly path: string
  readonly sha256: string
}

const TRIES = 3
const K3S = 'k3s_platform_k3s'

/** The directory of the cache. */
export function cacheIn(env: Readonly<Record<string, string | undefined>>): string {
  return join(env.XDG_CACHE_HOME || join(env.HOME ?? '', '.cache'), 'k3s-platform')
}

/** `directory` is made when it is missing. Resolves to a file whose digest was just computed; rejects with ProblemError. */
export async function fetchAsset(asset: Asset, directory: string, signal: AbortSignal): Promise<Cached> {
  if (asset.file !== undefined) return ownFile(asset.file, asset.sha256)
  const sha256 = asset.sha256 ?? (await publishedDigest(asset, signal))
  const path = join(directory, sha256)
  if ((await sizeOf(path)) !== undefined && (await digestOf(path)) === sha256) return { path, sha256 }
  await mkdir(directory, { recursive: true, mode: 0o700 })
  // Several hosts of a run, or several runs, may fetch it at the same time.
  const part = `${path}.part-${randomBytes(6).toString('hex')}`
  const reasons: string[] = []
  for (const url of asset.urls) {
    try {
      await fetchInto(part, url, signal)
      const got = await digestOf(part)
      if (got === sha256) {
        await rename(part, path)
        return { path, sha256 }
      }
      reasons.push(`${url}: expected sha256 ${sha256}, got ${got}`)
    } catch (error) {
      signal.throwIfAborted()
      reasons.push(`${url}: ${reasonOf(error)}`)
    } finally {
      await rm(part, { force: true })
    }
  }
  throw new ProblemError({
    kind: 'failed',
    where: asset.urls[0] ?? 'asset',
    what: 'the workstation could not fetch it',
    why: reasons.join('\n'),
    hint: `check the URL (${asset.variables ?? K3S}_mirror_url), the version and the digest`,
  })
}

/** A connection that broke on the way is taken up where it broke. */
async function fetchInto(part: string, url: string, signal: AbortSignal): Promise<void> {
  for (let tries = 1; ; tries++) {
    const had = (await sizeOf(part)) ?? 0
    try {
      const { body, continued } = await open(url, signal, had)
      const flags = continued ? 'a' : 'w'
      return await pipeline(Readable.fromWeb(body), createWriteStream(part, { flags }), { signal })
    } catch (error) {
      signal.throwIfAborted()
      if (tries === TRIES || ((await sizeOf(part)) ?? 0) === had) throw error
    }
  }
}

async function ownFile(path: string, sha256: string | null): Promise<Cached> {
  const got = await digestOf(path)
  if (sha256 === null || got === sha256) return { path, sha256: got }
  const why = `expected sha256 ${sha256}\ngot sha256      ${got}`
  throw new ProblemError({ kind: 'failed', where: path, what: 'its digest is not the expected one', why })
}

async function publishedDigest(asset: Asset, signal: AbortSignal): Promise<string> {
  const { url, name } = asset.sums ?? { url: '', name: '' }
  const { variables = K3S } = asset
  const fail = (why: string) =>
    new ProblemError({
      kind: 'failed',
      where: url,
      what: `no digest of ${name} is known`,
      why,
      hint: `give ${variables}_sha256, or check ${variables}_version and the mirror`,
    })
  const sums = await fetchSums(url, signal).catch((error: unknown) => {
    signal.throwIfAborted()
    throw fail(reasonOf(error))
  })
  const found = sums.get(name)
  if (found === undefined) throw fail('the file of sums does not list it')
  return found
}

async function digestOf(path: string): Promise<string> {
  const hash = createHash('sha256')
  await pipeline(createReadStream(path), hash)
  return hash.digest('hex')
}

async function sizeOf(path: string): Promise<number | undefined> {
  return stat(path).then(
    (found) => found.size,
    () => undefined,
  )
}
