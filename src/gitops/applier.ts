// Who applies what Git holds of a cluster, as an object of the cluster: the one that stands for all of it, and how it is stopped.

import { z } from 'zod'
import { type Cluster, FIELD_MANAGER } from '../cluster/cluster.ts'
import { idOf, type Live, type Ref, refOf } from '../cluster/object.ts'
import { AUTOMATED } from './argocd.ts'
import { REFRESH } from './synced.ts'

export interface Applier {
  /** `Flux`, `Argo CD`. */
  readonly title: string
  /** The object that stands for the whole tree: everything else comes of it. */
  readonly root: Ref
  /** What it applies the tree with, the root first. */
  workers(cluster: Cluster): Promise<readonly Live[]>
  /** Whether it does nothing more with its tree. */
  stopped(worker: Live): boolean
  /** What of one stops it, or lets it go on, as a merge patch. */
  switched(stop: boolean): { readonly spec: object; readonly annotations?: Readonly<Record<string, string>> }
}

/** On the root, while the objects are this program's again. */
export const TAKEN_BACK = 'k3s-platform/taken-back'

const suspendable = z.looseObject({ spec: z.looseObject({ suspend: z.boolean().default(false) }).prefault({}) })
const automatic = z.looseObject({
  spec: z
    .looseObject({
      syncPolicy: z
        .looseObject({ automated: z.looseObject({ enabled: z.boolean().default(true) }).nullish() })
        .prefault({}),
    })
    .prefault({}),
})

export const FLUX_KUSTOMIZATION = { apiVersion: 'kustomize.toolkit.fluxcd.io/v1', kind: 'Kustomization' }

/** A Kustomization of Flux, those that it has applied, and those that they have. */
export function fluxApplier(namespace: string, name: string): Applier {
  const root = { ...FLUX_KUSTOMIZATION, namespace, name }
  return {
    title: 'Flux',
    root,
    workers: async (cluster) => {
      const own = await cluster.get(root)
      const found = new Map(own === null ? [] : [[idOf(root), own]])
      const descend = async (from: Ref): Promise<void> => {
        const below = (await cluster.list(childrenOf(from))).filter((one) => !found.has(idOf(refOf(one))))
        for (const one of below) found.set(idOf(refOf(one)), one)
        await Promise.all(below.map((one) => descend(refOf(one))))
      }
      await descend(root)
      return [...found.values()]
    },
    stopped: (worker) => suspendable.safeParse(worker).data?.spec.suspend ?? false,
    switched: (stop) => ({ spec: { suspend: stop ? true : null } }),
  }
}

export function childrenOf({ namespace = '', name }: Ref) {
  const mark = 'kustomize.toolkit.fluxcd.io'
  return { ...FLUX_KUSTOMIZATION, labels: `${mark}/name=${name},${mark}/namespace=${namespace}` }
}

/** An Application of Argo CD: without automatic sync it leaves the cluster alone. */
export function argoApplier(namespace: string, name: string): Applier {
  const root = { apiVersion: 'argoproj.io/v1alpha1', kind: 'Application', namespace, name }
  return {
    title: 'Argo CD',
    root,
    workers: async (cluster) => {
      const own = await cluster.get(root)
      return own === null ? [] : [own]
    },
    stopped: (worker) => !(automatic.safeParse(worker).data?.spec.syncPolicy.automated?.enabled ?? false),
    // Before it has looked again, its status is of before.
    switched: (stop) =>
      stop
        ? { spec: { syncPolicy: { automated: null } } }
        : {
            spec: { syncPolicy: { automated: { ...AUTOMATED, enabled: null } } },
            annotations: { [REFRESH]: 'normal' },
          },
  }
}

/** `Flux (platform-root)` while it applies the tree, and what Git does not have is not to be there; null: it does not. */
export async function holderOf(cluster: Cluster, applier: Applier): Promise<string | null> {
  const live = await cluster.get(applier.root)
  if (live === null || live.metadata.deletionTimestamp !== undefined || isTakenBack(live)) return null
  return `${applier.title} (${applier.root.name})`
}

export const isTakenBack = ({ metadata }: Live): boolean => metadata.annotations?.[TAKEN_BACK] !== undefined

/** The marks that an object bears of whoever applies it from Git, as a merge patch takes them off. */
const MARKS = {
  labels: {
    'kustomize.toolkit.fluxcd.io/name': null,
    'kustomize.toolkit.fluxcd.io/namespace': null,
    'argocd.argoproj.io/instance': null,
  },
  annotations: { 'argocd.argoproj.io/tracking-id': null, 'argocd.argoproj.io/installation-id': null },
}
const MANAGERS = /^(kustomize-controller|argocd-)/

/**
 * A merge patch after which the object bears no marks of Git, and what Git had of it is ours: the next apply keeps what is
 * wanted of it and takes the rest away. Without any manager the API would make one up, before-first-apply.
 */
export function unmarked({ metadata }: Live): object {
  const { resourceVersion, managedFields = [] } = metadata
  const gits = managedFields.filter(({ manager = '' }) => MANAGERS.test(manager))
  const ours = (one: { manager?: string | undefined; operation: string }) =>
    one.manager === FIELD_MANAGER && one.operation === 'Apply'
  const others = managedFields.filter((one) => !gits.includes(one) && (gits.length === 0 || !ours(one)))
  const [first] = gits
  const taken = first === undefined ? [] : [{ ...first, manager: FIELD_MANAGER, operation: 'Apply' }]
  const left = [...taken, ...others]
  return { metadata: { ...MARKS, resourceVersion, managedFields: left.length === 0 ? [{}] : left } }
}

/** Whether the object bears marks of Git, and not only of a release of Helm. */
export function isMarked({ metadata }: Live): boolean {
  const { labels = {}, annotations = {} } = metadata
  return (
    Object.keys(MARKS.labels).some((key) => labels[key] !== undefined) ||
    annotations['argocd.argoproj.io/tracking-id'] !== undefined
  )
}
