// A cluster's API in terms of objects: over HTTP/2, so that all requests share one channel and one handshake.

import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import { Budget, MAX_LIST_BYTES, MAX_OBJECT_BYTES } from '../host/limits.ts'
import type { Transport } from '../host/transport.ts'
import type { NodeKubeconfig } from '../kubeconfig/node-kubeconfig.ts'
import { fieldsOfAnswer, parseAnswer } from './answer.ts'
import { ApiError, type Cluster, FIELD_MANAGER, type Listing, type WatchEvent } from './cluster.ts'
import { http2Transport, linkError, type Request } from './http2-transport.ts'
import { handshakeFromNode, httpFromNode } from './node-http.ts'
import { type Live, live, type Ref } from './object.ts'
import { errorOf } from './status.ts'

export interface ClientOptions {
  /** The node's own kubeconfig, called at every connection: its server is reached from the node. */
  readonly kubeconfig: () => NodeKubeconfig
  readonly forward: Transport['forward']
  /** Bound of the handshake and of each request, milliseconds; default 30 000. */
  readonly timeoutMs?: number
}

/** A cluster whose connection can be ended. */
export interface Client extends Cluster {
  /** Connects, or does nothing when there is a connection. Rejects with LinkError or ApiError when nothing well answers. */
  open(): Promise<void>
  close(): void
}

const served = z.looseObject({
  resources: z.array(
    z.looseObject({ name: z.string().regex(/^[\w./-]{1,300}$/), kind: z.string(), namespaced: z.boolean() }),
  ),
})
const list = z.looseObject({
  metadata: z.looseObject({ resourceVersion: z.string().optional() }),
  items: z.array(z.looseObject({})).nullable(),
})
const watched = z.looseObject({ type: z.string(), object: z.looseObject({}) })
const versionInfo = z.looseObject({ gitVersion: z.string() })

/** The API gives a webhook 30 s at most, and says then which it was. */
const TIMEOUT_MS = 34_000
const HISTORY_GONE = 410

