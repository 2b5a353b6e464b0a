// The groups and hosts of all inventory sources together, as they are read, and the order that follows from them.

import type { Problem } from '../engine/problem.ts'
import { usage, type Value } from './value.ts'

export interface GroupNode {
  readonly name: string
  readonly vars: Map<string, Value>
  /** Direct children and hosts, in the order of definition. */
  readonly children: Set<GroupNode>
  readonly parents: Set<GroupNode>
  readonly hosts: Set<HostNode>
  priority: number
}

export interface HostNode {
  readonly name: string
  readonly vars: Map<string, Value>
  readonly groups: Set<GroupNode>
  /** Where it was first named, and the absolute path of that file; undefined for a host on the command line. */
  readonly place: Place
  readonly file: string | undefined
}

export type Place = Pick<Value, 'at' | 'path'>

export class Tree {
  readonly groups = new Map<string, GroupNode>()
  readonly hosts = new Map<string, HostNode>()
  readonly problems: Problem[] = []
  readonly all = this.group('all')
  readonly ungrouped = this.group('ungrouped')

  group(name: string): GroupNode {
    let group = this.groups.get(name)
    if (group === undefined) {
      group = { name, vars: new Map(), children: new Set(), parents: new Set(), hosts: new Set(), priority: 1 }
      this.groups.set(name, group)
    }
    return group
  }

  child(parent: GroupNode, child: GroupNode, place: Place): void {
    if (parent === child || descendants(child).includes(parent)) {
      this.problems.push(usage(place, `the group "${child.name}" would contain itself through "${parent.name}"`))
      return
    }
    parent.children.add(child)
    child.parents.add(parent)
  }

  host(name: string, group: GroupNode, place: Place, file?: string): HostNode {
    let host = this.hosts.get(name)
    if (host === undefined) {
      host = { name, vars: new Map(), groups: new Set(), place, file }
      this.hosts.set(name, host)
    }
    group.hosts.add(host)
    host.groups.add(group)
    return host
  }

  /** Sets a group's variable; `ansible_group_priority` is none, it orders the group among its siblings. */
  groupVar(group: GroupNode, name: string, value: Value): void {
    if (name !== 'ansible_group_priority') group.vars.set(name, value)
    else if (/^-?\d+$/.test(String(value.data))) group.priority = Number(value.data)
    else this.problems.push(usage(value, 'expected a whole number'))
  }

  /** To be called once, when everything is read: `all` holds every group, `ungrouped` the hosts that are in no other. */
  finish(): void {
    for (const group of this.groups.values()) {
      if (group !== this.all && group.parents.size === 0) {
        this.all.children.add(group)
        group.parents.add(this.all)
      }
    }
    for (const host of this.hosts.values()) {
      const grouped = [...host.groups].some((group) => group !== this.all && group !== this.ungrouped)
      if (grouped) {
        host.groups.delete(this.ungrouped)
        this.ungrouped.hosts.delete(host)
      } else {
        host.groups.add(this.ungrouped)
        this.ungrouped.hosts.add(host)
      }
      if (this.groups.has(host.name)) {
        const what = `"${host.name}" is a group and a host; a pattern with this name means the group`
        this.problems.push({ ...usage(host.place, what), kind: 'warning' })
      }
    }
  }
}

/** The group and everything below it, level by level. */
function descendants(group: GroupNode): readonly GroupNode[] {
  return closure([group], (g) => g.children)
}

/** The hosts of the group and of everything below it: the nearer ones first, then in the order of definition. */
export function hostsBelow(group: GroupNode): readonly HostNode[] {
  return [...new Set(descendants(group).flatMap((g) => [...g.hosts]))]
}

/** Every group that a host is in except `all`, the weaker first: by depth, ansible_group_priority, name. */
export function groupsOf(host: HostNode): readonly GroupNode[] {
  const groups = closure([...host.groups], (g) => g.parents).filter((g) => g.name !== 'all')
  const depths = new Map(groups.map((g) => [g, depth(g)]))
  const level = (g: GroupNode) => depths.get(g) ?? 0
  return groups.sort((a, b) => level(a) - level(b) || a.priority - b.priority || (a.name < b.name ? -1 : 1))
}

function depth(group: GroupNode): number {
  return Math.max(-1, ...[...group.parents].map(depth)) + 1
}

function closure(start: readonly GroupNode[], next: (group: GroupNode) => Iterable<GroupNode>): GroupNode[] {
  const seen = new Set(start)
  for (const group of seen) for (const other of next(group)) seen.add(other)
  return [...seen]
}
