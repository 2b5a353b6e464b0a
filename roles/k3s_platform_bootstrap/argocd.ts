// Waits for Argo CD, which must be installed already, before the handoff starts.

import { running } from '../../src/cluster/kinds/running.ts'
import type { ClusterResource } from '../../src/cluster/resource.ts'

const NAMESPACE = 'argocd'
const API = 'argoproj.io/v1alpha1'
const READY_SECONDS = 120

/** Its chart names the controllers otherwise than its install.yaml does; the label is on all of them. */
export function argocdRunning(): ClusterResource {
  return running({
    name: 'argocd',
    title: 'Argo CD',
    namespace: NAMESPACE,
    labels: 'app.kubernetes.io/part-of=argocd',
    controllers: [],
    kinds: ['Application', 'AppProject'].map((kind) => ({ apiVersion: API, kind })),
    inputs: [],
    boundSeconds: READY_SECONDS,
    hint: `install it first, into the namespace ${NAMESPACE}: https://argo-cd.readthedocs.io/en/stable/operator-manual/installation/; kubectl get deployments,pods -n ${NAMESPACE} shows details`,
  })
}
