// The files of digests that releases publish beside their assets.

/** Digest by name. Rejects with an Error that says why it could not be had; see `NotThere`. */
export async function fetchSums(url: string, signal: AbortSignal): Promise<ReadonlyMap<string, string>> {
  const text = await new Response(await get(url, signal)).text()
  const entries = text.split('\n').flatMap((line) => {
    const [, sum = '', name = ''] = /^([0-9a-f]{64}) [ *](\S+)\s*$/.exec(line) ?? []
    return name === '' ? [] : [[name, sum] as const]
  })
  return new Map(entries)
}

/** The server answered that it has no such thing. */
export class NotThere extends Error {}

/** The body of what is at `url`, from the byte `from` on when the server can do that: `continued` says so. */
export async function open(
  url: string,
  signal: AbortSignal,
  from: number,
): Promise<{ readonly body: ReadableStream<Uint8Array>; readonly continued: boolean }> {
  const headers: Record<string, string> = from > 0 ? { range: `bytes=${from}-` } : {}
  const response = await fetch(url, { signal, redirect: 'follow', headers })
  const said = `HTTP ${response.status} ${response.statusText}`.trim()
  if (response.status === 404 || response.status === 410) throw new NotThere(said)
  if (!response.ok || response.body === null) throw new Error(said)
  return { body: response.body, continued: response.status === 206 }
}

async function get(url: string, signal: AbortSignal): Promise<ReadableStream<Uint8Array>> {
  return (await open(url, signal, 0)).body
}

/** fetch says only `fetch failed`; its cause says why. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return error.cause instanceof Error ? `${error.message}: ${error.cause.message || error.cause.name}` : error.message
}
