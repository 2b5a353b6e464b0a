// Builds the tree of a cluster as files: the controller's objects, a kustomization.yaml per part, and a README.

import page from '../../templates/tree.md.hbs'
import type { Json } from '../engine/state.ts'
import { argocd, WAVE } from './argocd.ts'
import { kustomization } from './flux.ts'
import type { Handover, HandoverPart } from './handover.ts'
import { yamlText } from './text.ts'

/** A list in a file that others may write to, too: only these entries of it are ours. */
export interface TreeListing {
  readonly path: string
  /** The key of the list. */
  readonly key: string
  readonly entries: readonly Json[]
  /** What the file has besides, where there is none yet. */
  readonly base: { readonly [field: string]: Json }
  /** Whether an entry of the file is ours; `former` are the paths that were ours until now. */
  mine(entry: Json, former: ReadonlySet<string>): boolean
  /** Ours stand before those of others: the first that fits counts. */
  readonly first: boolean
}

export interface Tree {
  readonly cluster: string
  /** Path to text; paths are relative to the tree, with `/`. */
  readonly files: ReadonlyMap<string, string>
  readonly listings: readonly TreeListing[]
}

/** Same input, same bytes. */
export function treeOf(handover: Handover): Tree {
  const parts = handover.parts.filter(({ files }) => files.length > 0)
  const given = { ...handover, parts }
  const infrastructure = `infrastructure/${handover.cluster}`
  const { root, cluster, by } = handover
  const folder = ({ folder: below }: HandoverPart) => `${infrastructure}/${below}`
  const files = new Map<string, string>()
  for (const part of parts) {
    const at = folder(part)
    for (const { name, manifests } of part.files) files.set(`${at}/${name}.yaml`, yamlText(manifests))
    const names = part.files.map(({ name }) => `${name}.yaml`)
    files.set(
      `${at}/kustomization.yaml`,
      kustomize(names, by === 'argocd' ? { [WAVE]: String(depthOf(part, parts)) } : undefined),
    )
  }
  if (by === 'flux') {
    for (const part of parts)
      files.set(`${root}/${part.name}.yaml`, yamlText([kustomization(part, folder(part), given)]))
  }
  if (by === 'argocd') {
    const [project, application] = argocd(given)
    files.set(`argocd/${cluster}/project.yaml`, yamlText([project]))
    files.set(`argocd/${cluster}/application.yaml`, yamlText([application]))
    files.set(`argocd/${cluster}/kustomization.yaml`, kustomize(['project.yaml', 'application.yaml']))
  }
  files.set(`${root}/README.md`, readme(given, folder, infrastructure))
  const up = root.replace(/[^/]+/g, '..')
  return {
    cluster,
    files,
    listings: [
      {
        path: `${root}/kustomization.yaml`,
        key: 'resources',
        entries: parts.map((part) => (by === 'flux' ? `${part.name}.yaml` : `${up}/${folder(part)}`)),
        base: KUSTOMIZATION,
        mine: (entry, former) =>
          [`${root}/${entry}`, `${String(entry).replace(`${up}/`, '')}/kustomization.yaml`].some((path) =>
            former.has(path),
          ),
        first: false,
      },
      {
        path: '.sops.yaml',
        key: 'creation_rules',
        entries: handover.sopsRecipients.length === 0 ? [] : [sopsRule(handover, infrastructure)],
        base: {},
        mine: (entry) => pathRegex(entry) === sopsPaths(root, infrastructure),
        first: true,
      },
    ],
  }
}

/** How many parts stand before it, one behind the other. */
function depthOf({ after }: HandoverPart, parts: readonly HandoverPart[]): number {
  return Math.max(0, ...parts.filter(({ name }) => after.includes(name)).map((one) => 1 + depthOf(one, parts)))
}

const KUSTOMIZATION = { apiVersion: 'kustomize.config.k8s.io/v1beta1', kind: 'Kustomization' }

const kustomize = (resources: readonly string[], commonAnnotations?: { readonly [key: string]: string }) =>
  yamlText([{ ...KUSTOMIZATION, resources, ...(commonAnnotations && { commonAnnotations }) }])

const sopsPaths = (...roots: readonly string[]) =>
  `^(${roots.map((one) => one.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')).join('|')})/.*\\.sops\\.yaml$`

const sopsRule = ({ root, sopsRecipients }: Handover, infrastructure: string) => ({
  path_regex: sopsPaths(root, infrastructure),
  encrypted_regex: '^(data|stringData)$',
  age: sopsRecipients.join(','),
})

const pathRegex = (entry: Json): Json | undefined =>
  typeof entry === 'object' && entry !== null && 'path_regex' in entry ? entry.path_regex : undefined

function readme(handover: Handover, folder: (part: HandoverPart) => string, infrastructure: string): string {
  const { by, root, cluster, parts, given, sopsRecipients } = handover
  const names = parts.map(({ name }) => name)
  return page({
    cluster,
    who: who(handover),
    root,
    infrastructure,
    list: listPath(cluster),
    parts: parts.map((part, i) => {
      const after = part.after.filter((one) => names.includes(one))
      return {
        number: i + 1,
        name: part.name,
        about: part.about,
        path: folder(part),
        link: `${root.replace(/[^/]+/g, '..')}/${folder(part)}`,
        after: by === 'flux' && after.length > 0 ? `; after ${after.join(', ')}` : '',
      }
    }),
    workloads: workloads(by, names.at(-1)),
    secrets: given.map(({ namespace, name, keys, title }) => ({
      target: `${namespace}/${name}`,
      keys: keys.map((key) => `\`${key}\``).join(', '),
      title,
    })),
    sops: sopsRecipients.length > 0,
  })
}

function who({ by, root, cluster, fluxNamespace, fluxSource, gitUrl, gitBranch }: Handover): string {
  if (by === 'argocd')
    return `To make Argo CD apply \`${root}\`, run \`kubectl apply -k argocd/${cluster}\` once. It reads the repository's credentials from its own settings.`
  if (by === 'none')
    return `No controller applies it. Run \`kubectl apply -k ${root}\`. If a kind is not known yet, run the same command again.`
  const from = gitUrl === undefined ? '' : ` of ${gitUrl}, branch ${gitBranch}`
  return `Flux applies it with a Kustomization for the path \`./${root}\` of the GitRepository \`${fluxNamespace}/${fluxSource}\`${from}.`
}

function workloads(by: Handover['by'], last: string | undefined): string {
  if (by === 'argocd') return 'Define workloads as separate Applications.'
  if (by === 'none' || last === undefined) return 'Apply workloads after these.'
  return `Apply workloads after these. Define each one as a separate Kustomization with \`dependsOn: [{ name: ${last} }]\`, or with the dependencies that it requires, and add its file to \`resources\` in kustomization.yaml here.`
}

/** Where the digests of a cluster's files lie in the tree. */
export const listPath = (cluster: string): string => `${LISTS}${cluster}.sha256`
export const LISTS = '.k3s-platform/'
