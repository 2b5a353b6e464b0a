// What an addon that is turned off leaves behind, its CRDs with all objects of their kinds: taken away where that is asked for.

import type { Cluster } from '../../src/cluster/cluster.ts'
import { stuck } from '../../src/cluster/kinds/object.ts'
import { type Live, refOf } from '../../src/cluster/object.ts'
import type { ClusterResource } from '../../src/cluster/resource.ts'
import { deleted } from '../../src/cluster/until.ts'
import { ProblemError } from '../../src/engine/problem.ts'

/** All objects of a kind go with it, some of them by finalizers. */
const BOUND_SECONDS = 120

/** Only those that the release made: its name and namespace are on them, https://helm.sh/docs/howto/charts_tips_and_tricks/. */
export function crdsGone(of: {
  readonly name: string
  readonly release: string
  readonly namespace: string
}): ClusterResource {
  const mine = async (cluster: Cluster): Promise<readonly Live[]> => {
    const listing = { apiVersion: 'apiextensions.k8s.io/v1', kind: 'CustomResourceDefinition', metadataOnly: true }
    const all = await cluster.list(listing)
    return all.filter(({ metadata: { annotations = {} } }) => {
      const [release, namespace] = ['release-name', 'release-namespace'].map(
        (key) => annotations[`meta.helm.sh/${key}`],
      )
      return release === of.release && namespace === of.namespace
    })
  }
  const title = `CRDs of ${of.name}, with all objects of their kinds`
  return {
    id: `crds:${of.namespace}/${of.release}`,
    title,
    before: { actual: null, desired: null },
    look: async (cluster) => {
      const names = (await mine(cluster)).map(({ metadata }) => metadata.name).toSorted()
      return { actual: names.length === 0 ? null : { names }, desired: null }
    },
    make: async (_, cluster, how) => {
      for (const live of await mine(cluster)) {
        const gone = await deleted(cluster, refOf(live), live, how, BOUND_SECONDS)
        if (gone.is === 'stopped') return
        if (gone.is === 'late') throw new ProblemError(stuck(`${how.host} ${title}`, refOf(live), gone))
      }
    },
  }
}
