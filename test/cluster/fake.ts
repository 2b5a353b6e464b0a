// A cluster in memory: objects with field managers, finalizers and watches, and whatever fault a test asks for.

import { createHash } from 'node:crypto'
import { setMaxListeners } from 'node:events'
import { ApiError, type Cluster, FIELD_MANAGER, type Listing, type WatchEvent } from '../../src/cluster/cluster.ts'
import { idOf, type Live, live, type Manifest, type Ref, refOf } from '../../src/cluster/object.ts'

export interface Call {
  readonly verb: 'get' | 'list' | 'apply' | 'create' | 'patch' | 'delete' | 'logs' | 'watch' | 'http' | 'handshake'
  /** `Certificate.cert-manager.io/database/x`; of a listing `Certificate.cert-manager.io`. */
  readonly id: string
  readonly dryRun: boolean
}

type Fields = { [key: string]: unknown }

/** Lists are single values, so that two managers cannot share one; defaults come from `admit`. */
export class FakeCluster implements Cluster {
  readonly version = 'v1.36.5+k3s1'
  /** What was asked, in order. */
  readonly calls: Call[] = []
  /** Called first; what it returns is thrown. */
  fault: (call: Call) => Error | undefined = () => undefined
  /** What admission and defaults make of an object that is written. */
  admit: (object: Live) => object = (object) => object
  /** Kinds that are not there (yet): `Certificate`. */
  readonly unserved = new Set<string>()
  /** `namespace/pod`, or `namespace/pod/container`, to its log. */
  readonly podLogs = new Map<string, string>()
  answer: Cluster['http'] = () => Promise.reject(new Error('connect ECONNREFUSED'))
  served: Cluster['handshake'] = () => Promise.reject(new Error('connect ECONNREFUSED'))
  readonly #objects = new Map<string, Live>()
  readonly #owned = new Map<string, Map<string, Set<string>>>()
  readonly #watchers = new Set<(event: WatchEvent) => void>()
  #counter = 0

