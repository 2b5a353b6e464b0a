// What came of the handoff to Argo CD, by the status of its Application: compared, synced, healthy; or which object is the cause.

import { z } from 'zod'
import { fieldsOfAnswer } from '../cluster/answer.ts'
import type { Live } from '../cluster/object.ts'
import { ARGOCD } from '../diagnosis/argocd.ts'
import { diagnose } from '../diagnosis/diagnose.ts'
import { GIT_SERVER, type Outcome } from './outcome.ts'

const health = z.looseObject({ status: z.string().default(''), message: z.string().default('') }).prefault({})

const source = z.looseObject({ repoURL: z.string(), path: z.string(), targetRevision: z.string() }).partial().optional()

const UNKNOWN = { cause: 'Argo CD cannot use the repository', hint: 'see its conditions: kubectl describe' }

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
  const { spec, status } = fieldsOfAnswer(application, live)
  const asked = live.metadata.annotations?.[REFRESH] !== undefined
  if (status === undefined || asked || isOfAnother(spec.source, status.sync.comparedTo?.source))
    return { is: 'waiting', why: 'Argo CD has not processed it yet' }
  const { sync, health: well, conditions, operationState: operation, resources } = status
  const error = conditions.find(({ type }) => type.endsWith('Error'))
  if (error) {
    const { cause, hint } = diagnose(ARGOCD, { text: error.message, values: GIT_SERVER }) ?? UNKNOWN
    return { is: 'failed', what: cause, why: `${error.type}: ${error.message}`, hint }
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
