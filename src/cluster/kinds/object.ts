// Applies an object with server-side apply; the plan is what a dry run would change.

import { type Problem, ProblemError } from '../../engine/problem.ts'
import type { Observation } from '../../engine/resource.ts'
import type { State } from '../../engine/state.ts'
import { ApiError, type Cluster } from '../cluster.ts'
import { differing, fieldsOf } from '../fields.ts'
import { kubectl } from '../kubectl.ts'
import { idOf, type Live, type Manifest, type Ref, refOf, titleOf } from '../object.ts'
import { ownerOf } from '../ownership.ts'
import { heldBy, orRefused } from '../refusal.ts'
import type { ClusterResource } from '../resource.ts'
import { deleted, until, type Waited } from '../wait.ts'

export interface ObjectOptions {
  /** Ids of resources whose change changes this one. */
  readonly inputs?: readonly string[]
  /** Said of a new one: its version, or what is special about it. */
  readonly remark?: string
}

/** Not forced: a field of another manager is a problem. What GitOps or Helm owns is shown and left alone. */
export function object(manifest: Manifest, { inputs, remark }: ObjectOptions = {}): ClusterResource {
  return applied({
    ref: refOf(manifest),
    manifest: () => manifest,
    created: remark === undefined ? { present: true } : { version: remark },
    fields: fieldsOf,
    inputs,
  })
}

interface MergedOptions {
  /** Told what a look has found. */
  readonly seen: (live: Live | null) => void
  readonly remark?: string
}

/** As `object`, of what is there: a list that several runs add to. `manifest` throws ProblemError for what is not to be merged with. */
export function mergedObject(
  ref: Ref,
  manifest: (live: Live | null) => Manifest,
  { seen, remark }: Partial<MergedOptions> = {},
): ClusterResource {
  return applied({
    ref,
    manifest,
    merges: true,
    created: remark === undefined ? { present: true } : { version: remark },
    fields: fieldsOf,
    ...(seen && { seen }),
  })
}

export interface Applied {
  readonly ref: Ref
  /** Made when it goes onto the wire, not before: it may hold secrets. `live` is what is there, for one that `merges`. */
  readonly manifest: (live: Live | null) => Manifest
  /** The manifest is made of what is there, and applied to that version alone: several runs may add to it at the same time. */
  readonly merges?: true
  /** Told what a look has found. */
  readonly seen?: (live: Live | null) => void
  readonly secret?: boolean
  /** What is shown of one that is not there yet. */
  readonly created: State
  readonly fields: (object: Live) => State
  /** The field, with its wanted value, that a living object cannot change: it is deleted and made anew. */
  readonly fixed?: { readonly field: string; readonly value: string }
  readonly masked?: readonly string[]
  readonly inputs?: readonly string[] | undefined
  /** Told what the API has made of it. */
  readonly made?: (live: Live) => void
}

/** Bound of a wait for the API to take it, and for an old one to go, seconds. */
const BOUND_SECONDS = 60
/** Somebody else was faster: it is made of what that one has written. */
const AGAIN_MS = 100
/** A state with this field is not known yet, or not to be had yet; its text says until when. */
const UNTIL = 'waits'

