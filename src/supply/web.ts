// A bounded GET for all downloads of a run: bytes, time and redirects have limits, and credentials stay with their origin.

import http, { type IncomingHttpHeaders, type IncomingMessage } from 'node:http'
import https from 'node:https'
import { buffer } from 'node:stream/consumers'
import { rootCertificates } from 'node:tls'
import { diagnose } from '../diagnosis/diagnose.ts'
import { DOWNLOAD } from '../diagnosis/download.ts'

export interface Asking {
  readonly signal: AbortSignal
  /** Of silence: before the answer, and between any two pieces of it. */
  readonly boundMs: number
  /** Of the whole answer, redirects included; default `WHOLE_MS`. */
  readonly wholeMs?: number
  /** PEM; it is trusted besides the well-known ones. */
  readonly ca?: string | undefined
  readonly headers?: Readonly<Record<string, string>>
  /** An answer that is longer is refused. */
  readonly maxBytes: number
}

interface Head {
  readonly status: number
  /** `HTTP 404 Not Found` */
  readonly said: string
  readonly headers: IncomingHttpHeaders
}

export interface HttpAnswer extends Head {
  readonly body: Buffer
}

export interface Opened extends Head {
  readonly body: AsyncIterable<Buffer>
  /** Ends the connection; not needed once `body` was begun. */
  close(): void
}

/** A server that sends one byte now and then is given up after this long. */
const WHOLE_MS = 300_000
const HOPS = 5
const CREDENTIALS = ['authorization', 'cookie']

/** As `openUrl`, with the body in memory. */
export async function get(url: string, asking: Asking): Promise<HttpAnswer> {
  const { body, status, said, headers } = await openUrl(url, asking)
  return { status, said, headers, body: await buffer(body) }
}

/**
 * Any status is an answer. Rejects with an Error when there is none: see `explainDownload`. Credentials are not sent on to another
 * origin, and https is not left for http. Proxies are Node's own matter (NODE_USE_ENV_PROXY, from Node 24 on).
 */
export async function openUrl(url: string, asking: Asking): Promise<Opened> {
  const deadline = Date.now() + (asking.wholeMs ?? WHOLE_MS)
  let at = new URL(url)
  let headers = asking.headers ?? {}
  for (let hop = 0; hop <= HOPS; hop++) {
    const { response, guard } = await request(at, { ...asking, headers }, deadline)
    const status = response.statusCode ?? 0
    const { location } = response.headers
    const close = () => {
      guard.end()
      response.destroy()
    }
    if (location === undefined || status < 300 || status > 399) {
      const said = `HTTP ${status} ${response.statusMessage ?? ''}`.trim()
      return { status, said, headers: response.headers, body: bodyOf(response, guard, asking), close }
    }
    close()
    if (!URL.canParse(location, at.href)) throw new Error('it redirects to an invalid URL')
    const next = new URL(location, at)
    if (at.protocol === 'https:' && next.protocol !== 'https:')
      throw new Error(`it redirects from https to ${next.protocol}`)
    if (next.origin !== at.origin) {
      headers = Object.fromEntries(
        Object.entries(headers).filter(([name]) => !CREDENTIALS.includes(name.toLowerCase())),
      )
    }
    at = next
  }
  throw new Error(`it redirects more than ${HOPS} times`)
}

/** Ends a request by silence, by its deadline, or by the caller's signal. */
interface Guard {
  readonly signal: AbortSignal
  heard(): void
  end(): void
}

function guardOf({ boundMs }: Asking, deadline: number): Guard {
  const over = new AbortController()
  const silence = setTimeout(() => over.abort(new Error(`no answer within ${boundMs / 1000} s`)), boundMs)
  const late = new Error('the answer did not end in time')
  const whole = setTimeout(() => over.abort(late), Math.max(0, deadline - Date.now()))
  return {
    signal: over.signal,
    heard: () => silence.refresh(),
    end: () => {
      clearTimeout(silence)
      clearTimeout(whole)
    },
  }
}

async function request(url: URL, asking: Asking, deadline: number) {
  if (url.protocol !== 'https:' && url.protocol !== 'http:') throw new Error(`${url.protocol} is not http or https`)
  const { signal, ca, headers } = asking
  const guard = guardOf(asking, deadline)
  try {
    const request = (url.protocol === 'https:' ? https : http).request(url, {
      signal: AbortSignal.any([signal, guard.signal]),
      ...(headers && { headers }),
      ...(ca !== undefined && { ca: [...rootCertificates, ca] }),
    })
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      request.on('response', resolve).on('error', reject).end()
    })
    return { response, guard }
  } catch (error) {
    guard.end()
    signal.throwIfAborted()
    guard.signal.throwIfAborted()
    throw error
  }
}

async function* bodyOf(response: IncomingMessage, guard: Guard, { signal, maxBytes }: Asking): AsyncGenerator<Buffer> {
  let size = 0
  try {
    for await (const piece of response) {
      guard.heard()
      size += piece.length
      if (size > maxBytes) throw new Error(`it is longer than ${maxBytes / 1_048_576} MiB`)
      yield piece
    }
  } catch (error) {
    signal.throwIfAborted()
    guard.signal.throwIfAborted()
    throw error
  } finally {
    guard.end()
    response.destroy()
  }
}

/** Why there was no answer; `values` fill the hint. */
export function explainDownload(
  error: unknown,
  url: string,
  values: Readonly<Record<string, string>> = {},
): { readonly why: string; readonly hint?: string | undefined } {
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  // If several addresses were tried, the error has only a code.
  const reason = reasonOf(error) || code
  const { hostname, host } = URL.canParse(url) ? new URL(url) : { hostname: url, host: url }
  const found = diagnose(DOWNLOAD, { text: `${code} ${reason}`, values: { server: host, host: hostname, ...values } })
  return found === undefined ? { why: reason } : { why: `${found.cause}: ${reason}`, hint: found.hint }
}

/** The message of an error, and of its cause where it has one. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return error.cause instanceof Error ? `${error.message}: ${error.cause.message || error.cause.name}` : error.message
}
