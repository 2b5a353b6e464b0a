// Variables of the cluster's own Vault: whether it is initialised or taken over, when, and where its keys go.

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
      context.addIssue({ code: 'custom', message: 'expected the JSON that vault operator init -format=json prints' })
      return z.NEVER
    }),
)

const count = z.number().int().min(1).max(255)

export const vaultVars = {
  k3s_platform_vault_bootstrap_mode: oneOf(['init', 'migrate'])
    .meta({ env: ['K3S_PLATFORM_VAULT_BOOTSTRAP_MODE'] })
    .describe(
      'What is done with the Vault at `k3s_platform_vault_server`: `init` initialises a new one, `migrate` takes one over; also `K3S_PLATFORM_VAULT_BOOTSTRAP_MODE`. Default: nothing.',
    ),
  k3s_platform_vault_init_phase: oneOf(['pre_flux', 'post_flux'])
    .meta({ env: ['K3S_PLATFORM_VAULT_INIT_PHASE'] })
    .describe(
      'When: `pre_flux`, before what reads Vault, or `post_flux`, once Flux has brought Vault; also `K3S_PLATFORM_VAULT_INIT_PHASE`. Default `pre_flux`.',
    ),
  k3s_platform_vault_allow_sensitive_output: z
    .boolean()
    .default(false)
    .meta({ env: ['K3S_PLATFORM_VAULT_ALLOW_SENSITIVE_OUTPUT'] })
    .describe(
      'Whether the keys of a new Vault are shown once on the terminal; never in CI. Also `K3S_PLATFORM_VAULT_ALLOW_SENSITIVE_OUTPUT`.',
    ),
  k3s_platform_vault_init_recipients: z
    .array(z.string().regex(/^age1[0-9a-z]{20,}$/, 'expected a public key of age: age1...'))
    .default([])
    .describe('Public age keys: the keys of a new Vault are written to a file that only their private keys open.'),
  k3s_platform_vault_init_file: z
    .string()
    .min(1)
    .optional()
    .describe(
      'That file on the workstation; default `~/.kube/k3s-platform/<host>-vault-init.age`. One that is there is never written over.',
    ),
  k3s_platform_vault_key_shares: count.default(5).describe('Keys that a new Vault is given.'),
  k3s_platform_vault_key_threshold: count.default(3).describe('How many of them open it.'),
  k3s_platform_vault_root_token: hidden
    .optional()
    .meta({ env: ['VAULT_ROOT_TOKEN'] })
    .describe('For `migrate`: root token of the Vault; also the environment variable `VAULT_ROOT_TOKEN`.'),
  k3s_platform_vault_init_json: initJson
    .optional()
    .meta({ env: ['VAULT_INIT_JSON'], secret: true })
    .describe(
      'For `migrate`: what `vault operator init -format=json` printed, or its API answered; also the environment variable `VAULT_INIT_JSON`.',
    ),
}
