// How the handoff of a cluster is: who applies the tree, which revision, since when, and whether the cluster is behind Git.

import { z } from 'zod'
import { fieldsOfAnswer } from '../cluster/answer.ts'
import type { Cluster } from '../cluster/cluster.ts'
import type { Live } from '../cluster/object.ts'
import { shortRevision } from '../engine/revision.ts'
import { FLUX_KUSTOMIZATION } from './applier.ts'
import { FLUX_ROOT } from './handover.ts'
import { applied, fetched, type Outcome } from './outcome.ts'
import { synced } from './synced.ts'

export interface HandoffStatus {
  readonly by: 'flux' | 'argocd'
  /** Name of the Kustomization or Application that stands for the tree. */
  readonly root: string
  readonly isReady: boolean
  /** The revision that the cluster has; null: none yet. */
  readonly revision: string | null
  /** When it was fetched or applied, RFC 3339; null: nothing says it. */
  readonly since: string | null
  /** Objects that it owns. */
  readonly objects: number
  /** The cluster does not have what was fetched last. */
  readonly drift: boolean
  /** What is wrong; null while it is ready and without drift. */
  readonly why: string | null
  /** The command that fixes or explains it. */
  readonly hint: string | null
}

const kustomization = z.looseObject({
  spec: z
    .looseObject({
      suspend: z.boolean().default(false),
      sourceRef: z.looseObject({ kind: z.string(), name: z.string(), namespace: z.string().optional() }).optional(),
    })
    .prefault({}),
  status: z
    .looseObject({
      lastAppliedRevision: z.string().optional(),
      inventory: z.looseObject({ entries: z.array(z.unknown()).default([]) }).nullish(),
    })
    .prefault({}),
})
const repository = z.looseObject({
  status: z
    .looseObject({
      artifact: z.looseObject({ revision: z.string(), lastUpdateTime: z.string().optional() }).nullish(),
    })
    .prefault({}),
})
const application = z.looseObject({
  status: z
    .looseObject({
      sync: z.looseObject({ status: z.string().default(''), revision: z.string().default('') }).prefault({}),
      operationState: z.looseObject({ finishedAt: z.string().optional() }).nullish(),
      resources: z.array(z.unknown()).default([]),
    })
    .prefault({}),
})

const ANYTIME = { requested: undefined }
const CHILD_OF = 'kustomize.toolkit.fluxcd.io/name'

/** null: nothing was handed over. */
export async function handoffStatus(cluster: Cluster): Promise<HandoffStatus | null> {
  const [kustomizations, repositories, applications] = await Promise.all([
    cluster.list(FLUX_KUSTOMIZATION),
    cluster.list({ apiVersion: 'source.toolkit.fluxcd.io/v1', kind: 'GitRepository' }),
    cluster.list({ apiVersion: 'argoproj.io/v1alpha1', kind: 'Application' }),
  ])
  const root = rootIn(kustomizations)
  if (root !== undefined) return fluxStatus(root, kustomizations, repositories)
  const app = rootIn(applications)
  return app === undefined ? null : argoStatus(app)
}

/** Ours by its name; else the first that no other one has applied. */
const rootIn = (objects: readonly Live[]) =>
  objects.find(({ metadata }) => metadata.name === FLUX_ROOT) ??
  objects.find(({ metadata }) => metadata.labels?.[CHILD_OF] === undefined)

function fluxStatus(root: Live, all: readonly Live[], repositories: readonly Live[]): HandoffStatus {
  const { name, namespace = '' } = root.metadata
  const children = all.filter(({ metadata }) => metadata.labels?.[CHILD_OF] === name && metadata.name !== name)
  const { spec, status } = fieldsOfAnswer(kustomization, root)
  const from = spec.sourceRef
  const source =
    repositories.find(
      ({ metadata }) => metadata.name === from?.name && metadata.namespace === (from.namespace ?? namespace),
    ) ?? null
  const artifact = source === null ? undefined : fieldsOfAnswer(repository, source).status.artifact
  const revision = status.lastAppliedRevision ?? null
  const drift = artifact !== undefined && artifact !== null && artifact.revision !== revision
  const isGit = from?.kind === 'GitRepository'
  const fetch: Outcome = isGit ? fetched(source, ANYTIME) : { is: 'ready', revision: '' }
  const outcome = fetch.is === 'ready' ? applied({ root, children, revision: undefined, ...ANYTIME }) : fetch
  const behind = spec.suspend
    ? {
        why: 'it is suspended: newer revisions are not applied',
        hint: `flux -n ${namespace} resume kustomization ${name}`,
      }
    : drift
      ? {
          why: `${shortRevision(artifact.revision)} is fetched, ${revision === null ? 'nothing' : shortRevision(revision)} is applied`,
          hint: `kubectl -n ${namespace} get kustomizations`,
        }
      : { why: null, hint: null }
  const objects = [root, ...children].map((one) => fieldsOfAnswer(kustomization, one).status.inventory?.entries ?? [])
  return {
    by: 'flux',
    root: name,
    isReady: outcome.is === 'ready',
    revision,
    since: artifact?.lastUpdateTime ?? null,
    objects: objects.flat().length,
    drift,
    ...(outcome.is === 'ready' ? behind : told(outcome, `kubectl -n ${namespace} get kustomizations`)),
  }
}

function argoStatus(app: Live): HandoffStatus {
  const { name, namespace = '' } = app.metadata
  const { sync, operationState, resources } = fieldsOfAnswer(application, app).status
  const outcome = synced(app)
  return {
    by: 'argocd',
    root: name,
    isReady: outcome.is === 'ready',
    revision: sync.revision || null,
    since: operationState?.finishedAt ?? null,
    objects: resources.length,
    drift: sync.status === 'OutOfSync',
    ...(outcome.is === 'ready'
      ? { why: null, hint: null }
      : told(outcome, `kubectl -n ${namespace} describe application ${name}`)),
  }
}

function told({ what, why, hint }: Exclude<Outcome, { is: 'ready' }>, otherwise: string) {
  return { why: what === undefined ? why : `${what}: ${why}`, hint: hint ?? otherwise }
}
