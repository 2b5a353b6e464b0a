// The shape of what `status -o json` and `-o yaml` print; docs/schema/status-v1.json is made from it.

import { z } from 'zod'
import { problem } from './run-v1.ts'

const count = z.int().nonnegative()
const time = z.string().describe('RFC 3339')
const text = z.string().nullable()

const nodeV1 = z
  .strictObject({
    about: z.string().describe('distribution, architecture, CPUs, memory'),
    uptimeSeconds: count.nullable(),
    disk: z
      .strictObject({ path: z.string().describe('mount point'), sizeMiB: count, freeMiB: count, usedPercent: count })
      .nullable()
      .describe('of the data directory of k3s'),
    memory: z.strictObject({ totalMiB: count, availableMiB: count, usedPercent: count }).nullable(),
    rebootRequired: z.boolean(),
    k3s: z
      .strictObject({
        version: text.describe('of the API; of the binary while the API does not answer'),
        newestLocked: text.describe('the newest release in the lock file'),
        ready: z.boolean().describe('the API answers'),
      })
      .readonly(),
    k3sCertificates: z
      .array(z.strictObject({ name: z.string().describe('file name'), notAfter: time }).readonly())
      .readonly(),
    snapshots: z.strictObject({ count, newest: time.nullable() }).describe('of the datastore, on the node'),
  })
  .readonly()

const clusterV1 = z
  .strictObject({
    addons: z
      .array(
        z
          .strictObject({
            name: z.string(),
            namespace: z.string(),
            version: text,
            state: z.enum(['Running', 'Degraded', 'Failed']),
            why: text,
          })
          .readonly(),
      )
      .readonly(),
    handoff: z
      .strictObject({
        by: z.enum(['flux', 'argocd']),
        root: z.string().describe('the Kustomization or Application of the whole tree'),
        ready: z.boolean(),
        revision: text,
        since: time.nullable().describe('when the revision was fetched (Flux) or synced (Argo CD)'),
        objects: count,
        drift: z.boolean().describe('the cluster does not have the newest fetched revision'),
      })
      .readonly()
      .nullable()
      .describe('null: nothing was handed over'),
    certificates: z
      .array(
        z
          .strictObject({
            namespace: z.string(),
            name: z.string(),
            state: z.string().describe('as in certs list'),
            status: z.enum(['issued', 'pending', 'failed']),
            notAfter: time.nullable(),
          })
          .readonly(),
      )
      .readonly(),
  })
  .readonly()

const hostV1 = z
  .strictObject({
    name: z.string(),
    status: z.enum(['ok', 'warnings', 'failed']).describe('failed: it could not be read as a whole'),
    notWell: z.array(problem).readonly().describe('each with the command that fixes or explains it'),
    node: nodeV1.nullable().describe('null: it could not be read'),
    cluster: clusterV1.nullable().describe('null: it could not be read'),
  })
  .readonly()

export const statusDocument = z.strictObject({
  schema: z.literal('k3s-platform/status/v1'),
  status: z.enum(['ok', 'warnings', 'failed']),
  exitCode: z.union([z.literal(0), z.literal(1), z.literal(2)]),
  hosts: z.array(hostV1).readonly(),
})

export type StatusDocument = z.output<typeof statusDocument>
export type HostStatus = z.output<typeof hostV1>
export type NodeStatusV1 = z.output<typeof nodeV1>
export type ClusterStatusV1 = z.output<typeof clusterV1>
