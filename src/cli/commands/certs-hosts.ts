// What certs finds in the clusters of the hosts, and the resources that it makes there.

import { get } from 'node:http'
import { isIP } from 'node:net'
import { addon } from '../../../roles/k3s_platform_addon/role.ts'
import { readBundle } from '../../certificates/bundle.ts'
import { explain, type Story } from '../../certificates/explain.ts'
import { type Row, row } from '../../certificates/row.ts'
import { ApiError, type Cluster } from '../../cluster/cluster.ts'
import { absent } from '../../cluster/kinds/absent.ts'
import { renewal } from '../../cluster/kinds/renewal.ts'
import { type Live, refOf, titleOf } from '../../cluster/object.ts'
import { ownerOf } from '../../cluster/ownership.ts'
import type { ClusterResource } from '../../cluster/resource.ts'
import { type Probe, story, type Teller } from '../../cluster/story.ts'
import { type Problem, ProblemError } from '../../engine/problem.ts'
import { LinkError } from '../../host/transport.ts'
import { bindVars } from '../../inventory/index.ts'
import type { Io } from '../io.ts'
import type { CliOptions } from '../options.ts'
import type { Opened } from '../run.ts'
import type { Prepared } from '../targets.ts'
import { inTurns } from '../turns.ts'
import type { CertsOptions } from '../verbs.ts'

/** A Certificate of a host. */
export interface Found {
  readonly prepared: Prepared
  readonly live: Live
  readonly row: Row
  /** All certificates of the host that were listed, this one among them. */
  readonly beside: readonly Row[]
  readonly owner: string | null
  /** What `explain` tells of it; null where it was not asked. */
  readonly story: Story | null
}

/** What the hosts have, in their order; a host that does not answer is a problem and no obstacle to the others. */
export async function look(
  { prepared }: Opened,
  { certs, forks }: CliOptions,
  io: Io,
): Promise<{ found: Found[]; known: string[]; problems: Problem[] }> {
  const visited = await inTurns(prepared, forks, async (one) => {
    try {
      return { ...(await listed(one, certs, io)), problems: [] }
    } catch (error) {
      if (!(error instanceof ProblemError)) throw error
      return { found: [], known: [], problems: error.problems }
    }
  })
  return {
    found: visited.flatMap((one) => one.found),
    known: visited.flatMap((one) => one.known),
    problems: visited.flatMap((one) => one.problems),
  }
}

async function listed(
  prepared: Prepared,
  { verb, names, namespace }: CertsOptions,
  io: Io,
): Promise<{ found: Found[]; known: string[] }> {
  const { target, host } = prepared
  if (target === undefined) return { found: [], known: [] }
  const { signal } = new AbortController()
  const session = await target.connect(signal)
  try {
    const api = await session.cluster(signal)
    if (api.is === 'silent')
      throw failed(host.name, 'the API does not answer', api.why, `k3s-platform doctor ${host.name}`)
    if (api.is !== 'up') throw failed(host.name, 'there is no k3s', undefined, `k3s-platform apply -l ${host.name}`)
    const { cluster } = api
    const listing = { apiVersion: 'cert-manager.io/v1', kind: 'Certificate' }
    const all = await cluster.list({ ...listing, ...(namespace !== null && { namespace }) })
    const beside = all.flatMap((live) => row(live, new Date(io.now())) ?? [])
    const found = all.flatMap((live) => {
      const told = beside.find(
        ({ name, namespace }) => name === live.metadata.name && namespace === live.metadata.namespace,
      )
      if (told === undefined) return []
      const meant = names.length > 0 ? names.includes(told.name) : verb !== 'explain' || told.status !== 'issued'
      return meant ? [{ prepared, live, row: told, beside, owner: ownerOf(live), story: null }] : []
    })
    const stories = verb === 'explain' ? await Promise.all(found.map((one) => storyOf(one, cluster, io))) : []
    return {
      found: found.map((one, i) => ({ ...one, story: stories[i] ?? null })),
      known: beside.map(({ name }) => name),
    }
  } catch (error) {
    if (!(error instanceof ApiError || error instanceof LinkError)) throw error
    throw failed(host.name, 'its certificates could not be read', error.message)
  } finally {
    await session.close()
  }
}

