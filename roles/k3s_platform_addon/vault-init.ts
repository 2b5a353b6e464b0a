// The cluster's own Vault: initialised or taken over, before what reads it or after what brings it.

import { object } from '../../src/cluster/kinds/object.ts'
import type { ClusterResource } from '../../src/cluster/resource.ts'
import type { Stage } from '../../src/engine/resource.ts'
import { isNear } from '../../src/vault/address.ts'
import { vaultInitialised } from '../../src/vault/initialised.ts'
import { BOOTSTRAP, bootstrapSecret } from '../../src/vault/kept.ts'
import { vaultMigrated } from '../../src/vault/migrated.ts'
import type { Finding, RoleContext, Written } from '../role.ts'
import { externals } from './materials.ts'
import { namespacesOf } from './secrets.ts'
import type { Vars } from './vars.ts'

type Phase = NonNullable<Vars['k3s_platform_vault_init_phase']>

const ROLE = 'k3s_platform_addon'
const NAME = 'vault-init'
/** It should be there: only its start is waited for, seconds. */
const THERE = 60
/** Flux has to fetch and apply it, and its image comes over the net, seconds. */
const COMING = 600

const phaseOf = (v: Vars): Phase => v.k3s_platform_vault_init_phase ?? 'pre_flux'

/** Empty where nothing is to be done with Vault, or in the other phase. */
export function vaultInitStages(v: Vars, context: RoleContext, phase: Phase): Stage<ClusterResource>[] {
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

function vault(v: Vars, at: At, context: RoleContext): ClusterResource[] {
  const { k3s_platform_vault_init_json: keys, k3s_platform_vault_root_token: root } = v
  if (v.k3s_platform_vault_bootstrap_mode === 'migrate') {
    // Without both the rules have told of it, where something is installed.
    if (keys === undefined || root === undefined) return []
    return [vaultMigrated({ ...at, keys, root }), bootstrapSecret(root, keys.json)]
  }
  const recipients = v.k3s_platform_vault_init_recipients
  const path = v.k3s_platform_vault_init_file ?? `~/.kube/k3s-platform/${context.host}-vault-init.age`
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
function namespace(v: Vars): ClusterResource[] {
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
export function vaultInitFindings(v: Vars, context: Pick<RoleContext, 'terminal'>, written: Written): Finding[] {
  const mode = v[MODE]
  if (mode === undefined) return []
  const found = [
    ...serverFindings(v, written),
    ...(mode === 'init' ? initFindings(v, context, written) : migrateFindings(v, written)),
  ]
  return found.filter(({ path }) => !written.broken(String(path[0])))
}

function serverFindings(v: Vars, written: Written): Finding[] {
  const server = v.k3s_platform_vault_server
  if (server === undefined) {
    if (written.broken('k3s_platform_vault_server')) return []
    const hint = 'set k3s_platform_vault_server, or VAULT_URL in the environment'
    return [{ path: [MODE], what: 'no Vault is named', hint, missing: true }]
  }
  const url = new URL(server)
  const plain: Finding = {
    path: ['k3s_platform_vault_server'],
    what: `keys and root token go from the node to ${url.hostname} in clear text`,
    hint: 'use https',
    warning: true,
  }
  const early: Finding = {
    path: ['k3s_platform_vault_init_phase'],
    what: 'Vault is opened last, and Secrets are read from it before: a first run waits for them in vain',
    hint: 'leave what is read from Vault to the tree, or initialise Vault as pre_flux',
    warning: true,
  }
  return [
    ...(url.protocol === 'http:' && !isNear(url) ? [plain] : []),
    ...(phaseOf(v) === 'post_flux' && externals(v).length > 0 ? [early] : []),
  ]
}

function initFindings(v: Vars, { terminal }: Pick<RoleContext, 'terminal'>, written: Written): Finding[] {
  const { k3s_platform_vault_key_shares: shares, k3s_platform_vault_key_threshold: threshold } = v
  const nowhere: Finding = {
    path: [MODE],
    what: 'a new Vault tells its keys once, and there is no place for them',
    hint: `set ${RECIPIENTS} to public age keys, or ${OUTPUT}: true`,
    missing: true,
  }
  const tooMany: Finding = {
    path: [THRESHOLD],
    what: `${threshold} keys shall open it, and it gets ${shares}`,
    hint: 'k3s_platform_vault_key_shares is how many there are',
  }
  const alone: Finding = {
    path: [THRESHOLD],
    what: `one of ${shares} keys would open it: Vault does not make that`,
    hint: 'use 2 or more, or k3s_platform_vault_key_shares: 1',
  }
  const unused: Finding = {
    path: ['k3s_platform_vault_init_file'],
    what: `has no effect: there are no ${RECIPIENTS}`,
    hint: 'name public age keys, or remove it',
    warning: true,
  }
  const recipients = v[RECIPIENTS].length > 0 || written.broken(RECIPIENTS)
  const unseen =
    terminal && 'refused' in terminal && v[OUTPUT]
      ? [
          {
            path: [OUTPUT],
            what: `has no effect here: ${terminal.refused}`,
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

function migrateFindings(v: Vars, written: Written): Finding[] {
  const keys = v[JSON_VARIABLE]
  const lacking = (variable: string, env: string, what: string): Finding => ({
    path: [written.given(MODE) ? MODE : variable],
    what: `migrate takes a Vault over by ${what}, which was not given`,
    hint: `set ${env} in the environment, or ${variable} in an encrypted vars file`,
    missing: true,
  })
  const few: Finding = {
    path: [JSON_VARIABLE],
    what: `it has ${keys?.unseal.length} keys, and says that ${keys?.threshold} open it`,
    hint: 'give the whole of what vault operator init printed',
  }
  return [
    ...(v.k3s_platform_vault_root_token || written.broken('k3s_platform_vault_root_token')
      ? []
      : [lacking('k3s_platform_vault_root_token', 'VAULT_ROOT_TOKEN', 'its root token')]),
    ...(keys || written.broken(JSON_VARIABLE)
      ? []
      : [lacking(JSON_VARIABLE, 'VAULT_INIT_JSON', 'what vault operator init printed')]),
    ...(keys?.threshold !== undefined && keys.unseal.length > 0 && keys.unseal.length < keys.threshold ? [few] : []),
  ]
}
