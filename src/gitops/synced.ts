// What came of the handoff to Argo CD, by the status of its Application: compared, synced, healthy; or which object is the cause.

import { z } from 'zod'
import type { Live } from '../cluster/object.ts'
import type { Outcome } from './outcome.ts'

const health = z.looseObject({ status: z.string().default(''), message: z.string().default('') }).prefault({})

const source = z.looseObject({ repoURL: z.string(), path: z.string(), targetRevision: z.string() }).partial().optional()

/** Taken off by Argo CD when it has looked: https://argo-cd.readthedocs.io/en/stable/user-guide/annotations-and-labels/ */
export const REFRESH = 'argocd.argoproj.io/refresh'

/** https://argo-cd.readthedocs.io/en/stable/operator-manual/application.yaml, status */
const application = z.looseObject({
  spec: z.looseObject({ source }).prefault({}),
  status: z
    .looseObject({
      sync: z
        .looseObject({
          status: z.string().default(''),
          revision: z.string().default(''),
          comparedTo: z.looseObject({ source }).optional(),
        })
        .prefault({}),
      health,
      conditions: z.array(z.looseObject({ type: z.string(), message: z.string().default('') })).default([]),
      operationState: z.looseObject({ phase: z.string().default(''), message: z.string().default('') }).optional(),
      resources: z
        .array(
          z.looseObject({
            kind: z.string(),
            namespace: z.string().optional(),
            name: z.string(),
            health: health.optional(),
          }),
        )
        .default([]),
    })
    .optional(),
})

export function synced(live: Live | null): Outcome {
  if (live === null) return { is: 'waiting', why: 'it does not exist' }
  const { spec, status } = application.parse(live)
  const asked = live.metadata.annotations?.[REFRESH] !== undefined
  if (status === undefined || asked || isOfAnother(spec.source, status.sync.comparedTo?.source))
    return { is: 'waiting', why: 'Argo CD has not taken it up yet' }
  const { sync, health: well, conditions, operationState: operation, resources } = status
  const error = conditions.find(({ type }) => type.endsWith('Error'))
  if (error) {
    const { what, hint } = reasonOf(error.message)
    return { is: 'failed', what, why: `${error.type}: ${error.message}`, hint }
  }
  if (sync.status === 'Synced' && well.status === 'Healthy') return { is: 'ready', revision: sync.revision }
  if (operation && ['Failed', 'Error'].includes(operation.phase)) {
    const hint = `kubectl -n ${live.metadata.namespace} describe application ${live.metadata.name}`
    return { is: 'waiting', what: 'could not be synced', why: `${operation.phase}: ${operation.message}`, hint }
  }
  const unwell = resources.filter((one) => ['Degraded', 'Missing', 'Progressing'].includes(one.health?.status ?? ''))
  const [first] = unwell
  const cause =
    first &&
    `; ${first.kind} ${first.namespace === undefined ? '' : `${first.namespace}/`}${first.name} is ${first.health?.status}${first.health?.message ? `: ${first.health.message}` : ''}`
  return {
    is: 'waiting',
    why: `${sync.status || 'not compared yet'}, ${well.status || 'health unknown'}${cause ?? ''}`,
    unwell: unwell.map(({ kind, namespace = '', name }) => `${kind}/${namespace}/${name}`),
  }
}

/** What was compared was another folder, branch or repository. */
function isOfAnother(wanted: z.output<typeof source>, compared: z.output<typeof source>): boolean {
  if (wanted === undefined || compared === undefined) return false
  return (['repoURL', 'path', 'targetRevision'] as const).some((field) => wanted[field] !== compared[field])
}

/** Words of Argo CD's repo-server, Git and kustomize. */
function reasonOf(message: string): { readonly what: string; readonly hint: string } {
  const known = REASONS.find(({ says }) => says.test(message))
  return known ?? { what: 'Argo CD cannot use the repository', hint: 'its conditions say why: kubectl describe' }
}

const REASONS: readonly { readonly says: RegExp; readonly what: string; readonly hint: string }[] = [
  {
    says: /authentication required|authorization failed|permission denied|unable to authenticate|invalid credentials/i,
    what: 'the login is refused',
    hint: 'check k3s_platform_git_auth_mode and its login',
  },
  {
    says: /knownhosts|host key/i,
    what: 'the host key of the server is not known to Argo CD',
    hint: 'give it: k3s_platform_git_known_hosts',
  },
  {
    says: /unable to resolve|couldn't find remote ref|reference not found/i,
    what: 'there is no such branch',
    hint: 'correct k3s_platform_git_branch, or push the branch',
  },
  {
    says: /app path does not exist|no such file/i,
    what: 'there is no such folder in the repository',
    hint: 'k3s-platform render --tree DIR --commit writes it, then git push; or correct k3s_platform_flux_root_path',
  },
  {
    says: /x509/,
    what: 'the certificate of the server is not trusted',
    hint: 'give its CA: k3s_platform_git_ca (PEM)',
  },
  {
    says: /kustomize build|failed to generate manifest|yaml/i,
    what: 'the files do not build',
    hint: 'see what is wrong: kubectl kustomize; then push the correction',
  },
  {
    says: /connection refused|timeout|no such host|unreachable/i,
    what: 'the server is not reached from the cluster',
    hint: 'check k3s_platform_git_url and the way there from the node',
  },
  {
    says: /is not permitted|project/i,
    what: 'the project does not allow it',
    hint: 'the AppProject of the tree lists what may be applied: k3s-platform render writes it anew',
  },
]
