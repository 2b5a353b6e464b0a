// A host together with its cluster: host resources go over the shell, cluster resources over the API behind the same connection.

import { type Problem, ProblemError } from '../engine/problem.ts'
import type { Applying, Look, Observation, PendingChange } from '../engine/resource.ts'
import type { Session } from '../engine/runner.ts'
import { same } from '../engine/state.ts'
import type { Facts } from '../host/facts.ts'
import type { HostResource } from '../host/resource.ts'
import { lostLink } from '../host/root-shell.ts'
import { sh } from '../host/sh.ts'
import { LinkError, type Transport } from '../host/transport.ts'
import { type NodeKubeconfig, parseNodeKubeconfig } from '../kubeconfig/node-kubeconfig.ts'
import type { Client } from './client.ts'
import { ApiError, type Cluster } from './cluster.ts'
import type { ClusterResource, Looking } from './resource.ts'

export type PlatformResource = HostResource | ClusterResource

/** What a look found of the API. `unasked`: no resource needed it; `none`: the node has no k3s. */
export type ClusterFacts =
  | { readonly is: 'unasked' | 'none' }
  | { readonly is: 'silent'; readonly why: string }
  | { readonly is: 'up'; readonly version: string; readonly cluster: Cluster }

export interface PlatformFacts extends Facts {
  readonly api: ClusterFacts
}

export interface PlatformOptions {
  readonly host: string
  /** The path of the kubeconfig that k3s writes on the node; asked for when a cluster resource is looked at. */
  readonly kubeconfig: () => string
  readonly forward: Transport['forward']
  readonly now: () => number
  /** `--timeout`, seconds; undefined: each wait has its own bound. */
  readonly boundSeconds: number | undefined
}

export interface PlatformSession extends Session<PlatformResource, PlatformFacts> {
  /** The cluster itself, for who asks more of it than resources do; one exec. */
  cluster(signal: AbortSignal): Promise<ClusterFacts>
  /** The same, with host resources that are looked at in that exec. */
  observeWithApi(onHost: readonly HostResource[], signal: AbortSignal): Promise<Look<PlatformFacts>>
}

/** Throws when the connection is lost, and returns when it is not. */
type OrLost = (error: LinkError, doing: string, signal: AbortSignal) => Promise<void>

const DEFERRED = 'known once the API answers'

/** One exec for the host and the credentials, then the API's reads side by side. */
export function platformBackend(host: Session<HostResource, Facts>, options: PlatformOptions): PlatformSession {
  let text = ''
  let kubeconfig: NodeKubeconfig | undefined
  // HTTP/2 and TLS are loaded for who has something in a cluster.
  let loaded: Client | undefined
  const known = (): NodeKubeconfig => {
    if (kubeconfig === undefined) throw new Error('a cluster requires a probe that has found one')
    return kubeconfig
  }
  const client = async (): Promise<Client> => {
    const { clusterClient } = await import('./client.ts')
    loaded ??= clusterClient({ kubeconfig: known, forward: options.forward })
    return loaded
  }
  const lookWithin = async (onHost: readonly HostResource[], signal: AbortSignal) => {
    const path = options.kubeconfig()
    const credentials = readKubeconfig(path, (found) => {
      if (found === text) return
      kubeconfig = found === '' ? undefined : parseNodeKubeconfig(found, `${options.host} ${path}`)
      text = found
    })
    const [look, one] = await Promise.all([host.observe([credentials, ...onHost], signal), client()])
    const api: ClusterFacts = kubeconfig === undefined ? { is: 'none' } : await reach(one)
    return { look, api }
  }
  /** The API's stream has broken: with the whole connection, or the API alone is gone. */
  const orLost: OrLost = async (error, doing, signal) => {
    try {
      await host.observe([], signal)
    } catch (gone) {
      const lost = gone instanceof ProblemError && gone.problems.some(({ kind }) => kind === 'unreachable')
      throw lost ? lostLink(options.host, doing, error) : gone
    }
  }
  return {
    get execs() {
      return host.execs
    },
    close: async () => {
      loaded?.close()
      await host.close()
    },
    lock: (signal) => host.lock(signal),
    cluster: async (signal) => (await lookWithin([], signal)).api,
    observeWithApi: async (onHost, signal) => {
      const { look, api } = await lookWithin(onHost, signal)
      return { ...look, facts: { ...look.facts, api } }
    },

    observe: async (resources, signal) => {
      const wanted = resources.filter(isCluster)
      const onHost = resources.filter((one): one is HostResource => !isCluster(one))
      if (wanted.length === 0) {
        const look = await host.observe(onHost, signal)
        return { ...look, facts: { ...look.facts, api: { is: 'unasked' } } }
      }
      const { look, api } = await lookWithin(onHost, signal)
      const seen = await lookAtAll(wanted, api, options, signal, orLost)
      return { facts: { ...look.facts, api }, observations: new Map([...look.observations, ...seen]) }
    },

    apply: async (changes, how) => {
      const onHost = changes.filter((change): change is PendingChange<HostResource> => !isCluster(change.resource))
      if (onHost.length > 0) await host.apply(onHost, how)
      for (const { resource, actual, desired } of changes) {
        if (how.stop.aborted || !isCluster(resource)) continue
        await make(resource, { resource, actual, desired }, await client(), options, how, orLost)
      }
    },
  }
}

