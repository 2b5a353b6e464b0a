// What the index of a chart repository says of one chart.

import { parse } from 'yaml'
import { z } from 'zod'

interface IndexEntry {
  readonly version: string
  readonly digest?: string | undefined
  readonly urls: readonly string[]
}

export interface ChartIndex {
  /** Of all charts. */
  readonly names: readonly string[]
  /** Of the chart that was asked for; undefined: it has none of that name. */
  readonly versions: readonly IndexEntry[] | undefined
}

const index = z.looseObject({
  entries: z.record(
    z.string(),
    z.array(z.object({ version: z.string(), digest: z.string().optional(), urls: z.array(z.string()).default([]) })),
  ),
})

/** Every scalar is text: a version like 1.10 is not a number. Throws where it is no index. */
export function readIndex(text: string, name: string): ChartIndex {
  const { entries } = index.parse(parse(text, { schema: 'failsafe', logLevel: 'error', uniqueKeys: false }))
  return { names: Object.keys(entries), versions: Object.hasOwn(entries, name) ? entries[name] : undefined }
}
