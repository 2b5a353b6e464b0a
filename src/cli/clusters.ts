// Which hosts of a run are servers of one cluster, and which of them the others join: from the variables, before any is contacted.

import type { Membership } from '../../roles/role.ts'

interface Place {
  /** Hosts that have one of these in common are changed one at a time. */
  readonly keys: readonly string[]
  /** Hosts that must be ready before this one joins. */
  readonly after: readonly string[]
}

interface Member {
  readonly host: string
  readonly memberships: readonly Membership[]
}

/** By host; those that are alone are left out. An address may be that of several: a load balancer's, in all certificates. */
export function clusterPlaces(members: readonly Member[]): ReadonlyMap<string, Place> {
  const joined = new Set(members.flatMap(({ memberships }) => memberships.flatMap(({ joins }) => joins ?? [])))
  const founders = new Map<string, string[]>()
  for (const { host, memberships } of members)
    for (const { addresses, joins } of memberships)
      for (const at of joins === undefined ? new Set(addresses) : [])
        if (joined.has(at)) founders.set(at, [...(founders.get(at) ?? []), host])
  const places = new Map<string, Place>()
  for (const { host, memberships } of members) {
    const targets = memberships.flatMap(({ joins }) => joins ?? [])
    const met = [...founders].flatMap(([at, hosts]) => (hosts.includes(host) ? [at] : []))
    const keys = [...targets, ...met].map((at) => `server ${at}`)
    if (keys.length > 0) places.set(host, { keys, after: targets.flatMap((at) => founders.get(at) ?? []) })
  }
  return places
}
