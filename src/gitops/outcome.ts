// What came of the handoff, by the status of Flux's objects: fetched, built, applied, well; or which of them is the cause, and why.

import { z } from 'zod'
import { conditions, type Live, titleOf } from '../cluster/object.ts'

/** A failure that Flux itself will not get over, unless it is `waiting`: then it may, and `why` is what it says by now. */
export type Outcome =
  | { readonly is: 'ready'; readonly revision: string }
  | {
      readonly is: 'waiting' | 'failed'
      readonly what?: string
      readonly why: string
      readonly hint?: string
      /** The objects that are not well, as Flux writes them: `Certificate/database/postgresql-tls`. */
      readonly unwell?: readonly string[]
    }

const status = z.looseObject({
  metadata: z.looseObject({
    generation: z.number().default(0),
    annotations: z.record(z.string(), z.string()).default({}),
  }),
  spec: z.looseObject({ suspend: z.boolean().default(false), path: z.string().default('') }).prefault({}),
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

export interface Asked {
  /** The value of that annotation; what was said before it was handled is of before. undefined: nobody has asked. */
  readonly requested: string | undefined
}

/** The GitRepository: whether what is in Git is there to be applied. */
export function fetched(source: Live | null, { requested }: Asked): Outcome {
  if (source === null) return { is: 'waiting', why: 'there is no GitRepository' }
  const { metadata, spec, status: is } = status.parse(source)
  if (spec.suspend) {
    const why = 'it is suspended, and nothing was fetched before'
    if (is.artifact === undefined) return { is: 'failed', what: 'cannot be fetched', why, hint: RESUME }
    return { is: 'ready', revision: is.artifact.revision }
  }
  const ready = is.conditions.find(({ type }) => type === 'Ready')
  // A fetch that fails leaves the status at the generation of the last success: -1 where there was none.
  const old = (ready?.observedGeneration ?? is.observedGeneration) < metadata.generation
  // Whoever has asked: its login may be another one since.
  const asked = requested ?? metadata.annotations[REQUESTED]
  if (ready === undefined || old || (asked !== undefined && is.lastHandledReconcileAt !== asked))
    return { is: 'waiting', why: 'the source-controller of Flux has not taken it up yet' }
  if (ready.status === 'True' && is.artifact !== undefined) return { is: 'ready', revision: is.artifact.revision }
  const told = is.conditions.find(({ type, status: now }) => type === 'FetchFailed' && now === 'True') ?? ready
  const reason = explained(told.message, FETCH)
  const why = `${told.reason}: ${tidy(told.message)}`
  if (ready.status === 'Unknown' && reason === undefined) return { is: 'waiting', why }
  return reason
    ? { is: 'failed', what: `cannot be fetched: ${reason.what}`, why, hint: reason.hint }
    : { is: 'waiting', why }
}

export interface Applied extends Asked {
  readonly root: Live | null
  /** Kustomizations that the root has applied. */
  readonly children: readonly Live[]
  /** That was fetched last; undefined: whatever is applied by now will do. */
  readonly revision: string | undefined
}

/**
 * The root and what it has applied. A child that fails is the cause; one that waits for another is not. After a request,
 * what is said of another revision than the one that was fetched, or before the request was handled, is of before.
 */
export function applied({ root, children, revision, requested }: Applied): Outcome {
  if (root === null) return { is: 'waiting', why: 'it does not exist' }
  const own = readOne(root)
  const all = children.map(readOne)
  const isNew = (one: One) =>
    requested === undefined || (one.tried === revision && !one.asked && (one === own || reached(own, revision)))
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
  if (requested !== undefined && own.asked && own.tried !== revision)
    return { is: 'waiting', why: 'the kustomize-controller of Flux has not taken it up yet' }
  const isBehind = (one: One) => {
    if (revision !== undefined) return !one.ready || (one.applied !== revision && !one.suspended)
    // What is looked at anew every few minutes is well meanwhile; what is new in it is not yet.
    return !one.suspended && (one.applied === undefined || (one.checks && one.tried !== one.applied))
  }
  // What is at work says more than what waits for that.
  const behind = all.find((one) => isBehind(one) && one.checks) ?? [own, ...all].find(isBehind)
  if (behind === undefined) return { is: 'ready', revision: own.applied ?? '' }
  const { ready, says, unwell } = behind
  const why = ready ? `applied is ${short(behind.applied)}, fetched ${short(revision)}` : says
  return { is: 'waiting', why: `${whose(behind)}${why || 'nothing is applied yet'}`, unwell }
}

/** It has applied its objects, children among them: what these say is of what they are now. */
const reached = (own: One, revision: string | undefined) => own.tried === revision && (own.checks || !own.asked)

interface Fault {
  /** It stays so until somebody changes something. */
  readonly final: boolean
  readonly what?: string
  readonly why: string
  readonly hint?: string
  readonly unwell: readonly string[]
}

interface One {
  readonly title: string
  readonly ready: boolean
  readonly suspended: boolean
  readonly applied: string | undefined
  /** The revision that it is at, or that it has failed with. */
  readonly tried: string | undefined
  /** A request is not handled yet. */
  readonly asked: boolean
  /** Everything is applied, and waited for. */
  readonly checks: boolean
  readonly says: string
  readonly unwell: readonly string[]
  readonly fault?: Fault
}

/** Waits for another, or is at work: the cause is elsewhere. */
const NO_FAULT = ['DependencyNotReady', 'Progressing', 'ProgressingWithRetry', 'HealthCheckCanceled']

function readOne(live: Live): One {
  const { metadata, spec, status: is } = status.parse(live)
  const [ready, reconciling] = ['Ready', 'Reconciling'].map((type) => is.conditions.find((one) => one.type === type))
  const { kind, namespace, name } = { kind: live.kind, ...live.metadata }
  const message = tidy(ready?.message ?? '')
  const doing = ready?.status === 'Unknown' && reconciling !== undefined ? short(tidy(reconciling.message)) : message
  const asked = metadata.annotations[REQUESTED]
  const checks = ready?.status === 'Unknown' && /^Running health checks/.test(reconciling?.message ?? '')
  const unwell = checks ? certificatesIn(is.inventory?.entries ?? []) : unwellIn(message)
  const base = {
    title: titleOf({ kind, namespace, name }),
    ready: ready?.status === 'True' && is.observedGeneration >= metadata.generation,
    suspended: spec.suspend,
    applied: is.lastAppliedRevision,
    tried: / for revision (\S+) with /.exec(reconciling?.message ?? '')?.[1] ?? is.lastAttemptedRevision,
    asked: asked !== undefined && is.lastHandledReconcileAt !== asked,
    checks,
    says: doing,
    unwell,
  }
  const lost = ready?.reason === 'DependencyNotReady' && /not found/.test(message)
  if (ready?.status !== 'False' || (NO_FAULT.includes(ready.reason) && !lost) || spec.suspend) return base
  const known = explained(message, APPLY)
  const why = `${ready.reason}: ${message}`
  if (known === undefined) return { ...base, fault: { final: false, why, unwell } }
  const { what, hint, passing = false } = known
  return { ...base, fault: { final: !passing, what, why, hint: hint.replace('PATH', spec.path), unwell } }
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

interface Reason {
  readonly says: RegExp
  readonly what: string
  readonly hint: string
  /** It may pass by itself. */
  readonly passing?: boolean
}

const explained = (message: string, reasons: readonly Reason[]): Reason | undefined =>
  reasons.find(({ says }) => says.test(message))

const RESUME = 'flux resume source git, or take spec.suspend off it with kubectl'
export const REFUSED = 'the login is refused'
const LOGIN = 'check k3s_platform_git_auth_mode and its login'

/** Words of source-controller, go-git and Go's TLS and SSH. */
const FETCH: readonly Reason[] = [
  {
    says: /secrets? "[^"]*" not found|failed to get secret/i,
    what: 'its Secret is not there',
    hint: 'k3s-platform apply -t source makes it',
  },
  {
    says: /couldn't find remote ref|reference not found|remote ref .* not found|unable to find .*branch/i,
    what: 'there is no such branch',
    hint: 'correct k3s_platform_git_branch, or push the branch',
  },
  {
    says: /knownhosts: key mismatch|ssh: handshake failed: .*(?:host key|hostkey)|known_hosts/i,
    what: 'the server shows another host key than the known one',
    hint: 'compare it with the one that the host publishes, then correct k3s_platform_git_known_hosts',
  },
  {
    says: /unable to authenticate|authentication required|authorization failed|invalid credentials|permission denied|invalid auth|40[13]\b|Unauthorized|Forbidden/i,
    what: REFUSED,
    hint: `${LOGIN}: the key or token has to be one that the repository lets in`,
  },
  {
    says: /repository not found|not found: .*repository|404\b/i,
    what: 'there is no such repository, or the login may not see it',
    hint: `correct k3s_platform_git_url; ${LOGIN}`,
  },
  {
    says: /x509:|tls: |certificate signed by unknown/i,
    what: 'the certificate of the server is not trusted',
    hint: 'give its CA: k3s_platform_git_ca (PEM)',
  },
  {
    says: /no such host|server misbehaving/i,
    what: 'the cluster does not know the name of the server',
    hint: 'check k3s_platform_git_url, and the DNS of the node',
  },
  {
    says: /connection refused|i\/o timeout|deadline exceeded|no route to host|network is unreachable|connection reset|\bEOF\b/i,
    what: 'the server is not reached from the cluster',
    hint: 'check k3s_platform_git_url, the way there from the node, and its proxy: k3s_platform_https_proxy',
  },
  {
    says: /parse .*key|ssh: no key found|invalid format|passphrase/i,
    what: 'the deploy key cannot be read',
    hint: 'give it as ssh-keygen writes it: k3s_platform_git_private_key',
  },
]

/** Words of kustomize-controller, kustomize, sops and the API. */
const APPLY: readonly Reason[] = [
  {
    says: /dependency '[^']*' not found|dependency .*not found/i,
    what: 'what it depends on is not there',
    hint: 'correct dependsOn of the Kustomization in Git',
    passing: true,
  },
  {
    says: /secrets? "[^"]*" not found/i,
    what: 'the Secret that it decrypts with is not there',
    hint: 'give k3s_platform_sops_age_key: k3s-platform apply -t source makes it',
  },
  {
    says: /path not found|no such file or directory/i,
    what: 'there is no such folder in the repository',
    hint: 'k3s-platform render --tree DIR --commit writes it, then git push; or correct k3s_platform_flux_root_path (now PATH)',
  },
  {
    says: /decrypt|sops|age:|data key/i,
    what: 'a file cannot be decrypted',
    hint: 'k3s_platform_sops_age_key has to be the private part of one of the keys that it was encrypted for',
  },
  {
    says: /kustomize build failed|failed to decode|MalformedYAML|yaml:|accumulat|kustomization\.yaml/i,
    what: 'the files do not build',
    hint: 'see what is wrong: kubectl kustomize PATH; then push the correction',
  },
  {
    says: /no matches for kind|could not find the requested resource|the server doesn't have a resource type/i,
    what: 'a kind is not known to the API',
    hint: 'what brings it has to be applied before: k3s-platform apply k3s_platform_addon, or dependsOn in the tree',
  },
  {
    says: /failed calling webhook|context deadline exceeded.*webhook/i,
    what: 'a webhook does not answer',
    hint: 'kubectl get pods -A tells which program is not well',
    passing: true,
  },
  {
    says: /namespaces? "[^"]*" not found/i,
    what: 'a namespace is not there',
    hint: 'the tree has to make it before what is in it',
  },
  {
    says: /admission webhook .* denied|is invalid|Invalid value|field is immutable|unknown field|field not declared|dry-run failed/i,
    what: 'the API refuses an object',
    hint: 'correct it in Git',
  },
  {
    says: /forbidden|cannot (?:create|patch|delete|get|list)/i,
    what: 'Flux may not do that',
    hint: 'its service account lacks the right: see spec.serviceAccountName of the Kustomization',
  },
  {
    says: /health check failed|timeout waiting for/i,
    what: 'what it applied does not become well',
    hint: 'the objects say why: kubectl describe',
  },
  { says: /prun/i, what: 'an object that is no longer in Git could not be deleted', hint: 'kubectl describe it' },
]
