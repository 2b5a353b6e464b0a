// An object that Git owns since the handoff, or that was reclaimed from it.

import { type Live, type Ref, titleOf } from '../../cluster/object.ts'
import { ownerOf } from '../../cluster/ownership.ts'
import type { ClusterResource } from '../../cluster/resource.ts'
import { type Applier, holderOf, isMarked, unmarked } from '../applier.ts'

/** Who took it out of Git meant it: an object that is gone, or a gate of one, is its owner's, and is not made again. */
export function handed(resource: ClusterResource, ref: Ref, applier: Applier): ClusterResource {
  return {
    ...resource,
    look: async (cluster, at) => {
      const seen = await resource.look(cluster, at)
      if (seen.owner !== undefined || seen.desired === null) return seen
      if (seen.actual !== null && resource.writes !== undefined) return seen
      const [live, owner] = await Promise.all([cluster.get(ref), holderOf(cluster, applier)])
      return live === null && owner !== null ? { actual: null, desired: seen.desired, owner } : seen
    },
  }
}

/** The owner that is to be left, in a plan. */
const OWNER = 'owner'

/** Takes the marks of Git off first, and with them every claim to its fields; then it is made as any other. */
export function takenBack(resource: ClusterResource, ref: Ref): ClusterResource {
  const marked = (live: Live | null): live is Live => live !== null && isMarked(live)
  return {
    ...resource,
    action: (actual, desired) =>
      actual?.[OWNER] === undefined ? (resource.action?.(actual, desired) ?? null) : `reclaim ${titleOf(ref)}`,
    look: async (cluster, at) => {
      const live = await cluster.get(ref)
      if (!marked(live)) return resource.look(cluster, at)
      return { actual: { [OWNER]: ownerOf(live) }, desired: { [OWNER]: null } }
    },
    make: async (change, cluster, how) => {
      const live = await cluster.get(ref)
      if (marked(live)) await cluster.patch(ref, unmarked(live))
      await resource.make({ ...change, actual: live === null ? null : change.actual }, cluster, how)
    },
  }
}
