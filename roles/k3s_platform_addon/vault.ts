// Creates the stores and ExternalSecrets for Vault, and waits for each.

import { object } from '../../src/cluster/kinds/object.ts'
import { secretSynced, storeReady } from '../../src/cluster/kinds/synced.ts'
import type { Manifest } from '../../src/cluster/object.ts'
import type { ClusterResource } from '../../src/cluster/resource.ts'
import { goDuration } from '../../src/engine/duration.ts'
import type { Stage } from '../../src/engine/resource.ts'
import type { Json } from '../../src/engine/state.ts'
import type { RoleContext } from '../role.ts'
import { base64 } from '../shapes.ts'
import { type External, externals, PLATFORM, VAULT_ACCESS, vaultAuth } from './materials.ts'
import type { AddonVars } from './vars.ts'

const API = 'external-secrets.io/v1'

/** After the addon external-secrets, before what needs these Secrets. Empty where nothing comes from Vault. */
export function externalSecretStages(v: AddonVars, _context: RoleContext): Stage<ClusterResource>[] {
  const wanted = externals(v)
  if (wanted.length === 0) return []
  const { k3s_platform_vault_store: name, k3s_platform_vault_store_kind: kind } = v
  const stores = storeSpaces(v)
  const secrets = secretManifests(v).map((one) => object(one))
  const places = wanted.flatMap((one) => one.namespaces.map((namespace) => ({ namespace, name: one.name })))
  return [
    {
      role: 'k3s_platform_addon',
      name: 'vault',
      resources: [
        ...stores.map((namespace) => object(store(v, namespace))),
        ...stores.map((namespace) => storeReady({ kind, name, ...(namespace && { namespace }) })),
        ...secrets,
        ...places.map((place, i) => secretSynced({ ...place, inputs: secrets.slice(i, i + 1).map(({ id }) => id) })),
      ],
    },
  ]
}

/** The stores and the ExternalSecrets, as they are applied. Both empty where nothing comes from Vault. */
export function vaultManifests(v: AddonVars): {
  readonly stores: readonly Manifest[]
  readonly secrets: readonly Manifest[]
} {
  const secrets = secretManifests(v)
  return { stores: secrets.length === 0 ? [] : storeSpaces(v).map((one) => store(v, one)), secrets }
}

const secretManifests = (v: AddonVars) =>
  externals(v).flatMap((one) => one.namespaces.map((namespace) => externalSecret(v, one, namespace)))

/** The namespaces of the stores; undefined: one for the cluster. */
function storeSpaces(v: AddonVars): (string | undefined)[] {
  if (v.k3s_platform_vault_store_kind === 'ClusterSecretStore') return [undefined]
  return [...new Set(externals(v).flatMap(({ namespaces }) => namespaces))]
}

function store(v: AddonVars, namespace: string | undefined): Manifest {
  const { k3s_platform_vault_ca: ca, k3s_platform_vault_namespace: vaultNamespace } = v
  return {
    apiVersion: API,
    kind: v.k3s_platform_vault_store_kind,
    metadata: { name: v.k3s_platform_vault_store, ...(namespace && { namespace }) },
    spec: {
      provider: {
        vault: {
          server: v.k3s_platform_vault_server ?? '',
          path: v.k3s_platform_vault_path,
          version: v.k3s_platform_vault_version,
          ...(vaultNamespace === undefined ? {} : { namespace: vaultNamespace }),
          ...(ca === undefined ? {} : { caBundle: base64(ca) }),
          auth: auth(v, namespace),
        },
      },
    },
  }
}

/** In a ClusterSecretStore every reference names its namespace. */
function auth(v: AddonVars, namespace: string | undefined): Json {
  const ref = (key: string) => ({ name: VAULT_ACCESS, key, ...(namespace ? {} : { namespace: PLATFORM }) })
  const how = vaultAuth(v)
  const path = v.k3s_platform_vault_auth_path ?? how
  if (how === 'token') return { tokenSecretRef: ref('token') }
  if (how === 'approle') return { appRole: { path, roleRef: ref('role-id'), secretRef: ref('secret-id') } }
  // Without a reference to a service account it is external-secrets' own.
  return { kubernetes: { mountPath: path, role: v.k3s_platform_vault_role } }
}

function externalSecret(v: AddonVars, wanted: External, namespace: string): Manifest {
  const { name, data, dataFrom, template } = wanted
  return {
    apiVersion: API,
    kind: 'ExternalSecret',
    metadata: { name, namespace },
    spec: {
      refreshInterval: goDuration(wanted.refreshSeconds),
      secretStoreRef: { kind: v.k3s_platform_vault_store_kind, name: v.k3s_platform_vault_store },
      target: { name, creationPolicy: 'Owner', ...(template && { template }) },
      ...(data.length === 0
        ? {}
        : {
            data: data.map(({ secretKey, key, property }) => ({
              secretKey,
              remoteRef: { key, ...(property === undefined ? {} : { property }) },
            })),
          }),
      ...(dataFrom.length === 0 ? {} : { dataFrom: dataFrom.map((key) => ({ extract: { key } })) }),
    },
  }
}
