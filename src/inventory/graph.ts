// Draws the groups and hosts of an inventory as a tree, as ansible-inventory --graph does.

import { ProblemError } from '../engine/problem.ts'
import type { Group, Inventory } from './load.ts'
import { usage } from './value.ts'

/** A group in two groups is drawn twice, so that a small file can have a tree without end. */
const MOST_LINES = 100_000

/** A line for `top`, each group below it and each host, the hosts of `hosts` only. Throws ProblemError. */
export function graphLines(inventory: Pick<Inventory, 'groups'>, top: string, hosts: ReadonlySet<string>): string[] {
  const lines: string[] = []
  const draw = (name: string, depth: number) => {
    if (lines.length >= MOST_LINES) {
      const what = `the graph has more than ${MOST_LINES.toLocaleString('en-US')} lines`
      throw new ProblemError(usage(top, what, 'draw a group further down: k3s-platform inventory graph GROUP'))
    }
    lines.push(depth === 0 ? name : `${'  |'.repeat(depth)}--${name}`)
  }
  const visit = (name: string, depth: number) => {
    draw(`@${name}:`, depth)
    const group = inventory.groups.get(name)
    if (group === undefined) return
    for (const child of childrenOf(group)) visit(child, depth + 1)
    // Ansible does not list hosts right below `all`.
    const members = name === 'all' ? [] : group.members.filter((host) => hosts.has(host))
    for (const host of members) draw(host, depth + 1)
  }
  visit(top, 0)
  return lines
}

/** In Ansible, `ungrouped` is the first child of `all`. */
function childrenOf({ children }: Group): readonly string[] {
  const isFirst = (name: string) => name === 'ungrouped'
  return [...children.filter(isFirst), ...children.filter((name) => !isFirst(name))]
}
