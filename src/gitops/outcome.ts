// What came of the handoff, by the status of Flux's objects: fetched, built, applied, well; or which of them is the cause, and why.

import { z } from 'zod'
import { fieldsOfAnswer } from '../cluster/answer.ts'
import { conditions, type Live, titleOf } from '../cluster/object.ts'
import { diagnose } from '../diagnosis/diagnose.ts'
import { FLUX_APPLY, FLUX_FETCH } from '../diagnosis/flux.ts'

/** A failure that Flux itself will not get over, unless it is `waiting`: then it may, and `why` is what it says by now. */
export type Outcome =
  | { readonly is: 'ready'; readonly revision: string }
  | {
      readonly is: 'waiting' | 'failed'
      readonly what?: string
      readonly why: string
      readonly hint?: string | undefined
      /** The row of the catalogue that answered. */
      readonly cause?: string
      /** The objects that are not well, as Flux writes them: `Certificate/database/postgresql-tls`. */
      readonly unwell?: readonly string[]
    }

const status = z.looseObject({
  metadata: z.looseObject({
    generation: z.number().default(0),
    annotations: z.record(z.string(), z.string()).default({}),
  }),
  spec: z
    .looseObject({
      suspend: z.boolean().default(false),
      path: z.string().default(''),
      sourceRef: z.looseObject({ kind: z.string(), name: z.string(), namespace: z.string().optional() }).optional(),
    })
    .prefault({}),
  status: z
    .looseObject({
      conditions,
      observedGeneration: z.number().default(0),
      lastHandledReconcileAt: z.string().optional(),
      lastAppliedRevision: z.string().optional(),
      lastAttemptedRevision: z.string().optional(),
      artifact: z.looseObject({ revision: z.string() }).optional(),
      inventory: z.looseObject({ entries: z.array(z.looseObject({ id: z.string() })).default([]) }).optional(),
    })
    .prefault({}),
})

/** Set by who wants it looked at now: https://fluxcd.io/flux/components/source/gitrepositories/#triggering-a-reconcile */
export const REQUESTED = 'reconcile.fluxcd.io/requestedAt'

export interface ReconcileRequest {
  /** undefined: nobody has asked. What was said before the annotation, whoever set it last, was handled is of before. */
  readonly requested: string | undefined
}

/** What the catalogue calls it in its sentences. */
export const GIT_SERVER = { server: 'the Git server', host: 'of the Git server' }

const RESUME = 'flux resume source git, or remove spec.suspend with kubectl'

/** The GitRepository: whether what is in Git is there to be applied. */
export function fetched(source: Live | null, { requested }: ReconcileRequest): Outcome {
  if (source === null) return { is: 'waiting', why: 'the GitRepository does not exist' }
  const { metadata, spec, status: is } = fieldsOfAnswer(status, source)
  if (spec.suspend) {
    const why = 'it is suspended and has never fetched a revision'
    if (is.artifact === undefined) return { is: 'failed', what: 'it cannot be fetched', why, hint: RESUME }
    return { is: 'ready', revision: is.artifact.revision }
  }
  const ready = is.conditions.find(({ type }) => type === 'Ready')
  // That of the status grows with success only: it is -1 where there was none.
  const old = (ready?.observedGeneration ?? is.observedGeneration) < metadata.generation
  // Whoever has asked: its login may be another one since.
  const asked = metadata.annotations[REQUESTED] ?? requested
  if (ready === undefined || old || (asked !== undefined && is.lastHandledReconcileAt !== asked))
    return { is: 'waiting', why: "Flux's source-controller has not processed it yet" }
  if (ready.status === 'True' && is.artifact !== undefined) return { is: 'ready', revision: is.artifact.revision }
  const told = is.conditions.find(({ type, status: now }) => type === 'FetchFailed' && now === 'True') ?? ready
  const reason = diagnose(FLUX_FETCH, { text: told.message, values: GIT_SERVER })
  const why = `${told.reason}: ${tidy(told.message)}`
  if (ready.status === 'Unknown' && reason === undefined) {
    // It looks anew at what it has, as it does every minute.
    return is.artifact === undefined ? { is: 'waiting', why } : { is: 'ready', revision: is.artifact.revision }
  }
  return reason
    ? { is: 'failed', what: `it cannot be fetched: ${reason.cause}`, why, hint: reason.hint, cause: reason.name }
    : { is: 'waiting', why }
}

