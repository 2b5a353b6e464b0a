// An object to remove: deleted unless another tool owns it.

import { ProblemError } from '../../engine/problem.ts'
import { idOf, type Ref, titleOf } from '../object.ts'
import { isOurs, ownerOf } from '../ownership.ts'
import type { ClusterResource } from '../resource.ts'
import { deleted } from '../wait.ts'
import { stuck } from './object.ts'

const BOUND_SECONDS = 60

/** With `ours`, one that this program has not made stays as well. */
export function absent(ref: Ref, { ours = false }: { readonly ours?: boolean } = {}): ClusterResource {
  const title = titleOf(ref)
  return {
    id: idOf(ref),
    title,
    before: { actual: null, desired: null },
    look: async (cluster) => {
      const live = await cluster.get(ref)
      if (live === null || (ours && !isOurs(live))) return { actual: null, desired: null }
      const owner = ownerOf(live)
      return { actual: { present: true }, desired: null, ...(owner !== null && { owner }) }
    },
    make: async (_, cluster, how) => {
      const live = await cluster.get(ref)
      const gone = live && (await deleted(cluster, ref, live, how, BOUND_SECONDS))
      if (gone?.is === 'late') throw new ProblemError(stuck(`${how.host} ${title}`, ref, gone))
    },
  }
}
