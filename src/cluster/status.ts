// What the API answers instead of an object: its Status, or the text of whatever stands before it.

import { z } from 'zod'
import { parseAnswer } from './answer.ts'
import { ApiError } from './cluster.ts'

const status = z.looseObject({
  kind: z.literal('Status'),
  message: z.string().default(''),
  reason: z.string().default(''),
  code: z.number().optional(),
  details: z
    .looseObject({
      retryAfterSeconds: z.number().optional(),
      causes: z
        .array(
          z.looseObject({
            reason: z.string().default(''),
            message: z.string().default(''),
            field: z.string().default(''),
          }),
        )
        .optional(),
    })
    .optional(),
})

const MAX_MESSAGE_CHARS = 4000
const MAX_REASON_CHARS = 100
const MAX_CAUSES = 50
const MAX_PAUSE_SECONDS = 60

/** `retryAfter`: the header, seconds. */
export function errorOf({
  code,
  text,
  retryAfter,
}: {
  readonly code: number
  readonly text: string
  readonly retryAfter?: string | undefined
}): ApiError {
  const told = status.safeParse(parsed(text))
  const after = pauseOf(Number(retryAfter ?? Number.NaN))
  if (!told.success) {
    const message = text.slice(0, MAX_MESSAGE_CHARS).trim().split('\n')[0] || `HTTP ${code}`
    return new ApiError({
      code,
      reason: '',
      message,
      causes: [],
      retryAfterSeconds: after,
    })
  }
  const { message, reason, details } = told.data
  return new ApiError({
    code: told.data.code ?? code,
    message: message.slice(0, MAX_MESSAGE_CHARS),
    reason: reason.slice(0, MAX_REASON_CHARS),
    causes: (details?.causes ?? []).slice(0, MAX_CAUSES),
    retryAfterSeconds: pauseOf(details?.retryAfterSeconds ?? Number.NaN) ?? after,
  })
}

/** What a server asks for is done for a minute at most. */
function pauseOf(seconds: number): number | null {
  return Number.isNaN(seconds) ? null : Math.min(Math.max(seconds, 0), MAX_PAUSE_SECONDS)
}

function parsed(text: string): unknown {
  try {
    return parseAnswer(text)
  } catch {
    return undefined
  }
}
