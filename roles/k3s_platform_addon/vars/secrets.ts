// Variables of the secrets that the platform is given, and of the Vault that it may read them from.

import { z } from 'zod'
import { duration, hidden, namespaces, objectName, pem, strings, text } from '../../shapes.ts'

const mode = z.enum(['input', 'external-secret', 'existing', 'none'])
const word = (what: string) => text(/^\S+$/, `expected ${what} without spaces`)

/** Where a value is in Vault: the path below the mount, and a key of what is stored there. */
const remote = z.strictObject({ key: z.string().min(1), property: z.string().min(1).optional() })

const externalSecret = z.strictObject({
  name: objectName,
  namespaces: namespaces.min(1),
  type: z.string().min(1).optional(),
  data: z.record(z.string().regex(/^[\w.-]+$/, 'expected the key of a Secret'), remote).default({}),
  dataFrom: z.array(z.string().min(1)).default([]),
  refreshInterval: duration.default(3600),
  labels: strings.optional(),
  annotations: strings.optional(),
})

export const secretVars = {
  k3s_platform_cloudflare_api_token: hidden
    .optional()
    .meta({ env: ['CLOUDFLARE_API_TOKEN', 'CLOUDFLARE_DNS_API_TOKEN'] })
    .describe('Token of Cloudflare for DNS records; also the environment variable `CLOUDFLARE_API_TOKEN`.'),
  k3s_platform_cloudflare_mode: mode
    .optional()
    .describe(
      'Where the token comes from: `input`, `external-secret`, `existing` or `none`; default: `input` if given.',
    ),
  k3s_platform_cloudflare_remote: remote
    .default({ key: 'cloudflare', property: 'api-token' })
    .describe('Where the token is in Vault, for the mode `external-secret`.'),
  k3s_platform_ghcr_username: word('a name')
    .optional()
    .meta({ env: ['GHCR_USERNAME'] })
    .describe('User of the registry for the pull secret; also the environment variable `GHCR_USERNAME`.'),
  k3s_platform_ghcr_token: hidden
    .optional()
    .meta({ env: ['GHCR_TOKEN'] })
    .describe('Password or token of that user; also the environment variable `GHCR_TOKEN`.'),
  k3s_platform_ghcr_registry: z
    .string()
    .regex(/^[a-z0-9]([\w.-]*[a-z0-9])?(:\d+)?$/i, 'expected a registry such as ghcr.io')
    .default('ghcr.io')
    .describe('Registry that the pull secret is for.'),
  k3s_platform_ghcr_secret: objectName.default('postgresql-ghcr-pull').describe('Name of the pull secret.'),
  k3s_platform_ghcr_namespaces: namespaces
    .default(['database'])
    .describe('Namespaces that get the pull secret, each its own.'),
  k3s_platform_ghcr_mode: mode
    .optional()
    .describe('Where the pull secret comes from, as `k3s_platform_cloudflare_mode`.'),
  k3s_platform_ghcr_remote: z
    .strictObject({ key: z.string().min(1), username: z.string().min(1), token: z.string().min(1) })
    .default({ key: 'ghcr', username: 'username', token: 'token' })
    .describe('Where the pull secret is in Vault: path and the keys of user and token.'),
  k3s_platform_vault_server: text(/^https?:\/\/[^\s/]+\/?$/, 'expected an http or https URL without a path')
    .transform((url) => url?.replace(/\/$/, ''))
    .optional()
    .meta({ env: ['VAULT_URL'] })
    .describe('URL of the Vault that external-secrets reads; also the environment variable `VAULT_URL`.'),
  k3s_platform_vault_namespace: word('a namespace of Vault')
    .optional()
    .meta({ env: ['VAULT_NAMESPACE'] })
    .describe('Namespace of Vault Enterprise; also the environment variable `VAULT_NAMESPACE`.'),
  k3s_platform_vault_path: z.string().min(1).default('secret').describe('Mount of the KV engine.'),
  k3s_platform_vault_version: z.enum(['v1', 'v2']).default('v2').describe('Version of the KV engine.'),
  k3s_platform_vault_ca: pem.optional().describe("CA of Vault's certificate, PEM."),
  k3s_platform_vault_auth: z
    .enum(['kubernetes', 'token', 'approle'])
    .optional()
    .describe('How external-secrets logs in; default: by what is given, else as `kubernetes`.'),
  k3s_platform_vault_auth_path: z
    .string()
    .min(1)
    .optional()
    .describe('Mount of that login in Vault; default `kubernetes` or `approle`.'),
  k3s_platform_vault_role: z
    .string()
    .min(1)
    .default('external-secrets')
    .describe('Role in Vault for the login as `kubernetes`.'),
  k3s_platform_vault_token: hidden
    .optional()
    .meta({ env: ['VAULT_TOKEN'] })
    .describe('Token for the login as `token`; also the environment variable `VAULT_TOKEN`.'),
  k3s_platform_vault_role_id: hidden.optional().describe('Role ID for the login as `approle`.'),
  k3s_platform_vault_secret_id: hidden.optional().describe('Secret ID for the login as `approle`.'),
  k3s_platform_vault_mode: z
    .enum(['input', 'existing'])
    .default('input')
    .describe('Whether the Secret `vault-access` of that login is written from the variables or only checked.'),
  k3s_platform_vault_store: objectName
    .default('vault')
    .describe('Name of the store that external-secrets reads Vault by.'),
  k3s_platform_vault_store_kind: z
    .enum(['ClusterSecretStore', 'SecretStore'])
    .default('ClusterSecretStore')
    .describe('One store for the cluster, or one with its own login in each namespace.'),
  k3s_platform_external_secrets: z
    .array(externalSecret)
    .default([])
    .describe('Further Secrets from Vault: name, namespaces, data (key to path and property), dataFrom, type.'),
}

export type Mode = z.output<typeof mode>
