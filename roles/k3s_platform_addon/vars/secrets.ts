// Variables of the platform's secrets, and of the Vault that external-secrets reads.

import { z } from 'zod'
import { duration, hidden, namespaces, objectName, pem, strings, text } from '../../shapes.ts'

const mode = z.enum(['input', 'external-secret', 'existing', 'none'])
const word = (what: string) => text(/^\S+$/, `expected ${what} without spaces`)

/** Where a value is in Vault: the path below the mount, and a key of what is stored there. */
const remote = z.strictObject({ key: z.string().min(1), property: z.string().min(1).optional() })

export const externalSecret = z.strictObject({
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
    .describe('Cloudflare API token for DNS records; also the environment variable `CLOUDFLARE_API_TOKEN`.'),
  k3s_platform_cloudflare_mode: mode
    .optional()
    .describe(
      'Source of the token: `input`, `external-secret`, `existing` or `none`; default: `input` if a token is set.',
    ),
  k3s_platform_cloudflare_remote: remote
    .default({ key: 'cloudflare', property: 'api-token' })
    .describe('Vault path of the token, for the mode `external-secret`.'),
  k3s_platform_ghcr_username: word('a name')
    .optional()
    .meta({ env: ['GHCR_USERNAME'] })
    .describe('Registry user for the pull secret; also the environment variable `GHCR_USERNAME`.'),
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
    .describe('Namespaces in which the pull secret is created.'),
  k3s_platform_ghcr_mode: mode.optional().describe('Source of the pull secret, as in `k3s_platform_cloudflare_mode`.'),
  k3s_platform_ghcr_remote: z
    .strictObject({ key: z.string().min(1), username: z.string().min(1), token: z.string().min(1) })
    .default({ key: 'ghcr', username: 'username', token: 'token' })
    .describe('Vault location of the pull secret: path and the keys of user and token.'),
  k3s_platform_vault_server: text(/^https?:\/\/[^\s/]+\/?$/, 'expected an http or https URL without a path')
    .transform((url) => url?.replace(/\/$/, ''))
    .optional()
    .meta({ env: ['VAULT_URL'] })
    .describe('URL of the Vault that external-secrets reads; also the environment variable `VAULT_URL`.'),
  k3s_platform_vault_namespace: word('a Vault namespace')
    .optional()
    .meta({ env: ['VAULT_NAMESPACE'] })
    .describe('Vault Enterprise namespace; also the environment variable `VAULT_NAMESPACE`.'),
  k3s_platform_vault_path: z.string().min(1).default('secret').describe('Mount of the KV engine.'),
  k3s_platform_vault_version: z.enum(['v1', 'v2']).default('v2').describe('Version of the KV engine.'),
  k3s_platform_vault_ca: pem.optional().describe("CA that signed Vault's certificate, PEM."),
  k3s_platform_vault_auth: z
    .enum(['kubernetes', 'token', 'approle'])
    .optional()
    .describe('Auth method of external-secrets; default: the one whose variables are set, else `kubernetes`.'),
  k3s_platform_vault_auth_path: z
    .string()
    .min(1)
    .optional()
    .describe('Mount of the auth method in Vault; default `kubernetes` or `approle`.'),
  k3s_platform_vault_role: z
    .string()
    .min(1)
    .default('external-secrets')
    .describe('Vault role for the auth method `kubernetes`.'),
  k3s_platform_vault_token: hidden
    .optional()
    .meta({ env: ['VAULT_TOKEN'] })
    .describe('Token for the auth method `token`; also the environment variable `VAULT_TOKEN`.'),
  k3s_platform_vault_role_id: hidden.optional().describe('Role ID for the auth method `approle`.'),
  k3s_platform_vault_secret_id: hidden.optional().describe('Secret ID for the auth method `approle`.'),
  k3s_platform_vault_mode: z
    .enum(['input', 'existing'])
    .default('input')
    .describe(
      'Whether the Secret `vault-access` with these credentials is written from the variables or only checked.',
    ),
  k3s_platform_vault_store: objectName
    .default('vault')
    .describe('Name of the SecretStore or ClusterSecretStore for Vault.'),
  k3s_platform_vault_store_kind: z
    .enum(['ClusterSecretStore', 'SecretStore'])
    .default('ClusterSecretStore')
    .describe('One ClusterSecretStore for the cluster, or one SecretStore with its own credentials in each namespace.'),
  k3s_platform_external_secrets: z
    .array(externalSecret)
    .default([])
    .describe('Further Secrets from Vault: name, namespaces, data (key to path and property), dataFrom, type.'),
}

export type SecretMode = z.output<typeof mode>
