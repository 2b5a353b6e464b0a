// Creates the object that represents the tree when its requirements exist, and suspends or resumes it.

import { object } from '../../cluster/kinds/object.ts'
import { type Live, type Manifest, refOf, titleOf } from '../../cluster/object.ts'
import type { ClusterResource } from '../../cluster/resource.ts'
import type { State } from '../../engine/state.ts'
import { type Applier, isTakenBack, TAKEN_BACK } from '../applier.ts'

/** A kind of which the tree has objects, and who brings it. */
export interface Need {
  readonly apiVersion: string
  readonly kind: string
  /** `cert-manager` */
  readonly from: string
}

/** `manifest` says what is to be of the one that is there. Before it is, whoever applies the tree would fail for lack of kinds. Once it is, Git has the say. */
export function root(
  manifest: (live: Live | null) => Manifest,
  applier: Applier,
  needs: readonly Need[],
  inputs: readonly string[] = [],
): ClusterResource {
  const made = (live: Live | null) => object(manifest(live), { inputs })
  return {
    ...made(null),
    look: async (cluster, at) => {
      const live = await cluster.get(applier.root)
      if (live !== null && applier.stopped(live)) {
        const how = isTakenBack(live) ? 'reclaimed; to hand it over again: apply --hand-over' : 'suspended'
        return { actual: {}, desired: {}, owner: `${applier.title} (${how})` }
      }
      if (live === null) {
        const served = await Promise.all(needs.map((need) => cluster.serves(need)))
        const lacking = [...new Set(needs.flatMap(({ from }, i) => (served[i] ? [] : [from])))]
        if (lacking.length > 0)
          return { actual: null, desired: { present: true }, deferred: `once ${lacking.join(' and ')} is there` }
      }
      return made(live).look(cluster, at)
    },
    make: async (change, cluster, how) => made(await cluster.get(applier.root)).make(change, cluster, how),
  }
}

const [RUNS, STOPS] = ['runs', 'stopped']

/** Stops all that applies the tree, or lets it go on, whoever had stopped it. */
export function switched(applier: Applier, stop: boolean): ClusterResource {
  const { root: ref } = applier
  const title = `the objects that ${ref.name} applies`
  const isRoot = ({ kind, metadata }: Live) => kind === ref.kind && metadata.name === ref.name
  const isSo = (live: Live) => applier.stopped(live) === stop && (!isRoot(live) || isTakenBack(live) === stop)
  return {
    id: `switch:${ref.kind}/${ref.name}`,
    title,
    before: { actual: {}, desired: {} },
    action: (actual) => {
      const count = Object.keys(actual ?? {}).length
      const what = `${count} ${ref.kind}${count === 1 ? '' : 's'}`
      return stop ? `suspend ${what} to reclaim ${title}` : `resume ${what} to hand over ${title}`
    },
    look: async (cluster) => {
      const all = (await applier.workers(cluster)).filter((live) => !isSo(live))
      const state = (is: string): State => Object.fromEntries(all.map((live) => [titleOf(refOf(live)), is]))
      return { actual: state(stop ? RUNS : STOPS), desired: state(stop ? STOPS : RUNS) }
    },
    make: async (_, cluster) => {
      for (const live of await applier.workers(cluster)) {
        if (isSo(live)) continue
        const mark = isRoot(live) ? { [TAKEN_BACK]: stop ? 'true' : null } : {}
        const { spec, annotations } = applier.switched(stop)
        await cluster.patch(refOf(live), { metadata: { annotations: { ...mark, ...annotations } }, spec })
      }
    },
  }
}