  constructor(...namespaces: readonly string[]) {
    for (const name of ['default', 'kube-system', ...namespaces]) {
      this.put({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } }, 'kube-apiserver')
    }
  }

  /** As `manager` writes it, past every check and fault. */
  put(object: object, manager = 'kubectl-edit'): Live {
    const parsed = live.parse(object)
    const id = idOf(refOf(parsed))
    for (const paths of this.#owned.get(id)?.values() ?? []) for (const path of leaves(parsed)) paths.delete(path)
    this.#own(id, manager, leaves(parsed))
    return this.#store(parsed)
  }

  /** Gone at once, finalizers or not. */
  remove(ref: Ref): void {
    const found = this.#objects.get(idOf(ref))
    this.#objects.delete(idOf(ref))
    this.#owned.delete(idOf(ref))
    if (found) this.#tell({ type: 'DELETED', object: found })
  }

  peek(ref: Ref): Live | null {
    return this.#objects.get(idOf(ref)) ?? null
  }

  /** How often a verb was asked that way; dry runs count only with `dryRun`. */
  count(verb: Call['verb'], dryRun = false): number {
    return this.calls.filter((call) => call.verb === verb && call.dryRun === dryRun).length
  }

  async get(ref: Ref): Promise<Live | null> {
    this.#call('get', idOf(ref))
    return structuredClone(this.peek(ref))
  }

  async list(listing: Listing): Promise<readonly Live[]> {
    this.#call('list', idOf({ ...listing, name: '' }))
    return structuredClone([...this.#objects.values()].filter((object) => matches(object, listing)))
  }

  async apply(manifest: Manifest, how: { dryRun?: boolean; force?: boolean } = {}): Promise<Live> {
    const id = this.#writable('apply', manifest, how.dryRun)
    const now = structuredClone(this.#objects.get(id))
    const { resourceVersion } = manifest.metadata
    if (resourceVersion !== undefined && resourceVersion !== now?.metadata.resourceVersion)
      throw apiError(
        409,
        'Conflict',
        `Operation cannot be fulfilled on ${manifest.kind} "${manifest.metadata.name}": the object has been modified; please apply your changes to the latest version and try again`,
      )
    const wanted = leaves(manifest)
    const causes = [...(this.#owned.get(id) ?? [])].flatMap(([manager, paths]) =>
      manager === FIELD_MANAGER || how.force
        ? []
        : [...paths]
            .filter((path) => wanted.has(path) && differ(at(now, path), at(manifest, path)))
            .map((path) => ({
              reason: 'FieldManagerConflict',
              message: `conflict with "${manager}" using ${manifest.apiVersion}`,
              field: `.${keysOf(path).join('.')}`,
            })),
    )
    if (causes.length > 0) {
      const text = causes.map((cause) => `${cause.message}: ${cause.field}`).join(', ')
      throw apiError(409, 'Conflict', `Apply failed with ${causes.length} conflict: ${text}`, causes)
    }
    const { apiVersion, kind, metadata } = manifest
    const { name, namespace } = metadata
    const next: Fields = now ?? { apiVersion, kind, metadata: { name, ...(namespace && { namespace }) } }
    const others = [...(this.#owned.get(id) ?? [])].filter(([manager]) => manager !== FIELD_MANAGER)
    for (const path of this.#owned.get(id)?.get(FIELD_MANAGER) ?? []) {
      if (!wanted.has(path) && !others.some(([, paths]) => paths.has(path))) unset(next, keysOf(path))
    }
    for (const path of wanted) set(next, keysOf(path), structuredClone(at(manifest, path)))
    const admitted = live.parse(this.admit(live.parse(next)))
    if (how.dryRun) return this.#stamp(admitted, false)
    this.#owned.get(id)?.delete(FIELD_MANAGER)
    this.#own(id, FIELD_MANAGER, wanted)
    return this.#store(admitted)
  }

  async create(manifest: Manifest, how: { dryRun?: boolean } = {}): Promise<Live> {
    const id = this.#writable('create', manifest, how.dryRun)
    if (this.#objects.has(id)) {
      throw apiError(409, 'AlreadyExists', `${manifest.kind} "${manifest.metadata.name}" already exists`)
    }
    const admitted = live.parse(this.admit(live.parse(manifest)))
    return how.dryRun ? this.#stamp(admitted, false) : this.put(admitted, FIELD_MANAGER)
  }

  async patch(ref: Ref, merge: object, _how: { subresource?: 'status'; manager?: string } = {}): Promise<Live> {
    this.#call('patch', idOf(ref))
    const found = this.peek(ref)
    if (found === null) throw apiError(404, 'NotFound', `${ref.kind} "${ref.name}" not found`)
    const next: Fields = structuredClone(found)
    mergeInto(next, merge)
    this.#disown(idOf(ref), at(next, '["metadata","managedFields"]'))
    unset(next, ['metadata', 'managedFields'])
    return this.#store(live.parse(next))
  }

  async delete(ref: Ref, how: { uid?: string } = {}): Promise<void> {
    this.#call('delete', idOf(ref))
    const found = this.peek(ref)
    if (found === null) return
    if (how.uid !== undefined && how.uid !== found.metadata.uid) {
      throw apiError(409, 'Conflict', 'Precondition failed: UID in precondition is not that of the object')
    }
    if ((found.metadata.finalizers ?? []).length === 0) return this.remove(ref)
    this.#store({ ...found, metadata: { ...found.metadata, deletionTimestamp: '2026-01-01T00:00:00Z' } })
  }

  async logs(
    pod: Pick<Ref, 'namespace' | 'name'>,
    how: { container?: string; lines?: number } = {},
  ): Promise<string | null> {
    const id = `${pod.namespace}/${pod.name}`
    this.#call('logs', id)
    const text = this.podLogs.get(how.container === undefined ? id : `${id}/${how.container}`) ?? this.podLogs.get(id)
    return text === undefined
      ? null
      : text
          .split('\n')
          .slice(-(how.lines ?? 0))
          .join('\n')
  }

  async *watch(listing: Listing, signal: AbortSignal): AsyncIterable<WatchEvent> {
    this.#call('watch', idOf({ ...listing, name: '' }))
    setMaxListeners(0, signal)
    const queue: WatchEvent[] = [...this.#objects.values()].map((object) => ({ type: 'ADDED', object }))
    let wake = () => {}
    const watcher = (event: WatchEvent) => {
      queue.push(event)
      wake()
    }
    const end = () => wake()
    this.#watchers.add(watcher)
    signal.addEventListener('abort', end)
    try {
      while (!signal.aborted) {
        const event = queue.shift()
        if (event !== undefined) {
          if (matches(event.object, listing)) yield structuredClone(event)
          continue
        }
        await new Promise<void>((resolve) => {
          wake = resolve
        })
      }
    } finally {
      this.#watchers.delete(watcher)
      signal.removeEventListener('abort', end)
    }
  }

  async http(request: Parameters<Cluster['http']>[0]): ReturnType<Cluster['http']> {
    this.#call('http', `${request.host}:${request.port}${request.path}`)
    return this.answer(request)
  }

  async handshake(request: Parameters<Cluster['handshake']>[0]): ReturnType<Cluster['handshake']> {
    this.#call('handshake', `${request.servername}@${request.address}:${request.port}`)
    return this.served(request)
  }

  async serves(kind: Pick<Ref, 'apiVersion' | 'kind'>): Promise<boolean> {
    return !this.unserved.has(kind.kind)
  }

  #call(verb: Call['verb'], id: string, dryRun = false): void {
    const call = { verb, id, dryRun }
    this.calls.push(call)
    const error = this.fault(call)
    if (error) throw error
  }

  #writable(verb: 'apply' | 'create', manifest: Manifest, dryRun = false): string {
    const id = idOf(refOf(manifest))
    this.#call(verb, id, dryRun)
    const { namespace } = manifest.metadata
    if (this.unserved.has(manifest.kind)) {
      throw apiError(404, 'NotFound', 'the server could not find the requested resource')
    }
    if (namespace !== undefined && this.peek({ apiVersion: 'v1', kind: 'Namespace', name: namespace }) === null) {
      throw apiError(404, 'NotFound', `namespaces "${namespace}" not found`)
    }
    return id
  }

  /** Managers that the list of a patch does not name lose their fields, to one that it newly names. */
  #disown(id: string, left: unknown): void {
    if (!Array.isArray(left)) return
    const names = left.flatMap((one) => (isMap(one) && typeof one.manager === 'string' ? one.manager : []))
    const owned = this.#owned.get(id) ?? new Map<string, Set<string>>()
    const [heir] = names.filter((name) => !owned.has(name))
    for (const [manager, paths] of [...owned].filter(([name]) => !names.includes(name))) {
      owned.delete(manager)
      if (heir !== undefined) this.#own(id, heir, paths)
    }
  }

  #own(id: string, manager: string, paths: ReadonlySet<string>): void {
    const owned = this.#owned.get(id) ?? new Map<string, Set<string>>()
    owned.set(manager, new Set([...(owned.get(manager) ?? []), ...paths]))
    this.#owned.set(id, owned)
  }

  #store(object: Live): Live {
    const id = idOf(refOf(object))
    const before = this.#objects.get(id)
    if (before && !differ(bare(before), bare(object))) return structuredClone(before)
    if (object.metadata.deletionTimestamp !== undefined && (object.metadata.finalizers ?? []).length === 0) {
      this.remove(refOf(object))
      return object
    }
    const stored = this.#stamp(object, true)
    this.#objects.set(id, stored)
    this.#tell({ type: before ? 'MODIFIED' : 'ADDED', object: stored })
    return structuredClone(stored)
  }

  #stamp(object: Live, stored: boolean): Live {
    const id = idOf(refOf(object))
    const now = this.#objects.get(id)?.metadata
    // A dry run answers with the version that it was tried on.
    const version = stored ? String(++this.#counter) : now?.resourceVersion
    const managers = [...(this.#owned.get(id) ?? [])].filter(([, paths]) => paths.size > 0)
    return {
      ...object,
      metadata: {
        ...object.metadata,
        uid: now?.uid ?? `uid-${version}`,
        resourceVersion: version,
        creationTimestamp: object.metadata.creationTimestamp ?? '2026-01-01T00:00:00Z',
        // The API tells when a manager last changed something; here it is told by what its fields are.
        managedFields: managers.map(([manager, paths]) => ({
          manager,
          operation: manager === FIELD_MANAGER ? 'Apply' : 'Update',
          time: digest([...paths].toSorted().map((path) => [path, at(object, path)])),
          ...([...paths].every((path) => keysOf(path)[0] === 'status') && { subresource: 'status' }),
        })),
      },
    }
  }

  #tell(event: WatchEvent): void {
    for (const watcher of this.#watchers) watcher(event)
  }
}

export function apiError(
  code: number,
  reason: string,
  message: string,
  causes: ApiError['causes'] = [],
  retryAfterSeconds: number | null = null,
): ApiError {
  return new ApiError({ code, reason, message, causes, retryAfterSeconds })
}

const UNOWNED = new Set(['apiVersion', 'kind'])
const STAMPS = [
  'name',
  'namespace',
  'uid',
  'resourceVersion',
  'creationTimestamp',
  'managedFields',
  'deletionTimestamp',
]

/** Paths, as JSON, of everything that a manager can own; a list and an empty map are single values. */
function leaves(object: unknown, path: readonly string[] = []): Set<string> {
  if (!isMap(object) || (path.length > 0 && Object.keys(object).length === 0)) return new Set([JSON.stringify(path)])
  return new Set(
    Object.entries(object).flatMap(([key, value]) => {
      if (path.length === 0 && UNOWNED.has(key)) return []
      if (path.join() === 'metadata' && STAMPS.includes(key)) return []
      return [...leaves(value, [...path, key])]
    }),
  )
}

const digest = (value: unknown) => createHash('sha256').update(JSON.stringify(value)).digest('hex')

function keysOf(path: string): string[] {
  const keys: string[] = JSON.parse(path)
  return keys
}

function at(object: unknown, path: string): unknown {
  return keysOf(path).reduce<unknown>((value, key) => (isMap(value) ? value[key] : undefined), object)
}

function set(object: Fields, [key = '', ...rest]: readonly string[], value: unknown): void {
  if (rest.length === 0) object[key] = value
  else {
    const next = object[key]
    const inner: Fields = isMap(next) ? next : {}
    object[key] = inner
    set(inner, rest, value)
  }
}

function unset(object: Fields, [key = '', ...rest]: readonly string[]): void {
  const next = object[key]
  if (rest.length === 0) delete object[key]
  else if (isMap(next)) {
    unset(next, rest)
    if (Object.keys(next).length === 0) delete object[key]
  }
}

function mergeInto(object: Fields, merge: object): void {
  for (const [key, value] of Object.entries(merge)) {
    if (value === null) delete object[key]
    else if (isMap(value)) {
      const next = object[key]
      const inner: Fields = isMap(next) ? next : {}
      object[key] = inner
      mergeInto(inner, value)
    } else object[key] = value
  }
}

function matches(object: Live, { apiVersion, kind, namespace, labels, fields }: Listing): boolean {
  const value = (path: string) => at(object, JSON.stringify(path.split('.')))
  return (
    object.apiVersion.split('/')[0] === apiVersion.split('/')[0] &&
    object.kind === kind &&
    (namespace === undefined || object.metadata.namespace === namespace) &&
    selects(labels, (key) => object.metadata.labels?.[key]) &&
    selects(fields, value)
  )
}

function selects(selector: string | undefined, value: (key: string) => unknown): boolean {
  return (selector ?? '')
    .split(',')
    .filter(Boolean)
    .every((term) => {
      const [, key = '', sign, wanted] = /^([^!=]+)(?:(!=|==?)(.*))?$/.exec(term) ?? []
      if (sign === undefined) return value(key) !== undefined
      return (value(key) === wanted) === (sign !== '!=')
    })
}

function bare(object: Live): unknown {
  const { managedFields, resourceVersion, uid, creationTimestamp, ...metadata } = object.metadata
  return { ...object, metadata }
}

function differ(a: unknown, b: unknown): boolean {
  return JSON.stringify(sorted(a)) !== JSON.stringify(sorted(b))
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted)
  if (!isMap(value)) return value
  return Object.fromEntries(
    Object.keys(value)
      .sort()
      .map((key) => [key, sorted(value[key])]),
  )
}

function isMap(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