export interface AppliedTree extends ReconcileRequest {
  readonly root: Live | null
  /** Kustomizations that the root has applied. */
  readonly children: readonly Live[]
  /** Of the root's source, that was fetched last; undefined: whatever is applied by now will do. */
  readonly revision: string | undefined
}

/**
 * The root and what it has applied. A child that fails is the cause; one that waits for another is not. After a request,
 * what is said of another revision than the one that was fetched, or before the request was handled, is of before.
 */
export function applied({ root, children, revision, requested }: AppliedTree): Outcome {
  if (root === null) return { is: 'waiting', why: 'it does not exist' }
  const own = readOne(root)
  // One that is being deleted is no longer in Git; what it says is about the revision before.
  const all = children.filter(({ metadata }) => metadata.deletionTimestamp === undefined).map(readOne)
  // What comes from elsewhere has revisions of its own.
  const shares = (one: One) => one.source === own.source
  const isNew = (one: One) =>
    requested === undefined ||
    (!one.asked && (one.tried === revision || !shares(one)) && (one === own || reached(own, revision)))
  const causes = [...all, own].flatMap((one) => (one.fault === undefined || !isNew(one) ? [] : [{ one, ...one.fault }]))
  const cause = causes.find(({ final, one }) => final && one !== own) ?? causes[0]
  const whose = (one: One) => (one === own ? '' : `${one.title}: `)
  if (cause) {
    const { one, final, what, why, hint, unwell } = cause
    return {
      is: final ? 'failed' : 'waiting',
      ...(what !== undefined && { what: `${whose(one)}${what}` }),
      why: `${whose(one)}${why}`,
      ...(hint !== undefined && { hint }),
      unwell,
    }
  }
  if (requested !== undefined && own.asked && !(own.busy && own.tried === revision)) {
    if (own.checks)
      return {
        is: 'waiting',
        why: `${own.says}: newer revisions are not applied until it is resumed`,
        unwell: own.unwell,
      }
    return { is: 'waiting', why: "Flux's kustomize-controller has not processed it yet" }
  }
  const isBehind = (one: One) => {
    if (revision !== undefined && shares(one))
      return !one.well || (!one.suspended && (one.asked || one.applied !== revision))
    // What a new revision comes to is not known yet, and a retry takes the failure before it out of the status.
    const isTrying = one.busy && one.tried !== undefined && one.tried !== one.applied
    return !one.suspended && (one.applied === undefined || !one.observed || isTrying)
  }
  // What is at work says more than what waits for that.
  const behind = all.find((one) => isBehind(one) && one.checks) ?? [own, ...all].find(isBehind)
  if (behind === undefined) return { is: 'ready', revision: own.applied ?? '' }
  const { well, says, unwell } = behind
  const why =
    well && shares(behind) && behind.applied !== revision
      ? `applied revision ${short(behind.applied)}, fetched revision ${short(revision)}`
      : says
  return { is: 'waiting', why: `${whose(behind)}${why || 'nothing is applied yet'}`, unwell }
}

/** It has applied its objects, children among them: what these say is of what they are now. */
const reached = (own: One, revision: string | undefined) =>
  own.tried === revision && (own.checks || own.applied === revision || !(own.asked || own.busy))

interface Fault {
  /** It stays so until somebody changes something. */
  readonly final: boolean
  readonly what?: string
  readonly why: string
  readonly hint?: string | undefined
  readonly unwell: readonly string[]
}

