// Which file is the kubeconfig, by kubectl's rules.

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
