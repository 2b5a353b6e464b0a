// Loads an inventory: sources, vars files and extra variables become hosts with their final variables.

import { dirname } from 'node:path'
import { type Problem, ProblemError } from '../engine/problem.ts'
import type { Decrypt } from './decrypt.ts'
import { extraVariables } from './extra-vars.ts'
import { Files } from './files.ts'
import { Host } from './host.ts'
import { precedence } from './precedence.ts'
import { sorted } from './problems.ts'
import { directoriesOf, findSources, readSources } from './sources.ts'
import { resolver, type TemplateEnv } from './template.ts'
import { type GroupNode, type HostNode, hostsBelow, Tree } from './tree.ts'
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
  readonly env: TemplateEnv
  readonly decrypt?: Decrypt | undefined
}

export interface Group {
  readonly name: string
  /** Direct children, by name. */
  readonly children: readonly string[]
  /** Hosts that are named in it, by name. */
  readonly members: readonly string[]
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
  const { cwd } = options
  const files = new Files(cwd, options.decrypt)
  const tree = new Tree(files.budget)
  try {
    const loaded = await load(options, files, tree)
    return { ...loaded, cwd, problems: sorted([...files.problems, ...tree.problems]) }
  } catch (error) {
    if (!(error instanceof ProblemError)) throw error
    const problems = sorted([...error.problems, ...files.problems, ...tree.problems])
    return { hosts: [], groups: new Map(), directories: [], problems, cwd }
  }
}

async function load({ cwd, env, ...options }: InventoryOptions, files: Files, tree: Tree) {
  const extra = await extraVariables(files, options.extraVars ?? [])
  const sources = findSources(files, options.sources ?? [])
  const directories = directoriesOf(sources)
  const beside = [...directories.map((directory) => varsBeside(files, directory, true)), varsBeside(files, cwd, false)]
  await readSources(files, tree, sources)
  tree.finish()

  const variablesOf = precedence(tree, beside, extra)
  const groups = new Map([...tree.groups.values()].map((group) => [group.name, groupOf(group)]))
  const groupHosts = once(() => {
    const entries = [...groups.values()].map((group) => {
      files.budget.spend('memberships', group.hosts.length, () => 'groups')
      return [group.name, group.hosts] as const
    })
    return fixed(Object.fromEntries(entries), 'groups')
  })
  const shared = { env, budget: files.budget, sizes: new WeakMap(), untemplated: new WeakSet<Value>() }
  const hosts: Host[] = []
  for (const node of hostsBelow(tree.all)) {
    const written = await variablesOf(node)
    const names = once(() => tree.namesOf(node))
    const magic = magicOf(node, names, cwd, groupHosts)
    const resolve = resolver(written, { ...shared, magic })
    hosts.push(new Host(node.name, names, whereOf(node.place), written, resolve))
  }
  return { hosts, groups, directories }
}

function groupOf(node: GroupNode): Group {
  const hosts = once(() => hostsBelow(node).map((host) => host.name))
  return {
    name: node.name,
    children: [...node.children.keys()].map((child) => child.name),
    members: [...node.hosts].map((host) => host.name),
    get hosts() {
      return hosts()
    },
  }
}

/** Ansible's magic variables that templates of inventories use; nothing overrides them. */
function magicOf(
  { name, file }: HostNode,
  groups: () => readonly string[],
  cwd: string,
  groupHosts: () => Value,
): (asked: string) => Value | undefined {
  return (asked) => {
    switch (asked) {
      case 'inventory_hostname':
        return fixed(name, asked)
      case 'inventory_hostname_short':
        return fixed(name.split('.')[0] ?? name, asked)
      case 'group_names':
        return fixed(groups(), asked)
      case 'inventory_dir':
        return fixed(file === undefined ? cwd : dirname(file), asked)
      case 'inventory_file':
        return fixed(file ?? null, asked)
      case 'groups':
        return groupHosts()
      default:
        return undefined
    }
  }
}

function once<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined
  return () => {
    made ??= { value: make() }
    return made.value
  }
}

function fixed(data: Data, path: string): Value {
  const made = { at: 'magic variable', path, unsafe: true }
  if (data === null || typeof data !== 'object') return { ...made, data }
  if (isArray(data)) return { ...made, data: data.map((item) => fixed(item, path)) }
  return { ...made, data: new Map(Object.entries(data).map(([key, item]) => [key, fixed(item, path)])) }
}

const isArray = (data: Data): data is readonly Data[] => Array.isArray(data)
