// One cluster's access, as entries of a kubeconfig: made from what k3s writes, merged into a file, taken out of it again.

import { isDeepStrictEqual } from 'node:util'
import { z } from 'zod'
import { type Problem, ProblemError } from '../engine/problem.ts'
import { isMap } from '../engine/state.ts'
import { parseNodeKubeconfig } from './node-kubeconfig.ts'
import { type Kubeconfig, LISTS, type List, type NamedEntry, readKubeconfig } from './read.ts'
import { rewrite } from './rewrite.ts'

/** Whose cluster an entry is: kept in the cluster's `extensions`, where kubectl leaves it alone. */
export interface Origin {
  /** Name in the inventory. */
  readonly host: string
  /** The address that SSH goes to. */
  readonly address: string
}

export interface Access {
  /** Of cluster, user and context. */
  readonly name: string
  readonly cluster: Readonly<Record<string, unknown>>
  readonly user: Readonly<Record<string, unknown>>
}

export interface MergeHow {
  /** Names the file in problems. */
  readonly where: string
  /** Make it the current context. A file without contexts gets one in any case. */
  readonly use: boolean
  /** Put it in place of entries of the same name that belong to another cluster. */
  readonly replace: boolean
}

const EXTENSION = 'k3s-platform'
const CA = 'certificate-authority-data'

/**
 * From the kubeconfig that k3s writes: everything in it is called `default` and points to 127.0.0.1. `where` names it in
 * problems. Throws ProblemError for what is anything else.
 */
export function accessOf(text: string, how: { name: string; server: string; origin?: Origin; where: string }): Access {
  const { ca, client, token } = parseNodeKubeconfig(text, how.where)
  const base64 = (pem: string) => Buffer.from(pem, 'latin1').toString('base64')
  return {
    name: how.name,
    cluster: {
      [CA]: base64(ca),
      server: how.server,
      ...(how.origin && { extensions: [{ name: EXTENSION, extension: { ...how.origin } }] }),
    },
    user: {
      ...(client && {
        'client-certificate-data': base64(client.certificate),
        'client-key-data': base64(client.key),
      }),
      ...(token !== undefined && { token }),
    },
  }
}

/** A kubeconfig of nothing else. */
export function kubeconfigOf(access: readonly Access[]): Kubeconfig {
  return {
    apiVersion: 'v1',
    kind: 'Config',
    preferences: {},
    clusters: access.map(({ name, cluster }) => ({ name, cluster })),
    users: access.map(({ name, user }) => ({ name, user })),
    contexts: access.map(({ name }) => ({ name, context: { cluster: name, user: name } })),
    'current-context': access[0]?.name ?? '',
  }
}

export interface Merged {
  readonly text: string
  readonly is: 'added' | 'updated' | 'unchanged'
}

/** `text` null: there is no file. Throws ProblemError of kind `usage`: not a kubeconfig, or names that others bear. */
export function merge(text: string | null, access: Access, how: MergeHow): Merged {
  const file = readKubeconfig(text ?? '', how.where)
  const { data } = file
  const { name } = access
  const there = (list: List) => data[list]?.find((entry) => entry.name === name)
  const cluster = there('clusters')
  const same = cluster !== undefined && sameCluster(cluster, access)
  const problems = how.replace ? [] : taken(data, access, same, how.where)
  if (problems.length > 0) throw new ProblemError(problems)

  const wanted = kubeconfigOf([access])
  const withIt = (list: List): readonly NamedEntry[] => {
    const old = there(list)
    const [entry] = wanted[list] ?? []
    const all = data[list] ?? []
    if (entry === undefined) return all
    if (old === undefined) return [...all, entry]
    const key = LISTS[list]
    // What people add to an entry of the same cluster stays: a namespace, a proxy.
    const kept = same && list !== 'users' ? { ...asMap(old[key]), ...asMap(entry[key]) } : entry[key]
    return all.map((one) => (one === old ? { ...(same ? old : {}), ...entry, [key]: kept } : one))
  }
  const current = how.use || (data.contexts ?? []).length === 0 ? { 'current-context': name } : {}
  const next: Kubeconfig = {
    ...(file.document === null ? { apiVersion: 'v1', kind: 'Config' } : {}),
    ...data,
    clusters: withIt('clusters'),
    users: withIt('users'),
    contexts: withIt('contexts'),
    ...current,
  }
  if (isDeepStrictEqual(next, data)) return { text: text ?? '', is: 'unchanged' }
  return { text: rewrite(file, next, how.where), is: there('contexts') ? 'updated' : 'added' }
}

