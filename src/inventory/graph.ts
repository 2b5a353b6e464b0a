// Draws the groups and hosts of an inventory as a tree, as ansible-inventory --graph does.

import { Budget } from './budget.ts'
import type { Group, Inventory } from './load.ts'

/** A line for `top`, each group below it and each host, the hosts of `hosts` only. A group in two groups is drawn twice. */
export function graphLines(inventory: Pick<Inventory, 'groups'>, top: string, hosts: ReadonlySet<string>): string[] {
  const budget = new Budget()
  const lines = (name: string, depth: number): string[] => {
    const group = inventory.groups.get(name)
    if (group === undefined) return []
    budget.spend('memberships', 1 + group.members.length, () => name)
    // Ansible does not list hosts right below `all`.
    const members = name === 'all' ? [] : group.members.filter((host) => hosts.has(host))
    return [
      drawn(`@${name}:`, depth),
      ...childrenOf(group).flatMap((child) => lines(child, depth + 1)),
      ...members.map((host) => drawn(host, depth + 1)),
    ]
  }
  return lines(top, 0)
}

/** In Ansible, `ungrouped` is the first child of `all`. */
function childrenOf({ children }: Group): readonly string[] {
  const isFirst = (name: string) => name === 'ungrouped'
  return [...children.filter(isFirst), ...children.filter((name) => !isFirst(name))]
}

const drawn = (name: string, depth: number) => (depth === 0 ? name : `${'  |'.repeat(depth)}--${name}`)
