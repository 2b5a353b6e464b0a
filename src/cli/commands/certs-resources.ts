// Builds the resources that certs renews or removes on each host, and says what must not be removed.

import { servedGates } from '../../../roles/k3s_platform_addon/caddy-reload.ts'
import { declared } from '../../../roles/k3s_platform_addon/custom-domains.ts'
import { addon } from '../../../roles/k3s_platform_addon/role.ts'
import { absent } from '../../cluster/kinds/absent.ts'
import { renewal } from '../../cluster/kinds/renewal.ts'
import { refOf, titleOf } from '../../cluster/object.ts'
import type { ClusterResource } from '../../cluster/resource.ts'
import type { Problem } from '../../engine/problem.ts'
import { bindVars } from '../../inventory/index.ts'
import type { CertsOptions } from '../declarations/certs.ts'
import type { Io } from '../io.ts'
import { type Found, tellerOf } from './certs-hosts.ts'

/** By host. */
export type Resources = Map<string, ClusterResource[]>

function byHost(found: readonly Found[], of: (one: Found) => readonly ClusterResource[]): Resources {
  const hosts = new Map<string, ClusterResource[]>()
  for (const one of found) {
    const { name } = one.prepared.host
    hosts.set(name, [...(hosts.get(name) ?? []), ...of(one)])
  }
  return hosts
}

/** With the proof that Caddy serves the new one, where it serves that certificate. */
export function renewals(found: readonly Found[], { env }: Io): Resources {
  return byHost(found, (one) => {
    const made = renewal(tellerOf(one))
    const { host, address } = one.prepared
    const given = bindVars(host, addon.vars, { env }).sound
    const wanted = given && declared(given, one.row.name, one.row.namespace)
    if (wanted === undefined) return [made]
    const context = { host: host.name, address, boundSeconds: undefined }
    return [made, ...servedGates(wanted.v, context, wanted.certificate, [made.id])]
  })
}

/** The Certificate first: cert-manager would issue a Secret that is missing again. */
export function removals(found: readonly Found[], { deleteSecret }: CertsOptions): Resources {
  return byHost(found, ({ live, row: { namespace, secretName: name } }) => [
    absent(refOf(live)),
    ...(deleteSecret ? [absent({ apiVersion: 'v1', kind: 'Secret', namespace, name })] : []),
  ])
}

/** What keeps them from being removed. */
export function refusals(found: readonly Found[], { deleteSecret }: CertsOptions, { env }: Io): Problem[] {
  return found.flatMap((one): Problem[] => {
    const { live, row, owner, beside } = one
    const { host } = one.prepared
    const where = `${host.name} ${titleOf(refOf(live))}`
    if (owner !== null) {
      const hint = `remove it from the tree that ${owner} applies`
      return [{ kind: 'usage', where, what: `${owner} manages it and would recreate it`, hint }]
    }
    const path = wantedAt(one, env)
    if (path !== undefined) {
      const written = host.get(String(path[0])).value !== undefined
      return [
        {
          kind: 'usage',
          where: written ? host.where(path) : where,
          what: written
            ? `the inventory declares ${titleOf(refOf(live))} on ${host.name}: it would be recreated`
            : `it is the default of ${CERTIFICATES}: it would be recreated`,
          hint: `${written ? 'remove this line' : `set ${CERTIFICATES} to the certificates that you want, or []`}; then it is deleted by: k3s-platform apply -l ${host.name}`,
        },
      ]
    }
    const other = beside.find(
      ({ name, namespace, secretName }) =>
        name !== row.name && namespace === row.namespace && secretName === row.secretName,
    )
    if (!deleteSecret || other === undefined) return []
    const what = `the Secret ${row.secretName} is also used by Certificate ${other.namespace}/${other.name}`
    return [{ kind: 'usage', where, what, hint: 'remove --delete-secret' }]
  })
}

const CERTIFICATES = 'k3s_platform_certificates'

/** Where the inventory asks for it: the namespace in the entry where that has several. */
function wantedAt({ prepared: { host }, row }: Found, env: Io['env']): readonly PropertyKey[] | undefined {
  const given = bindVars(host, addon.vars, { env }).sound
  const found = given && declared(given, row.name, row.namespace)
  if (found === undefined) return undefined
  const { namespaces } = found.certificate
  const within = found.path[0] === CERTIFICATES && namespaces.length > 1
  return [...found.path, ...(within ? ['namespaces', namespaces.indexOf(row.namespace)] : [])]
}
