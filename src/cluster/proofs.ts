// Proofs that something works: the webhook takes an object, the server answers, the Secret holds what it should.

import { z } from 'zod'
import { fieldsOfAnswer } from './answer.ts'
import { ApiError, type Cluster } from './cluster.ts'
import { type Live, type Manifest, type Ref, titleOf } from './object.ts'
import { podRuns, podTrouble } from './pod.ts'
import type { Looking, Readiness } from './resource.ts'

export type Proof = (cluster: Cluster, at: Looking) => Promise<Readiness>

const NAME = 'k3s-platform-proof'

/** cert-manager's webhook takes a Certificate (dry run): it answers, and the API server trusts it. */
export function acceptsCertificate(namespace = 'cert-manager'): Proof {
  return accepts({
    apiVersion: 'cert-manager.io/v1',
    kind: 'Certificate',
    metadata: { name: NAME, namespace },
    spec: { secretName: NAME, dnsNames: ['proof.invalid'], issuerRef: { name: NAME, kind: 'ClusterIssuer' } },
  })
}

/** external-secrets' webhook takes an ExternalSecret (dry run). */
export function acceptsExternalSecret(namespace: string): Proof {
  return accepts({
    apiVersion: 'external-secrets.io/v1',
    kind: 'ExternalSecret',
    metadata: { name: NAME, namespace },
    spec: {
      secretStoreRef: { name: NAME, kind: 'ClusterSecretStore' },
      target: { name: NAME },
      data: [{ secretKey: 'proof', remoteRef: { key: 'proof' } }],
    },
  })
}

function accepts(manifest: Manifest): Proof {
  const { kind, apiVersion } = manifest
  return async (cluster) => {
    try {
      await cluster.create(manifest, { dryRun: true })
      return { is: 'ready' }
    } catch (error) {
      if (!(error instanceof ApiError)) throw error
      const { message, code, reason } = error
      if (reason === 'AlreadyExists') return { is: 'ready' }
      const [, webhook, why = ''] =
        /failed calling webhook "([^"]+)": (?:failed to call webhook: )?([\s\S]*)/.exec(message) ?? []
      if (webhook !== undefined) return { is: 'waiting', why: `its webhook does not answer: ${shortened(why)}` }
      if (code === 404) return { is: 'waiting', why: `the API does not serve ${kind} of ${apiVersion} yet: ${message}` }
      if (/being terminated/.test(message)) return { is: 'waiting', why: message }
      // Throttled, no leader, a server error: not the manifest's fault.
      if (code >= 500 || code === 429) return { is: 'waiting', why: message }
      return { is: 'failed', why: `a test ${kind} was rejected: ${message}` }
    }
  }
}

/** `Post "https://x.svc:443/validate?timeout=30s": dial tcp 10.43.0.1:443: connect: connection refused`: its end. */
function shortened(message: string): string {
  return message.replace(/^Post "[^"]*": /, '').trim()
}

const service = z.looseObject({
  spec: z
    .looseObject({
      type: z.string().default('ClusterIP'),
      ports: z.array(z.looseObject({ name: z.string().default(''), port: z.number() })).default([]),
    })
    .prefault({}),
  status: z
    .looseObject({
      loadBalancer: z
        .looseObject({
          ingress: z.array(z.looseObject({ ip: z.string().optional(), hostname: z.string().optional() })).default([]),
        })
        .prefault({}),
    })
    .prefault({}),
})

/** A Service of type LoadBalancer by name, or a port of the node that runs the pods with these labels. */
export type HttpPlace =
  | { readonly namespace: string; readonly service: string; readonly hostPort?: never }
  | { readonly namespace: string; readonly hostPort: number; readonly pods: string; readonly service?: never }

const HTTP_MS = 5000

/** Something answers HTTP there; any status is an answer. */
export function answersHttp(place: HttpPlace): Proof {
  return async (cluster) => {
    const found = await hostOf(cluster, place)
    if ('is' in found) return found
    try {
      await cluster.http({ ...found, path: '/', timeoutMs: HTTP_MS })
      return { is: 'ready' }
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error)
      return { is: 'waiting', why: `nothing answers HTTP at ${found.host}:${found.port}: ${why}` }
    }
  }
}

