// The groups and hosts of all inventory sources together, as they are read, and the order that follows from them.

import { type Problem, ProblemError } from '../engine/problem.ts'
import { type Budget, DEPTH } from './budget.ts'
import type { Named } from './hosts.ts'
import { nameFault } from './names.ts'
import { usage, type Value, type Variables } from './value.ts'

export interface GroupNode {
  readonly name: string
  readonly vars: Map<string, Value>
  /** Direct children with where they were named, and hosts, in the order of definition. */
  readonly children: Map<GroupNode, Place>
  readonly parents: Set<GroupNode>
  readonly hosts: Set<HostNode>
  priority: number
  /** Of the longest way down to it from `all`; set when the tree is finished. */
  depth: number
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
  readonly all: GroupNode
  readonly ungrouped: GroupNode
  readonly #budget: Budget
  readonly #groupsOf = new Map<string, readonly GroupNode[]>()
  readonly #ids = new Map<GroupNode, number>()

  constructor(budget: Budget) {
    this.#budget = budget
    this.all = this.group('all', top)
    this.ungrouped = this.group('ungrouped', top)
  }

  group(name: string, place: Place): GroupNode {
    let group = this.groups.get(name)
    if (group === undefined) {
      this.#budget.spend('groups', 1, () => place)
      this.#checkName('group', name, place)
      group = {
        ...{ name, priority: 1, depth: 0, vars: new Map(), children: new Map() },
        ...{ parents: new Set(), hosts: new Set() },
      }
      this.groups.set(name, group)
      this.#ids.set(group, this.#ids.size)
    }
    return group
  }

  child(parent: GroupNode, child: GroupNode, place: Place): void {
    this.#budget.spend('memberships', 1, () => place)
    if (!parent.children.has(child)) parent.children.set(child, place)
    child.parents.add(parent)
  }

  /** Puts hosts into a group; their variables replace what was said of them before. */
  addHosts({ names, port }: Named, group: GroupNode, vars: Variables, place: Place, file?: string): void {
    this.#budget.spend('memberships', names.length * (1 + vars.size), () => place)
    for (const name of names) {
      let host = this.hosts.get(name)
      if (host === undefined) {
        this.#budget.spend('hosts', 1, () => place)
        this.#checkName('host', name, place)
        host = { name, vars: new Map(), groups: new Set(), place, file }
        this.hosts.set(name, host)
      }
      group.hosts.add(host)
      host.groups.add(group)
      if (port !== undefined) host.vars.set('ansible_port', { at: place.at, path: place.path, data: port })
      for (const [key, value] of vars) host.vars.set(key, value)
    }
  }

  #checkName(kind: 'host' | 'group', name: string, place: Place): void {
    const fault = nameFault(kind, name)
    if (fault !== undefined) this.problems.push(usage(place, fault))
  }

  /** Sets a group's variable; `ansible_group_priority` is none, it orders the group among its siblings. */
  groupVar(group: GroupNode, name: string, value: Value): void {
    if (name !== 'ansible_group_priority') group.vars.set(name, value)
    else if (/^-?\d+$/.test(String(value.data))) group.priority = Number(value.data)
    else this.problems.push(usage(value, 'expected an integer'))
  }

  /** To be called once, when everything is read: `all` holds every group, `ungrouped` the hosts that are in no other. */
  finish(): void {
    for (const group of this.groups.values()) {
      if (group !== this.all && group.parents.size === 0) {
        this.all.children.set(group, top)
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
    this.#order()
  }

  /** Ansible's `group_names`. */
  namesOf(host: HostNode): readonly string[] {
    return this.#memberships(host)
      .map((group) => group.name)
      .sort()
  }

  /** Every group that a host is in except `all`, the weaker first: by depth, ansible_group_priority, name. */
  groupsOf(host: HostNode): readonly GroupNode[] {
    const groups = this.#memberships(host)
    this.#budget.spend('memberships', groups.length, () => host.place)
    return groups
  }

  #memberships(host: HostNode): readonly GroupNode[] {
    const key = [...host.groups].map((group) => this.#ids.get(group)).join(' ')
    let groups = this.#groupsOf.get(key)
    if (groups === undefined) {
      groups = closure([...host.groups], (g) => g.parents)
        .filter((g) => g !== this.all)
        .sort((a, b) => a.depth - b.depth || a.priority - b.priority || (a.name < b.name ? -1 : 1))
      this.#groupsOf.set(key, groups)
    }
    return groups
  }

  /** Depths from parents to children; each group that would contain itself becomes a problem, and loses that child. */
  #order(): void {
    const finished: GroupNode[] = []
    const states = new Map<GroupNode, 'open' | 'finished'>()
    for (const root of [this.all, ...this.groups.values()]) {
      const path = states.has(root) ? [] : [this.#enter(root, states)]
      for (let step = path.at(-1); step !== undefined; step = path.at(-1)) {
        const next = step.children.next()
        if (next.done) {
          states.set(step.group, 'finished')
          finished.push(step.group)
          path.pop()
          continue
        }
        const [child, place] = next.value
        if (states.get(child) === 'open') {
          const what = `the group "${child.name}" would contain itself through "${step.group.name}"`
          this.problems.push(usage(place, what))
          step.group.children.delete(child)
          child.parents.delete(step.group)
        } else if (!states.has(child)) path.push(this.#enter(child, states))
      }
    }
    for (const group of finished.reverse()) {
      for (const [child, place] of group.children) {
        child.depth = Math.max(child.depth, group.depth + 1)
        if (child.depth > DEPTH)
          throw new ProblemError(usage(place, `groups are nested more than ${DEPTH} levels deep`))
      }
    }
  }

  #enter(group: GroupNode, states: Map<GroupNode, 'open' | 'finished'>) {
    states.set(group, 'open')
    return { group, children: group.children.entries() }
  }
}

const top: Place = { at: 'inventory', path: '' }

/** The hosts of the group and of everything below it: the nearer ones first, then in the order of definition. */
export function hostsBelow(group: GroupNode): readonly HostNode[] {
  return [...new Set(closure([group], (g) => g.children.keys()).flatMap((g) => [...g.hosts]))]
}

function closure(start: readonly GroupNode[], next: (group: GroupNode) => Iterable<GroupNode>): GroupNode[] {
  const seen = new Set(start)
  for (const group of seen) for (const other of next(group)) seen.add(other)
  return [...seen]
}
