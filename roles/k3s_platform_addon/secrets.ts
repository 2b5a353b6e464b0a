// Creates the platform's Secrets in each namespace from their source, before the addons.

import { present } from '../../src/cluster/kinds/present.ts'
import { secret } from '../../src/cluster/kinds/secret.ts'
import type { Ref } from '../../src/cluster/object.ts'
import type { ClusterResource } from '../../src/cluster/resource.ts'
import type { Stage } from '../../src/engine/resource.ts'
import type { Finding, RoleContext, Written } from '../role.ts'
import {
  certManagerOn,
  cloudflare,
  DNS01,
  externalSecretsOn,
  externals,
  ghcr,
  type Material,
  vaultAccess,
} from './materials.ts'
import type { SecretMode } from './vars/secrets.ts'
import type { AddonVars } from './vars.ts'

const materials = (v: AddonVars): readonly Material[] => [cloudflare(v), ghcr(v), vaultAccess(v)]

/** Whether DNS-01 has its token, or is promised one. */
export const cloudflareIs = (v: AddonVars): SecretMode => cloudflare(v).mode

/** Secrets that are written before the addons, and those of which only their presence is asked. */
export function secretStages(v: AddonVars, _context: RoleContext): Stage<ClusterResource>[] {
  const resources = materials(v).flatMap(({ name, namespaces, mode, type, data, keys, title }) =>
    namespaces.flatMap((namespace): ClusterResource[] => {
      if (mode === 'input' && data !== undefined) return [secret({ namespace, name, ...(type && { type }), data })]
      if (mode !== 'existing') return []
      const files = keys.map((key) => ` --from-file=${key}=FILE`).join('')
      const kind = type === undefined ? 'generic' : `generic --type=${type}`
      return [
        present({
          ref: { apiVersion: 'v1', kind: 'Secret', namespace, name },
          keys,
          hint: `the inventory declares that ${title} exists; create it: kubectl -n ${namespace} create secret ${kind} ${name}${files}`,
        }),
      ]
    }),
  )
  return resources.length === 0 ? [] : [{ role: 'k3s_platform_addon', name: 'secrets', resources }]
}

/** Secrets that no manifest makes: whoever applies the rest finds them there, or has to make them. */
export function givenSecrets(
  v: AddonVars,
): Pick<Material, 'title' | 'name' | 'namespaces' | 'keys' | 'type' | 'mode'>[] {
  return materials(v).filter(({ mode, namespaces }) => ['input', 'existing'].includes(mode) && namespaces.length > 0)
}

/** `namespace/name` of every Secret that this half writes, with the variable that asks for it. */
export function secretTargets(v: AddonVars): { readonly path: readonly PropertyKey[]; readonly target: string }[] {
  const own = materials(v).filter(({ mode }) => mode === 'input' || mode === 'external-secret')
  return [
    ...own.map(({ name, namespaces, modeVariable }) => ({ name, namespaces, path: [modeVariable] })),
    ...v.k3s_platform_external_secrets.map(({ name, namespaces }, i) => ({
      name,
      namespaces,
      path: ['k3s_platform_external_secrets', i, 'name'],
    })),
  ].flatMap(({ name, namespaces, path }) => namespaces.map((one) => ({ path, target: `${one}/${name}` })))
}

/**
 * What an earlier run made of a secret, and this one leaves alone: the mode makes it somebody else's, or nothing was said at
 * all. A token that is missing in the environment of one run is no wish to be without it; `none` is.
 */
export function leftAlone(v: AddonVars): Ref[] {
  const silent = ({ mode, modeVariable }: Material) => mode === 'none' && v[modeVariable] === undefined
  const secrets = materials(v)
    .filter((one) => ['existing', 'external-secret'].includes(one.mode) || silent(one))
    .flatMap(({ name, namespaces }) =>
      namespaces.map((namespace) => ({ apiVersion: 'v1', kind: 'Secret', namespace, name })),
    )
  const issuer = { apiVersion: 'cert-manager.io/v1', kind: 'ClusterIssuer', name: DNS01 }
  return silent(cloudflare(v)) ? [...secrets, issuer] : secrets
}

