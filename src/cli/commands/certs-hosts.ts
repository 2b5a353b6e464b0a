// Reads the certificates of the hosts' clusters.

import { get } from 'node:http'
import { isIP } from 'node:net'
import pMap from 'p-map'
import { readBundle } from '../../certificates/bundle.ts'
import { COMPONENT_ASKS, type Components, components } from '../../certificates/components.ts'
import { type ConsumersOf, consumers } from '../../certificates/consumers.ts'
import { type CertificateDetails, details } from '../../certificates/details.ts'
import { type Explanation, explain } from '../../certificates/explain.ts'
import { type CertificateRow, row } from '../../certificates/row.ts'
import { isHealthy } from '../../certificates/state.ts'
import type { Listed } from '../../certificates/table.ts'
import type { ClusterFacts } from '../../cluster/backend.ts'
import { ApiError, type Cluster, type Listing } from '../../cluster/cluster.ts'
import type { Live } from '../../cluster/object.ts'
import { isOurs, ownerOf } from '../../cluster/ownership.ts'
import { type Probe, read, story, type Teller } from '../../cluster/story.ts'
import { type Problem, ProblemError } from '../../engine/problem.ts'
import { LinkError } from '../../host/transport.ts'
import type { CertsCall, CertsOptions } from '../declarations/certs.ts'
import type { Io } from '../io.ts'
import type { PreparedRun } from '../run.ts'
import type { Prepared } from '../targets.ts'

/** A Certificate of a host. */
export interface Found {
  readonly prepared: Prepared
  readonly live: Live
  readonly row: CertificateRow
  /** All certificates of the host that were listed, this one among them. */
  readonly beside: readonly CertificateRow[]
  readonly owner: string | null
  /** What uses its Secret; null where it was not read. */
  readonly consumers: readonly string[] | null
  /** What `explain` tells of it; null where it was not asked. */
  readonly story: Story | null
}

interface Story extends Explanation {
  readonly details: CertificateDetails
}

/** What was read of a host. */
interface HostCertificates {
  readonly found: Found[]
  /** The names of all its certificates. */
  readonly known: string[]
  /** How its cert-manager is; undefined: it was not asked. */
  readonly components?: Components | undefined
}

/** How a host's cert-manager is. */
export type HostCertManager = Components & { readonly host: string }

/** What the hosts have, in their order; a host that does not answer is a problem and no obstacle to the others. */
export async function look(
  { prepared }: PreparedRun,
  { certs, forks }: CertsCall,
  io: Io,
): Promise<{ found: Found[]; known: string[]; managers: HostCertManager[]; problems: Problem[] }> {
  const visited = await pMap(
    prepared,
    async (one): Promise<HostCertificates & { problems: readonly Problem[]; host: string }> => {
      const host = one.host.name
      try {
        return { ...(await listed(one, certs, io)), host, problems: [] }
      } catch (error) {
        if (!(error instanceof ProblemError)) throw error
        return { found: [], known: [], host, problems: error.problems }
      }
    },
    { concurrency: forks },
  )
  return {
    managers: visited.flatMap(({ host, components: how }) => (how === undefined ? [] : [{ host, ...how }])),
    found: visited.flatMap((one) => one.found),
    known: visited.flatMap((one) => one.known),
    problems: visited.flatMap((one) => one.problems),
  }
}

async function listed(prepared: Prepared, certs: CertsOptions, io: Io): Promise<{ found: Found[]; known: string[] }> {
  const { verb, namespace } = certs
  const { signal } = new AbortController()
  const asked = withCluster(prepared, signal, async (cluster) => {
    const now = new Date(io.now())
    const [all, users] = await Promise.all([
      cluster.list(certificatesOf(certs)),
      verb === 'list' && (certs.wide || certs.document) ? consumersIn(cluster, namespace) : undefined,
    ])
    const rows = all.flatMap((live) => {
      const told = row(live, now)
      return told === undefined ? [] : [{ live, told }]
    })
    const beside = rows.map(({ told }) => told)
    const found = rows
      .filter(({ told }) => isMeant(told, certs, now))
      .map(({ live, told }) => {
        const consumers = users?.(told.namespace, told.secretName) ?? null
        return { prepared, live, row: told, beside, owner: ownerOf(live), consumers, story: null }
      })
    const [stories, parts] =
      verb === 'explain'
        ? await Promise.all([
            Promise.all(found.map((one) => storyOf(one, cluster, io))),
            certs.document ? read(cluster, COMPONENT_ASKS) : undefined,
          ])
        : [[]]
    return {
      components: parts && components(parts),
      found: found.map((one, i) => ({ ...one, story: stories[i] ?? null })),
      known: beside.map(({ name }) => name),
    }
  })
  return (await asked) ?? { found: [], known: [] }
}

