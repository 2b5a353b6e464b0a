// The files of digests that releases publish beside their assets.

import { explainDownload, get } from './web.ts'

/** Those of k3s have less than 1 KiB. */
const SUMS_BYTES = 1_048_576
const SILENCE_MS = 30_000

/** The server answered that it has no such thing. */
export class NotThere extends Error {}

/** Digest by name. Rejects with an Error that says why it could not be had; see `NotThere`. */
export async function fetchSums(url: string, signal: AbortSignal): Promise<ReadonlyMap<string, string>> {
  const asking = { signal, boundMs: SILENCE_MS, maxBytes: SUMS_BYTES }
  const { status, said, body } = await get(url, asking).catch((error: unknown) => {
    signal.throwIfAborted()
    throw new Error(explainDownload(error, url).why)
  })
  throwUnlessOk(status, said)
  const entries = body
    .toString('utf8')
    .split('\n')
    .flatMap((line) => {
      const [, sum = '', name = ''] = /^([0-9a-f]{64}) [ *](\S+)\s*$/.exec(line) ?? []
      return name === '' ? [] : [[name, sum] as const]
    })
  return new Map(entries)
}

export function throwUnlessOk(status: number, said: string): void {
  if (status === 404 || status === 410) throw new NotThere(said)
  if (status < 200 || status > 299) throw new Error(said)
}
