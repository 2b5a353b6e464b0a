// Initializes the cluster's Vault or takes it over, before its readers or after Flux has deployed it.

import { object } from '../../src/cluster/kinds/object.ts'
import type { ClusterResource } from '../../src/cluster/resource.ts'
import type { Stage } from '../../src/engine/resource.ts'
import { ownFile } from '../../src/kubeconfig/path.ts'
import { isNear } from '../../src/vault/address.ts'
import { vaultInitialised } from '../../src/vault/initialised.ts'
import { BOOTSTRAP, bootstrapSecret } from '../../src/vault/key-secret.ts'
import { vaultMigrated } from '../../src/vault/migrated.ts'
import type { Finding, RoleContext, Written } from '../role.ts'
import { externals } from './materials.ts'
import { namespacesOf } from './secrets.ts'
import type { AddonVars } from './vars.ts'

type Phase = NonNullable<AddonVars['k3s_platform_vault_init_phase']>

const ROLE = 'k3s_platform_addon'
const NAME = 'vault-init'
/** It should be there: only its start is waited for, seconds. */
const THERE = 60
/** Flux has to fetch and apply it, and its image comes over the net, seconds. */
const COMING = 600

const phaseOf = (v: AddonVars): Phase => v.k3s_platform_vault_init_phase ?? 'pre_flux'

/** Empty where nothing is to be done with Vault, or in the other phase. */
export function vaultInitStages(v: AddonVars, context: RoleContext, phase: Phase): Stage<ClusterResource>[] {
  const server = v.k3s_platform_vault_server
  if (v.k3s_platform_vault_bootstrap_mode === undefined || server === undefined || phaseOf(v) !== phase) return []
  const at = { server, ca: v.k3s_platform_vault_ca, boundSeconds: phase === 'pre_flux' ? THERE : COMING }
  return [{ role: ROLE, name: NAME, resources: [...namespace(v), ...vault(v, at, context)] }]
}

interface At {
  readonly server: string
  readonly ca: string | undefined
  readonly boundSeconds: number
}

function vault(v: AddonVars, at: At, context: RoleContext): ClusterResource[] {
  const { k3s_platform_vault_init_json: keys, k3s_platform_vault_root_token: root } = v
  if (v.k3s_platform_vault_bootstrap_mode === 'migrate') {
    // Without both the rules have told of it, where something is installed.
    if (keys === undefined || root === undefined) return []
    return [vaultMigrated({ ...at, keys, root }), bootstrapSecret(root, keys.json)]
  }
  const recipients = v.k3s_platform_vault_init_recipients
  const path = v.k3s_platform_vault_init_file ?? ownFile(`${context.host}-vault-init.age`)
  return [
    vaultInitialised({
      ...at,
      shares: v.k3s_platform_vault_key_shares,
      threshold: v.k3s_platform_vault_key_threshold,
      age: recipients.length === 0 ? undefined : { path, recipients },
      files: context.workstation,
      terminal: v.k3s_platform_vault_allow_sensitive_output ? context.terminal : undefined,
      given: keys,
    }),
  ]
}

/** Not held as ours: with it the keys would go. Where others need it, too, the stage of the namespaces makes it. */
function namespace(v: AddonVars): ClusterResource[] {
  const name = BOOTSTRAP.namespace
  if (namespacesOf(v).includes(name)) return []
  const { writes: _, ...made } = object({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } })
  return [made]
}

const MODE = 'k3s_platform_vault_bootstrap_mode'
const RECIPIENTS = 'k3s_platform_vault_init_recipients'
const OUTPUT = 'k3s_platform_vault_allow_sensitive_output'
const THRESHOLD = 'k3s_platform_vault_key_threshold'
const JSON_VARIABLE = 'k3s_platform_vault_init_json'

/** What the mode needs and was not given, and what does not go together. */
export function vaultInitFindings(v: AddonVars, context: Pick<RoleContext, 'terminal'>, written: Written): Finding[] {
  const mode = v[MODE]
  if (mode === undefined) return []
  const found = [
    ...serverFindings(v, written),
    ...(mode === 'init' ? initFindings(v, context, written) : migrateFindings(v, written)),
  ]
  return found.filter(({ path }) => !written.broken(String(path[0])))
}

