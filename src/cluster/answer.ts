// Reads what an API server answers: JSON of bounded size and depth, and only the fields that are needed. The API is the node's
// and not trusted: what does not fit is an ApiError like any other, never an internal error.

import type { z } from 'zod'
import { MAX_JSON_DEPTH, MAX_JSON_VALUES } from '../host/limits.ts'
import { ApiError } from './cluster.ts'

const MAX_PATH_CHARS = 100

/** Throws ApiError for what is not JSON, or is nested deeper or has more values than any answer of Kubernetes. */
export function parseAnswer(text: string): unknown {
  const excess = excessOf(text)
  if (excess !== undefined) throw malformed(excess)
  try {
    return JSON.parse(text)
  } catch {
    // The parser's message would quote the answer.
    throw malformed('it is not JSON')
  }
}

/** The fields of a part of an answer. Throws ApiError where they are missing or of another type. */
export function fieldsOfAnswer<T>(shape: z.ZodType<T>, value: unknown): T {
  const { data, error } = shape.safeParse(value)
  if (error === undefined) return data
  const [issue] = error.issues
  throw malformed(`${issue?.path.join('.').slice(0, MAX_PATH_CHARS)}: ${issue?.message}`)
}

function malformed(why: string): ApiError {
  return new ApiError({
    code: 502,
    reason: 'MalformedAnswer',
    message: `the response is not from a Kubernetes API: ${why}`,
    causes: [],
    retryAfterSeconds: null,
  })
}

/** Looks only at brackets and commas outside of strings: a millisecond for a megabyte. */
function excessOf(text: string): string | undefined {
  let depth = 0
  let values = 0
  for (let i = 0; i < text.length; i++) {
    const char = text.charCodeAt(i)
    if (char === QUOTE) {
      i = text.indexOf('"', i + 1)
      while (i >= 0 && isEscaped(text, i)) i = text.indexOf('"', i + 1)
      if (i < 0) return undefined // JSON.parse says so
    } else if (char === OPEN_LIST || char === OPEN_MAP) {
      if (++depth > MAX_JSON_DEPTH) return `it is nested more than ${MAX_JSON_DEPTH} levels deep`
      values++
    } else if (char === CLOSE_LIST || char === CLOSE_MAP) depth--
    else if (char === COMMA) values++
  }
  return values > MAX_JSON_VALUES ? `it has more than ${MAX_JSON_VALUES} values` : undefined
}

/** Whether an odd number of backslashes stands before a quote. */
function isEscaped(text: string, at: number): boolean {
  let first = at
  while (text.charCodeAt(first - 1) === BACKSLASH) first--
  return (at - first) % 2 === 1
}

const [QUOTE, BACKSLASH, COMMA] = [0x22, 0x5c, 0x2c]
const [OPEN_LIST, CLOSE_LIST, OPEN_MAP, CLOSE_MAP] = [0x5b, 0x5d, 0x7b, 0x7d]
