// Sets what charts cannot: the rollout strategy of pods with host ports, and whether a Service has an address.

import { fieldsOf } from '../../src/cluster/fields.ts'
import { type Ref, titleOf } from '../../src/cluster/object.ts'
import type { ClusterResource } from '../../src/cluster/resource.ts'
import { ProblemError } from '../../src/engine/problem.ts'

const WANTED = { maxSurge: 0, maxUnavailable: 1 }

/**
 * A Deployment's own way is to start the new pod first; on a single node it waits forever for the ports that the old one has.
 * Helm owns the object: only this is set in it, by a merge, because the chart says nothing of it.
 */
export function portsFirst(name: string, namespace: string, inputs: readonly string[]): ClusterResource {
  const ref: Ref = { apiVersion: 'apps/v1', kind: 'Deployment', namespace, name }
  const title = `rollout of ${titleOf(ref)}`
  return {
    id: `rollout:${namespace}/${name}`,
    title,
    inputs,
    before: { actual: null, desired: WANTED },
    look: async (cluster) => {
      const live = await cluster.get(ref)
      const fields = fieldsOf(live)
      const of = (field: string) => fields[`spec.strategy.rollingUpdate.${field}`] ?? null
      const actual = live && { maxSurge: of('maxSurge'), maxUnavailable: of('maxUnavailable') }
      return { actual, desired: WANTED }
    },
    make: async (_, cluster, { host }) => {
      if ((await cluster.get(ref)) === null) {
        const what = `${titleOf(ref)} does not exist`
        const hint = `if this chart version uses another name, find it: kubectl -n ${namespace} get deployments`
        throw new ProblemError({ kind: 'failed', where: `${host} ${title}`, what, hint })
      }
      await cluster.patch(ref, { spec: { strategy: { type: 'RollingUpdate', rollingUpdate: WANTED } } })
    },
  }
}

/**
 * A Service keeps its address, or that it has none, as long as it lives: Helm's upgrade would be refused. It goes before, and
 * Helm recreates it.
 */
export function replacedService(name: string, namespace: string, headless: boolean): ClusterResource {
  const ref: Ref = { apiVersion: 'v1', kind: 'Service', namespace, name }
  const wanted = { headless }
  return {
    id: `address:${namespace}/${name}`,
    title: titleOf(ref),
    before: { actual: wanted, desired: wanted },
    action: () => `delete ${titleOf(ref)}: clusterIP None is immutable, so Helm recreates it`,
    look: async (cluster) => {
      const address = fieldsOf(await cluster.get(ref))['spec.clusterIP']
      const actual = typeof address === 'string' ? { headless: address === 'None' } : wanted
      return { actual, desired: wanted }
    },
    make: (_, cluster) => cluster.delete(ref),
  }
}
