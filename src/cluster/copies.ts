// Finds what copies Secrets between namespaces, in values, in manifests and in a live cluster.

import type { Problem } from '../engine/problem.ts'
import { isMap } from '../engine/state.ts'
import type { Cluster, Listing } from './cluster.ts'
import { LAST_APPLIED, type Path, pathText } from './fields.ts'
import { type Live, type Manifest, refOf, titleOf } from './object.ts'

export interface Copy {
  readonly path: Path
  /** `reflector copies it into other namespaces`. */
  readonly what: string
}

/** Found in keys (annotations), and in texts: values of charts and templates are often YAML or JSON in a string. */
const ANNOTATIONS: readonly (readonly [mark: string, who: string])[] = [
  ['reflector.v1.k8s.emberstack.com/', 'reflector'],
  ['replicator.v1.mittwald.de/', 'kubernetes-replicator'],
  ['kubed.appscode.com/sync', 'config-syncer (kubed)'],
]

const IMAGES: readonly (readonly [image: RegExp, who: string])[] = [
  [/\bemberstack\/(kubernetes-)?reflector\b/, 'reflector'],
  [/\bmittwald\/kubernetes-replicator\b/, 'kubernetes-replicator'],
  [/\bappscode\/(kubed|config-syncer)\b/, 'config-syncer (kubed)'],
  [/\bclustersecret\/clustersecret\b|\bzakkg3\/clustersecret\b/, 'ClusterSecret'],
]

/** One object of it writes Secrets into namespaces that are not its own. */
const KINDS: readonly (readonly [kind: string, group: string])[] = [
  ['ClusterExternalSecret', 'external-secrets.io'],
  ['PushSecret', 'external-secrets.io'],
  ['ClusterPushSecret', 'external-secrets.io'],
  ['ClusterSecret', 'clustersecret.io'],
]

/** Every key and text below, however deep, that makes such a copy. */
export function copiesIn(values: unknown, path: Path = []): readonly Copy[] {
  if (typeof values === 'string') return inText(values).map((what) => ({ path, what }))
  if (Array.isArray(values)) return values.flatMap((value, i) => copiesIn(value, [...path, i]))
  if (!isMap(values)) return []
  const { kind, apiVersion } = values
  const copying = KINDS.some(([one, group]) => kind === one && String(apiVersion ?? group).startsWith(group))
  return [
    ...(copying ? [{ path: [...path, 'kind'], what: writes(String(kind)) }] : []),
    ...Object.entries(values).flatMap(([key, value]) => {
      if (key === LAST_APPLIED) return []
      const mark = ANNOTATIONS.find(([prefix]) => key.startsWith(prefix))
      return mark ? [{ path: [...path, key], what: copies(mark[1]) }] : copiesIn(value, [...path, key])
    }),
  ]
}

/** The same of one object: `metadata.annotations[...]: reflector copies it into other namespaces`. */
export function copyMarks(object: Manifest | Live): readonly string[] {
  const { apiVersion, kind, metadata, spec } = object
  return copiesIn({ apiVersion, kind, metadata, spec }).map(({ path, what }) => `${pathText(path)}: ${what}`)
}

const LOOKED_AT: readonly Listing[] = [
  // Helm's own are big, and nobody copies them.
  { apiVersion: 'v1', kind: 'Secret', fields: 'type!=helm.sh/release.v1' },
  { apiVersion: 'apps/v1', kind: 'Deployment' },
  { apiVersion: 'cert-manager.io/v1', kind: 'Certificate' },
  ...['ExternalSecret', 'ClusterExternalSecret', 'PushSecret'].map((kind) => ({
    apiVersion: kind === 'PushSecret' ? 'external-secrets.io/v1alpha1' : 'external-secrets.io/v1',
    kind,
  })),
  { apiVersion: 'external-secrets.io/v1alpha1', kind: 'ClusterPushSecret' },
  { apiVersion: 'clustersecret.io/v1', kind: 'ClusterSecret' },
]

/** What copies Secrets in a live cluster, with what its objects say of it. */
export async function liveCopies(
  cluster: Cluster,
): Promise<readonly Pick<Problem, 'where' | 'what' | 'why' | 'hint'>[]> {
  const found = await Promise.all(LOOKED_AT.map((listing) => cluster.list(listing)))
  return found.flat().flatMap((object) => {
    const marks = copyMarks(object)
    if (marks.length === 0) return []
    return {
      where: titleOf(refOf(object)),
      what: 'it copies a Secret between namespaces',
      why: marks.join('\n'),
      hint: 'create a Certificate or ExternalSecret in each namespace, then remove the copying resource',
    }
  })
}

function inText(text: string): readonly string[] {
  const marks = ANNOTATIONS.filter(([mark]) => text.includes(mark)).map(([, who]) => copies(who))
  const images = IMAGES.filter(([image]) => image.test(text)).map(([, who]) => copies(who))
  const kinds = KINDS.filter(([kind]) =>
    new RegExp(`^\\s*(- )?["']?kind["']?:\\s*["']?${kind}\\b`, 'm').test(text),
  ).map(([kind]) => writes(kind))
  return [...new Set([...marks, ...images, ...kinds])]
}

const copies = (who: string): string => `${who} copies it into other namespaces`
const writes = (kind: string): string => `a ${kind} writes one Secret into several namespaces`
