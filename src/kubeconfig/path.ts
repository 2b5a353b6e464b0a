// Which file is the kubeconfig, by kubectl's rules, and where this program's own files are beside it.

import { fileName } from '../files/path-inside.ts'

/**
 * Where kubectl writes new entries: the first file of KUBECONFIG that exists, else its last one, else ~/.kube/config.
 */
export function kubeconfigPath(env: string | undefined, exists: (path: string) => boolean): string {
  const all = kubeconfigPaths(env)
  return all.find(exists) ?? all.at(-1) ?? '~/.kube/config'
}

/** All that kubectl reads. */
export function kubeconfigPaths(env: string | undefined): readonly string[] {
  const named = (env ?? '').split(':').filter(Boolean)
  return named.length > 0 ? named : ['~/.kube/config']
}

/** A file in the folder of this program; `name` comes from the inventory or the command line, and names nothing outside of it. */
export function ownFile(name: string): string {
  return `~/.kube/k3s-platform/${fileName(name)}`
}
