// Formats kubectl commands for hints.

import type { Ref } from './object.ts'

/** `kubectl -n demo patch configmap x`: the verb, then the object, as kubectl takes them. */
export function kubectl(verb: string, { apiVersion, kind, namespace, name }: Ref): string {
  const group = apiVersion.includes('/') ? `.${apiVersion.split('/')[0]}` : ''
  return `kubectl ${namespace === undefined ? '' : `-n ${namespace} `}${verb} ${kind.toLowerCase()}${group} ${name}`
}
