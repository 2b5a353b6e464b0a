// The gates of external-secrets: a store that it can read from, and a Secret that it has made.

import { z } from 'zod'
import type { Cluster } from '../cluster.ts'
import { conditions, idOf, type Live, type Ref, titleOf } from '../object.ts'
import type { ClusterResource } from '../resource.ts'
import { warningsOf } from '../rollout.ts'
import { gate, type Verdict } from './gate.ts'

const API = 'external-secrets.io/v1'
const STORE_SECONDS = 120
/** Its tries are a second, two, four... apart. */
const SYNC_SECONDS = 120

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
      const { spec, status } = shape.parse(live)
      const synced = Number(status.syncedResourceVersion?.split('-')[0] ?? Number.NaN)
      if (synced < (live.metadata.generation ?? 0)) {
        return { is: 'waiting', why: 'external-secrets has not taken up its newest version yet' }
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
async function conditionOf(cluster: Cluster, live: Live, ref: Ref, good: string): Promise<Verdict> {
  const ready = shape.parse(live).status.conditions.find(({ type }) => type === 'Ready')
  if (ready === undefined) return { is: 'waiting', why: 'external-secrets has not looked at it yet' }
  if (ready.status === 'True') return { is: 'ready' }
  // Events of what is cluster-wide are kept in namespace default.
  const warning = (await warningsOf(cluster, ref.namespace ?? 'default', ref)).at(-1)
  const told = warning?.replace(/^\w+: /, '') ?? ''
  const message = told.length > ready.message.length ? told : ready.message
  const known = EXPLAINED.find(({ says }) => says.test(message))
  const words = `${ready.reason === '' ? `not ${good}` : ready.reason}: ${message.replace(/\s+/g, ' ').trim()}`
  if (known === undefined) return { is: 'waiting', why: words }
  return { is: 'waiting', why: `${known.why}\n${words}`, hint: known.hint }
}

/** What its messages and Vault's come down to. */
const EXPLAINED: readonly { readonly says: RegExp; readonly why: string; readonly hint: string }[] = [
  {
    says: /x509|tls: /,
    why: "the provider's TLS certificate is not trusted",
    hint: 'give its CA: k3s_platform_vault_ca (PEM)',
  },
  {
    says: /dial tcp|connection refused|no such host|i\/o timeout|deadline exceeded|network is unreachable/,
    why: 'the provider cannot be reached from the cluster',
    hint: 'check k3s_platform_vault_server, and that pods can reach it',
  },
  {
    says: /sealed/i,
    why: 'Vault is sealed',
    hint: 'vault operator unseal; external-secrets tries again by itself',
  },
  {
    says: /could not get secret store|SecretStore(?:\.\S+)? "[^"]*" (?:not found|is not ready)|not ready/i,
    why: 'its store is absent or not ready',
    hint: 'the store says why: kubectl get secretstore,clustersecretstore -A',
  },
  {
    says: /cannot find secret data for key|property .* does not exist|key .* not found/i,
    why: 'the secret is there, the entry in it is not',
    hint: 'vault kv get shows its entries; correct the property',
  },
  {
    says: /(?:secrets?|serviceaccounts?) "[^"]*" not found|cannot (?:get|find) (?:Kubernetes )?(?:secret|service account)/i,
    why: 'the Secret or the ServiceAccount that it logs in with does not exist',
    hint: 'materialise it first: k3s-platform apply -t secrets',
  },
  {
    says: /Code: 400|invalid (?:role|jwt|token|role name|role_id)|failed to (?:log ?in|validate)|unable to log ?in/i,
    why: 'the login is refused',
    hint: 'check the role, token or AppRole, and what Vault binds it to (namespace, service account, audience)',
  },
  {
    says: /Code: 403|permission denied|forbidden/i,
    why: 'it may not read there: permission denied',
    hint: 'give its policy `read` on the path; in KV v2 that is <mount>/data/<path>',
  },
  {
    says: /Secret does not exist|Code: 404|no handler for route|NoSecretError/i,
    why: 'there is no secret at that path',
    hint: 'vault kv get shows it; check the mount, and v1 against v2 of the store',
  },
]
