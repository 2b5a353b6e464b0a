// A chart in an OCI registry: a manifest whose layer is the chart's .tgz, read with an anonymous token where one is asked for.

import { z } from 'zod'
import {
  ask,
  CHART_BYTES,
  type ChartSource,
  failed,
  type Located,
  noChart,
  noVersion,
  ociReference,
  type Way,
} from './chart-source.ts'
import type { HttpAnswer } from './web.ts'

/** Of Helm 3.8 and of before. */
const CHART_LAYERS = ['application/vnd.cncf.helm.chart.content.v1.tar+gzip', 'application/tar+gzip']
const MANIFEST = 'application/vnd.oci.image.manifest.v1+json'
const DOCUMENT_BYTES = 4_194_304

const manifest = z.looseObject({
  layers: z.array(z.looseObject({ mediaType: z.string(), digest: z.string() })).default([]),
})
const tags = z.looseObject({ tags: z.array(z.string()).nullable() })
const grant = z.looseObject({ token: z.string().optional(), access_token: z.string().optional() })

/** Rejects with ProblemError: the registry does not answer, wants a login, has no such chart, or no such version. */
export async function locateInRegistry(source: ChartSource, way: Way): Promise<Located> {
  const { reference, at, read } = reading(source, way)
  const answer = await read(`manifests/${source.version.replaceAll('+', '_')}`, DOCUMENT_BYTES)
  if (answer.status === 401 || answer.status === 403) {
    const hint = `check its name and ${source.settings.url}; for a chart that requires authentication, use ${source.settings.file}`
    throw failed(
      source,
      at,
      `${answer.said}: it requires authentication, which some registries also request for a chart that does not exist`,
      hint,
    )
  }
  if (answer.status === 404) {
    throw noVersion(source, reference, await versionsIn(source, reference, read))
  }
  if (answer.status !== 200) throw failed(source, at, answer.said)
  const layers = documentOf(manifest, answer.body)?.layers ?? []
  const layer = layers.find(({ mediaType }) => CHART_LAYERS.includes(mediaType))
  const sha256 = /^sha256:([0-9a-f]{64})$/.exec(layer?.digest ?? '')?.[1]
  if (sha256 === undefined) {
    const has = layers.map(({ mediaType }) => mediaType).join(', ') || 'no layers'
    throw failed(source, at, `it is not a chart: it has ${has}`)
  }
  return {
    sha256,
    from: at,
    fetch: async () => {
      const { status, said, body } = await read(`blobs/sha256:${sha256}`, CHART_BYTES)
      if (status !== 200) throw failed(source, at, `its manifest names the layer sha256:${sha256}, but: ${said}`)
      return body
    },
  }
}

/** All versions of the chart that the registry lists. Rejects with ProblemError. */
export async function versionsInRegistry(source: ChartSource, way: Way): Promise<readonly string[]> {
  const { reference, read } = reading(source, way)
  return versionsIn(source, reference, read)
}

type Read = (path: string, maxBytes: number) => Promise<HttpAnswer>

async function versionsIn(source: ChartSource, reference: string, read: Read): Promise<readonly string[]> {
  const listed = await read('tags/list?n=1000', DOCUMENT_BYTES)
  const known = listed.status === 200 ? (documentOf(tags, listed.body)?.tags ?? []) : []
  if (known.length === 0) throw noChart(source, reference, [])
  return known.filter((tag) => /^v?\d/.test(tag)).map((tag) => tag.replaceAll('_', '+'))
}

/** Reads below the chart's path in the registry, with a token once one was asked for. */
function reading(
  source: ChartSource,
  way: Way,
): { readonly reference: string; readonly at: string; readonly read: Read } {
  const reference = ociReference(source)
  const [, host = '', repository = ''] = /^oci:\/\/([^/]+)\/(.+)$/.exec(reference) ?? []
  const scheme = source.plainHttp ? 'http' : 'https'
  const base = `${scheme}://${host}/v2/${repository}`
  const at = `${reference}:${source.version.replaceAll('+', '_')}`
  let authorization: Record<string, string> = {}
  const read = async (path: string, maxBytes: number): Promise<HttpAnswer> => {
    const url = `${base}/${path}`
    const asking = () => ask(source, url, { ...way, maxBytes, headers: { accept: MANIFEST, ...authorization } })
    const answer = await asking()
    if (answer.status !== 401) return answer
    const token = await tokenFor(source, answer.headers['www-authenticate'] ?? '', way)
    if (token === undefined) return answer
    authorization = { authorization: `Bearer ${token}` }
    return asking()
  }
  return { reference, at, read }
}

/** The challenge names who gives tokens: ghcr.io and quay.io give one to anybody, to read what is public. */
async function tokenFor(source: ChartSource, challenge: string, way: Way): Promise<string | undefined> {
  if (!/^bearer /i.test(challenge)) return undefined
  const said = new Map([...challenge.matchAll(/(\w+)="([^"]*)"/g)].map(([, name = '', value = '']) => [name, value]))
  const realm = said.get('realm') ?? ''
  if (!URL.canParse(realm)) return undefined
  const url = new URL(realm)
  // By plain http only the registry itself gives tokens: what it names may be any service of this network.
  const own = source.plainHttp && url.protocol === 'http:' && ociReference(source).startsWith(`oci://${url.host}/`)
  if (url.protocol !== 'https:' && !own) return undefined
  url.username = ''
  url.password = ''
  for (const name of ['service', 'scope']) {
    const value = said.get(name)
    if (value !== undefined) url.searchParams.set(name, value)
  }
  const answer = await ask(source, url.href, { ...way, maxBytes: DOCUMENT_BYTES })
  const given = answer.status === 200 ? documentOf(grant, answer.body) : undefined
  const token = given?.token ?? given?.access_token
  return token !== undefined && /^[\x21-\x7e]{1,16384}$/.test(token) ? token : undefined
}

function documentOf<T extends z.ZodType>(shape: T, body: Buffer): z.output<T> | undefined {
  try {
    return shape.parse(JSON.parse(body.toString('utf8')))
  } catch {
    return undefined
  }
}
