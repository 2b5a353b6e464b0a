// Which value of a variable a host gets: Ansible's order of precedence, from the weakest to the strongest.

import { type Layered, layered } from './layers.ts'
import type { GroupNode, HostNode, Tree } from './tree.ts'
import type { Variables } from './value.ts'
import type { Beside } from './vars-files.ts'

/**
 * Gives a function from host to its variables. `beside` are the directories of the sources in order, then the working
 * directory. Whole values replace each other; maps are not merged. Every vars file is read at most once, and what hosts of the
 * same groups get from them is made once.
 */
export function precedence(
  tree: Tree,
  beside: readonly Beside[],
  extra: Variables,
): (host: HostNode) => Promise<Layered> {
  const files = new Map<string, Promise<Variables>>()
  const groupFile = (i: number, name: string, from: Beside): Promise<Variables> => {
    const key = `${i} ${name}`
    const known = files.get(key) ?? from.group(name)
    files.set(key, known)
    return known
  }
  const shared = new Map<readonly GroupNode[], Promise<readonly Variables[]>>()
  const ofGroups = async (groups: readonly GroupNode[]): Promise<readonly Variables[]> => {
    const all = await Promise.all(beside.map((from, i) => groupFile(i, 'all', from)))
    // Source by source, not group by group: a parent group of a later source wins over a child of an earlier one.
    const each = await Promise.all(beside.flatMap((from, i) => groups.map((group) => groupFile(i, group.name, from))))
    return [tree.all.vars, ...groups.map((group) => group.vars), ...all, ...each].filter(({ size }) => size > 0)
  }
  return async (host) => {
    const groups = tree.groupsOf(host)
    const layers = shared.get(groups) ?? ofGroups(groups)
    shared.set(groups, layers)
    const own = await Promise.all(beside.map((from) => from.host(host.name)))
    return layered([...(await layers), host.vars, ...own, extra])
  }
}