function failed(where: string, what: string, why?: string, hint?: string): ProblemError {
  return new ProblemError({ kind: 'failed', where, what, ...(why && { why }), ...(hint && { hint }) })
}

async function storyOf(found: Pick<Found, 'prepared' | 'row'>, cluster: Cluster, io: Io): Promise<Story> {
  return explain(readBundle(await story(cluster, io, { ...tellerOf(found), tryHere })))
}

function tellerOf({ prepared: { address }, row: { namespace, name } }: Pick<Found, 'prepared' | 'row'>): Teller {
  return { namespace, name, ...(isIP(address) > 0 && { nodeAddresses: [address] }) }
}

async function tryHere(url: string, timeout: number): Promise<Probe> {
  return new Promise((resolve) => {
    const request = get(url, { timeout, agent: false }, (response) => {
      const { statusCode: status, headers } = response
      response.destroy()
      resolve({ status, location: headers.location })
    })
    request.once('timeout', () => request.destroy(new Error(`no answer within ${timeout / 1000} s`)))
    request.once('error', ({ message }) => resolve({ error: message }))
  })
}

/** By host. */
export type Resources = Map<string, ClusterResource[]>

function byHost(found: readonly Found[], of: (one: Found) => readonly ClusterResource[]): Resources {
  const hosts = new Map<string, ClusterResource[]>()
  for (const one of found) {
    const { name } = one.prepared.host
    hosts.set(name, [...(hosts.get(name) ?? []), ...of(one)])
  }
  return hosts
}

export function renewals(found: readonly Found[]): Resources {
  return byHost(found, (one) => [renewal(tellerOf(one))])
}

/** The Certificate first: cert-manager would issue a Secret that is missing again. */
export function removals(found: readonly Found[], { deleteSecret }: CertsOptions): Resources {
  return byHost(found, ({ live, row: { namespace, secretName: name } }) => [
    absent(refOf(live)),
    ...(deleteSecret ? [absent({ apiVersion: 'v1', kind: 'Secret', namespace, name })] : []),
  ])
}

/** What keeps them from being removed. */
export function refusals(found: readonly Found[], { deleteSecret }: CertsOptions, { env }: Io): Problem[] {
  return found.flatMap((one): Problem[] => {
    const { live, row, owner, beside } = one
    const { host } = one.prepared
    const where = `${host.name} ${titleOf(refOf(live))}`
    if (owner !== null) {
      const hint = `remove it in what ${owner} applies`
      return [{ kind: 'usage', where, what: `${owner} has it, and would make it again`, hint }]
    }
    const path = wantedAt(one, env)
    if (path !== undefined) {
      const written = host.get(CERTIFICATES).value !== undefined
      return [
        {
          kind: 'usage',
          where: written ? host.where(path) : where,
          what: written
            ? `the inventory wants ${titleOf(refOf(live))} on ${host.name}: it would come back`
            : `it is the default of ${CERTIFICATES}: it would come back`,
          hint: `${written ? 'remove this line' : `set ${CERTIFICATES} to those that are wanted, or []`}; then it goes with: k3s-platform apply -l ${host.name}`,
        },
      ]
    }
    const other = beside.find(
      ({ name, namespace, secretName }) =>
        name !== row.name && namespace === row.namespace && secretName === row.secretName,
    )
    if (!deleteSecret || other === undefined) return []
    const what = `the Secret ${row.secretName} is that of Certificate ${other.namespace}/${other.name}, too`
    return [{ kind: 'usage', where, what, hint: 'leave out --delete-secret' }]
  })
}

const CERTIFICATES = 'k3s_platform_certificates'

/** Where the inventory asks for it: the namespace in the entry where that has several. */
function wantedAt({ prepared: { host }, row }: Found, env: Io['env']): readonly PropertyKey[] | undefined {
  const certificates = bindVars(host, addon.vars, { env }).sound?.k3s_platform_certificates ?? []
  const at = certificates.findIndex(({ name, namespaces }) => name === row.name && namespaces.includes(row.namespace))
  const { namespaces = [] } = certificates[at] ?? {}
  if (at < 0) return undefined
  return [CERTIFICATES, at, ...(namespaces.length > 1 ? ['namespaces', namespaces.indexOf(row.namespace)] : [])]
}
