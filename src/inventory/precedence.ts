// Which value of a variable a host gets: Ansible's order of precedence, from the weakest to the strongest.

import { groupsOf, type HostNode, type Tree } from './tree.ts'
import type { Variables } from './value.ts'
import { type Beside, merged } from './vars-files.ts'

/**
 * Gives a function from host to its variables. `beside` are the directories of the sources in order, then the working
 * directory. Whole values replace each other; maps are not merged. Every vars file is read at most once.
 */
export function precedence(
  tree: Tree,
  beside: readonly Beside[],
  extra: Variables,
): (host: HostNode) => Promise<Variables> {
  const memo = new Map<string, Promise<Variables>>()
  const groupFile = (i: number, name: string, from: Beside): Promise<Variables> => {
    const key = `${i} ${name}`
    const known = memo.get(key) ?? from.group(name)
    memo.set(key, known)
    return known
  }
  return async (host) => {
    const groups = groupsOf(host)
    const [ofAll, ofGroups, ofHost] = await Promise.all([
      Promise.all(beside.map((from, i) => groupFile(i, 'all', from))),
      // Source by source, not group by group: a parent group of a later source wins over a child of an earlier one.
      Promise.all(beside.flatMap((from, i) => groups.map((group) => groupFile(i, group.name, from)))),
      Promise.all(beside.map((from) => from.host(host.name))),
    ])
    return merged([
      tree.all.vars,
      ...groups.map((group) => group.vars),
      ...ofAll,
      ...ofGroups,
      host.vars,
      ...ofHost,
      extra,
    ])
  }
}
