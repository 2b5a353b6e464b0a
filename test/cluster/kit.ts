// What a kind of cluster resource is tested with: its plan as a line of text, and the making of it with what it waited for.

import { setMaxListeners } from 'node:events'
import type { Cluster } from '../../src/cluster/cluster.ts'
import type { ClusterResource, Making } from '../../src/cluster/resource.ts'
import { type Change, changesOf, plan } from '../../src/engine/plan.ts'
import { ProblemError } from '../../src/engine/problem.ts'
import type { Observation } from '../../src/engine/resource.ts'

const signal = new AbortController().signal
// Some tests make twenty things at the same time.
setMaxListeners(0, signal)

export async function look(resource: ClusterResource, cluster: Cluster): Promise<Observation> {
  return resource.look(cluster, { host: 'edge-1', now: Date.now, signal })
}

export async function changeOf(resource: ClusterResource, cluster: Cluster): Promise<Change<ClusterResource>> {
  const found = new Map([[resource.id, await look(resource, cluster)]])
  const [change] = changesOf(plan([{ role: 'r', name: 's', resources: [resource] }], found))
  if (change === undefined) throw new Error(`${resource.id} is no part of the plan`)
  return change
}

/** Op, note, and each field that differs: `update spec.replicas: 1 -> 2`; or the problem in words. */
export async function planned(resource: ClusterResource, cluster: Cluster): Promise<string> {
  try {
    const { op, note, deltas } = await changeOf(resource, cluster)
    const fields =
      op === 'action' ? [] : deltas.map((d) => `${d.field}: ${JSON.stringify(d.from)} -> ${JSON.stringify(d.to)}`)
    return [[op, note].filter(Boolean).join(': '), ...fields].join('\n')
  } catch (error) {
    return wordsOf(error)
  }
}

export interface Made {
  readonly waits: readonly string[]
  /** Empty when it went well. */
  readonly problem: string
}

export async function made(
  resource: ClusterResource,
  cluster: Cluster,
  {
    boundSeconds,
    stop = signal,
    warn = () => undefined,
    reachHost,
  }: {
    readonly boundSeconds?: number
    readonly stop?: AbortSignal
    readonly warn?: Making['warn']
    readonly reachHost?: NonNullable<Making['reachHost']>
  } = {},
): Promise<Made> {
  const waits: string[] = []
  const change = await changeOf(resource, cluster)
  const how = {
    ...{ host: 'edge-1', now: Date.now, signal, stop, boundSeconds },
    wait: (why: string, bound: number | null) => waits.push(`${why} (${bound} s)`),
    output: () => undefined,
    warn,
    ...(reachHost && { reachHost }),
  }
  try {
    await resource.make(change, cluster, how)
    return { waits: [...new Set(waits)], problem: '' }
  } catch (error) {
    return { waits: [...new Set(waits)], problem: wordsOf(error) }
  }
}

function wordsOf(error: unknown): string {
  if (!(error instanceof ProblemError)) throw error
  return error.problems
    .map(({ where, what, why, hint }) => [`${where}: ${what}`, why && `why: ${why}`, hint && `hint: ${hint}`])
    .map((lines) => lines.filter(Boolean).join('\n'))
    .join('\n')
}
