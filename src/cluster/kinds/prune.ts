// Deletes objects that left the inventory, or only forgets them if the role may not delete them.

import { ProblemError } from '../../engine/problem.ts'
import type { State } from '../../engine/state.ts'
import type { Cluster } from '../cluster.ts'
import { type Live, type Ref, titleOf } from '../object.ts'
import { isOurs, ownerOf } from '../ownership.ts'
import type { ClusterResource } from '../resource.ts'
import { deleted } from '../wait.ts'
import { stuck } from './object.ts'
import { hold, objectsOf, type RoleObjects, unwanted } from './record.ts'

export interface PruneSpec extends RoleObjects {
  /** Words for what is lost or stays when it is deleted: `uninstalls the release caddy`. null: nothing worth saying. */
  readonly goesWith?: (ref: Ref, cluster: Cluster) => Promise<string | null>
  /** Deals with these alone, and takes what they own along: it stands before what takes their place. */
  readonly only?: readonly Ref[]
}

/** What is lost with these is not ours. */
export const KEPT: Readonly<Record<string, string>> = {
  CustomResourceDefinition: 'deleting it would delete all objects of its kind: it is kept',
  PersistentVolumeClaim: 'its data is kept',
  Namespace: 'its contents are kept',
}

/** On an object that is only forgotten: why. */
export const PRUNE_MARK = 'k3s-platform/prune'
const MARKED: Readonly<Record<string, string>> = {
  disabled: 'its entry had prune: false: it is kept',
  generated: 'the secrets that were generated in it are kept',
}

/** Uninstalling a chart takes a job of the cluster, seconds. */
const BOUND_SECONDS = 300

/** `live`: to be deleted. Otherwise it only leaves the record, and `words` say why; without words it is gone already. */
interface Fate {
  readonly ref: Ref
  readonly live: Live | null
  readonly words: string | null
}

/**
 * Stands last in a role, or before what takes the place of `only` these. The newest entries go first: what needs another was applied after it. Nothing is deleted that
 * somebody else took over, and no CustomResourceDefinition, PersistentVolumeClaim or Namespace.
 */
export function prune({ role, wanted, goesWith, only }: PruneSpec): ClusterResource {
  const meant = (refs: readonly Ref[]) => {
    const others = only && unwanted(refs, only)
    return others === undefined ? refs : unwanted(refs, others)
  }
  const stale = async (cluster: Cluster) => meant(unwanted((await objectsOf(cluster, role)) ?? [], wanted)).toReversed()
  const fateOf = async (ref: Ref, cluster: Cluster): Promise<Fate> => {
    const live = await cluster.get(ref)
    if (live === null) return { ref, live, words: null }
    const owner = ownerOf(live)
    const other =
      owner === null
        ? (KEPT[ref.kind] ??
          MARKED[live.metadata.annotations?.[PRUNE_MARK] ?? ''] ??
          (isOurs(live) ? undefined : 'it no longer has fields of k3s-platform'))
        : `${owner} owns it now`
    if (other !== undefined) return { ref, live: null, words: other }
    return { ref, live, words: (await goesWith?.(ref, cluster)) ?? null }
  }
  return {
    id: `${only ? 'make-way' : 'prune'}:${role}`,
    title: only ? 'replaced objects' : 'objects that are no longer in the inventory',
    before: { actual: {}, desired: {} },
    action: (actual) => sentence(actual ?? {}),
    look: async (cluster) => {
      const refs = await stale(cluster)
      const fates = await Promise.all(refs.map((ref) => fateOf(ref, cluster)))
      return {
        actual: Object.fromEntries(fates.map((fate) => [titleOf(fate.ref), told(fate)])),
        desired: Object.fromEntries(refs.map((ref) => [titleOf(ref), null])),
      }
    },
    make: async (_, cluster, how) => {
      for (const ref of await stale(cluster)) {
        if (how.stop.aborted) return
        const { live } = await fateOf(ref, cluster)
        if (live !== null) {
          const gone = await deleted(cluster, ref, live, how, BOUND_SECONDS, only && { owned: 'first' })
          if (gone.is === 'stopped') return
          if (gone.is === 'late') throw new ProblemError(stuck(`${how.host} ${titleOf(ref)}`, ref, gone))
        }
      }
      const left = await objectsOf(cluster, role)
      const dealtWith = meant(unwanted(left ?? [], wanted))
      await hold(cluster, role, unwanted(left ?? [], dealtWith))
    },
  }
}

const [DELETE, FORGET, GONE] = ['delete', 'forget', 'gone']

function told({ live, words }: Fate): string {
  if (live === null && words === null) return GONE
  return `${live === null ? FORGET : DELETE}${words === null ? '' : `: ${words}`}`
}

/** `delete Certificate database/old (its Secret stays), forget Namespace old (its contents are kept)`. */
function sentence(fates: State): string {
  const parts = [DELETE, FORGET].flatMap((verb) => {
    const titles = Object.entries(fates).flatMap(([title, fate]) => {
      const [word, ...words] = String(fate).split(': ')
      return word === verb ? `${title}${words.length > 0 ? ` (${words.join(': ')})` : ''}` : []
    })
    return titles.length === 0 ? [] : `${verb} ${titles.join(', ')}`
  })
  const gone = Object.keys(fates).length
  return parts.join(', ') || `forget ${gone === 1 ? 'a deleted object' : `${gone} deleted objects`}`
}
