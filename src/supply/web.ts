// A bounded GET for charts and their indexes: redirects, an own CA, and a reason when there is no answer.

import http, { type IncomingHttpHeaders, type IncomingMessage } from 'node:http'
import https from 'node:https'
import { rootCertificates } from 'node:tls'
import { reasonOf } from './sums.ts'

export interface Asking {
  readonly signal: AbortSignal
  /** Of silence: before the answer, and between any two pieces of it. */
  readonly boundMs: number
  /** PEM; it is trusted besides the well-known ones. */
  readonly ca?: string | undefined
  readonly headers?: Readonly<Record<string, string>>
  /** An answer that is longer is refused. */
  readonly maxBytes: number
}

export interface Answer {
  readonly status: number
  /** `HTTP 404 Not Found` */
  readonly said: string
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
}

const HOPS = 5

/**
 * Any status is an answer. Rejects with an Error when there is none: see `unreached`. Credentials are not sent on to another
 * origin. Proxies are Node's own matter, as for fetch (NODE_USE_ENV_PROXY, from Node 24 on).
 */
export async function get(url: string, asking: Asking): Promise<Answer> {
  let at = new URL(url)
  let headers = asking.headers ?? {}
  for (let hop = 0; hop <= HOPS; hop++) {
    const answer = await getOnce(at, { ...asking, headers })
    const { location } = answer.headers
    if (location === undefined || answer.status < 300 || answer.status > 399) return answer
    const next = new URL(location, at)
    if (next.origin !== at.origin) {
      const { authorization: _, ...others } = headers
      headers = others
    }
    at = next
  }
  throw new Error(`it redirects more than ${HOPS} times`)
}

async function getOnce(url: URL, { signal, boundMs, ca, headers, maxBytes }: Asking): Promise<Answer> {
  if (url.protocol !== 'https:' && url.protocol !== 'http:') throw new Error(`${url.protocol} is not http or https`)
  const silence = new AbortController()
  const timer = setTimeout(() => silence.abort(new Error(`no answer within ${boundMs / 1000} s`)), boundMs)
  try {
    const request = (url.protocol === 'https:' ? https : http).request(url, {
      signal: AbortSignal.any([signal, silence.signal]),
      ...(headers && { headers }),
      ...(ca !== undefined && { ca: [...rootCertificates, ca] }),
    })
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      request.on('response', resolve).on('error', reject).end()
    })
    const pieces: Buffer[] = []
    let size = 0
    for await (const piece of response) {
      timer.refresh()
      pieces.push(piece)
      size += piece.length
      if (size > maxBytes) throw new Error(`it is longer than ${maxBytes / 1_048_576} MiB`)
    }
    const status = response.statusCode ?? 0
    const said = `HTTP ${status} ${response.statusMessage ?? ''}`.trim()
    return { status, said, headers: response.headers, body: Buffer.concat(pieces) }
  } catch (error) {
    signal.throwIfAborted()
    silence.signal.throwIfAborted()
    throw error
  } finally {
    clearTimeout(timer)
  }
}

/** Why there was no answer. `fault`: what the remedy depends on. */
export function unreached(
  error: unknown,
  url: string,
): { readonly why: string; readonly fault: 'ca' | 'tls' | 'other' } {
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  const { hostname, host } = URL.canParse(url) ? new URL(url) : { hostname: url, host: url }
  const other = (why: string) => ({ why, fault: 'other' as const })
  switch (code) {
    case 'ENOTFOUND':
      return other(`no host named ${hostname} is known (${code})`)
    case 'EAI_AGAIN':
      return other(`no name server answered for ${hostname} (${code})`)
    case 'ECONNREFUSED':
      return other(`nothing listens at ${host} (${code})`)
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
    case 'ETIMEDOUT':
      return other(`there is no way to ${host} (${code})`)
    case 'ECONNRESET':
      return other(`${host} ended the connection (${code})`)
    case 'UNABLE_TO_VERIFY_LEAF_SIGNATURE':
    case 'UNABLE_TO_GET_ISSUER_CERT':
    case 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY':
    case 'SELF_SIGNED_CERT_IN_CHAIN':
    case 'DEPTH_ZERO_SELF_SIGNED_CERT':
      return { why: `the certificate of ${host} is signed by a CA that is not known here (${code})`, fault: 'ca' }
    case 'CERT_HAS_EXPIRED':
      return other(`the certificate of ${host} has expired (${code})`)
    case 'ERR_TLS_CERT_ALTNAME_INVALID':
      return other(`the certificate of ${host} is for other names (${code})`)
    case 'ERR_SSL_WRONG_VERSION_NUMBER':
    case 'EPROTO':
      return { why: `${host} does not speak TLS (${code})`, fault: 'tls' }
    default:
      return other(reasonOf(error))
  }
}