const certificatesOf = ({ namespace }: CertsOptions): Listing => ({
  apiVersion: 'cert-manager.io/v1',
  kind: 'Certificate',
  ...(namespace !== null && { namespace }),
})

async function consumersIn(cluster: Cluster, namespace: string | null): Promise<ConsumersOf> {
  const within = namespace === null ? {} : { namespace }
  const users = await Promise.all([
    cluster.list({ apiVersion: 'networking.k8s.io/v1', kind: 'Ingress', ...within }),
    cluster.list({ apiVersion: 'v1', kind: 'Pod', ...within }),
  ])
  return consumers(users.flat())
}

/** Those that were named; else explain is about those that need somebody, and `--expiring-within` about those that end by then. */
function isMeant(
  { name, state, notAfter }: CertificateRow,
  { names, verb, expiringWithinMs }: CertsOptions,
  now: Date,
) {
  if (names.length > 0) return names.includes(name)
  if (verb === 'explain') return !isHealthy(state)
  if (expiringWithinMs === null) return true
  return notAfter !== undefined && Date.parse(notAfter) - now.getTime() <= expiringWithinMs
}

/** Runs `work` with the host's cluster; undefined: the host is none of this run. Rejects with ProblemError for what a user can mend. */
export async function withCluster<T>(
  { target, host }: Prepared,
  signal: AbortSignal,
  work: (cluster: Cluster) => Promise<T>,
  what = 'its certificates could not be read',
): Promise<T | undefined> {
  if (target === undefined) return undefined
  const session = await target.connect(signal)
  try {
    const api = await session.cluster(signal)
    if (api.is !== 'up') throw new ProblemError(apiProblems(host.name, api))
    return await work(api.cluster)
  } catch (error) {
    if (!(error instanceof ApiError || error instanceof LinkError)) throw error
    throw failed(host.name, what, error.message)
  } finally {
    await session.close()
  }
}

/** Why nothing can be done in a host's cluster. */
export function apiProblems(host: string, api: ClusterFacts): readonly Problem[] {
  if (api.is === 'up') return []
  if (api.is === 'silent')
    return failed(host, 'the API does not answer', api.why, `k3s-platform doctor ${host}`).problems
  return failed(host, 'k3s is not installed', undefined, `k3s-platform apply -l ${host}`).problems
}

/** Calls `changed` for each Certificate that there is, and for each change, until the signal fires; `row` is null once it is deleted. */
export async function watchCertificates(
  prepared: Prepared,
  certs: CertsOptions,
  signal: AbortSignal,
  io: Io,
  changed: (key: string, row: Listed) => void,
): Promise<void> {
  await withCluster(prepared, signal, async (cluster) => {
    for await (const { type, object } of cluster.watch(certificatesOf(certs), signal)) {
      const now = new Date(io.now())
      const told = row(object, now)
      if (told === undefined || !isMeant(told, certs, now)) continue
      const host = prepared.host.name
      const state = type === 'DELETED' ? 'Deleted' : told.state
      changed(`${host}/${told.namespace}/${told.name}`, {
        ...told,
        state,
        host,
        owner: holderOf(object),
        consumers: [],
      })
    }
  })
}

/** Who manages it: a tool, we, or the object that it was made for, such as an Ingress. */
export function holderOf(live: Live): string | null {
  const [maker] = live.metadata.ownerReferences ?? []
  return ownerOf(live) ?? (isOurs(live) ? 'k3s-platform' : maker === undefined ? null : `${maker.kind} ${maker.name}`)
}

function failed(where: string, what: string, why?: string, hint?: string): ProblemError {
  return new ProblemError({ kind: 'failed', where, what, ...(why && { why }), ...(hint && { hint }) })
}

async function storyOf(found: Pick<Found, 'prepared' | 'row'>, cluster: Cluster, io: Io): Promise<Story> {
  const bundle = readBundle(await story(cluster, io, { ...tellerOf(found), tryHere }))
  return { ...explain(bundle), details: details(bundle) }
}

export function tellerOf({ prepared: { address }, row: { namespace, name } }: Pick<Found, 'prepared' | 'row'>): Teller {
  return { namespace, name, ...(isIP(address) > 0 && { nodeAddresses: [address] }) }
}

async function tryHere(url: string, timeout: number): Promise<Probe> {
  return new Promise((resolve) => {
    const request = get(url, { timeout, agent: false }, (response) => {
      const { statusCode: status, headers } = response
      response.destroy()
      resolve({ status, location: headers.location, server: headers.server?.toString() })
    })
    request.once('timeout', () => request.destroy(new Error(`no answer within ${timeout / 1000} s`)))
    request.once('error', ({ message }) => resolve({ error: message }))
  })
}
