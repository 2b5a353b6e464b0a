// The gates of the handoff: the repository is fetched, and the tree is applied and healthy.

import { ApiError, type Cluster } from '../../cluster/cluster.ts'
import { type GateVerdict, gate } from '../../cluster/kinds/gate.ts'
import { idOf, type Live, type Ref, refOf, titleOf } from '../../cluster/object.ts'
import type { ClusterResource, Looking, Making, Readiness } from '../../cluster/resource.ts'
import { allRolledOut } from '../../cluster/rollout.ts'
import { reasons } from '../../cluster/story.ts'
import { isScaledDown } from '../../cluster/workload.ts'
import { argoApplier, childrenOf, FLUX_KUSTOMIZATION, fluxApplier } from '../applier.ts'
import { applied, fetched, type Outcome, REQUESTED } from '../outcome.ts'
import { REFRESH, synced } from '../synced.ts'

const SOURCE = { apiVersion: 'source.toolkit.fluxcd.io/v1', kind: 'GitRepository' }
const SOURCE_SECONDS = 120
/** Flux's own bound for what a Kustomization waits for is five minutes. */
const APPLIED_SECONDS = 360
/** Argo CD does not say which request it has answered: a failure of before is told until it has looked anew. */
const GRACE_SECONDS = 15
/** Of objects that are not well, so many are asked for their reason. */
const ASKED = 5

export interface FluxGate {
  readonly namespace: string
  /** Of the GitRepository. */
  readonly source: string
  readonly inputs: readonly string[]
}

/**
 * The artifact of the branch is there. Asked anew whenever it is waited for: a rotated key is tried at once. `admit`: what
 * to do when the login is refused, where there is more to say than to check it.
 */
export function sourceReady(spec: FluxGate & { readonly admit?: string | undefined }): ClusterResource {
  const { namespace, source, inputs, admit } = spec
  const ref: Ref = { ...SOURCE, namespace, name: source }
  const ask = asking()
  return gate({
    id: `ready:${idOf(ref)}`,
    title: titleOf(ref),
    inputs,
    boundSeconds: SOURCE_SECONDS,
    watches: [{ ...SOURCE, namespace, fields: `metadata.name=${source}` }],
    judge: async (cluster) => {
      const outcome = fetched(await cluster.get(ref), { requested: ask.requested })
      const refused = outcome.is === 'failed' && outcome.cause === 'login-refused' && admit !== undefined
      return verdictOf(refused ? { ...outcome, hint: admit } : outcome)
    },
    begin: (cluster, how) => ask.again(cluster, [ref], how),
    evidence: async (cluster) => (await idling(cluster, namespace, 'source-controller')) ?? {},
    hint: `kubectl -n ${namespace} describe gitrepository ${source}`,
  })
}

/** What the repository is read with: once it is another, the source is asked anew, for what it has was read with the former. */
export function readWith(login: ClusterResource, { namespace, source }: Omit<FluxGate, 'inputs'>): ClusterResource {
  return {
    ...login,
    make: async (change, cluster, how) => {
      await login.make(change, cluster, how)
      await asking().again(cluster, [{ ...SOURCE, namespace, name: source }], how)
    },
  }
}

/** Everything in the repository is applied at the revision that it has now, and well. */
export function rootReady({ namespace, source, inputs, root }: FluxGate & { readonly root: string }): ClusterResource {
  const ref: Ref = { ...FLUX_KUSTOMIZATION, namespace, name: root }
  const from: Ref = { ...SOURCE, namespace, name: source }
  const { stopped } = fluxApplier(namespace, root)
  const ask = asking()
  let unwell: readonly string[] = []
  const judged = (outcome: Outcome): GateVerdict => {
    unwell = outcome.is === 'ready' ? [] : (outcome.unwell ?? [])
    return verdictOf(outcome)
  }
  return gate({
    id: `ready:${idOf(ref)}`,
    title: titleOf(ref),
    inputs,
    boundSeconds: APPLIED_SECONDS,
    watches: [
      { ...FLUX_KUSTOMIZATION, namespace },
      { ...SOURCE, namespace, fields: `metadata.name=${source}` },
    ],
    judge: async (cluster) => {
      const [live, children, repository] = await Promise.all([
        cluster.get(ref),
        cluster.list(childrenOf(ref)),
        cluster.get(from),
      ])
      if (live !== null && stopped(live)) return { is: 'ready' }
      const { requested } = ask
      const artifact = fetched(repository, { requested })
      if (artifact.is !== 'ready') return { ...judged(artifact), why: `${titleOf(from)}: ${artifact.why}` }
      const revision = requested === undefined ? undefined : artifact.revision
      return judged(applied({ root: live, children, revision, requested }))
    },
    begin: async (cluster, how) => {
      const failing = (await cluster.list(childrenOf(ref))).filter((one) => !isReady(one))
      await ask.again(cluster, [from, ref, ...failing.map(refOf)], how)
    },
    evidence: async (cluster, at) => {
      for (const name of ['source-controller', 'kustomize-controller']) {
        const idle = await idling(cluster, namespace, name)
        if (idle !== undefined) return idle
      }
      return certificateOf(unwell, cluster, at)
    },
    hint: `kubectl -n ${namespace} get kustomizations shows which of them is not ready`,
  })
}

