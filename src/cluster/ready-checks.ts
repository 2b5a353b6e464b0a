// The checks that an inventory can name for a chart: a Service answers, a Deployment or Job is done, a Certificate is issued.

import { z } from 'zod'
import { fieldsOfAnswer } from './answer.ts'
import type { Cluster } from './cluster.ts'
import { conditions, type Ref, titleOf } from './object.ts'
import type { Proof } from './proofs.ts'
import type { Readiness } from './resource.ts'
import { workloadReadiness } from './workload.ts'

/** All of them, one after the other: the first that does not hold is the answer. */
export function allOf(proofs: readonly Proof[]): Proof {
  return async (cluster, at) => {
    for (const proof of proofs) {
      const found = await proof(cluster, at)
      if (found.is !== 'ready') return found
    }
    return { is: 'ready' }
  }
}

/** A Deployment is rolled out, a Job is complete. */
export function workloadReady(ref: Ref): Proof {
  return async (cluster) => {
    const live = await cluster.get(ref)
    return live === null ? absent(ref) : workloadReadiness(live)
  }
}

const issued = z.looseObject({ status: z.looseObject({ conditions }).prefault({}) })

/** cert-manager says that a Certificate is ready. */
export function certificateIssued(namespace: string, name: string): Proof {
  const ref: Ref = { apiVersion: 'cert-manager.io/v1', kind: 'Certificate', namespace, name }
  return async (cluster) => {
    const live = await cluster.get(ref)
    if (live === null) return absent(ref)
    const ready = fieldsOfAnswer(issued, live).status.conditions.find(({ type }) => type === 'Ready')
    if (ready?.status === 'True') return { is: 'ready' }
    const why = `${titleOf(ref)}: ${ready?.message || 'cert-manager has not processed it yet'}`
    return { is: 'waiting', why, hint: `k3s-platform certs explain ${namespace}/${name}` }
  }
}

export interface HttpCheck {
  readonly namespace: string
  readonly service: string
  /** Of the Service. */
  readonly port: number
  readonly path: string
}

const service = z.looseObject({
  spec: z
    .looseObject({
      ports: z.array(z.looseObject({ port: z.number(), name: z.string().default('') })).default([]),
    })
    .prefault({}),
})
const slice = z.looseObject({
  ports: z.array(z.looseObject({ name: z.string().nullish(), port: z.number().nullish() })).nullish(),
  endpoints: z
    .array(
      z.looseObject({
        addresses: z.array(z.string()).default([]),
        conditions: z.looseObject({ ready: z.boolean().nullish() }).nullish(),
      }),
    )
    .nullish(),
})

const HTTP_MS = 5000
const [FIRST_GOOD, FIRST_BAD] = [200, 400]

/**
 * A ready endpoint of the Service answers HTTP at that path with a status below 400, asked from the node. Its pods are asked
 * directly: what lies between (kube-proxy, a mesh) is none of the chart.
 */
export function serviceAnswers({ namespace, service: name, port, path }: HttpCheck): Proof {
  const ref: Ref = { apiVersion: 'v1', kind: 'Service', namespace, name }
  const title = titleOf(ref)
  return async (cluster) => {
    const live = await cluster.get(ref)
    if (live === null) return absent(ref)
    const { ports } = fieldsOfAnswer(service, live).spec
    const found = ports.find((one) => one.port === port)
    if (found === undefined) {
      const known = ports.map((one) => one.port).join(', ')
      return {
        is: 'failed',
        why: `${title} has no port ${port}: ${known === '' ? 'it has none' : `its ports: ${known}`}`,
      }
    }
    const [endpoint] = await endpointsOf(cluster, namespace, name, found.name)
    if (endpoint === undefined) return { is: 'waiting', why: `${title} has no ready endpoint for port ${port}` }
    try {
      const { status } = await cluster.http({ ...endpoint, path, timeoutMs: HTTP_MS })
      if (status >= FIRST_GOOD && status < FIRST_BAD) return { is: 'ready' }
      return { is: 'waiting', why: `${title} answers HTTP ${status} at ${path}` }
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error)
      return { is: 'waiting', why: `${title} does not answer HTTP at ${path}: ${why}` }
    }
  }
}

async function endpointsOf(
  cluster: Cluster,
  namespace: string,
  name: string,
  portName: string,
): Promise<readonly { readonly host: string; readonly port: number }[]> {
  const labels = `kubernetes.io/service-name=${name}`
  const slices = await cluster.list({ apiVersion: 'discovery.k8s.io/v1', kind: 'EndpointSlice', namespace, labels })
  return slices.flatMap((one) => {
    const { ports, endpoints } = fieldsOfAnswer(slice, one)
    const port = (ports ?? []).find((each) => (each.name ?? '') === portName)?.port
    if (port === undefined || port === null) return []
    return (endpoints ?? [])
      .filter((each) => each.conditions?.ready !== false)
      .flatMap(({ addresses }) => addresses.slice(0, 1).map((host) => ({ host, port })))
  })
}

const absent = (ref: Ref): Readiness => ({ is: 'waiting', why: `${titleOf(ref)} does not exist` })
