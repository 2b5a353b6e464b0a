// A chart repository: an index.yaml that says where each version of each chart lies.

import {
  ask,
  CHART_BYTES,
  type ChartSource,
  failed,
  type Located,
  noChart,
  noVersion,
  shown,
  type Way,
} from './chart-source.ts'
import { readRepositoryIndex, TooMuch } from './reading.ts'

/** That of bitnami has 20 MB. */
const INDEX_BYTES = 67_108_864

/** Rejects with ProblemError: the repository does not answer, has no such chart, or no such version. */
export async function locateInRepo(source: ChartSource, way: Way): Promise<Located> {
  const { base, url, versions } = await indexOf(source, way)
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
    throw failed(source, url, `its index redirects to ${first}`, `set ${source.settings.url} to that`)
  }
  if (first === undefined || !URL.canParse(first, base)) throw failed(source, url, 'its index has no URL for it')
  const from = new URL(first, base).href
  // Written with and without its algorithm.
  const digest = /^(?:sha256:)?([0-9a-f]{64})$/.exec(found.digest ?? '')?.[1] ?? null
  if (digest === null && base.startsWith('https:') && !from.startsWith('https:')) {
    throw failed(
      source,
      url,
      `its index lists ${shown(from)} without a digest: an attacker on the network path could replace the chart`,
    )
  }
  return {
    sha256: digest,
    from,
    fetch: async () => {
      const { status, said, body } = await ask(source, from, { ...way, maxBytes: CHART_BYTES })
      if (status !== 200) throw failed(source, from, `the index of ${base} points to this URL, but: ${said}`)
      return body
    },
  }
}

/** All versions of the chart that the repository lists. Rejects with ProblemError. */
export async function versionsInRepo(source: ChartSource, way: Way): Promise<readonly string[]> {
  const { versions } = await indexOf(source, way)
  return versions.map(({ version }) => version)
}

async function indexOf(source: ChartSource, way: Way) {
  const base = source.url.replace(/\/*$/, '/')
  const url = `${base}index.yaml`
  const answer = await ask(source, url, { ...way, maxBytes: INDEX_BYTES })
  if (answer.status !== 200) throw failed(source, url, answer.said)
  const { versions, names } = await readRepositoryIndex(answer.body.toString('utf8'), source.name).catch(
    (error: unknown) => {
      const bounded = error instanceof TooMuch ? `: ${error.message}` : ''
      throw failed(source, url, `it is not the index of a chart repository${bounded}`)
    },
  )
  if (versions === undefined) throw noChart(source, url, names)
  return { base, url, versions }
}
