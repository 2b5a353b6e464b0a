// Variables of the cluster's Vault: whether to initialize it or take it over, when, and where its key shares are stored.

import { z } from 'zod'
import { keysOf } from '../../../src/vault/keys.ts'
import { hidden } from '../../shapes.ts'

/** Empty is the same as not set: a lookup of an environment variable gives that. */
const oneOf = <const T extends readonly string[]>(words: T) =>
  z.preprocess((given) => (given === '' ? undefined : given), z.enum(words).optional())

/** A map is the JSON as YAML reads it. */
const initJson = z.preprocess(
  (given) => (typeof given === 'object' && given !== null ? JSON.stringify(given) : given),
  z
    .string()
    .meta({ secret: true })
    .transform((given, context) => {
      if (given.trim() === '') return undefined
      const keys = keysOf(given)
      if (keys !== null) return keys
      context.addIssue({ code: 'custom', message: 'expected the JSON output of vault operator init -format=json' })
      return z.NEVER
    }),
)

const count = z.number().int().min(1).max(255)

export const vaultVars = {
  k3s_platform_vault_bootstrap_mode: oneOf(['init', 'migrate'])
    .meta({ env: ['K3S_PLATFORM_VAULT_BOOTSTRAP_MODE'] })
    .describe(
      'What to do with the Vault at `k3s_platform_vault_server`: `init` initializes a new one, `migrate` takes over an existing one; also `K3S_PLATFORM_VAULT_BOOTSTRAP_MODE`. Default: nothing.',
    ),
  k3s_platform_vault_init_phase: oneOf(['pre_flux', 'post_flux'])
    .meta({ env: ['K3S_PLATFORM_VAULT_INIT_PHASE'] })
    .describe(
      'When: `pre_flux`, before the resources that read Vault, or `post_flux`, after Flux has deployed Vault; also `K3S_PLATFORM_VAULT_INIT_PHASE`. Default `pre_flux`.',
    ),
  k3s_platform_vault_allow_sensitive_output: z
    .boolean()
    .default(false)
    .meta({ env: ['K3S_PLATFORM_VAULT_ALLOW_SENSITIVE_OUTPUT'] })
    .describe(
      'Whether the keys of a new Vault are shown once on the terminal; never in CI. Also `K3S_PLATFORM_VAULT_ALLOW_SENSITIVE_OUTPUT`.',
    ),
  k3s_platform_vault_init_recipients: z
    .array(z.string().regex(/^age1[0-9a-z]{20,}$/, 'expected an age public key: age1...'))
    .default([])
    .describe('Public age keys to which the keys of a new Vault are encrypted, in a file on the workstation.'),
  k3s_platform_vault_init_file: z
    .string()
    .min(1)
    .optional()
    .describe(
      'Path of that file; default `~/.kube/k3s-platform/<host>-vault-init.age`. An existing file is never overwritten.',
    ),
  k3s_platform_vault_key_shares: count.default(5).describe('Number of key shares of a new Vault.'),
  k3s_platform_vault_key_threshold: count.default(3).describe('Key threshold: how many key shares unseal it.'),
  k3s_platform_vault_root_token: hidden
    .optional()
    .meta({ env: ['VAULT_ROOT_TOKEN'] })
    .describe('For `migrate`: root token of the Vault; also the environment variable `VAULT_ROOT_TOKEN`.'),
  k3s_platform_vault_init_json: initJson
    .optional()
    .meta({ env: ['VAULT_INIT_JSON'], secret: true })
    .describe(
      "For `migrate`: the output of `vault operator init -format=json`, or the API's answer; also the environment variable `VAULT_INIT_JSON`.",
    ),
}