function serverFindings(v: AddonVars, written: Written): Finding[] {
  const server = v.k3s_platform_vault_server
  if (server === undefined) {
    if (written.broken('k3s_platform_vault_server')) return []
    const hint = 'set k3s_platform_vault_server, or VAULT_URL in the environment'
    return [{ path: [MODE], what: 'no Vault is set', hint, missing: true }]
  }
  const url = new URL(server)
  const plain: Finding = {
    path: ['k3s_platform_vault_server'],
    what: `key shares and root token travel unencrypted from the node to ${url.hostname}`,
    hint: 'use https',
    warning: true,
  }
  const early: Finding = {
    path: ['k3s_platform_vault_init_phase'],
    what: 'Vault is unsealed last, but Secrets are read from it earlier: a first run cannot succeed',
    hint: 'move the resources that read Vault to the tree, or initialize Vault with pre_flux',
    warning: true,
  }
  return [
    ...(url.protocol === 'http:' && !isNear(url) ? [plain] : []),
    ...(phaseOf(v) === 'post_flux' && externals(v).length > 0 ? [early] : []),
  ]
}

function initFindings(v: AddonVars, { terminal }: Pick<RoleContext, 'terminal'>, written: Written): Finding[] {
  const { k3s_platform_vault_key_shares: shares, k3s_platform_vault_key_threshold: threshold } = v
  const nowhere: Finding = {
    path: [MODE],
    what: 'a new Vault returns its key shares only once, and nowhere to store them is configured',
    hint: `set ${RECIPIENTS} to public age keys, or ${OUTPUT}: true`,
    missing: true,
  }
  const tooMany: Finding = {
    path: [THRESHOLD],
    what: `the threshold is ${threshold} key shares, but only ${shares} are created`,
    hint: 'k3s_platform_vault_key_shares sets how many are created',
  }
  const alone: Finding = {
    path: [THRESHOLD],
    what: `the threshold is 1 of ${shares} key shares: Vault does not support that`,
    hint: 'use 2 or more, or k3s_platform_vault_key_shares: 1',
  }
  const unused: Finding = {
    path: ['k3s_platform_vault_init_file'],
    what: `it has no effect without ${RECIPIENTS}`,
    hint: 'set public age keys, or remove it',
    warning: true,
  }
  const recipients = v[RECIPIENTS].length > 0 || written.broken(RECIPIENTS)
  const unseen =
    terminal && 'refused' in terminal && v[OUTPUT]
      ? [
          {
            path: [OUTPUT],
            what: `it has no effect here: ${terminal.refused}`,
            hint: `use ${RECIPIENTS}`,
            warning: true,
          } as const,
        ]
      : []
  return [
    ...unseen,
    ...(recipients || v[OUTPUT] ? [] : [nowhere]),
    ...(threshold > shares ? [tooMany] : []),
    ...(threshold === 1 && shares > 1 ? [alone] : []),
    ...(!recipients && v.k3s_platform_vault_init_file !== undefined ? [unused] : []),
  ]
}

function migrateFindings(v: AddonVars, written: Written): Finding[] {
  const keys = v[JSON_VARIABLE]
  const lacking = (variable: string, env: string, what: string): Finding => ({
    path: [written.given(MODE) ? MODE : variable],
    what: `migrate requires ${what}, which is not set`,
    hint: `set ${env} in the environment, or ${variable} in an encrypted vars file`,
    missing: true,
  })
  const few: Finding = {
    path: [JSON_VARIABLE],
    what: `it has ${keys?.unseal.length} key shares and a threshold of ${keys?.threshold}`,
    hint: 'set the complete output of vault operator init',
  }
  return [
    ...(v.k3s_platform_vault_root_token || written.broken('k3s_platform_vault_root_token')
      ? []
      : [lacking('k3s_platform_vault_root_token', 'VAULT_ROOT_TOKEN', 'its root token')]),
    ...(keys || written.broken(JSON_VARIABLE)
      ? []
      : [lacking(JSON_VARIABLE, 'VAULT_INIT_JSON', 'the output of vault operator init')]),
    ...(keys?.threshold !== undefined && keys.unseal.length > 0 && keys.unseal.length < keys.threshold ? [few] : []),
  ]
}
