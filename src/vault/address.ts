// Where a Vault is reached from the node: the names of Services are known in the cluster only, so the API is asked for them.

import { z } from 'zod'
import { fieldsOfAnswer } from '../cluster/answer.ts'
import type { Cluster, NodeRequest } from '../cluster/cluster.ts'
import type { ConnectionError } from './connection-errors.ts'

const service = z.looseObject({
  spec: z.looseObject({
    type: z.string().optional(),
    clusterIP: z.string().optional(),
    externalName: z.string().optional(),
  }),
})

type Place = Pick<NodeRequest, 'host' | 'address' | 'port'>

/** Not `vault.core.svc.plus`: that is a domain like any other. */
const SERVICE = /^([a-z0-9-]+)\.([a-z0-9-]+)\.svc(\.cluster\.local)?$/

/** null: it is a Service that is not there, or has no address. */
export async function placeOf(server: URL, cluster: Cluster): Promise<Place | null> {
  const host = server.hostname.replace(/^\[|\]$/g, '')
  const place: Place = { host, port: Number(server.port || (server.protocol === 'https:' ? 443 : 80)) }
  const [, name, namespace] = SERVICE.exec(host) ?? []
  if (name === undefined || namespace === undefined) return place
  const found = await cluster.get({ apiVersion: 'v1', kind: 'Service', namespace, name })
  const { type, clusterIP = '', externalName } = fieldsOfAnswer(service, found ?? { spec: {} }).spec
  const address = type === 'ExternalName' ? externalName : clusterIP.replace('None', '')
  return address ? { ...place, address } : null
}

export function noAddress({ hostname }: URL): ConnectionError {
  const [, name, namespace] = SERVICE.exec(hostname) ?? []
  return {
    why: `the Service ${namespace}/${name} does not exist or has no address`,
    hint: `kubectl -n ${namespace} get services; if Flux deploys it: k3s_platform_vault_init_phase: post_flux`,
  }
}

/** Whether what is sent there stays on the node or in its cluster. */
export function isNear({ hostname }: URL): boolean {
  return SERVICE.test(hostname) || /^(localhost|127\.[\d.]+|\[::1\])$/.test(hostname)
}