/** Modes that do not fit what was given. */
export function secretFindings(v: AddonVars, _context: Pick<RoleContext, 'host'>, written: Written): Finding[] {
  const all = [...materials(v).flatMap((one) => misfits(one, written)), ...halves(v), ...vaultFindings(v, written)]
  return all.filter(({ path }) => !written.broken(String(path[0])))
}

function misfits({ title, mode, modeVariable, from, data, namespaces }: Material, written: Written): Finding[] {
  const variables = Object.entries(from)
  if (variables.some(([name]) => written.broken(name)) || namespaces.length === 0) return []
  const names = variables.map(([name]) => name).join(' and ')
  if (mode === 'input' && data === undefined) {
    const env = variables.flatMap(([, one]) => one ?? []).join(' and ')
    const hint = `set ${names}${env === '' ? '' : `, or ${env} in the environment`}`
    const said = [modeVariable, ...variables.map(([name]) => name)].find((name) => written.given(name))
    return [
      {
        path: [said ?? modeVariable],
        what: `${title} must come from the input, but none was set`,
        hint,
        missing: true,
      },
    ]
  }
  if (mode === 'input') return []
  return variables
    .filter(([name]) => mode !== 'none' && written.given(name) && data !== undefined)
    .map(([name]) => ({
      path: [name],
      what: `has no effect: ${modeVariable} is ${mode}`,
      hint: 'remove one',
      warning: true,
    }))
}

function halves(v: AddonVars): Finding[] {
  const [user, token] = [v.k3s_platform_ghcr_username, v.k3s_platform_ghcr_token]
  if ((user === undefined) === (token === undefined) || ghcr(v).mode !== 'none') return []
  const [has, lacks] =
    user === undefined ? ['k3s_platform_ghcr_token', 'a user'] : ['k3s_platform_ghcr_username', 'a token']
  return [
    {
      path: [has],
      what: `the credentials of ${v.k3s_platform_ghcr_registry} lack ${lacks}`,
      hint: 'set both user and token',
    },
  ]
}

function vaultFindings(v: AddonVars, written: Written): Finding[] {
  const list = 'k3s_platform_external_secrets'
  const asking = [
    ...[cloudflare(v), ghcr(v)].filter(({ mode }) => mode === 'external-secret').map((one) => [one.modeVariable]),
    ...v[list].map((_, i) => [list, i]),
  ]
  const off = {
    what: 'it requires external-secrets, which is disabled',
    hint: 'k3s_platform_external_secrets_enabled: true',
  }
  const nowhere = {
    what: 'it requires Vault, but no Vault is set',
    hint: 'set k3s_platform_vault_server, or VAULT_URL in the environment',
  }
  const lacks = [
    ...(externalSecretsOn(v) ? [] : [off]),
    ...(v.k3s_platform_vault_server || written.broken('k3s_platform_vault_server') ? [] : [nowhere]),
  ]
  const empty = v[list].flatMap(({ data, dataFrom }, i): Finding[] =>
    Object.keys(data).length + dataFrom.length > 0
      ? []
      : [{ path: [list, i], what: 'it reads nothing from Vault', hint: 'set data or dataFrom' }],
  )
  return [...empty, ...asking.flatMap((path) => lacks.map((lack) => ({ path, ...lack })))]
}

/** Namespaces that the role makes: of its own Secrets and of the certificates. */
export function namespacesOf(v: AddonVars): string[] {
  const own = materials(v).filter(({ mode }) => mode !== 'none')
  const certificates = certManagerOn(v) ? v.k3s_platform_certificates : []
  const monitoring = certManagerOn(v) && v.k3s_platform_monitoring_enabled ? [v.k3s_platform_monitoring_namespace] : []
  const others = [...own, ...externals(v), ...certificates].flatMap(({ namespaces }) => namespaces)
  return [...new Set([...others, ...monitoring])].toSorted()
}
