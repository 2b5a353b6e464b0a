// The inventory sources: which files they are, and reading them into one tree.

import { dirname, extname } from 'node:path'
import type { Problem } from '../engine/problem.ts'
import { nearest } from '../engine/suggest.ts'
import { type Entry, type Files, kindOf, type Text } from './files.ts'
import { expandHosts } from './hosts.ts'
import { readIniInventory } from './ini.ts'
import type { Tree } from './tree.ts'
import { usage } from './value.ts'
import { isSecretsFile } from './vars-files.ts'
import { parseYaml } from './yaml.ts'
import { readYamlInventory } from './yaml-inventory.ts'

export type Source =
  | { readonly is: 'hosts'; readonly typed: string }
  /** `directory` is where group_vars and host_vars are looked for. */
  | { readonly is: 'files'; readonly directory: string; readonly paths: readonly string[] }

/** What Ansible skips in a directory, .ini files excepted, and what belongs to this program or to ssh. */
const skipped = new Set(
  '.pyc .pyo .swp .bak .rpm .md .txt .rst .orig .cfg .retry .lock .log .key .pub .pem .crt .kubeconfig'.split(' '),
)

function isInventoryFile(name: string): boolean {
  return !(name.startsWith('.') || name.endsWith('~') || skipped.has(extname(name)) || isSecretsFile(name))
}

/** What `files` holds is for hosts, as beside a playbook. */
const folders = new Set(['group_vars', 'host_vars', 'vars_plugins', 'files'])

const isSource = ({ name }: Entry) => isInventoryFile(name) && !folders.has(name)

/** What `-i` means, in order; nothing means `inventories/default`, else the only one in `inventories/`. */
export function findSources(files: Files, typed: readonly string[]): readonly Source[] {
  if (typed.length === 0) return defaultSource(files)
  return typed.flatMap((one) => {
    const source = findSource(files, one)
    if (!('kind' in source)) return [source]
    files.problems.push(source)
    return []
  })
}

function findSource(files: Files, typed: string): Source | Problem {
  const path = files.path(typed)
  const kind = kindOf(path)
  if (kind === 'file') return { is: 'files', directory: dirname(path), paths: [path] }
  if (kind === undefined && typed.includes(',')) return { is: 'hosts', typed }
  if (kind === undefined) {
    const known = inventories(files)
    const close = nearest(typed, known)
    const hint = close === undefined ? there(known) : `did you mean ${close}?`
    return usage(`-i ${typed}`, 'no such file or directory', hint)
  }
  const before = files.problems.length
  const paths = files.below(path, isSource)
  if (files.problems.length > before) return { is: 'files', directory: path, paths }
  if (paths.length > 0) return { is: 'files', directory: path, paths }
  return usage(`-i ${typed}`, 'the directory has no inventory file', 'name it hosts.yaml or hosts.ini')
}

function defaultSource(files: Files): readonly Source[] {
  const known = inventories(files)
  const only =
    known.find((name) => /^inventories\/default(?:\.\w+)?$/.test(name)) ?? (known.length === 1 ? known[0] : undefined)
  if (only !== undefined) return findSources(files, [only])
  const what = known.length === 0 ? 'no inventory found' : 'several inventories found'
  const hint = known.length === 0 ? 'set one: -i PATH; or a single host: -i 203.0.113.7,' : there(known)
  files.problems.push(usage('-i', what, hint))
  return []
}

function inventories(files: Files): readonly string[] {
  const entries = files.list(files.path('inventories'))
  return entries.filter(isSource).map((entry) => `inventories/${entry.name}`)
}

const there = (known: readonly string[]) =>
  known.length === 0
    ? 'the directory inventories/ does not exist here'
    : `known: ${known.map((name) => `-i ${name}`).join(', ')}`

/** Reads all files at the same time and adds them to the tree in order. */
export async function readSources(files: Files, tree: Tree, sources: readonly Source[]): Promise<void> {
  const steps = await Promise.all(
    sources.flatMap((source): Promise<() => void>[] =>
      source.is === 'hosts'
        ? [Promise.resolve(() => hostList(tree, source.typed))]
        : source.paths.map((path) => readFile(files, tree, path)),
    ),
  )
  for (const add of steps) add()
}

function hostList(tree: Tree, typed: string): void {
  const names = typed.split(',').map((name) => name.trim())
  for (const name of names.filter((text) => text !== '')) {
    const place = { at: `-i ${typed}`, path: '' }
    const hosts = expandHosts(name)
    if (typeof hosts === 'string') tree.problems.push(usage(place, hosts))
    else tree.addHosts(hosts, tree.ungrouped, new Map(), place)
  }
}

async function readFile(files: Files, tree: Tree, path: string): Promise<() => void> {
  const shown = files.shown(path)
  const file = await files.text(path)
  if (file === undefined) return () => {}
  const format = formatOf(path, file)
  if (format === 'ini') return () => readIniInventory(tree, { ...file, shown, path })
  if (format !== 'yaml') {
    files.problems.push(usage(shown, format, 'write the inventory as YAML or INI'))
    return () => {}
  }
  const { budget, decrypt } = files
  const { value, problems } = await parseYaml(file.text, shown, { secret: file.secret, decrypt, budget })
  files.problems.push(...problems)
  return () => readYamlInventory(tree, value, path)
}

/** Without a telling extension the first line that says something decides. */
function formatOf(
  path: string,
  { text }: Text,
): 'yaml' | 'ini' | 'inventory scripts are not supported' | 'TOML is not supported' {
  const ext = extname(path)
  if (ext === '.toml') return 'TOML is not supported'
  if (text.startsWith('#!')) return 'inventory scripts are not supported'
  if (ext === '.yaml' || ext === '.yml' || ext === '.json') return 'yaml'
  if (ext === '.ini') return 'ini'
  const line = /^[^\S\n]*([^\s#;][^\n]*)/m.exec(text)?.[1] ?? ''
  return /^(?:---|\{|%YAML)|^["']?[^\s=[\]]+["']?:(?:\s|$)/.test(line) ? 'yaml' : 'ini'
}

/** The directories beside the sources, in order. */
export function directoriesOf(sources: readonly Source[]): readonly string[] {
  return sources.flatMap((source) => (source.is === 'files' ? [source.directory] : []))
}