export function clusterClient({ kubeconfig, forward, timeoutMs = TIMEOUT_MS }: ClientOptions): Client {
  const line = http2Transport({ kubeconfig, forward, timeoutMs })
  let version = ''
  const kinds = new Map<string, Promise<z.output<typeof served>['resources']>>()

  const json = async (request: Request): Promise<unknown> => {
    const answer = await line.send(request)
    if (answer.code >= 300) throw errorOf(answer)
    return parseAnswer(answer.text)
  }

  const object = async (request: Request): Promise<Live> => fieldsOfAnswer(live, await json(request))

  /** The API's words for a kind: its plural and whether it is namespaced; undefined: it is not served (yet). */
  const resourceOf = async ({ apiVersion, kind }: Pick<Ref, 'apiVersion' | 'kind'>) => {
    const ask = () => {
      const asked = json({ method: 'GET', path: groupPath(apiVersion) }).then(
        (body) => fieldsOfAnswer(served, body).resources,
        (error: unknown) => {
          kinds.delete(apiVersion)
          if (error instanceof ApiError && error.code === 404) return []
          throw error
        },
      )
      kinds.set(apiVersion, asked)
      return asked
    }
    const pick = (resources: z.output<typeof served>['resources']) =>
      resources.find((one) => one.kind === kind && !one.name.includes('/'))
    const known = kinds.get(apiVersion)
    // A kind that is missing in what was asked before may have come since.
    return (known && pick(await known)) ?? pick(await ask())
  }

  /** Throws what the API says of a kind that it does not serve. */
  const pathOf = async (ref: Omit<Ref, 'name'> & { readonly name?: string }): Promise<string> => {
    const found = await resourceOf(ref)
    if (found === undefined) {
      throw new ApiError({
        code: 404,
        reason: 'NotFound',
        message: `no matches for kind "${ref.kind}" in version "${ref.apiVersion}"`,
        causes: [],
        retryAfterSeconds: null,
      })
    }
    const scope =
      found.namespaced && ref.namespace !== undefined ? `/namespaces/${encodeURIComponent(ref.namespace)}` : ''
    const name = ref.name === undefined ? '' : `/${encodeURIComponent(ref.name)}`
    return `${groupPath(ref.apiVersion)}${scope}/${found.name}${name}`
  }

  const absent = (error: unknown): null => {
    if (error instanceof ApiError && error.code === 404) return null
    throw error
  }

  const listOf = async (listing: Listing) => {
    const { labels: labelSelector, fields: fieldSelector } = listing
    const body = fieldsOfAnswer(
      list,
      await json({
        method: 'GET',
        path: await pathOf(listing),
        query: { labelSelector, fieldSelector },
        maxBytes: MAX_LIST_BYTES,
        ...as('PartialObjectMetadataList', listing),
      }),
    )
    // A list tells the kind once, not in each of its items.
    const { apiVersion, kind } = listing
    const items = (body.items ?? []).map((item) => fieldsOfAnswer(live, { ...item, apiVersion, kind }))
    return { items, resourceVersion: body.metadata.resourceVersion ?? '' }
  }

  /** One list and the stream after it; ends when the API ends the stream. */
  async function* follow(listing: Listing, signal: AbortSignal): AsyncGenerator<WatchEvent> {
    const { items, resourceVersion } = await listOf(listing)
    for (const item of items) yield { type: 'ADDED', object: item }
    const { apiVersion, kind, labels: labelSelector, fields: fieldSelector } = listing
    const body = await line.stream({
      method: 'GET',
      path: await pathOf(listing),
      query: { watch: 'true', resourceVersion, labelSelector, fieldSelector },
      ...as('PartialObjectMetadata', listing),
    })
    signal.addEventListener('abort', body.cancel, { once: true })
    try {
      if (signal.aborted) return
      for await (const line of linesOf(body, MAX_OBJECT_BYTES)) {
        const event = fieldsOfAnswer(watched, parseAnswer(line))
        if (event.type === 'ERROR') throw errorOf({ code: HISTORY_GONE, text: JSON.stringify(event.object) })
        if (event.type === 'ADDED' || event.type === 'MODIFIED' || event.type === 'DELETED') {
          yield { type: event.type, object: fieldsOfAnswer(live, { ...event.object, apiVersion, kind }) }
        }
      }
    } finally {
      signal.removeEventListener('abort', body.cancel)
      body.cancel()
    }
  }

  return {
    get version() {
      return version
    },
    open: async () => {
      if (line.up && version !== '') return
      version = fieldsOfAnswer(versionInfo, await json({ method: 'GET', path: '/version' })).gitVersion
    },
    close: line.close,

    get: async (ref) => {
      try {
        return await object({ method: 'GET', path: await pathOf(ref) })
      } catch (error) {
        return absent(error)
      }
    },
    list: async (listing) => {
      try {
        return (await listOf(listing)).items
      } catch (error) {
        return absent(error) ?? []
      }
    },
    apply: async (manifest, { dryRun = false, force = false } = {}) =>
      object({
        method: 'PATCH',
        path: await pathOf({ ...manifest, ...manifest.metadata }),
        query: {
          fieldManager: FIELD_MANAGER,
          fieldValidation: 'Strict',
          dryRun: dryRun ? 'All' : undefined,
          force: force ? 'true' : undefined,
        },
        type: 'application/apply-patch+yaml',
        body: manifest,
      }),
    create: async (manifest, { dryRun = false } = {}) => {
      const { namespace } = manifest.metadata
      return object({
        method: 'POST',
        path: await pathOf({ ...manifest, namespace }),
        query: { fieldManager: FIELD_MANAGER, fieldValidation: 'Strict', dryRun: dryRun ? 'All' : undefined },
        type: 'application/json',
        body: manifest,
      })
    },
    patch: async (ref, merge, { subresource, manager = FIELD_MANAGER } = {}) =>
      object({
        method: 'PATCH',
        path: `${await pathOf(ref)}${subresource === undefined ? '' : `/${subresource}`}`,
        query: { fieldManager: manager },
        type: 'application/merge-patch+json',
        body: merge,
      }),
    delete: async (ref, { uid, owned } = {}) => {
      const preconditions = uid === undefined ? {} : { preconditions: { uid } }
      try {
        await json({
          method: 'DELETE',
          path: await pathOf(ref),
          type: 'application/json',
          body: {
            apiVersion: 'v1',
            kind: 'DeleteOptions',
            propagationPolicy: owned === 'first' ? 'Foreground' : 'Background',
            ...preconditions,
          },
        })
      } catch (error) {
        absent(error)
      }
    },
    logs: async ({ namespace, name }, { container, lines } = {}) => {
      const path = `/api/v1/namespaces/${encodeURIComponent(namespace ?? '')}/pods/${encodeURIComponent(name)}/log`
      const answer = await line.send({ method: 'GET', path, query: { container, tailLines: lines } })
      return answer.code === 200 ? answer.text : null
    },
    watch: async function* (listing, signal) {
      let broken = 0
      while (!signal.aborted) {
        try {
          for await (const event of follow(listing, signal)) {
            broken = 0
            yield event
          }
        } catch (error) {
          if (signal.aborted) return
          const passing = error instanceof ApiError && (error.code === 404 || error.code === HISTORY_GONE)
          if (!passing && ++broken > WATCH_TRIES) throw linkError(error)
          await sleep(WATCH_PAUSE_MS, undefined, { signal }).catch(() => undefined)
        }
      }
    },
    http: (request) => httpFromNode(forward, request),
    handshake: (request) => handshakeFromNode(forward, request),
    serves: async (kind) => (await resourceOf(kind)) !== undefined,
  }
}

/** Complete lines of a stream. Throws LinkError for one that is longer than `max` bytes. */
async function* linesOf(stream: AsyncIterable<Buffer>, max: number): AsyncGenerator<string> {
  let parts: Buffer[] = []
  let budget = new Budget('one event of a watch', max)
  for await (const chunk of stream) {
    let from = 0
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, from)) {
      yield Buffer.concat([...parts, chunk.subarray(from, end)]).toString('utf8')
      parts = []
      budget = new Budget('one event of a watch', max)
      from = end + 1
    }
    budget.spend(chunk.length - from)
    parts.push(chunk.subarray(from))
  }
}

const NEWLINE = 0x0a
const WATCH_TRIES = 5
const WATCH_PAUSE_MS = 1000

function groupPath(apiVersion: string): string {
  return apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`
}

/** Metadata alone, in the API's words. */
function as(form: 'PartialObjectMetadataList' | 'PartialObjectMetadata', { metadataOnly = false }: Listing) {
  return metadataOnly ? { accept: `application/json;as=${form};g=meta.k8s.io;v=v1` } : {}
}
