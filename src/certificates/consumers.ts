// Lists what uses the Secret of a certificate: Ingresses, and the workloads whose Pods mount it.

import { z } from 'zod'

const secretVolume = z.looseObject({ secretName: z.string() })
const projected = z.looseObject({
  sources: z
    .array(z.looseObject({ secret: z.looseObject({ name: z.string() }).optional().catch(undefined) }))
    .catch([]),
})
const secretRef = z.looseObject({ secretKeyRef: z.looseObject({ name: z.string() }) })
const container = z.looseObject({
  env: z.array(z.looseObject({ valueFrom: secretRef.optional().catch(undefined) })).catch([]),
})
const owner = z.looseObject({ kind: z.string(), name: z.string(), controller: z.boolean().default(false) })
const consumer = z.looseObject({
  kind: z.enum(['Ingress', 'Pod']),
  metadata: z.looseObject({
    namespace: z.string(),
    name: z.string(),
    ownerReferences: z.array(owner).catch([]),
  }),
  spec: z.looseObject({
    tls: z.array(z.looseObject({ secretName: z.string().optional().catch(undefined) })).catch([]),
    volumes: z
      .array(
        z.looseObject({
          secret: secretVolume.optional().catch(undefined),
          projected: projected.optional().catch(undefined),
        }),
      )
      .catch([]),
    containers: z.array(container).catch([]),
  }),
})
type Consumer = z.output<typeof consumer>

/** The consumers of a Secret, sorted: `Deployment/web`, `Ingress/shop`. */
export type ConsumersOf = (namespace: string, secretName: string) => readonly string[]

/** `objects`: Ingresses and Pods, the API's JSON. What is neither is left out. */
export function consumers(objects: readonly unknown[]): ConsumersOf {
  const bySecret = new Map<string, Set<string>>()
  for (const object of objects) {
    const { data } = consumer.safeParse(object)
    if (data === undefined) continue
    for (const secret of secretsOf(data)) {
      const key = `${data.metadata.namespace}/${secret}`
      bySecret.set(key, (bySecret.get(key) ?? new Set()).add(titleOf(data)))
    }
  }
  return (namespace, secretName) => [...(bySecret.get(`${namespace}/${secretName}`) ?? [])].toSorted()
}

const secretsOf = ({ spec }: Consumer): string[] =>
  [
    ...spec.tls.map(({ secretName }) => secretName),
    ...spec.volumes.map(({ secret }) => secret?.secretName),
    ...spec.volumes.flatMap((volume) => volume.projected?.sources.map(({ secret }) => secret?.name) ?? []),
    ...spec.containers.flatMap(({ env }) => env.map(({ valueFrom }) => valueFrom?.secretKeyRef.name)),
  ].filter((name) => name !== undefined)

/** A Pod by its controller; a ReplicaSet by its Deployment, whose name it has with a hash. */
function titleOf({ kind, metadata }: Consumer): string {
  const controller = metadata.ownerReferences.find((one) => one.controller)
  if (kind === 'Ingress' || controller === undefined) return `${kind}/${metadata.name}`
  if (controller.kind === 'ReplicaSet') return `Deployment/${controller.name.replace(/-[a-z0-9]+$/, '')}`
  return `${controller.kind}/${controller.name}`
}
