// Records the applied objects in one ConfigMap of the cluster: one key per role, one line per object.

import { isMap, type State } from '../../engine/state.ts'
import { ApiError, type Cluster } from '../cluster.ts'
import { idOf, type Ref, titleOf } from '../object.ts'
import type { ClusterResource } from '../resource.ts'

export interface RoleObjects {
  /** The role's name is the key in the ConfigMap. */
  readonly role: string
  /** All that the whole role applies, in its order, whichever part of it runs. */
  readonly wanted: readonly Ref[]
}

const INVENTORY: Ref = {
  apiVersion: 'v1',
  kind: 'ConfigMap',
  namespace: 'kube-system',
  name: 'k3s-platform-inventory',
}

/**
 * Stands first in a role: what is wanted is written down before it is applied, so that a run that is killed leaves nothing
 * unknown. What was held before stays until `prune` has dealt with it.
 */
export function record({ role, wanted }: RoleObjects): ClusterResource {
  const goal = (held: readonly Ref[]): State | null => {
    const known = new Set(held.map(idOf))
    const complete = wanted.every((ref) => known.has(idOf(ref)))
    const lines = textOf(complete ? held : [...wanted, ...unwanted(held, wanted)])
    return lines === '' ? null : { objects: lines }
  }
  return {
    id: `record:${role}`,
    title: titleOf(INVENTORY),
    before: { actual: null, desired: goal([]) },
    look: async (cluster) => {
      const held = await objectsOf(cluster, role)
      return { actual: held && { objects: textOf(held) }, desired: goal(held ?? []) ?? (held && {}) }
    },
    make: async ({ desired }, cluster) => write(cluster, role, String(desired?.objects ?? '')),
  }
}

/** What a role applied, in its order; null: nothing was ever written down. */
export async function objectsOf(cluster: Cluster, role: string): Promise<readonly Ref[] | null> {
  const text = await textIn(cluster, role)
  return text === null ? null : text.split('\n').flatMap((line) => refIn(line) ?? [])
}

/** What is held under a key, as it is. */
export async function textIn(cluster: Cluster, key: string): Promise<string | null> {
  const found = await cluster.get(INVENTORY)
  const text = isMap(found?.data) ? found.data[key] : undefined
  return typeof text === 'string' ? text : null
}

/** undefined: it is no such line. */
export function refIn(line: string): Ref | undefined {
  const [, apiVersion, kind, namespace, name] = /^(\S+) (\S+) (?:([^/\s]+)\/)?(\S+)$/.exec(line) ?? []
  return apiVersion && kind && name ? { apiVersion, kind, namespace, name } : undefined
}

/** Replaces what is held of the role; the other roles' keys stay. */
export async function hold(cluster: Cluster, role: string, refs: readonly Ref[]): Promise<void> {
  await write(cluster, role, textOf(refs))
}

export function unwanted(held: readonly Ref[], wanted: readonly Ref[]): readonly Ref[] {
  const ids = new Set(wanted.map(idOf))
  return held.filter((ref) => !ids.has(idOf(ref)))
}

/** `cert-manager.io/v1 Certificate database/postgresql-tls`, one a line: readable, and byte-stable. */
function textOf(refs: readonly Ref[]): string {
  return [...new Set(refs.map((ref) => `${lineOf(ref)}\n`))].join('')
}

export function lineOf({ apiVersion, kind, namespace, name }: Ref): string {
  return `${apiVersion} ${kind} ${namespace === undefined ? name : `${namespace}/${name}`}`
}

/** No server-side apply: one role's would take the keys of the others away. */
export async function write(cluster: Cluster, role: string, text: string): Promise<void> {
  const data = { [role]: text }
  try {
    await cluster.patch(INVENTORY, { data })
  } catch (error) {
    if (!(error instanceof ApiError) || error.code !== 404) throw error
    const { apiVersion, kind, namespace = '', name } = INVENTORY
    const labels = { 'app.kubernetes.io/managed-by': 'k3s-platform' }
    await cluster.create({ apiVersion, kind, metadata: { namespace, name, labels }, data })
  }
}
