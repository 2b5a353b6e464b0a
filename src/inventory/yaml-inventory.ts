// Reads a YAML inventory (groups with hosts, children, vars) into the tree.

import { nearest } from '../engine/suggest.ts'
import { expandHosts } from './hosts.ts'
import type { GroupNode, Tree } from './tree.ts'
import { isMap, name as nameOf, plain, usage, type Value, type Variables } from './value.ts'

const sections = ['hosts', 'children', 'vars'] as const

/** Adds the groups of one parsed file. `file` is its absolute path. Mistakes become problems of the tree. */
export function readYamlInventory(tree: Tree, root: Value | undefined, file: string): void {
  if (root === undefined || root.data === null) return
  if (!isMap(root.data)) {
    wrong(tree, root, 'a map of groups, such as "all:"')
    return
  }
  const plugin = root.data.get('plugin')
  if (plugin !== undefined) {
    tree.problems.push(usage(plugin, 'inventory plugins are not supported', 'list the hosts, or pass them: -i host,'))
    return
  }
  for (const [name, value] of root.data) readGroup(tree, name, value, file)
}

function wrong(tree: Tree, value: Value, expected: string): void {
  tree.problems.push(
    usage(value, `expected ${expected}, got ${value.secret ? 'something else' : nameOf(plain(value))}`),
  )
}

function readGroup(tree: Tree, name: string, value: Value, file: string): GroupNode | undefined {
  if (value.data !== null && !isMap(value.data)) {
    wrong(tree, value, 'a group: a map with hosts, children or vars')
    return undefined
  }
  const group = tree.group(name, value)
  for (const [section, body] of value.data ?? new Map<string, Value>()) {
    switch (section) {
      case 'vars':
        for (const [key, variable] of entries(tree, body, 'a map of variables')) tree.groupVar(group, key, variable)
        break
      case 'children':
        for (const [key, below] of entries(tree, body, 'a map of groups')) {
          const under = readGroup(tree, key, below, file)
          if (under !== undefined) tree.child(group, under, below)
        }
        break
      case 'hosts':
        for (const [key, host] of entries(tree, body, 'a map of hosts')) readHost(tree, group, key, host, file)
        break
      default: {
        const close = nearest(section, sections)
        const hint = close === undefined ? `keys of a group: ${sections.join(', ')}` : `did you mean ${close}?`
        tree.problems.push(usage(body, `unknown key "${section}" in the group "${name}"`, hint))
      }
    }
  }
  return group
}

function readHost(tree: Tree, group: GroupNode, text: string, value: Value, file: string): void {
  const hosts = expandHosts(text)
  if (typeof hosts === 'string') {
    tree.problems.push(usage(value, hosts))
    return
  }
  tree.addHosts(hosts, group, entries(tree, value, 'a map of variables'), value, file)
}

/** A lone word stands for a map with that key, as in Ansible. */
function entries(tree: Tree, value: Value, expected: string): Variables {
  if (isMap(value.data)) return value.data
  if (value.data === null) return new Map()
  if (typeof value.data === 'string' && expected !== 'a map of variables') {
    return new Map([[value.data, { at: value.at, path: value.path, data: null }]])
  }
  wrong(tree, value, expected)
  return new Map()
}