/** The Application is compared, synced and healthy. */
export function applicationReady(ref: Ref, inputs: readonly string[]): ClusterResource {
  const { apiVersion, kind, namespace = '', name } = ref
  const { stopped } = argoApplier(namespace, name)
  let unwell: readonly string[] = []
  return gate({
    id: `ready:${idOf(ref)}`,
    title: titleOf(ref),
    inputs,
    boundSeconds: APPLIED_SECONDS,
    graceSeconds: GRACE_SECONDS,
    watches: [{ apiVersion, kind, namespace, fields: `metadata.name=${name}` }],
    judge: async (cluster) => {
      const live = await cluster.get(ref)
      if (live !== null && stopped(live)) return { is: 'ready' }
      const outcome = synced(live)
      unwell = outcome.is === 'ready' ? [] : (outcome.unwell ?? [])
      return verdictOf(outcome)
    },
    begin: (cluster) => annotated(cluster, ref, REFRESH, 'normal'),
    evidence: (cluster, at) => certificateOf(unwell, cluster, at),
    hint: `kubectl -n ${namespace} describe application ${name}`,
  })
}

/** Why a controller of Flux does nothing; undefined: it runs. */
async function idling(cluster: Cluster, namespace: string, name: string) {
  const ref: Ref = { apiVersion: 'apps/v1', kind: 'Deployment', namespace, name }
  const live = await cluster.get(ref)
  const state: Readiness =
    live === null
      ? { is: 'waiting', why: `${titleOf(ref)} does not exist` }
      : isScaledDown(live)
        ? { is: 'waiting', why: `${titleOf(ref)} is scaled to 0` }
        : await allRolledOut(cluster, namespace, [live])
  return state.is === 'ready' ? undefined : { why: state.why, hint: 'to fix it: k3s-platform apply -t flux' }
}

/** Why the first certificate of these that has a reason is not issued. */
async function certificateOf(unwell: readonly string[], cluster: Cluster, at: Looking) {
  const found = unwell.flatMap((one) => {
    const [, namespace, name] = /^Certificate\/([^/]+)\/([^/]+)$/.exec(one) ?? []
    return namespace === undefined || name === undefined ? [] : [{ namespace, name }]
  })
  for (const one of found.slice(0, ASKED)) {
    const { why, hint } = await reasons(cluster, at, one)
    if (why !== undefined) return { why: `${titleOf({ kind: 'Certificate', ...one })}: ${why}`, ...(hint && { hint }) }
  }
  return {}
}

function isReady(live: Live): boolean {
  const outcome = applied({ root: live, children: [], revision: undefined, requested: undefined })
  return outcome.is === 'ready'
}

function verdictOf(outcome: Outcome): GateVerdict {
  if (outcome.is === 'ready') return { is: 'ready' }
  const { is, why, what, hint, unwell = [] } = outcome
  return {
    is,
    why,
    alone: is === 'failed' && unwell.length === 0,
    ...(what !== undefined && { what }),
    ...(hint !== undefined && { hint }),
  }
}

/** Has the controllers look at once, and knows what was said before they did. */
function asking() {
  let requested: string | undefined
  return {
    get requested() {
      return requested
    },
    again: async (cluster: Cluster, refs: readonly Ref[], how: Making): Promise<void> => {
      const stamp = new Date(how.now()).toISOString()
      for (const ref of refs) await annotated(cluster, ref, REQUESTED, stamp)
      requested = stamp
    },
  }
}

/** What is gone meanwhile shows in the next judgement. */
async function annotated(cluster: Cluster, ref: Ref, key: string, value: string): Promise<void> {
  try {
    await cluster.patch(ref, { metadata: { annotations: { [key]: value } } })
  } catch (error) {
    if (!(error instanceof ApiError) || error.code !== 404) throw error
  }
}
