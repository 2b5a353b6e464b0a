// Waits until a store of external-secrets is ready and a Secret is synced.

import { z } from 'zod'
import { diagnose } from '../../diagnosis/diagnose.ts'
import { EXTERNAL_SECRETS } from '../../diagnosis/external-secrets.ts'
import { fieldsOfAnswer } from '../answer.ts'
import type { Cluster } from '../cluster.ts'
import { conditions, idOf, type Live, type Ref, titleOf } from '../object.ts'
import type { ClusterResource } from '../resource.ts'
import { warningsOf } from '../rollout.ts'
import { type GateVerdict, gate } from './gate.ts'

const API = 'external-secrets.io/v1'
const STORE_SECONDS = 120
/** Its tries are a second, two, four... apart. */
const SYNC_SECONDS = 120

/** What the catalogue calls it in its sentences. */
const PROVIDER = { server: 'the provider', host: 'of the provider' }

const shape = z.looseObject({
  spec: z.looseObject({ target: z.looseObject({ name: z.string().optional() }).optional() }).prefault({}),
  status: z
    .looseObject({
      conditions,
      // `<generation>-<hash>`
      syncedResourceVersion: z.string().optional(),
    })
    .prefault({}),
})

export interface StoreSpec {
  readonly kind: 'SecretStore' | 'ClusterSecretStore'
  readonly name: string
  /** Of a SecretStore. */
  readonly namespace?: string
  /** Default: the store itself. */
  readonly inputs?: readonly string[]
  /** Default 120. */
  readonly boundSeconds?: number
}

export function storeReady({
  kind,
  name,
  namespace,
  inputs,
  boundSeconds = STORE_SECONDS,
}: StoreSpec): ClusterResource {
  const ref: Ref = { apiVersion: API, kind, namespace, name }
  return gate({
    id: `ready:${idOf(ref)}`,
    title: titleOf(ref),
    about: ref,
    inputs: inputs ?? [idOf(ref)],
    boundSeconds,
    watches: [{ apiVersion: API, kind, namespace, fields: `metadata.name=${name}` }],
    judge: async (cluster) => {
      const live = await cluster.get(ref)
      if (live === null) return { is: 'waiting', why: `${titleOf(ref)} does not exist` }
      return conditionOf(cluster, live, ref, 'Valid')
    },
    hint: `kubectl describe ${kind.toLowerCase()} ${name}${namespace === undefined ? '' : ` -n ${namespace}`}`,
  })
}

export interface SyncedSpec {
  readonly namespace: string
  /** Of the ExternalSecret. */
  readonly name: string
  readonly inputs: readonly string[]
  /** Default 120. */
  readonly boundSeconds?: number
}

export function secretSynced({ namespace, name, inputs, boundSeconds = SYNC_SECONDS }: SyncedSpec): ClusterResource {
  const ref: Ref = { apiVersion: API, kind: 'ExternalSecret', namespace, name }
  return gate({
    id: `ready:${idOf(ref)}`,
    title: titleOf(ref),
    about: ref,
    inputs,
    boundSeconds,
    watches: [{ apiVersion: API, kind: 'ExternalSecret', namespace, fields: `metadata.name=${name}` }],
    judge: async (cluster) => {
      const live = await cluster.get(ref)
      if (live === null) return { is: 'waiting', why: `${titleOf(ref)} does not exist` }
      const found = await conditionOf(cluster, live, ref, 'SecretSynced')
      if (found.is !== 'ready') return found
      const { spec, status } = fieldsOfAnswer(shape, live)
      const synced = Number(status.syncedResourceVersion?.split('-')[0] ?? Number.NaN)
      if (synced < (live.metadata.generation ?? 0)) {
        return { is: 'waiting', why: 'external-secrets has not processed its newest version yet' }
      }
      const target = spec.target?.name ?? name
      const made = await cluster.list({
        apiVersion: 'v1',
        kind: 'Secret',
        namespace,
        fields: `metadata.name=${target}`,
        metadataOnly: true,
      })
      if (made.length > 0) return { is: 'ready' }
      return { is: 'waiting', why: `${titleOf({ kind: 'Secret', namespace, name: target })} does not exist` }
    },
    hint: `kubectl describe externalsecret ${name} -n ${namespace}`,
  })
}

/** Ready=True, or why not: its message, and what its latest warning adds. external-secrets tries again and again. */
async function conditionOf(cluster: Cluster, live: Live, ref: Ref, good: string): Promise<GateVerdict> {
  const ready = fieldsOfAnswer(shape, live).status.conditions.find(({ type }) => type === 'Ready')
  if (ready === undefined) return { is: 'waiting', why: 'external-secrets has not looked at it yet' }
  if (ready.status === 'True') return { is: 'ready' }
  // Events of what is cluster-wide are kept in namespace default.
  const warning = (await warningsOf(cluster, ref.namespace ?? 'default', ref)).at(-1)
  const told = warning?.replace(/^\w+: /, '') ?? ''
  const message = told.length > ready.message.length ? told : ready.message
  const known = diagnose(EXTERNAL_SECRETS, { text: message, values: PROVIDER })
  const words = `${ready.reason === '' ? `not ${good}` : ready.reason}: ${message.replace(/\s+/g, ' ').trim()}`
  if (known === undefined) return { is: 'waiting', why: words }
  return { is: 'waiting', why: `${known.cause}\n${words}`, ...(known.hint !== undefined && { hint: known.hint }) }
}
