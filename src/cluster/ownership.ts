// Who else has a word on an object: the tools that own it as a whole, and the managers that own single fields.

import { FIELD_MANAGER } from './cluster.ts'
import type { Live, Manifest } from './object.ts'

const HELM = 'meta.helm.sh/release-name'
const ADDON = 'k3s.cattle.io/v1, Kind=Addon'

/**
 * The owner that an object's marks tell, `Flux (platform-root)`, or null. Such an object is shown and never written. What
 * our own manifest says of Helm's release is ours.
 * Sources: the labels of Flux's kustomize- and helm-controller, Argo CD's tracking id and label, Helm's ownership metadata,
 * the annotations of k3s' manifest directory.
 */
export function ownerOf({ metadata }: Live, wanted?: Manifest): string | null {
  const { labels = {}, annotations = {} } = metadata
  const name = (kind: string) => {
    const [one, space] = [labels[`${kind}.toolkit.fluxcd.io/name`], labels[`${kind}.toolkit.fluxcd.io/namespace`]]
    return one === undefined || space === undefined || space === 'flux-system' ? one : `${space}/${one}`
  }
  const app = annotations['argocd.argoproj.io/tracking-id']?.split(':')[0] ?? labels['argocd.argoproj.io/instance']
  const release =
    labels['app.kubernetes.io/managed-by'] === 'Helm' && wanted?.metadata.annotations?.[HELM] === undefined
      ? annotations[HELM]
      : undefined
  const addon =
    annotations['objectset.rio.cattle.io/owner-gvk'] === ADDON
      ? annotations['objectset.rio.cattle.io/owner-name']
      : undefined
  const marks: readonly (readonly [name: string | undefined, words: (name: string) => string])[] = [
    [name('kustomize'), (one) => `Flux (${one})`],
    [name('helm'), (one) => `Flux (HelmRelease ${one})`],
    [app, (one) => `Argo CD (${one})`],
    [release, (one) => `Helm (release ${one})`],
    [addon, (one) => `k3s (its manifest ${one})`],
  ]
  for (const [found, words] of marks) if (found !== undefined && found !== '') return words(found)
  return null
}

/** Whether a field of it is ours still: who takes an object over absorbs them. */
export function isOurs({ metadata }: Live): boolean {
  return (metadata.managedFields ?? []).some(({ manager }) => manager === FIELD_MANAGER)
}

export interface Manager {
  readonly title: string
  /** It writes its fields again when they are changed. */
  readonly writesAgain: boolean
}

const MANAGERS: readonly (readonly [pattern: RegExp, title: string, writesAgain: boolean])[] = [
  [/^(kustomize-controller|flux.*)$/, 'Flux', true],
  [/^argocd-/, 'Argo CD', true],
  [/^(helm|helm-controller|helmchart-controller.*)$/, 'Helm', true],
  [/^deploy@/, "k3s' manifest directory", true],
  [/^k3s/, 'k3s', true],
  [/^cert-manager-cainjector|^cainjector$/, "cert-manager's cainjector", true],
  [/^cert-manager/, 'cert-manager', true],
  [/^externalsecrets?[./-]|^external-secrets/, 'external-secrets', true],
  [/^kube-controller-manager$/, "Kubernetes' controllers", true],
  [/^Reloader$/i, 'Reloader', true],
  [/^terraform/i, 'Terraform', true],
  [
    /^(ansible|OpenAPI-Generator|python|kubernetes\.core)/i,
    "a program with a Kubernetes client (Ansible's is one)",
    false,
  ],
  [/^kubectl-client-side-apply$/, 'kubectl apply', false],
  [/^kubectl$/, 'kubectl apply --server-side', false],
  [/^kubectl-([a-z]+)$/, 'kubectl $1', false],
  [/^before-first-apply$/, 'an unknown manager', false],
]

/** A field manager for people: `Flux (kustomize-controller)`, `kubectl edit`. */
export function managerOf(name: string): Manager {
  for (const [pattern, title, writesAgain] of MANAGERS) {
    const found = pattern.exec(name)
    if (found === null) continue
    const words = title.replace('$1', found[1] ?? '')
    const known = words.toLowerCase().replaceAll(' ', '-') === name.toLowerCase() || words.startsWith('kubectl')
    return { title: known ? words : `${words} (${name})`, writesAgain }
  }
  return { title: `"${name}"`, writesAgain: false }
}
