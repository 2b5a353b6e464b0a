// The specification of a handoff: groups of manifests in the order in which they are applied, and their controller.

import type { Manifest, Ref } from '../cluster/object.ts'

export interface Handover {
  /** The host's name in the inventory: names the cluster in the tree. */
  readonly cluster: string
  readonly by: 'flux' | 'argocd' | 'none'
  /** Folder of the repository where the cluster begins, without `./` and without a slash at the end. */
  readonly root: string
  /** As Flux and Argo CD take it; undefined: not said. */
  readonly gitUrl: string | undefined
  readonly gitBranch: string
  readonly fluxNamespace: string
  /** Name of the GitRepository. */
  readonly fluxSource: string
  /** In the order in which they are applied; each name is unique. */
  readonly parts: readonly HandoverPart[]
  /** Secrets that are never in the tree and must be in the cluster. */
  readonly given: readonly GivenSecret[]
  /** Public age keys; none: no rules for sops. */
  readonly sopsRecipients: readonly string[]
  /** Whether Flux has a key to decrypt with. */
  readonly decrypts: boolean
}

/** Of Flux: what stands for the whole tree. */
export const FLUX_ROOT = 'platform-root'
/** The Secret with the private age key, in the namespace of Flux. */
export const AGE_SECRET = 'sops-age'

/** One step: a Kustomization of Flux, a sync wave of Argo CD, a folder. */
export interface HandoverPart {
  readonly name: string
  /** Folder below the cluster's own folder of `infrastructure/`. */
  readonly folder: string
  /** One sentence without a full stop. */
  readonly about: string
  /** File name without `.yaml` to what is in it. */
  readonly files: readonly { readonly name: string; readonly manifests: readonly Manifest[] }[]
  /** Names of parts before it; those that are empty count as done. */
  readonly after: readonly string[]
  /** What must be well before the next one begins: all of it, nothing, or these. */
  readonly waitsFor: 'all' | 'none' | readonly Ref[]
  /** Bound of that wait, seconds. */
  readonly boundSeconds: number
}

export interface GivenSecret {
  readonly namespace: string
  readonly name: string
  readonly keys: readonly string[]
  /** What it is, as people call it. */
  readonly title: string
}
