// What the API answers instead of an object: its Status, or the text of whatever stands before it.

import { z } from 'zod'
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
  const after = Number(retryAfter ?? Number.NaN)
  if (!told.success) {
    const message = text.trim().split('\n')[0] || `HTTP ${code}`
    return new ApiError({
      code,
      reason: '',
      message,
      causes: [],
      retryAfterSeconds: Number.isNaN(after) ? null : after,
    })
  }
  const { message, reason, details } = told.data
  return new ApiError({
    code: told.data.code ?? code,
    reason,
    message,
    causes: details?.causes ?? [],
    retryAfterSeconds: details?.retryAfterSeconds ?? (Number.isNaN(after) ? null : after),
  })
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
