// Reads how cert-manager itself is: its Deployments, its webhook's configuration and endpoints, its ServiceMonitors.

import { z } from 'zod'
import type { Ask } from './asks.ts'

const NAMESPACE = 'cert-manager'

/** Everything that `components` understands, to be read in parallel. */
export const COMPONENT_ASKS: readonly Ask[] = [
  { apiVersion: 'apps/v1', kind: 'Deployment', namespace: NAMESPACE },
  { apiVersion: 'admissionregistration.k8s.io/v1', kind: 'ValidatingWebhookConfiguration' },
  { apiVersion: 'admissionregistration.k8s.io/v1', kind: 'MutatingWebhookConfiguration' },
  { apiVersion: 'discovery.k8s.io/v1', kind: 'EndpointSlice', namespace: NAMESPACE },
  { apiVersion: 'v1', kind: 'Service', namespace: NAMESPACE },
  { apiVersion: 'monitoring.coreos.com/v1', kind: 'ServiceMonitor', namespace: NAMESPACE },
]

const number = z.number().default(0).catch(0)
const strings = z.record(z.string(), z.string()).default({}).catch({})
const metadata = z.looseObject({ name: z.string(), labels: strings })

const deployment = z.looseObject({
  kind: z.literal('Deployment'),
  metadata,
  spec: z.looseObject({ replicas: z.number().default(1).catch(1) }),
  status: z
    .looseObject({
      availableReplicas: number,
      conditions: z
        .array(
          z.looseObject({
            type: z.string(),
            status: z.string(),
            reason: z.string().optional(),
            message: z.string().optional(),
          }),
        )
        .default([])
        .catch([]),
    })
    .prefault({}),
})
const configuration = z.looseObject({
  kind: z.enum(['ValidatingWebhookConfiguration', 'MutatingWebhookConfiguration']),
  metadata,
  webhooks: z
    .array(
      z.looseObject({
        name: z.string(),
        failurePolicy: z.string().catch('Fail'),
        clientConfig: z.looseObject({
          caBundle: z.string().optional().catch(undefined),
          service: z.looseObject({ namespace: z.string(), name: z.string() }).optional().catch(undefined),
        }),
      }),
    )
    .catch([]),
})
const slice = z.looseObject({
  kind: z.literal('EndpointSlice'),
  metadata,
  endpoints: z
    .array(z.looseObject({ conditions: z.looseObject({ ready: z.boolean().default(true).catch(true) }).prefault({}) }))
    .catch([]),
})
const service = z.looseObject({ kind: z.literal('Service'), metadata })
const monitor = z.looseObject({
  kind: z.literal('ServiceMonitor'),
  metadata,
  spec: z.looseObject({ selector: z.looseObject({ matchLabels: strings }).prefault({}) }),
})

type Deployment = z.output<typeof deployment>

export interface Components {
  readonly deployments: readonly {
    readonly name: string
    readonly state: 'Pending' | 'Running' | 'Degraded' | 'Failed'
    readonly available: number
    readonly replicas: number
    readonly reason: string | null
  }[]
  readonly webhooks: readonly {
    readonly name: string
    readonly kind: string
    readonly failurePolicy: string
    /** cainjector has written the CA by which the API trusts it. */
    readonly hasCa: boolean
    readonly service: string
    readonly readyEndpoints: number
  }[]
  readonly serviceMonitors: readonly {
    readonly name: string
    /** Services that its selector matches. */
    readonly services: readonly string[]
  }[]
}

/** `objects` is what came of COMPONENT_ASKS, as the API's JSON, in any order; what is not understood is left out. */
export function components(objects: readonly unknown[]): Components {
  const all = <T extends z.ZodType>(shape: T) => objects.flatMap((one) => shape.safeParse(one).data ?? [])
  const [slices, services] = [all(slice), all(service)]
  return {
    deployments: all(deployment).map((one) => ({
      name: one.metadata.name,
      ...stateOf(one),
      available: one.status.availableReplicas,
      replicas: one.spec.replicas,
    })),
    webhooks: all(configuration).flatMap(({ kind, webhooks }) =>
      webhooks.flatMap(({ name, failurePolicy, clientConfig }) => {
        const { service: to, caBundle } = clientConfig
        if (to?.namespace !== NAMESPACE) return []
        const own = slices.filter(({ metadata: { labels } }) => labels['kubernetes.io/service-name'] === to.name)
        return {
          ...{ name, kind, failurePolicy, hasCa: caBundle !== undefined && caBundle !== '' },
          service: `${to.namespace}/${to.name}`,
          readyEndpoints: own.flatMap(({ endpoints }) => endpoints).filter(({ conditions }) => conditions.ready).length,
        }
      }),
    ),
    serviceMonitors: all(monitor).map(({ metadata: { name }, spec }) => {
      const wanted = Object.entries(spec.selector.matchLabels)
      const matched = services.filter(({ metadata: { labels } }) =>
        wanted.every(([key, value]) => labels[key] === value),
      )
      return { name, services: matched.map((one) => one.metadata.name) }
    }),
  }
}

function stateOf({ spec, status }: Deployment): Pick<Components['deployments'][number], 'state' | 'reason'> {
  const { availableReplicas: available, conditions } = status
  if (spec.replicas === 0) return { state: 'Failed', reason: 'scaled to 0' }
  if (available >= spec.replicas) return { state: 'Running', reason: null }
  const failed = conditions.find(
    ({ type, status: is }) =>
      (type === 'Progressing' && is === 'False') || (type === 'ReplicaFailure' && is === 'True'),
  )
  const reason = failed?.message ?? failed?.reason ?? null
  if (available > 0) return { state: 'Degraded', reason }
  return { state: failed === undefined ? 'Pending' : 'Failed', reason }
}
