// Explains what the API answers in place of an object: what may still pass by itself, and what somebody has to correct.

import { z } from 'zod'
import { API, type ApiRow } from '../diagnosis/api.ts'
import { diagnose, fill } from '../diagnosis/diagnose.ts'
import { type Problem, ProblemError } from '../engine/problem.ts'
import { fieldsOfAnswer } from './answer.ts'
import { ApiError, type Cluster } from './cluster.ts'
import { conflictWords, type Subject } from './conflict.ts'
import { kubectl } from './kubectl.ts'
import { type Live, titleOf } from './object.ts'

/**
 * `absent`: its kind or its namespace is not there (yet). `later`: may come by itself, `until` says when (`once the webhook
 * "x" answers`), `why` what it is now. `refused`: no repetition helps.
 */
export type Refusal =
  | { readonly is: 'absent'; readonly why: string; readonly hint?: string }
  | {
      readonly is: 'later'
      readonly until: string
      readonly why: string
      readonly hint?: string
      readonly seconds: number
    }
  | { readonly is: 'refused'; readonly words: Words }

type Words = Pick<Problem, 'what' | 'why' | 'hint'>

const UNSAID = 'its message is omitted, because it may quote the secret'
/** Pause before the next try where the API names none. */
const PAUSE_SECONDS = 1

/** What the answer means; the namespace of one that is being deleted is looked at for what holds it. */
export async function refusalOf(error: ApiError, subject: Subject, cluster: Pick<Cluster, 'get'>): Promise<Refusal> {
  const { code, message, causes, retryAfterSeconds } = error
  const terminating = /unable to create new content in namespace (\S+) because it is being terminated/.exec(message)
  if (terminating) return terminatingNamespace(terminating[1] ?? '', cluster)
  if (causes.some(({ reason }) => reason === 'FieldManagerConflict')) {
    return { is: 'refused', words: conflictWords(error, subject) }
  }
  const values = valuesOf(error, subject)
  const found = diagnose(API, { text: `HTTP ${code} ${message}`, values })
  if (found === undefined) return { is: 'refused', words: { what: `HTTP ${code}` } }
  const { is, cause, match, until = '' } = found
  const hint = found.hint === undefined ? {} : { hint: found.hint }
  const quote = quoteOf(found, error, subject)
  if (is === 'refused') return { is, words: { what: cause, ...(quote ? { why: quote } : {}), ...hint } }
  if (is === 'absent') return { is, why: cause, ...hint }
  return {
    is,
    until: fill(until, values, match),
    why: `${cause}: ${quote || `HTTP ${code}`}`,
    ...hint,
    seconds: retryAfterSeconds ?? PAUSE_SECONDS,
  }
}

/** Throws ApiErrors that no repetition helps against as a problem, everything else as it is. */
export async function orRefused(
  error: unknown,
  subject: Subject,
  cluster: Pick<Cluster, 'get'>,
  host: string,
): Promise<Exclude<Refusal, { is: 'refused' }>> {
  if (!(error instanceof ApiError)) throw error
  const refusal = await refusalOf(error, subject, cluster)
  if (refusal.is !== 'refused') return refusal
  throw new ProblemError({ kind: 'failed', where: `${host} ${titleOf(subject.ref)}`, ...refusal.words })
}

/** `held by the finalizer x`, of a namespace what is left in it; empty when nothing holds it. */
export function heldBy(live: Live): string {
  if (live.kind === 'Namespace') return holdsOf(live).join('; ')
  const held = live.metadata.finalizers ?? []
  if (held.length === 0) return ''
  return `held by the finalizer${held.length > 1 ? 's' : ''} ${held.join(', ')}`
}

function valuesOf({ message, causes }: ApiError, { ref }: Subject): Record<string, string> {
  const { kind, apiVersion, namespace = '' } = ref
  const unknown = schemaLines(message).flatMap((line) => UNKNOWN_FIELD.exec(line)?.slice(1).find(Boolean) ?? [])
  const field = unknown[0] === undefined ? '' : `.${unknown[0].split(/[.[]/)[0]}`
  return {
    ...{ kind, version: apiVersion, namespace },
    unknown: `${unknown.length === 1 ? 'field' : 'fields'} ${unknown.join(', ')}`,
    explain: `kubectl explain ${kind.toLowerCase()}${field} --api-version=${apiVersion}`,
    delete: kubectl('delete', ref),
    causes: causes.length > 0 ? 'some' : 'none',
  }
}

const UNKNOWN_FIELD = /^(.*): field not declared in schema$|^unknown field "(.*)"$/

/** The faults that the API finds in an object's fields, one line each. */
function schemaLines(message: string): string[] {
  const [, patch, create] =
    /failed to create typed patch object \(.*?\): (?:errors:\s+)?([\s\S]*)|strict decoding error: ([\s\S]*)/.exec(
      message,
    ) ?? []
  const lines = patch?.split('\n') ?? create?.replaceAll('", ', '"\n').split('\n') ?? []
  return lines.map((line) => line.trim().replace(/^\./, ''))
}

/** What is shown of the answer. Of a secret only what cannot quote it: names of fields, and what the API met on its way to a webhook. */
function quoteOf(
  { is, quote, match }: ApiRow & { readonly match: RegExpExecArray },
  { message, causes }: ApiError,
  { secret = false }: Subject,
): string {
  if (quote === 'schema') {
    return schemaLines(message)
      .filter((line) => !UNKNOWN_FIELD.test(line))
      .map((line) => (secret ? line.replace(/:.*/, '') : line.replace(/&value\.\w+\{Value:(.*)\}$/, '$1')))
      .join('\n')
  }
  if (quote === 'causes') {
    return causes
      .filter(({ field }) => field !== '<nil>')
      .map(({ field, message: said, reason }) =>
        [['', '[]'].includes(field) ? '' : `${field}: `, secret ? reason : said].join(''),
      )
      .join('\n')
  }
  const said = (quote === 'message' ? message : match.groups?.quote) ?? ''
  return secret && is === 'refused' && said !== '' ? UNSAID : said
}

const namespaceStatus = z.looseObject({
  spec: z.looseObject({ finalizers: z.array(z.string()).optional() }).optional(),
  status: z
    .looseObject({
      conditions: z.array(z.looseObject({ status: z.string(), message: z.string().default('') })).optional(),
    })
    .optional(),
})

/** What the API says of a namespace that is being deleted, one line each. */
function holdsOf(live: Live | null): string[] {
  const { spec, status } = fieldsOfAnswer(namespaceStatus, live ?? {})
  const holds = (status?.conditions ?? []).filter((one) => one.status === 'True').map(({ message }) => message)
  const own = (spec?.finalizers ?? []).filter((one) => one !== 'kubernetes')
  return [...holds, ...(own.length > 0 ? [`its own finalizers: ${own.join(', ')}`] : [])]
}

/** The stage of the namespaces, or whoever made it, makes it anew once it is gone. */
async function terminatingNamespace(name: string, cluster: Pick<Cluster, 'get'>): Promise<Refusal> {
  const found = await cluster.get({ apiVersion: 'v1', kind: 'Namespace', name }).catch(() => null)
  const holds = holdsOf(found).join('\n') || 'what is in it is still being removed'
  return {
    is: 'later',
    until: `once the old namespace ${name} is gone`,
    why: `the namespace ${name} is being deleted\n${holds}`,
    hint: `wait until it is gone, or free what holds it: kubectl api-resources --verbs=list --namespaced -o name | xargs -n1 kubectl -n ${name} get --ignore-not-found --show-kind`,
    seconds: PAUSE_SECONDS,
  }
}
