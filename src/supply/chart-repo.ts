// A chart repository: an index.yaml that says where each version of each chart lies.

import { parse } from 'yaml'
import { z } from 'zod'
import {
  ask,
  CHART_BYTES,
  type ChartSource,
  failed,
  type Located,
  noChart,
  noVersion,
  type Way,
} from './chart-source.ts'

const INDEX_BYTES = 33_554_432

const index = z.looseObject({
  entries: z.record(
    z.string(),
    z.array(
      z.looseObject({ version: z.string(), digest: z.string().optional(), urls: z.array(z.string()).default([]) }),
    ),
  ),
})

/** Rejects with ProblemError: the repository does not answer, has no such chart, or no such version. */
export async function locateInRepo(source: ChartSource, way: Way): Promise<Located> {
  const base = source.url.replace(/\/*$/, '/')
  const url = `${base}index.yaml`
  const answer = await ask(source, url, { ...way, maxBytes: INDEX_BYTES })
  if (answer.status !== 200) throw failed(source, url, answer.said)
  const entries = entriesOf(answer.body.toString('utf8'))
  if (entries === undefined) throw failed(source, url, 'it is not the index of a chart repository')
  const versions = entries[source.name]
  if (versions === undefined) throw noChart(source, url, Object.keys(entries))
  const found = versions.find(({ version }) => version === source.version)
  if (found === undefined) {
    throw noVersion(
      source,
      url,
      versions.map(({ version }) => version),
    )
  }
  const [first] = found.urls
  if (first?.startsWith('oci://')) {
    throw failed(source, url, `its index sends to ${first}`, `set ${source.variables}_chart_repo_url to that`)
  }
  if (first === undefined || !URL.canParse(first, base)) throw failed(source, url, 'its index names no place for it')
  const from = new URL(first, base).href
  return {
    // Written with and without its algorithm.
    sha256: /^(?:sha256:)?([0-9a-f]{64})$/.exec(found.digest ?? '')?.[1] ?? null,
    from,
    fetch: async () => {
      const { status, said, body } = await ask(source, from, { ...way, maxBytes: CHART_BYTES })
      if (status !== 200) throw failed(source, from, `the index of ${base} names this place, but: ${said}`)
      return body
    },
  }
}

/** Every scalar is text: a version like 1.10 is not a number. undefined: it is no index. */
function entriesOf(text: string): z.output<typeof index>['entries'] | undefined {
  try {
    return index.parse(parse(text, { schema: 'failsafe', logLevel: 'error', uniqueKeys: false })).entries
  } catch {
    return undefined
  }
}
