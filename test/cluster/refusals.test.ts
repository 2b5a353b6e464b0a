// Every answer of the API that is known, and the words that are said of it.

import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { z } from 'zod'
import { ApiError } from '../../src/cluster/cluster.ts'
import { live, type Manifest, refOf } from '../../src/cluster/object.ts'
import { refusalOf } from '../../src/cluster/refusal.ts'

const cases = z
  .array(
    z.strictObject({
      name: z.string(),
      of: z.custom<Manifest>((value) => live.safeParse(value).success).optional(),
      secret: z.boolean().default(false),
      namespace: z.looseObject({}).optional(),
      error: z.strictObject({
        code: z.number(),
        reason: z.string().default(''),
        message: z.string(),
        causes: z
          .array(
            z.strictObject({
              reason: z.string().default(''),
              message: z.string(),
              field: z.string().default(''),
            }),
          )
          .default([]),
        retryAfterSeconds: z.number().nullable().default(null),
      }),
    }),
  )
  .parse(parse(readFileSync(new URL('refusals.yaml', import.meta.url), 'utf8')))

const CONFIG_MAP: Manifest = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { namespace: 'demo', name: 'c' } }

describe('an answer of the API is told in words', () => {
  test.each(cases)('$name', async ({ of: manifest = CONFIG_MAP, secret, namespace, error }) => {
    const get = async () =>
      namespace === undefined
        ? null
        : live.parse({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'demo' }, ...namespace })
    const refusal = await refusalOf(new ApiError(error), { ref: refOf(manifest), manifest, secret }, { get })
    const text = Object.entries(refusal)
      .flatMap(([key, value]) => (typeof value === 'object' ? Object.entries(value) : [[key, value] as const]))
      .map(([key, value]) => `${key}: ${String(value).replaceAll('\n', '\n  ')}`)
    expect(`\n${text.join('\n')}\n`).toMatchSnapshot()
    if (secret) expect(text.join('\n')).not.toMatch(/hunter2|aHVudGVyMg/)
  })
})
