// What the API answers in place of an object, in words: what may still come by itself, and what somebody has to put right.

import { z } from 'zod'
import { type Problem, ProblemError } from '../engine/problem.ts'
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

interface Row {
  readonly when: (error: ApiError) => RegExpExecArray | boolean | null
  readonly tell: (error: ApiError, subject: Subject, match: readonly (string | undefined)[]) => Refusal
}

const UNSAID = 'its words are left out: they may quote the secret'
/** Pause before the next try where the API names none. */
const PAUSE_SECONDS = 1

/** Source of the texts: a Kubernetes 1.36 API server's answers to server-side apply, kept in test/cluster/refusals.yaml. */
const ROWS: readonly Row[] = [
  {
    when: ({ causes }) => causes.some(({ reason }) => reason === 'FieldManagerConflict'),
    tell: (error, subject) => ({ is: 'refused', words: conflictWords(error, subject) }),
  },
  {
    when: ({ message }) => /failed calling webhook "([^"]+)": (?:.*?: )?Post "([^"]*)": ([\s\S]*)/.exec(message),
    tell: (_, __, [, name, url, why = '']) => webhookSilent(`"${name}"`, url, why),
  },
  {
    when: ({ message }) => /failed calling webhook "([^"]+)": ()([\s\S]*)/.exec(message),
    tell: (_, __, [, name, url, why = '']) => webhookSilent(`"${name}"`, url, why),
  },
  {
    when: ({ message }) => /conversion webhook for (.*?) failed: (?:Post "([^"]*)": )?([\s\S]*)/.exec(message),
    tell: (_, __, [, name, url, why = '']) => webhookSilent(`that converts ${name}`, url, why),
  },
  {
    when: ({ message }) =>
      /admission webhook "([^"]+)" denied the request(?:: ([\s\S]*)| without explanation)/.exec(message),
    tell: (_, subject, [, name, why]) => refused(`the webhook "${name}" refuses it`, said(subject, why)),
  },
  {
    when: ({ message }) => /ValidatingAdmissionPolicy '([^']+)' .*?denied request: ([\s\S]*)/.exec(message),
    tell: (_, subject, [, name, why]) => refused(`the policy "${name}" refuses it`, said(subject, why)),
  },
  {
    when: ({ message }) => /failed to create typed patch object \(.*?\): (?:errors:\s+)?([\s\S]*)/.exec(message),
    tell: (_, subject, [, lines = '']) => misshapen(lines, subject),
  },
  {
    when: ({ message }) => /strict decoding error: ([\s\S]*)/.exec(message),
    tell: (_, subject, [, lines = '']) => misshapen(lines.replaceAll('", ', '"\n'), subject),
  },
  {
    when: ({ code, message }) => code === 413 || /request is too large|message larger than max/.test(message),
    tell: ({ message }) =>
      refused(
        'is too large for the API',
        message,
        'an object may have 1.5 MiB: have a big chart fetched from a URL, not sent along',
      ),
  },
  {
    when: ({ code, message }) => code === 404 && /^namespaces "([^"]+)" not found/.exec(message),
    tell: (_, __, [, name]) => ({
      is: 'absent',
      why: `there is no namespace ${name}`,
      hint: `kubectl create namespace ${name}, or name another one`,
    }),
  },
  {
    when: ({ code }) => code === 404,
    tell: (_, { ref: { kind, apiVersion } }) => ({
      is: 'absent',
      why: `the API does not know ${kind} of ${apiVersion}`,
      hint: `kubectl get crd tells what it knows; the addon that brings ${kind} has to be there first`,
    }),
  },
  {
    when: ({ code, message }) =>
      code === 429 ||
      code === 503 ||
      code === 504 ||
      (code === 409 && !/already exists|UID/.test(message)) ||
      /etcdserver: /.test(message),
    tell: ({ code, message, retryAfterSeconds }) => ({
      is: 'later',
      until: 'once the API takes it',
      why: `the API is busy: ${message || `HTTP ${code}`}`,
      seconds: retryAfterSeconds ?? PAUSE_SECONDS,
    }),
  },
  { when: ({ code, causes }) => code === 422 && causes.length > 0, tell: invalid },
  {
    when: ({ code, message }) => code === 403 && /exceeded quota/.test(message),
    tell: ({ message }, { ref }) =>
      refused('is over the quota of its namespace', message, `kubectl -n ${ref.namespace} describe resourcequota`),
  },
  {
    when: ({ code }) => code === 401 || code === 403,
    tell: ({ message }, subject) => refused('the API forbids it', said(subject, message)),
  },
]

