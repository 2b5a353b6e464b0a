// The workstation's cache of release assets: fetched once, verified always.

import { randomBytes } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { mkdir, rename, rm, stat } from 'node:fs/promises'
import { pipeline } from 'node:stream/promises'
import { ProblemError } from '../engine/problem.ts'
import { sha256OfFile } from '../files/digest.ts'
import { pathInside } from '../files/path-inside.ts'
import type { Asset } from './asset.ts'
import { fetchSums, throwUnlessOk } from './sums.ts'
import { explainDownload, openUrl } from './web.ts'

export interface Cached {
  readonly path: string
  readonly sha256: string
}

const TRIES = 3
const ASSET_BYTES = 2_147_483_648
const ASSET_MS = 3_600_000
const SILENCE_MS = 30_000
const K3S = 'k3s_platform_k3s'

/** `directory` is made when it is missing. Resolves to a file whose digest was just computed; rejects with ProblemError. */
export async function fetchAsset(asset: Asset, directory: string, signal: AbortSignal): Promise<Cached> {
  if (asset.file !== undefined) return ownFile(asset.file, asset.sha256)
  const sha256 = asset.sha256 ?? (await publishedDigest(asset, signal))
  const path = pathInside(directory, sha256)
  if ((await sizeOf(path)) !== undefined && (await sha256OfFile(path)) === sha256) return { path, sha256 }
  await mkdir(directory, { recursive: true, mode: 0o700 })
  // Several hosts of a run, or several runs, may fetch it at the same time.
  const part = `${path}.part-${randomBytes(6).toString('hex')}`
  const reasons: string[] = []
  for (const url of asset.urls) {
    try {
      await fetchInto(part, url, asset.maxBytes ?? ASSET_BYTES, signal)
      const got = await sha256OfFile(part)
      if (got === sha256) {
        await rename(part, path)
        return { path, sha256 }
      }
      reasons.push(`${url}: expected sha256 ${sha256}, got ${got}`)
    } catch (error) {
      signal.throwIfAborted()
      reasons.push(`${url}: ${explainDownload(error, url).why}`)
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
async function fetchInto(part: string, url: string, maxBytes: number, signal: AbortSignal): Promise<void> {
  for (let tries = 1; ; tries++) {
    const had = (await sizeOf(part)) ?? 0
    try {
      const headers: Record<string, string> = had > 0 ? { range: `bytes=${had}-` } : {}
      const bounds = { boundMs: SILENCE_MS, wholeMs: ASSET_MS, maxBytes }
      const answer = await openUrl(url, { signal, headers, ...bounds })
      if (answer.status < 200 || answer.status > 299) answer.close()
      throwUnlessOk(answer.status, answer.said)
      const flags = answer.status === 206 ? 'a' : 'w'
      return await pipeline(answer.body, createWriteStream(part, { flags }), { signal })
    } catch (error) {
      signal.throwIfAborted()
      if (tries === TRIES || ((await sizeOf(part)) ?? 0) === had) throw error
    }
  }
}

async function ownFile(path: string, sha256: string | null): Promise<Cached> {
  const found = await stat(path).catch(() => undefined)
  if (!found?.isFile()) {
    const hint = 'relative paths start at the inventory'
    throw new ProblemError({ kind: 'failed', where: path, what: 'it is not a regular file', hint })
  }
  const got = await sha256OfFile(path)
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
      what: `the digest of ${name} is unknown`,
      why,
      hint: `set ${variables}_sha256, or check ${variables}_version and the mirror`,
    })
  const sums = await fetchSums(url, signal).catch((error: unknown) => {
    signal.throwIfAborted()
    throw fail(error instanceof Error ? error.message : String(error))
  })
  const found = sums.get(name)
  if (found === undefined) throw fail('the checksum file does not list it')
  return found
}

async function sizeOf(path: string): Promise<number | undefined> {
  return stat(path).then(
    (found) => found.size,
    () => undefined,
  )
}
