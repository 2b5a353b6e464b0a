// Argo CD: the project and the Application that apply the whole tree of a cluster, in sync waves.

import type { Manifest } from '../cluster/object.ts'
import type { Handover } from './handover.ts'

const NAMESPACE = 'argocd'
const HERE = 'https://kubernetes.default.svc'
export const WAVE = 'argocd.argoproj.io/sync-wave'

/** What is in Git is applied, also where somebody changed it in the cluster, and what is not any more goes. */
export const AUTOMATED = { prune: true, selfHeal: true }

/** spec: https://argo-cd.readthedocs.io/en/stable/operator-manual/application.yaml and project.yaml */
export function argocd({ cluster, root, parts, gitUrl = '', gitBranch }: Handover): readonly [Manifest, Manifest] {
  const objects = parts.flatMap(({ files }) => files.flatMap(({ manifests }) => manifests))
  const namespaces = [...new Set(objects.flatMap(({ metadata }) => metadata.namespace ?? []))].toSorted()
  const wide = [
    ...new Set(
      objects
        .filter(({ metadata }) => metadata.namespace === undefined)
        .map(({ apiVersion, kind }) => `${apiVersion.includes('/') ? apiVersion.split('/')[0] : ''} ${kind}`),
    ),
  ].toSorted()
  const name = `platform-${cluster}`
  return [
    {
      apiVersion: 'argoproj.io/v1alpha1',
      kind: 'AppProject',
      metadata: { name, namespace: NAMESPACE },
      spec: {
        description: `Platform of ${cluster}`,
        sourceRepos: [gitUrl],
        destinations: namespaces.map((namespace) => ({ server: HERE, namespace })),
        clusterResourceWhitelist: wide.map((one) => {
          const [group = '', kind = ''] = one.split(' ')
          return { group, kind }
        }),
      },
    },
    {
      apiVersion: 'argoproj.io/v1alpha1',
      kind: 'Application',
      metadata: { name, namespace: NAMESPACE },
      spec: {
        project: name,
        source: { repoURL: gitUrl, targetRevision: gitBranch, path: root },
        destination: { server: HERE, ...(namespaces[0] !== undefined && { namespace: namespaces[0] }) },
        syncPolicy: {
          automated: AUTOMATED,
          syncOptions: ['ServerSideApply=true'],
          retry: { limit: 10, backoff: { duration: '10s', factor: 2, maxDuration: '3m' } },
        },
      },
    },
  ]
}
