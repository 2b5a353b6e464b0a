// An install manifest: the objects in its text, and each of them in a namespace where its kind lives in one.

import { parseAllDocuments } from 'yaml'
import { z } from 'zod'
import { isMap } from '../engine/state.ts'
import type { Manifest } from './object.ts'

const strings = z.record(z.string(), z.string())
const shape = z
  .object({
    apiVersion: z.string().min(1),
    kind: z.string().min(1),
    metadata: z
      .object({
        name: z.string().min(1),
        namespace: z.string().exactOptional(),
        labels: strings.exactOptional(),
        annotations: strings.exactOptional(),
      })
      .catchall(z.json()),
  })
  .catchall(z.json())

/** Throws an Error that says which document cannot be read, and why. An empty document is none. */
export function readManifests(text: string): readonly Manifest[] {
  const documents = parseAllDocuments(text, { logLevel: 'error' })
  const read = [...documents].flatMap((document, i): Manifest[] => {
    const [broken] = document.errors
    if (broken !== undefined) throw new Error(`document ${i + 1}: ${broken.message.split('\n')[0]}`)
    const value: unknown = document.toJS()
    if (value === null || value === undefined) return []
    const { success, data, error } = shape.safeParse(value)
    if (success) return [data]
    const [issue] = error.issues
    throw new Error(`document ${i + 1}: ${issue?.path.join('.') || 'it'}: ${issue?.message}`)
  })
  if (read.length === 0) throw new Error('it contains no object')
  return read
}

/** Kinds of Kubernetes itself that belong to no namespace, as far as install manifests have them. */
const CLUSTER_WIDE: ReadonlySet<string> = new Set([
  'APIService',
  'ClusterRole',
  'ClusterRoleBinding',
  'CSIDriver',
  'CustomResourceDefinition',
  'IngressClass',
  'MutatingAdmissionPolicy',
  'MutatingAdmissionPolicyBinding',
  'MutatingWebhookConfiguration',
  'Namespace',
  'PersistentVolume',
  'PriorityClass',
  'RuntimeClass',
  'StorageClass',
  'ValidatingAdmissionPolicy',
  'ValidatingAdmissionPolicyBinding',
  'ValidatingWebhookConfiguration',
])

/**
 * All of it in `namespace`: what names none, and what names the one that the release is made for (`from`), with the references
 * to that. The Namespace itself comes first, also where the manifest leaves it to whoever applies it.
 */
export function placed(manifests: readonly Manifest[], namespace: string, from: string): readonly Manifest[] {
  const wide = new Set([...CLUSTER_WIDE, ...manifests.flatMap(clusterWideKind)])
  const moved = manifests.map((manifest) => {
    const { metadata, ...rest } = namespace === from ? manifest : renamed(manifest, namespace, from)
    if (wide.has(manifest.kind)) return { ...rest, metadata }
    return { ...rest, metadata: { ...metadata, namespace: metadata.namespace ?? namespace } }
  })
  const own = moved.find(({ kind, metadata }) => kind === 'Namespace' && metadata.name === namespace)
  const first: Manifest = own ?? { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } }
  return [first, ...moved.filter((one) => one !== own)]
}

function clusterWideKind({ kind, spec }: Manifest): string[] {
  if (kind !== 'CustomResourceDefinition' || !isMap(spec) || spec.scope !== 'Cluster') return []
  return isMap(spec.names) && typeof spec.names.kind === 'string' ? [spec.names.kind] : []
}

/** Its own namespace and name, that of subjects and of webhooks' Services, names in the cluster's DNS, the instance's label. */
function renamed(manifest: Manifest, namespace: string, from: string): Manifest {
  const { kind, metadata } = manifest
  const walk = (value: Manifest[string], key: string): Manifest[string] => {
    if (typeof value === 'string') {
      const named = key === 'namespace' || key === 'app.kubernetes.io/instance'
      return named && value === from ? namespace : value.replaceAll(`.${from}.svc`, `.${namespace}.svc`)
    }
    if (Array.isArray(value)) return value.map((item: Manifest[string]) => walk(item, ''))
    if (!isJsonMap(value)) return value
    return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, walk(inner, name)]))
  }
  const walked = shape.parse(walk(manifest, ''))
  const name = kind === 'Namespace' && metadata.name === from ? namespace : metadata.name
  return { ...walked, metadata: { ...walked.metadata, name } }
}

function isJsonMap(value: Manifest[string] | undefined): value is { readonly [key: string]: Manifest[string] } {
  return isMap(value)
}
