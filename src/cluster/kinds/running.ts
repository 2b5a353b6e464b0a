// Waits until a bundle's kinds are served and its controllers are rolled out.

import type { Cluster, Listing } from '../cluster.ts'
import { type Ref, titleOf } from '../object.ts'
import type { ClusterResource } from '../resource.ts'
import { allRolledOut, troubles } from '../rollout.ts'
import { type GateVerdict, gate } from './gate.ts'

export interface RunningSpec {
  /** `flux` */
  readonly name: string
  readonly title: string
  readonly namespace: string
  /** As kubectl's --selector, of its Deployments. */
  readonly labels: string
  /** Names of the Deployments that have to run; empty: those that there are, and there must be one. */
  readonly controllers: readonly string[]
  /** One of each group that its CRDs make the API serve. */
  readonly kinds: readonly Pick<Ref, 'apiVersion' | 'kind'>[]
  readonly inputs: readonly string[]
  readonly boundSeconds: number
  /** Where it is not there, and nothing of a run brings it. */
  readonly hint?: string
}

export function running(spec: RunningSpec): ClusterResource {
  const { name, title, namespace, labels, inputs, boundSeconds } = spec
  const deployments: Listing = { apiVersion: 'apps/v1', kind: 'Deployment', namespace, labels }
  return gate({
    id: `ready:${name}`,
    title,
    inputs,
    boundSeconds,
    // A controller that ends right after its start has been available for a moment.
    steadySeconds: 3,
    watches: [
      { ...deployments, metadataOnly: true },
      { apiVersion: 'v1', kind: 'Pod', namespace, metadataOnly: true },
    ],
    judge: (cluster) => judge(cluster, spec, deployments),
    evidence: async (cluster) => ({ why: await troubles(cluster, namespace) }),
    hint: spec.hint ?? `kubectl get deployments,pods -n ${namespace} shows details; to wait longer: --timeout`,
  })
}

async function judge(
  cluster: Cluster,
  { controllers, kinds, namespace }: RunningSpec,
  listing: Listing,
): Promise<GateVerdict> {
  const [all, served] = await Promise.all([
    cluster.list(listing),
    Promise.all(kinds.map(async (kind) => ((await cluster.serves(kind)) ? [] : [kind]))),
  ])
  const [kind] = served.flat()
  if (kind !== undefined) return { is: 'waiting', why: `the API does not serve ${kind.kind} of ${kind.apiVersion}` }
  const missing = controllers.find((name) => !all.some(({ metadata }) => metadata.name === name))
  if (missing !== undefined || all.length === 0) {
    const title = missing === undefined ? 'a Deployment' : titleOf({ kind: 'Deployment', namespace, name: missing })
    return { is: 'waiting', why: `${title} does not exist` }
  }
  const wanted = controllers.length === 0 ? all : all.filter(({ metadata }) => controllers.includes(metadata.name))
  return allRolledOut(cluster, namespace, wanted)
}
