// Loads an inventory: sources, vars files and extra variables become hosts with their final variables.

import { dirname } from 'node:path'
import type { Problem } from '../engine/problem.ts'
import type { Decrypt } from './decrypt.ts'
import { extraVariables } from './extra-vars.ts'
import { Files } from './files.ts'
import { Host } from './host.ts'
import { precedence } from './precedence.ts'
import { sorted } from './problems.ts'
import { directoriesOf, findSources, readSources } from './sources.ts'
import { type Env, resolver } from './template.ts'
import { groupsOf, type HostNode, hostsBelow, Tree } from './tree.ts'
import { type Data, type Value, whereOf } from './value.ts'
import { varsBeside } from './vars-files.ts'

export interface InventoryOptions {
  /** What `-i` was given, in order: files, directories, `host,host`. Empty means the default. */
  readonly sources?: readonly string[]
  /** What `-e` was given, in order. */
  readonly extraVars?: readonly string[]
  /** Absolute. Relative paths start here, and its group_vars and host_vars are read as those beside a playbook. */
  readonly cwd: string
  /** For lookup('env', ...). */
  readonly env: Env
  readonly decrypt?: Decrypt | undefined
}

interface Group {
  readonly name: string
  /** Direct children, by name. */
  readonly children: readonly string[]
  /** All hosts in it and below it, by name. */
  readonly hosts: readonly string[]
}

export interface Inventory {
  /** In the order of the inventory. */
  readonly hosts: readonly Host[]
  readonly groups: ReadonlyMap<string, Group>
  /** What is wrong with the files; templates are checked where their values are used. Warnings do not stop a run. */
  readonly problems: readonly Problem[]
  /** The directories of its files, in the order of `-i`. */
  readonly directories: readonly string[]
  /** Where `--limit @file` starts. */
  readonly cwd: string
}

/** Never throws for what a user wrote: look at `problems`. */
export async function loadInventory(options: InventoryOptions): Promise<Inventory> {
  const { cwd, env } = options
  const files = new Files(cwd, options.decrypt)
  const tree = new Tree()
  const extra = extraVariables(files, options.extraVars ?? [])
  const sources = findSources(files, options.sources ?? [])
  const directories = directoriesOf(sources)
  const beside = [...directories.map((directory) => varsBeside(files, directory, true)), varsBeside(files, cwd, false)]
  await readSources(files, tree, sources)
  tree.finish()

  const nodes = hostsBelow(tree.all)
  const variablesOf = precedence(tree, beside, await extra)
  const groups = new Map([...tree.groups.values()].map((g) => [g.name, { name: g.name, ...membersOf(g) }]))
  const groupHosts = fixed(Object.fromEntries([...groups.values()].map((g) => [g.name, g.hosts])), 'groups')
  const hosts = await Promise.all(
    nodes.map(async (node) => {
      const written = await variablesOf(node)
      const names = groupsOf(node)
        .map((g) => g.name)
        .sort()
      const all = new Map([...written, ...magic(node, names, cwd), ['groups', groupHosts]])
      return new Host(node.name, names, whereOf(node.place), written, resolver(all, env))
    }),
  )
  return { hosts, groups, directories, problems: sorted([...files.problems, ...tree.problems]), cwd }
}

function membersOf(group: Parameters<typeof hostsBelow>[0]) {
  return { children: [...group.children].map((g) => g.name), hosts: hostsBelow(group).map((h) => h.name) }
}

/** Ansible's magic variables that templates of inventories use; nothing overrides them. */
function magic(host: HostNode, groups: readonly string[], cwd: string): [string, Value][] {
  const { file } = host
  const values: Record<string, Data> = {
    inventory_hostname: host.name,
    inventory_hostname_short: host.name.split('.')[0] ?? host.name,
    group_names: groups,
    inventory_dir: file === undefined ? cwd : dirname(file),
    inventory_file: file ?? null,
  }
  return Object.entries(values).map(([name, data]) => [name, fixed(data, name)])
}

function fixed(data: Data, path: string): Value {
  const made = { at: 'magic variable', path, unsafe: true }
  if (data === null || typeof data !== 'object') return { ...made, data }
  if (isArray(data)) return { ...made, data: data.map((item) => fixed(item, path)) }
  return { ...made, data: new Map(Object.entries(data).map(([key, item]) => [key, fixed(item, path)])) }
}

const isArray = (data: Data): data is readonly Data[] => Array.isArray(data)