interface One {
  readonly title: string
  /** Where it takes what it applies from. */
  readonly source: string
  /** It is ready, or looks anew at what it was ready with, as it does every few minutes. */
  readonly well: boolean
  /** What is said is of its present spec; a failure never counts as that. */
  readonly observed: boolean
  readonly suspended: boolean
  readonly applied: string | undefined
  /** The revision that it is at, or that it has failed with. */
  readonly tried: string | undefined
  /** A request is not handled yet. */
  readonly asked: boolean
  readonly busy: boolean
  /** Everything is applied, and waited for. */
  readonly checks: boolean
  readonly says: string
  readonly unwell: readonly string[]
  readonly fault?: Fault
}

/** Waits for another, or is at work: the cause is elsewhere. */
const NO_FAULT = ['DependencyNotReady', 'Progressing', 'ProgressingWithRetry', 'HealthCheckCanceled']

function readOne(live: Live): One {
  const { metadata, spec, status: is } = fieldsOfAnswer(status, live)
  const [ready, reconciling] = ['Ready', 'Reconciling'].map((type) => is.conditions.find((one) => one.type === type))
  const { kind, namespace, name } = { kind: live.kind, ...live.metadata }
  const from = spec.sourceRef
  const message = tidy(ready?.message ?? '')
  const busy = ready?.status === 'Unknown'
  const doing = busy && reconciling !== undefined ? short(tidy(reconciling.message)) : message
  const asked = metadata.annotations[REQUESTED]
  const checks = busy && /^Running health checks/.test(reconciling?.message ?? '')
  const unwell = checks ? certificatesIn(is.inventory?.entries ?? []) : unwellIn(message)
  const observed = is.observedGeneration >= metadata.generation
  const applied = is.lastAppliedRevision
  const tried = / for revision (\S+) with /.exec(reconciling?.message ?? '')?.[1] ?? is.lastAttemptedRevision
  const again = busy && applied !== undefined && tried === applied
  const base = {
    title: titleOf({ kind, namespace, name }),
    source: from === undefined ? '' : [from.kind, from.namespace ?? namespace, from.name].join('/'),
    well: observed && (ready?.status === 'True' || again),
    observed,
    suspended: spec.suspend,
    applied,
    tried,
    asked: asked !== undefined && is.lastHandledReconcileAt !== asked,
    busy,
    checks,
    says: doing,
    unwell,
  }
  const lost = ready?.reason === 'DependencyNotReady' && /not found/.test(message)
  if (ready?.status !== 'False' || (NO_FAULT.includes(ready.reason) && !lost) || spec.suspend) return base
  const known = diagnose(FLUX_APPLY, { text: message, values: { path: spec.path } })
  const why = `${ready.reason}: ${message}`
  if (known === undefined) return { ...base, fault: { final: false, why, unwell } }
  const { cause: what, hint, passing = false } = known
  return { ...base, fault: { final: !passing, what, why, hint, unwell } }
}

/** `database_postgresql-tls_cert-manager.io_Certificate`, as fluxcd/cli-utils names objects, as the messages do. */
function certificatesIn(entries: readonly { readonly id: string }[]): string[] {
  return entries.flatMap(({ id }) => {
    const [namespace, name, group, kind] = id.split('_')
    return group === 'cert-manager.io' && kind === 'Certificate' ? [`${kind}/${namespace}/${name}`] : []
  })
}

/** `timeout waiting for: [Certificate/database/tls status: 'InProgress']`, as fluxcd/pkg/ssa writes it. */
function unwellIn(message: string): string[] {
  return [...message.matchAll(/([A-Z]\w+\/[\w./-]+) (?:status: '|dry-run failed)/g)].map(([, object = '']) => object)
}

const short = (revision = 'nothing') => revision.replace(/(sha1|sha256):([0-9a-f]{7})[0-9a-f]*/, '$1:$2')

/** On one line, without the temporary directories of the controller and what sops adds for whoever does not know it. */
function tidy(message: string): string {
  return message
    .replace(/\s*Recovery failed because no master key[\s\S]*$/, '')
    .replace(/\/tmp\/kustomization-\d+/g, '')
    .replace(/\s+/g, ' ')
    .trim()
}
