// Reads the status of one host: one exec, and one round of lists in its cluster.

import { type CertificateRow, row } from '../../certificates/row.ts'
import { type AddonStatus, addonStatuses } from '../../cluster/addons.ts'
import { ApiError, type Cluster } from '../../cluster/cluster.ts'
import type { Live } from '../../cluster/object.ts'
import type { Problem, ProblemError } from '../../engine/problem.ts'
import { type HandoffStatus, handoffStatus } from '../../gitops/handoff-status.ts'
import { aboutHost, diskAt, type Facts } from '../../host/facts.ts'
import { type NodeStatus, nodeStatusIn } from '../../host/node-status.ts'
import type { HostResource } from '../../host/resource.ts'
import { LinkError } from '../../host/transport.ts'
import { boundedProblems } from '../../report/door.ts'
import type { ClusterStatusV1, HostStatus, NodeStatusV1 } from '../../report/status-v1.ts'
import type { HostSession } from '../session.ts'
import { apiProblems } from './certs-hosts.ts'
import { clusterFindings, nodeFindings } from './status-findings.ts'

/** What was read of a cluster. */
export interface ClusterRead {
  readonly nodes: readonly Live[]
  readonly addons: readonly AddonStatus[]
  readonly handoff: HandoffStatus | null
  readonly certificates: readonly CertificateRow[]
}

export interface StatusContext {
  readonly host: string
  readonly probe: HostResource
  /** The newest release of k3s in the lock file. */
  readonly newestLocked: string | null
  /** A command of this program about this host: `certs explain -n database tls`. */
  readonly command: (words: readonly string[]) => string
  readonly now: Date
}

/** Rejects with ProblemError where the host itself cannot be read. */
export async function readStatus(
  session: HostSession,
  context: StatusContext,
  signal: AbortSignal,
): Promise<HostStatus> {
  const { host, probe, newestLocked } = context
  const { facts, observations } = await session.observeWithApi([probe], signal)
  const { api } = facts
  const found = nodeStatusIn(observations)
  const version = api.is === 'up' ? api.version : (found?.release ?? null)
  const k3s = { version, newestLocked, ready: api.is === 'up' }
  const node = nodeOf(facts, found, k3s)
  const read = api.is === 'up' ? await readCluster(api.cluster, host, context.now) : apiProblems(host, api)
  const isRead = 'addons' in read
  const notWell = [
    ...(isRead ? clusterFindings(read, facts.hostname, context) : read),
    ...nodeFindings(node, found, context),
  ]
  return {
    name: host,
    status: verdict(notWell),
    notWell: boundedProblems(notWell),
    node,
    cluster: isRead ? clusterOf(read) : null,
  }
}

/** A host that could not be read. */
export function unreadStatus(name: string, { problems }: ProblemError): HostStatus {
  return { name, status: 'failed', notWell: boundedProblems(problems), node: null, cluster: null }
}

const verdict = (findings: readonly Problem[]): HostStatus['status'] =>
  findings.some(({ kind }) => kind !== 'warning') ? 'failed' : findings.length > 0 ? 'warnings' : 'ok'

/** Its parts, or why they could not be read. */
async function readCluster(cluster: Cluster, host: string, now: Date): Promise<ClusterRead | readonly Problem[]> {
  try {
    const [nodes, addons, handoff, certificates] = await Promise.all([
      cluster.list({ apiVersion: 'v1', kind: 'Node' }),
      addonStatuses(cluster),
      handoffStatus(cluster),
      cluster.list({ apiVersion: 'cert-manager.io/v1', kind: 'Certificate' }),
    ])
    return { nodes, addons, handoff, certificates: certificates.flatMap((one) => row(one, now) ?? []) }
  } catch (error) {
    if (!(error instanceof ApiError || error instanceof LinkError)) throw error
    return [{ kind: 'failed', where: host, what: 'its cluster could not be read', why: error.message }]
  }
}

function nodeOf(facts: Facts, found: NodeStatus | undefined, k3s: NodeStatusV1['k3s']): NodeStatusV1 {
  const disk = diskAt(facts, found?.dataDir ?? '/')
  const total = facts.memoryMiB
  const available = Math.min(found?.availableMiB ?? total, total)
  return {
    about: aboutHost(facts),
    uptimeSeconds: found?.uptimeSeconds ?? null,
    disk:
      disk === undefined
        ? null
        : {
            path: disk.path,
            sizeMiB: disk.sizeMiB,
            freeMiB: disk.freeMiB,
            usedPercent: used(disk.freeMiB, disk.sizeMiB),
          },
    memory:
      found?.availableMiB == null
        ? null
        : { totalMiB: total, availableMiB: available, usedPercent: used(available, total) },
    rebootRequired: found?.rebootRequired ?? false,
    k3s,
    k3sCertificates: found?.certificates ?? [],
    snapshots: found?.snapshots ?? { count: 0, newest: null },
  }
}

const used = (free: number, size: number) => (size === 0 ? 0 : Math.max(0, Math.round(100 * (1 - free / size))))

function clusterOf({ addons, handoff, certificates }: ClusterRead): ClusterStatusV1 {
  return {
    addons: addons.map(({ name, namespace, version, state, why }) => ({ name, namespace, version, state, why })),
    handoff:
      handoff === null
        ? null
        : {
            by: handoff.by,
            root: handoff.root,
            ready: handoff.isReady,
            revision: handoff.revision,
            since: handoff.since,
            objects: handoff.objects,
            drift: handoff.drift,
          },
    certificates: certificates.map(({ namespace, name, state, status, notAfter }) => ({
      namespace,
      name,
      state,
      status,
      notAfter: notAfter ?? null,
    })),
  }
}
