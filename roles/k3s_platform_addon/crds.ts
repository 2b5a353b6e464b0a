// Deletes the CRDs of disabled addons with all their objects, if --delete-crds is set.

import { z } from 'zod'
import type { Cluster } from '../../src/cluster/cluster.ts'
import { stuck } from '../../src/cluster/kinds/object.ts'
import { type Live, refOf } from '../../src/cluster/object.ts'
import type { ClusterResource } from '../../src/cluster/resource.ts'
import { deleted } from '../../src/cluster/wait.ts'
import { ProblemError } from '../../src/engine/problem.ts'

/** All objects of a kind go with it, some of them by finalizers. */
const BOUND_SECONDS = 120

/** Only those that the release made: its name and namespace are on them, https://helm.sh/docs/howto/charts_tips_and_tricks/. */
export function crdsGone({
  name,
  ...of
}: {
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
  const title = `CRDs of ${name} and all their objects`
  return {
    id: `crds:${of.namespace}/${of.release}`,
    title,
    before: { actual: {}, desired: {} },
    action: (actual) => `delete ${String(actual?.crds)}`,
    look: async (cluster) => {
      const lost = await Promise.all((await mine(cluster)).map((crd) => objectsOf(cluster, crd)))
      if (lost.length === 0) return { actual: {}, desired: {} }
      const objects = lost
        .filter((one) => one.count > 0)
        .map(({ kind, count: n }) => `${n} ${kind}${n === 1 ? '' : 's'}`)
      const count = lost.length === 1 ? '1 CRD' : `${lost.length} CRDs`
      const crds = `${count} of ${name} with its objects: ${objects.toSorted().join(', ') || 'none'}`
      return { actual: { crds }, desired: { crds: null } }
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

const shape = z.looseObject({
  spec: z.looseObject({
    group: z.string(),
    names: z.looseObject({ kind: z.string() }),
    versions: z.array(z.looseObject({ name: z.string(), served: z.boolean() })),
  }),
})

/** How many of its kind there are, in any namespace. */
async function objectsOf(cluster: Cluster, crd: Live): Promise<{ readonly kind: string; readonly count: number }> {
  const whole = await cluster.get(refOf(crd))
  if (whole === null) return { kind: '', count: 0 }
  const { group, names, versions } = shape.parse(whole).spec
  const version = versions.find(({ served }) => served)?.name ?? ''
  const found = await cluster.list({ apiVersion: `${group}/${version}`, kind: names.kind, metadataOnly: true })
  return { kind: names.kind, count: found.length }
}