const onNode = z.looseObject({ status: z.looseObject({ hostIP: z.string().optional() }).prefault({}) })

/** Where the node reaches it. A host port may be that of another node of the cluster. */
export async function hostOf(cluster: Cluster, place: HttpPlace): Promise<{ host: string; port: number } | Readiness> {
  if (place.service !== undefined) return addressOf(cluster, place)
  const { namespace, hostPort, pods: labels } = place
  const pods = await cluster.list({ apiVersion: 'v1', kind: 'Pod', namespace, labels })
  const running = pods.filter((pod) => pod.metadata.deletionTimestamp === undefined && podRuns(pod))
  const hosts = running.flatMap((pod) => fieldsOfAnswer(onNode, pod).status.hostIP ?? [])
  return { host: hosts[0] ?? '127.0.0.1', port: hostPort }
}

async function addressOf(
  cluster: Cluster,
  { namespace, service: name }: { readonly namespace: string; readonly service: string },
): Promise<{ host: string; port: number } | Readiness> {
  const ref: Ref = { apiVersion: 'v1', kind: 'Service', namespace, name }
  const live = await cluster.get(ref)
  if (live === null) return { is: 'waiting', why: `${titleOf(ref)} does not exist` }
  const { spec, status } = fieldsOfAnswer(service, live)
  const port = (spec.ports.find((one) => one.name === 'http' || one.port === 80) ?? spec.ports[0])?.port ?? 80
  const { ip, hostname } = status.loadBalancer.ingress[0] ?? {}
  const host = ip ?? hostname
  if (host !== undefined) return { host, port }
  if (spec.type !== 'LoadBalancer') {
    return { is: 'failed', why: `${titleOf(ref)} has type ${spec.type} and therefore no address outside the cluster` }
  }
  return { is: 'waiting', ...(await noAddress(cluster, namespace, name)) }
}

/** k3s's servicelb runs a pod per Service that takes its ports on the node; it says why it cannot. */
async function noAddress(cluster: Cluster, namespace: string, name: string): Promise<{ why: string; hint?: string }> {
  const pods = await cluster.list({
    apiVersion: 'v1',
    kind: 'Pod',
    namespace: 'kube-system',
    labels: `svccontroller.k3s.cattle.io/svcname=${name},svccontroller.k3s.cattle.io/svcnamespace=${namespace}`,
  })
  const title = titleOf({ kind: 'Service', namespace, name })
  if (pods.length === 0) {
    return {
      why: `${title} has no address: no controller assigns LoadBalancer addresses`,
      hint: 'servicelb is disabled in k3s, and no other load balancer controller is installed: enable it, or use host ports',
    }
  }
  const why = pods.flatMap((pod: Live) => podTrouble(pod)?.why ?? [])[0]
  if (why === undefined) return { why: `${title} has no address yet` }
  const taken = /free ports/.test(why)
  return {
    why: `${title} has no address: ${why}`,
    ...(taken && {
      hint: 'its ports are in use on the node by another Service or pod: kubectl get svc -A | grep LoadBalancer',
    }),
  }
}

const entries = z.looseObject({ data: z.record(z.string(), z.string()).default({}) })

/** A Secret is there and each of these entries holds something. */
export function secretThere(
  ref: { readonly namespace: string; readonly name: string },
  keys: readonly string[],
): Proof {
  return async (cluster) => {
    const title = titleOf({ ...ref, kind: 'Secret' })
    const live = await cluster.get({ apiVersion: 'v1', kind: 'Secret', ...ref })
    if (live === null) return { is: 'waiting', why: `${title} does not exist` }
    const { data } = fieldsOfAnswer(entries, live)
    const lost = keys.filter((key) => !data[key])
    return lost.length === 0 ? { is: 'ready' } : { is: 'waiting', why: `${title} has no key ${lost.join(', ')}` }
  }
}
