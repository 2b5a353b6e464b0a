// Recognizes inventories of k3s-ansible, whose agents and further servers would each become a cluster of its own.

import type { Problem } from '../engine/problem.ts'
import type { Host } from './host.ts'
import type { Inventory } from './load.ts'
import { usage } from './value.ts'

/** The names of its groups, newer and older. */
const PAIRS = [
  ['server', 'agent'],
  ['master', 'node'],
] as const
const CLUSTER = 'k3s_cluster'
/** Without the group of the cluster, the groups' names alone say nothing. */
const VARIABLES = ['k3s_version', 'token', 'k3s_token', 'api_endpoint', 'apiserver_endpoint']

/** A problem where the hosts are more than one server of such a cluster. */
export function clusterProblems({ groups }: Inventory, hosts: readonly Host[]): Problem[] {
  const members = (name: string) => new Set(groups.get(name)?.hosts)
  const cluster = members(CLUSTER)
  const isMember = (host: Host) =>
    cluster.has(host.name) || VARIABLES.filter((name) => host.written.has(name)).length > 1
  return PAIRS.flatMap(([servers, agents]) => {
    const [ofServers, ofAgents] = [members(servers), members(agents)]
    if (ofServers.size === 0 || ofAgents.size + ofServers.size < 2 || !groups.has(agents)) return []
    const chosen = hosts.filter(({ name }) => ofServers.has(name) || ofAgents.has(name)).filter(isMember)
    const [first, second] = chosen.toSorted((a, b) => Number(ofAgents.has(a.name)) - Number(ofAgents.has(b.name)))
    const odd = first && ofAgents.has(first.name) ? first : second
    if (odd === undefined) return []
    const role = ofAgents.has(odd.name) ? 'an agent' : 'an additional server'
    const what = `this is a k3s-ansible inventory, but multi-node clusters are not supported yet: ${odd.name}, ${role} of its cluster, would become a separate cluster`
    return [
      usage(odd.place, what, `limit the run to one server: -l '${servers}[0]'; see docs/migration.md#from-k3s-ansible`),
    ]
  })
}
