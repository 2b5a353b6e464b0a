// Specifies each Secret of the platform: its keys, its source, and the namespaces that require it.

import { Secret } from '../../src/engine/secret.ts'
import type { Json } from '../../src/engine/state.ts'
import { base64 } from '../shapes.ts'
import type { SecretMode } from './vars/secrets.ts'
import type { AddonVars } from './vars.ts'

/** Where everything but cert-manager is; external-dns reads its token there. */
export const PLATFORM = 'platform'
/** The cluster resource namespace: a ClusterIssuer's Secrets are read there. */
export const CERT_MANAGER = 'cert-manager'
export const CLOUDFLARE_SECRET = { name: 'cloudflare-api-token', key: 'api-token' } as const
export const VAULT_ACCESS = 'vault-access'
/** The issuer that needs the Cloudflare token. */
export const DNS01 = 'svc-plus-acme-dns01-cloudflare'

/** What is in one Secret, wherever it comes from. */
export interface Material {
  /** As people call it. */
  readonly title: string
  readonly name: string
  /** None: nothing needs it. */
  readonly namespaces: readonly string[]
  readonly type?: string
  readonly mode: SecretMode
  readonly modeVariable: 'k3s_platform_cloudflare_mode' | 'k3s_platform_ghcr_mode' | 'k3s_platform_vault_mode'
  /** Variables of its value, each with the environment variable that stands for it. */
  readonly from: Readonly<Record<string, string | null>>
  /** Key to value; undefined: no value was given, or only a part of it. */
  readonly data: Readonly<Record<string, Secret>> | undefined
  readonly keys: readonly string[]
}

/** One Secret that external-secrets makes in each of the namespaces. */
export interface External {
  readonly name: string
  readonly namespaces: readonly string[]
  readonly refreshSeconds: number
  readonly data: readonly { readonly secretKey: string; readonly key: string; readonly property?: string | undefined }[]
  readonly dataFrom: readonly string[]
  readonly template?: { readonly [field: string]: Json } | undefined
}

const modeOf = (mode: SecretMode | undefined, given: boolean): SecretMode => mode ?? (given ? 'input' : 'none')

export function cloudflare(v: AddonVars): Material {
  const token = v.k3s_platform_cloudflare_api_token
  return {
    title: 'the Cloudflare token',
    name: CLOUDFLARE_SECRET.name,
    namespaces: [...(certManagerOn(v) ? [CERT_MANAGER] : []), ...(externalDnsOn(v) ? [PLATFORM] : [])],
    mode: modeOf(v.k3s_platform_cloudflare_mode, token !== undefined),
    modeVariable: 'k3s_platform_cloudflare_mode',
    from: { k3s_platform_cloudflare_api_token: 'CLOUDFLARE_API_TOKEN' },
    data: token && { [CLOUDFLARE_SECRET.key]: token },
    keys: [CLOUDFLARE_SECRET.key],
  }
}

const DOCKER_CONFIG = { type: 'kubernetes.io/dockerconfigjson', key: '.dockerconfigjson' } as const

export function ghcr(v: AddonVars): Material {
  const { k3s_platform_ghcr_username: username, k3s_platform_ghcr_token: token } = v
  return {
    title: `the credentials of ${v.k3s_platform_ghcr_registry}`,
    name: v.k3s_platform_ghcr_secret,
    namespaces: v.k3s_platform_ghcr_namespaces,
    type: DOCKER_CONFIG.type,
    mode: modeOf(v.k3s_platform_ghcr_mode, username !== undefined && token !== undefined),
    modeVariable: 'k3s_platform_ghcr_mode',
    from: { k3s_platform_ghcr_username: 'GHCR_USERNAME', k3s_platform_ghcr_token: 'GHCR_TOKEN' },
    data:
      username === undefined || token === undefined
        ? undefined
        : { [DOCKER_CONFIG.key]: dockerConfig(v.k3s_platform_ghcr_registry, username, token) },
    keys: [DOCKER_CONFIG.key],
  }
}

function dockerConfig(registry: string, username: string, token: Secret): Secret {
  const password = token.reveal()
  return new Secret(
    JSON.stringify({ auths: { [registry]: { username, password, auth: base64(`${username}:${password}`) } } }),
  )
}

/** external-secrets fills in the rest: its template functions quote for JSON. */
const dockerTemplate = (registry: string) =>
  `{"auths":{${JSON.stringify(registry)}:{"username":{{ .username | toJson }},"password":{{ .token | toJson }},"auth":{{ printf "%s:%s" .username .token | b64enc | toJson }}}}}`