export function applied(spec: Applied): ClusterResource {
  const { ref, fixed, masked, inputs, secret = false } = spec
  const title = titleOf(ref)
  const replaced = (live: Live | null): string | null => {
    const value = live?.[fixed?.field ?? '']
    return typeof value === 'string' && value !== fixed?.value ? value : null
  }
  return {
    id: idOf(ref),
    title,
    writes: ref,
    ...(inputs === undefined ? {} : { inputs }),
    ...(masked === undefined ? {} : { masked }),
    before: { actual: null, desired: spec.created },
    action: (actual) => {
      const wait = actual?.[UNTIL]
      if (typeof wait === 'string') return `apply ${title} ${wait}`
      const was = fixed && actual?.[fixed.field]
      if (typeof was !== 'string') return null
      return `recreate ${title}: its ${fixed?.field} is immutable (${was} -> ${fixed?.value})`
    },

    look: async (cluster, at) => {
      const unanswered = async (error: unknown, live: Live | null | undefined): Promise<Observation> => {
        const refusal = await orRefused(error, { ref, manifest: spec.manifest(live ?? null), secret }, cluster, at.host)
        // Making it waits for the API; what it will be is known.
        if (live === null) return { actual: null, desired: spec.created }
        return notYet(refusal.is === 'later' ? refusal.until : 'once the API knows its kind')
      }
      const [found, dry] = await readBoth(cluster, spec)
      if (found.status === 'rejected') return unanswered(found.reason, undefined)
      const live = found.value
      spec.seen?.(live)
      const owner = live && ownerOf(live, spec.manifest(live))
      if (live && owner) return { ...(await drift(spec, live, dry, cluster)), owner }
      if (live?.metadata.deletionTimestamp !== undefined) {
        return notYet(`once the old one is deleted${heldBy(live) && ` (${heldBy(live)})`}`)
      }
      const master = live && controllerOf(live)
      if (master) return notYet(`once its owner ${master.kind} ${master.name} is deleted`)
      const was = replaced(live)
      if (fixed && was !== null) return { actual: { [fixed.field]: was }, desired: { [fixed.field]: fixed.value } }
      if (dry.status === 'rejected') return unanswered(dry.reason, live)
      if (live === null) return { actual: null, desired: spec.created }
      const [actual, desired] = differing(spec.fields(live), spec.fields(dry.value))
      return { actual, desired }
    },

    make: async (change, cluster, how) => {
      const where = `${how.host} ${title}`
      let old = change.actual === null && !spec.merges ? null : await cluster.get(ref)
      if (old && (old.metadata.deletionTimestamp !== undefined || replaced(old) !== null)) {
        const gone = await deleted(cluster, ref, old, how, BOUND_SECONDS)
        if (gone.is === 'stopped') return
        if (gone.is === 'late') throw new ProblemError(stuck(where, ref, gone))
      }
      if (old) refuseOwned(old, where)
      let manifest = spec.manifest(old)
      let [hint, pauseMs]: [string | undefined, number] = [undefined, 1000]
      const waited = await until(
        async () => {
          try {
            const live = await cluster.apply(spec.merges ? ofVersion(manifest, old) : manifest)
            spec.made?.(live)
            return null
          } catch (error) {
            const refusal = await orRefused(error, { ref, manifest, secret }, cluster, how.host)
            hint = refusal.hint
            pauseMs = refusal.is === 'later' ? refusal.seconds * 1000 : 1000
            if (spec.merges && error instanceof ApiError && error.code === 409) {
              pauseMs = AGAIN_MS
              old = await cluster.get(ref)
              manifest = spec.manifest(old)
            }
            return refusal.why
          }
        },
        how,
        { bound: BOUND_SECONDS, pauseMs: () => pauseMs },
      )
      if (waited.is !== 'late') return
      const what = `the API did not accept it within ${waited.seconds} s`
      throw new ProblemError({ kind: 'failed', where, what, why: waited.why, ...(hint === undefined ? {} : { hint }) })
    },
  }
}

/** Rounds after which the last is believed. */
const ROUNDS = 5

/** A controller may write between the two: they are of one version, or read again. */
async function readBoth(cluster: Cluster, { ref, manifest, merges }: Applied) {
  for (let round = 1; ; round++) {
    const get = cluster.get(ref)
    const live = merges ? get : Promise.resolve(null)
    const both = await Promise.allSettled([get, live.then((one) => cluster.apply(manifest(one), { dryRun: true }))])
    const [found, dry] = both
    if (found.status === 'rejected' || dry.status === 'rejected' || round === ROUNDS) return both
    if (found.value === null || found.value.metadata.resourceVersion === dry.value.metadata.resourceVersion) return both
  }
}

/** What its owner has otherwise than it is wanted here; nothing where the API does not say. */
async function drift(
  { manifest, fields }: Applied,
  live: Live,
  dry: PromiseSettledResult<Live>,
  cluster: Cluster,
): Promise<{ readonly actual: State; readonly desired: State }> {
  const forced = dry.status === 'rejected' && isConflict(dry.reason)
  const wanted = forced
    ? await cluster.apply(manifest(live), { dryRun: true, force: true }).catch(() => null)
    : dry.status === 'fulfilled'
      ? dry.value
      : null
  if (wanted === null) return { actual: {}, desired: {} }
  const [actual, desired] = differing(fields(live), fields(wanted))
  return { actual, desired }
}

/** The API refuses it for any other version with 409, and then it is made anew. One that is not there has none. */
function ofVersion(manifest: Manifest, live: Live | null): Manifest {
  const resourceVersion = live?.metadata.resourceVersion
  return resourceVersion === undefined ? manifest : { ...manifest, metadata: { ...manifest.metadata, resourceVersion } }
}

const isConflict = (error: unknown) =>
  error instanceof ApiError && error.causes.some(({ reason }) => reason === 'FieldManagerConflict')

/** The object that made it and writes it again, and with which it goes: `ExternalSecret vault-token`. */
function controllerOf({ metadata }: Live) {
  return metadata.ownerReferences?.find(({ controller }) => controller === true)
}

function refuseOwned(live: Live, where: string): void {
  const owner = controllerOf(live)
  if (owner === undefined || live.metadata.deletionTimestamp !== undefined) return
  const { kind, name } = owner
  const what = `it is created by ${kind} ${name}, which would recreate it`
  const hint = `remove it from the inventory, or: ${kubectl('delete', { ...refOf(live), kind, name })}`
  throw new ProblemError({ kind: 'failed', where, what, hint })
}

const notYet = (wait: string): Observation => ({ actual: { [UNTIL]: wait }, desired: { [UNTIL]: null } })

/** Words for an object that was to be deleted and is still there. */
export function stuck(where: string, ref: Ref, { why, seconds }: Extract<Waited, { is: 'late' }>): Problem {
  return {
    kind: 'failed',
    where,
    what: `its deletion did not finish within ${seconds} s`,
    why,
    hint: `find the controller that must remove the finalizer: ${kubectl('describe', ref)}`,
  }
}
