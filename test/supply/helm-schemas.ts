// The cases of helm-schemas.yaml, one for each value.

import { readFileSync } from 'node:fs'
import { parse } from 'yaml'
import { z } from 'zod'

const Cases = z.array(
  z.strictObject({
    title: z.string(),
    schema: z.record(z.string(), z.json()).optional(),
    it: z.record(z.string(), z.json()).optional(),
    defaults: z.record(z.string(), z.json()).default({}),
    takes: z.array(z.json()).default([]),
    refuses: z.array(z.json()).default([]),
  }),
)

export interface SchemaVerdict {
  readonly title: string
  readonly schema: Readonly<Record<string, z.core.util.JSONType>>
  readonly defaults: Readonly<Record<string, z.core.util.JSONType>>
  readonly value: z.core.util.JSONType
  readonly shown: string
  readonly verdict: 'takes' | 'refuses'
}

export function schemaVerdicts(): readonly SchemaVerdict[] {
  const text = readFileSync(new URL('helm-schemas.yaml', import.meta.url), 'utf8')
  return Cases.parse(parse(text)).flatMap(({ title, it = {}, ...one }) => {
    const schema = one.schema ?? { $schema: 'http://json-schema.org/draft-07/schema#', properties: { it } }
    const of = (verdict: SchemaVerdict['verdict']) =>
      one[verdict].map((value) => ({
        title,
        schema,
        defaults: one.defaults,
        value,
        shown: JSON.stringify(value),
        verdict,
      }))
    return [...of('takes'), ...of('refuses')]
  })
}
