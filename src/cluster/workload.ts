// How far a Deployment, DaemonSet, StatefulSet or Job is: rolled out means that the new pods run, not that old ones do.

import { z } from 'zod'
import { fieldsOfAnswer } from './answer.ts'
import { conditions, type Live, refOf, titleOf } from './object.ts'
import type { Readiness } from './resource.ts'

const count = z.number().default(0)
const shape = z.looseObject({
  spec: z
    .looseObject({
      replicas: z.number().default(1),
      completions: z.number().nullish(),
      suspend: z.boolean().default(false),
      updateStrategy: z
        .looseObject({
          type: z.string().default('RollingUpdate'),
          rollingUpdate: z.looseObject({ partition: count }).nullish(),
        })
        .prefault({}),
      selector: z.looseObject({ matchLabels: z.record(z.string(), z.string()).default({}) }).nullish(),
    })
    .prefault({}),
  status: z
    .looseObject({
      observedGeneration: count,
      replicas: count,
      updatedReplicas: count,
      readyReplicas: count,
      availableReplicas: count,
      desiredNumberScheduled: count,
      updatedNumberScheduled: count,
      numberAvailable: count,
      currentRevision: z.string().default(''),
      updateRevision: z.string().default(''),
      active: count,
      succeeded: count,
      failed: count,
      conditions,
    })
    .prefault({}),
})

/** It is meant to run no pod. */
export const isScaledDown = (live: Live): boolean => fieldsOfAnswer(shape, live).spec.replicas === 0

/** Other kinds are ready when they are there. */
export function workloadReadiness(live: Live): Readiness {
  const title = titleOf(refOf(live))
  const { spec, status } = fieldsOfAnswer(shape, live)
  const on = (type: string) => status.conditions.find((c) => c.type === type && c.status === 'True')
  const waiting = (why: string): Readiness => ({ is: 'waiting', why: `${title}: ${why}` })
  const failed = (why: string): Readiness => ({ is: 'failed', why: `${title}: ${why}` })
  if (live.metadata.deletionTimestamp !== undefined) return waiting('it is being deleted')

  if (live.kind === 'Job') {
    const end = on('Failed')
    if (end !== undefined) return failed(`failed: ${end.message || end.reason}`)
    if (on('Complete') !== undefined) return { is: 'ready' }
    if (spec.suspend) return waiting('it is suspended')
    return waiting(`runs${status.failed > 0 ? `, attempt ${status.failed + 1}` : ''}`)
  }
  if (!['Deployment', 'DaemonSet', 'StatefulSet'].includes(live.kind)) return { is: 'ready' }
  if (status.observedGeneration < (live.metadata.generation ?? 0)) {
    return waiting('Kubernetes has not processed its change yet')
  }

  if (live.kind === 'Deployment') {
    // Past its deadline it goes on all the same: what its pods lack may come.
    const refused = on('ReplicaFailure')
    const more = refused === undefined ? '' : `; pods cannot be created: ${refused.message}`
    const { updatedReplicas: updated, availableReplicas: available } = status
    if (updated < spec.replicas) return waiting(`${updated} of ${spec.replicas} pods are updated${more}`)
    if (status.replicas > updated && available > 0) return waiting('old pods are still terminating')
    return available < updated ? waiting(`${available} of ${updated} pods are available`) : { is: 'ready' }
  }
  if (live.kind === 'DaemonSet') {
    const { desiredNumberScheduled: wanted, updatedNumberScheduled: updated, numberAvailable: available } = status
    if (spec.updateStrategy.type !== 'OnDelete' && updated < wanted) {
      return waiting(`${updated} of ${wanted} pods are updated`)
    }
    return available < wanted ? waiting(`${available} of ${wanted} pods are available`) : { is: 'ready' }
  }
  const wanted = spec.replicas - (spec.updateStrategy.rollingUpdate?.partition ?? 0)
  if (spec.updateStrategy.type !== 'OnDelete') {
    const updated = status.updateRevision === status.currentRevision ? status.replicas : status.updatedReplicas
    if (updated < wanted) return waiting(`${updated} of ${wanted} pods are updated`)
  }
  return status.readyReplicas < spec.replicas
    ? waiting(`${status.readyReplicas} of ${spec.replicas} pods are ready`)
    : { is: 'ready' }
}

/** The label selector of its pods: `app=caddy,tier=web`. */
export function podsOf(live: Live): string {
  const labels = fieldsOfAnswer(shape, live).spec.selector?.matchLabels ?? {}
  return Object.entries(labels)
    .map(([key, value]) => `${key}=${value}`)
    .join(',')
}