function isCluster(resource: PlatformResource): resource is ClusterResource {
  return 'look' in resource
}

/** No part of the plan: the key to the API, read in the exec that looks at the host anyway. */
function readKubeconfig(path: string, keep: (text: string) => void): HostResource {
  return {
    id: 'kubeconfig:node',
    title: path,
    probe: sh`cat -- ${path} 2>/dev/null || :`,
    read: ({ text }) => {
      keep(text)
      return { actual: null }
    },
    desired: () => null,
    steps: () => [],
  }
}

async function reach(client: Client): Promise<ClusterFacts> {
  try {
    await client.open()
    return { is: 'up', version: client.version, cluster: client }
  } catch (error) {
    if (error instanceof ApiError || error instanceof LinkError) return { is: 'silent', why: error.message }
    throw error
  }
}

async function lookAtAll(
  resources: readonly ClusterResource[],
  api: ClusterFacts,
  { host, now }: PlatformOptions,
  signal: AbortSignal,
  orLost: OrLost,
): Promise<[string, Observation][]> {
  if (api.is !== 'up') {
    const before = (resource: ClusterResource): Observation =>
      api.is === 'none' ? resource.before : { ...resource.before, actual: null, deferred: DEFERRED }
    return resources.map((resource) => [resource.id, before(resource)])
  }
  const problems: Problem[] = []
  let broken: LinkError | undefined
  const looked = await Promise.all(
    resources.map(async (resource): Promise<[string, Observation][]> => {
      try {
        return [[resource.id, await resource.look(api.cluster, { host, now, signal })]]
      } catch (error) {
        signal.throwIfAborted()
        if (error instanceof LinkError) broken = error
        problems.push(...told(error, host, resource, 'its state could not be read'))
        return []
      }
    }),
  )
  if (broken) await orLost(broken, 'reading the cluster state', signal)
  if (problems.length > 0) throw new ProblemError(problems)
  return looked.flat()
}

async function make(
  resource: ClusterResource,
  change: PendingChange<ClusterResource>,
  cluster: Cluster,
  { host, now, boundSeconds }: PlatformOptions,
  how: Applying,
  orLost: OrLost,
): Promise<void> {
  const { id, title } = resource
  how.step({ is: 'start', resource: id, title })
  let last = ''
  const doing = resource.action?.(change.actual, change.desired ?? {}) ?? title
  try {
    await resource.make(change, cluster, {
      ...{ host, now, boundSeconds, stop: how.stop, signal: how.signal },
      wait: (why, bound) => {
        if (why === last) return
        last = why
        how.step({ is: 'wait', resource: id, why, boundSeconds: bound })
      },
      output: (text) => how.step({ is: 'output', resource: id, text }),
      reachHost: (error) => orLost(error, doing, how.signal),
      warn: (what, hint) => {
        const problem: Problem = { kind: 'warning', where: `${host} ${title}`, what, hint }
        how.step({ is: 'warning', resource: id, problem })
      },
    })
  } catch (error) {
    how.signal.throwIfAborted()
    if (error instanceof LinkError) await orLost(error, doing, how.signal)
    throw new ProblemError(told(error, host, resource, 'it could not be applied'))
  }
  if (how.stop.aborted && !(await isMade(resource, cluster, { host, now, signal: how.signal }))) return
  how.step({ is: 'done', resource: id, title })
}

/** Ctrl-C ends waits early: whether it came to its end before, only it can tell. */
async function isMade(resource: ClusterResource, cluster: Cluster, at: Looking): Promise<boolean> {
  try {
    const { actual, desired, deferred } = await resource.look(cluster, at)
    return deferred === undefined && same(actual, desired)
  } catch (error) {
    at.signal.throwIfAborted()
    if (error instanceof ProblemError || error instanceof ApiError || error instanceof LinkError) return false
    throw error
  }
}

function told(error: unknown, host: string, { title }: ClusterResource, what: string): readonly Problem[] {
  if (error instanceof ProblemError) return error.problems
  if (!(error instanceof ApiError || error instanceof LinkError)) throw error
  return [{ kind: 'failed', where: `${host} ${title}`, what, why: error.message }]
}