/** Which of the rows it is; the namespace of one that is being deleted is looked at for what holds it. */
export async function refusalOf(error: ApiError, subject: Subject, cluster: Pick<Cluster, 'get'>): Promise<Refusal> {
  const terminating = /unable to create new content in namespace (\S+) because it is being terminated/.exec(
    error.message,
  )
  if (terminating) return terminatingNamespace(terminating[1] ?? '', cluster)
  for (const { when, tell } of ROWS) {
    const match = when(error)
    if (match) return tell(error, subject, match === true ? [] : match)
  }
  return refused('the API refuses it', said(subject, error.message), undefined)
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

function refused(what: string, why?: string, hint?: string): Refusal {
  return { is: 'refused', words: { what, ...(why ? { why } : {}), ...(hint === undefined ? {} : { hint }) } }
}

function said({ secret }: Subject, text: string | undefined): string | undefined {
  return secret && text ? UNSAID : text
}

function webhookSilent(name: string, url: string | undefined, words: string): Refusal {
  const [, service, namespace] = /^https:\/\/([^./]+)\.([^./]+)\.svc[:/]/.exec(url ?? '') ?? []
  const why = words.replace(/^dial tcp \S+: (?:connect: )?/, '')
  const gone = /^service "[^"]*" not found/.test(why)
  const hint = gone
    ? 'its program is not installed: install it, or remove what it left behind: kubectl get validatingwebhookconfigurations,mutatingwebhookconfigurations'
    : service && `kubectl -n ${namespace} get pods,endpointslices tells what ${service} lacks`
  return {
    is: 'later',
    until: `once the webhook ${name} answers`,
    why: `the webhook ${name} does not answer: ${why}`,
    ...(hint ? { hint } : {}),
    seconds: PAUSE_SECONDS,
  }
}

function misshapen(text: string, { ref, secret }: Subject): Refusal {
  const lines = text.split('\n').map((line) => line.trim().replace(/^\./, ''))
  const unknown = lines.flatMap(
    (line) => /^(.*): field not declared in schema$/.exec(line)?.[1] ?? /^unknown field "(.*)"$/.exec(line)?.[1] ?? [],
  )
  const others = lines.filter((line) => !/field not declared in schema$|^unknown field /.test(line))
  const explain = `kubectl explain ${ref.kind.toLowerCase()}${unknown[0] ? `.${unknown[0].split(/[.[]/)[0]}` : ''} --api-version=${ref.apiVersion}`
  return refused(
    unknown.length > 0
      ? `the API does not know ${unknown.length === 1 ? 'the field' : 'the fields'} ${unknown.join(', ')}`
      : 'has a value of the wrong type',
    others
      .map((line) => (secret ? line.replace(/:.*/, '') : line.replace(/&value\.\w+\{Value:(.*)\}$/, '$1')))
      .join('\n'),
    unknown.length > 0 ? `a slip, or of another version: ${explain}` : explain,
  )
}

function invalid({ causes }: ApiError, { ref, secret }: Subject): Refusal {
  const told = causes.filter(({ field }) => field !== '<nil>')
  const lines = told.map(({ field, message, reason }) => {
    const words = secret ? reason : message
    return field === '' || field === '[]' ? words : `${field}: ${words}`
  })
  const fixed = told.some(({ message }) => /immutable|may not be changed/.test(message))
  return refused(
    'the API finds it invalid',
    lines.join('\n'),
    fixed ? `what cannot be changed needs a new object: ${kubectl('delete', ref)}, then run apply again` : undefined,
  )
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
  const { spec, status } = namespaceStatus.parse(live ?? {})
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
