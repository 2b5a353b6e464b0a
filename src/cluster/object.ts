// Kubernetes objects: what is applied, what is live, and how one is named.

import { z } from 'zod'
import type { Json } from '../engine/state.ts'

/** What this program wants of an object: nothing but the fields that it owns. */
export type Manifest = {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: {
    readonly name: string
    readonly namespace?: string
    readonly labels?: Readonly<Record<string, string>>
    readonly annotations?: Readonly<Record<string, string>>
    /** Only where it is applied to one version alone. */
    readonly resourceVersion?: string
  }
  readonly [field: string]: Json
}

/** Names one object. `namespace` is left out for what is cluster-wide. */
export interface Ref {
  readonly apiVersion: string
  readonly kind: string
  readonly namespace?: string | undefined
  readonly name: string
}

/** Of an object or a namespace: a segment of a path. Of more signs only RBAC's names may be; none of its objects is asked for by such a name. */
const name = z.string().regex(/^\w[\w.:@-]{0,252}$/, 'is not the name of an object')
const strings = z.record(z.string(), z.string())

/** An object as the API tells it; fields that are not named here are kept as they are. */
export const live = z.looseObject({
  apiVersion: z.string(),
  kind: z.string(),
  metadata: z.looseObject({
    name,
    namespace: name.optional(),
    uid: z.string().optional(),
    resourceVersion: z.string().optional(),
    generation: z.number().optional(),
    creationTimestamp: z.string().nullish(),
    deletionTimestamp: z.string().optional(),
    labels: strings.optional(),
    annotations: strings.optional(),
    finalizers: z.array(z.string()).optional(),
    ownerReferences: z
      .array(z.looseObject({ kind: z.string(), name: z.string(), uid: z.string(), controller: z.boolean().optional() }))
      .optional(),
    managedFields: z
      .array(
        z.looseObject({ manager: z.string().optional(), operation: z.string(), subresource: z.string().optional() }),
      )
      .optional(),
  }),
})

/** `status.conditions`, as most kinds have them. */
export const conditions = z
  .array(
    z.looseObject({
      type: z.string(),
      status: z.string(),
      reason: z.string().default(''),
      message: z.string().default(''),
      observedGeneration: z.number().optional(),
    }),
  )
  .default([])

export type Live = z.output<typeof live>

export function refOf(object: Manifest | Live): Ref {
  const { apiVersion, kind, metadata } = object
  return { apiVersion, kind, namespace: metadata.namespace, name: metadata.name }
}

/** `Certificate database/postgresql-tls`, `ClusterIssuer svc-plus-selfsigned`: as people and kubectl say it. */
export function titleOf({ kind, namespace, name }: Omit<Ref, 'apiVersion'>): string {
  return `${kind} ${namespace === undefined ? name : `${namespace}/${name}`}`
}

/** Unique in a cluster and the same between versions of an API: `Certificate.cert-manager.io/database/postgresql-tls`. */
export function idOf({ apiVersion, kind, namespace, name }: Ref): string {
  const group = apiVersion.includes('/') ? `.${apiVersion.split('/')[0]}` : ''
  return `${kind}${group}/${namespace === undefined ? '' : `${namespace}/`}${name}`
}
