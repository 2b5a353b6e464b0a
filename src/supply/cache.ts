// The workstation's cache of release assets: fetched once, verified always.

import { createHash } from 'node:crypto'
import { createReadStream, createWriteStream } from 'node:fs'
import { mkdir, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { ProblemError } from '../engine/problem.ts'
import type { Asset } from './asset.ts'

export interface Cached {
  readonly path: string
  readonly sha256: string
}

/** `directory` is made when it is missing. Resolves to a file whose digest was just computed; rejects with ProblemError. */
export async function fetchAsset(asset: Asset, directory: string, signal: AbortSignal): Promise<Cached> {
  const sha256 = asset.sha256 ?? (await publishedDigest(asset, signal))
  const path = join(directory, sha256)
  if ((await exists(path)) && (await digestOf(path)) === sha256) return { path, sha256 }
  await mkdir(directory, { recursive: true, mode: 0o700 })
  const part = `${path}.part-${process.pid}`
  const reasons: string[] = []
  for (const url of asset.urls) {
    try {
      const response = await get(url, signal)
      await pipeline(Readable.fromWeb(response), createWriteStream(part), { signal })
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
    hint: 'check the URL (k3s_platform_k3s_mirror_url), the version and the digest',
  })
}

async function publishedDigest(asset: Asset, signal: AbortSignal): Promise<string> {
  const { url, name } = asset.sums ?? { url: '', name: '' }
  const fail = (why: string) =>
    new ProblemError({
      kind: 'failed',
      where: url,
      what: `no digest of ${name} is known`,
      why,
      hint: 'give k3s_platform_k3s_sha256, or check k3s_platform_k3s_version and the mirror',
    })
  try {
    const text = await new Response(await get(url, signal)).text()
    for (const line of text.split('\n')) {
      const [sum = '', file = ''] = line.trim().split(/\s+\*?/)
      if (file === name && /^[0-9a-f]{64}$/.test(sum)) return sum
    }
  } catch (error) {
    signal.throwIfAborted()
    throw fail(reasonOf(error))
  }
  throw fail('the file of sums does not list it')
}

async function get(url: string, signal: AbortSignal) {
  const response = await fetch(url, { signal, redirect: 'follow' })
  if (!response.ok || response.body === null) throw new Error(`HTTP ${response.status} ${response.statusText}`)
  return response.body
}

async function digestOf(path: string): Promise<string> {
  const hash = createHash('sha256')
  await pipeline(createReadStream(path), hash)
  return hash.digest('hex')
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  )
}

/** fetch says only `fetch failed`; its cause says why. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return error.cause instanceof Error ? `${error.message}: ${error.cause.message}` : error.message
}