/** Names of the contexts whose cluster has this origin. Throws as readKubeconfig does. */
export function contextsFrom(text: string, origin: Origin, where: string): string[] {
  return (readKubeconfig(text, where).data.clusters ?? [])
    .filter((entry) => isDeepStrictEqual(originOf(entry), { host: origin.host, address: origin.address }))
    .map(({ name }) => name)
}

/** The text without clusters of this origin, their contexts, and their users unless another context has them. */
export function without(text: string, origin: Origin, where: string): string {
  const names = contextsFrom(text, origin, where)
  const file = readKubeconfig(text, where)
  const { data } = file
  const contexts = (data.contexts ?? []).filter(
    ({ name, context }) => !(names.includes(name) && asMap(context).cluster === name),
  )
  const used = new Set(contexts.map(({ context }) => asMap(context).user))
  const current = data['current-context'] ?? ''
  return rewrite(
    file,
    {
      ...data,
      ...(data.clusters ? { clusters: data.clusters.filter(({ name }) => !names.includes(name)) } : {}),
      ...(data.users ? { users: data.users.filter(({ name }) => !names.includes(name) || used.has(name)) } : {}),
      ...(data.contexts ? { contexts } : {}),
      ...(names.includes(current) && !contexts.some(({ name }) => name === current) ? { 'current-context': '' } : {}),
    },
    where,
  )
}

/** A cluster is known by its CA. A node that was installed anew has another one, and is still the node that we wrote. */
function sameCluster(entry: NamedEntry, { cluster }: Access): boolean {
  const old = asMap(entry.cluster)
  const origin = originOf(entry)
  if (origin !== null && isDeepStrictEqual(origin, originOf({ name: '', cluster }))) return true
  return CA in old ? old[CA] === cluster[CA] : old.server === cluster.server
}

function taken(data: Kubeconfig, { name, cluster }: Access, same: boolean, where: string): Problem[] {
  const hint = 'choose another name: --context NAME; or replace the existing entries: --replace'
  const there = (list: List) => data[list]?.find((entry) => entry.name === name)
  const problem = (what: string, why: string): Problem => ({ kind: 'usage', where, what, why, hint })
  const [old, context] = [there('clusters'), asMap(there('contexts')?.context)]
  if (old !== undefined && !same) {
    const why = `its server is ${asMap(old.cluster).server}, the new server is ${cluster.server}; their CAs differ`
    return [problem(`cluster "${name}" already exists and is another cluster`, why)]
  }
  if (there('contexts') && (context.cluster !== name || context.user !== name)) {
    const why = `it is user "${context.user}" of cluster "${context.cluster}"`
    return [problem(`context "${name}" already exists and is another context`, why)]
  }
  if (there('users') && !same) return [problem(`user "${name}" already exists`, 'it belongs to another cluster')]
  return []
}

const extensions = z.object({
  extensions: z.array(z.object({ name: z.string(), extension: z.unknown() })),
})
const origin = z.object({ host: z.string(), address: z.string() })

function originOf(entry: NamedEntry): Origin | null {
  const found = extensions.safeParse(entry.cluster).data?.extensions.find(({ name }) => name === EXTENSION)
  return origin.safeParse(found?.extension).data ?? null
}

function asMap(value: unknown): Readonly<Record<string, unknown>> {
  return isMap(value) ? value : {}
}