/** What Vault is asked for. */
export function externals(v: AddonVars): External[] {
  const { key, ...ghcrKeys } = v.k3s_platform_ghcr_remote
  const own: [Material, Pick<External, 'data' | 'template'>][] = [
    [cloudflare(v), { data: [{ secretKey: CLOUDFLARE_SECRET.key, ...v.k3s_platform_cloudflare_remote }] }],
    [
      ghcr(v),
      {
        data: Object.entries(ghcrKeys).map(([secretKey, property]) => ({ secretKey, key, property })),
        template: {
          type: DOCKER_CONFIG.type,
          data: { [DOCKER_CONFIG.key]: dockerTemplate(v.k3s_platform_ghcr_registry) },
        },
      },
    ],
  ]
  return [
    ...own
      .filter(([{ mode, namespaces }]) => mode === 'external-secret' && namespaces.length > 0)
      .map(([{ name, namespaces }, rest]) => ({ name, namespaces, refreshSeconds: 3600, dataFrom: [], ...rest })),
    ...v.k3s_platform_external_secrets.map(({ name, namespaces, refreshInterval, data, dataFrom, ...rest }) => ({
      name,
      namespaces,
      refreshSeconds: refreshInterval,
      data: Object.entries(data).map(([secretKey, remote]) => ({ secretKey, ...remote })),
      dataFrom,
      template: templateOf(rest),
    })),
  ]
}

function templateOf({
  type,
  labels,
  annotations,
}: Pick<AddonVars['k3s_platform_external_secrets'][number], 'type' | 'labels' | 'annotations'>) {
  if (type === undefined && labels === undefined && annotations === undefined) return undefined
  return {
    ...(type === undefined ? {} : { type }),
    ...(labels || annotations ? { metadata: { ...(labels && { labels }), ...(annotations && { annotations }) } } : {}),
  }
}

/** How external-secrets logs in to Vault. */
export function vaultAuth(v: AddonVars): 'kubernetes' | 'token' | 'approle' {
  const byValue = v.k3s_platform_vault_token ? 'token' : v.k3s_platform_vault_role_id ? 'approle' : 'kubernetes'
  return v.k3s_platform_vault_auth ?? byValue
}

/** The login itself, where it needs a Secret. */
export function vaultAccess(v: AddonVars): Material {
  const auth = vaultAuth(v)
  const all = externals(v)
  const values: Readonly<Record<string, Secret | undefined>> =
    auth === 'token'
      ? { token: v.k3s_platform_vault_token }
      : { 'role-id': v.k3s_platform_vault_role_id, 'secret-id': v.k3s_platform_vault_secret_id }
  const given = Object.entries(values).flatMap(([key, value]) => (value === undefined ? [] : [[key, value] as const]))
  const keys = Object.keys(values)
  return {
    title: 'the Vault credentials',
    name: VAULT_ACCESS,
    namespaces:
      v.k3s_platform_vault_store_kind === 'SecretStore'
        ? [...new Set(all.flatMap((one) => one.namespaces))]
        : [PLATFORM],
    mode: auth === 'kubernetes' || all.length === 0 ? 'none' : v.k3s_platform_vault_mode,
    modeVariable: 'k3s_platform_vault_mode',
    from: {
      ...(auth === 'token'
        ? { k3s_platform_vault_token: 'VAULT_TOKEN' }
        : { k3s_platform_vault_role_id: null, k3s_platform_vault_secret_id: null }),
    },
    data: given.length === keys.length ? Object.fromEntries(given) : undefined,
    keys,
  }
}

const on = (own: boolean | undefined, former: { readonly enabled?: boolean | undefined } | undefined) =>
  own ?? former?.enabled ?? true
export const certManagerOn = (v: AddonVars) =>
  on(v.k3s_platform_cert_manager_enabled, v.k3s_platform_values?.components?.certManager)
export const externalSecretsOn = (v: AddonVars) =>
  on(v.k3s_platform_external_secrets_enabled, v.k3s_platform_values?.components?.externalSecrets)
const externalDnsOn = (v: AddonVars) =>
  on(v.k3s_platform_external_dns_enabled, v.k3s_platform_values?.components?.externalDns)
export const caddyOn = (v: AddonVars) => on(v.k3s_platform_caddy_enabled, v.k3s_platform_values?.components?.caddy)
