// group_vars and host_vars: which files belong to a name, and in which order they are read.

import { extname, join } from 'node:path'
import { type Entry, type Files, kindOf } from './files.ts'
import { usage, type Value, type Variables } from './value.ts'

const extensions = ['.yml', '.yaml', '.json']

/** The variables beside one inventory source or beside the working directory. */
export interface Beside {
  /** By group name; `all` begins with secrets.yaml, whose values are secrets. */
  group(name: string): Promise<Variables>
  host(name: string): Promise<Variables>
}

/** Looks at a directory once; files are read when their name is asked for. */
export function varsBeside(files: Files, directory: string, withSecrets: boolean): Beside {
  const groups = byStem(files.list(join(directory, 'group_vars')))
  const hosts = byStem(files.list(join(directory, 'host_vars')))
  const secrets = (withSecrets ? secretsFiles : [])
    .map((name) => join(directory, name))
    .filter((path) => kindOf(path) !== undefined)
  return {
    async group(name) {
      const first = name === 'all' ? secrets.map((path) => files.variables(path, true)) : []
      return merged(await Promise.all([...first, ...read(files, groups, name)]))
    },
    async host(name) {
      return merged(await Promise.all(read(files, hosts, name)))
    },
  }
}

const secretsFiles: readonly string[] = ['secrets.yaml', 'secrets.yml']
export const isSecretsFile = (name: string) => secretsFiles.includes(name)

type ByStem = ReadonlyMap<string, readonly Entry[]>

/** The entries that may belong to a name, by that name. */
function byStem(entries: readonly Entry[]): ByStem {
  const stems = new Map<string, Entry[]>()
  for (const entry of entries) {
    const ext = extensions.find((one) => entry.name.endsWith(one)) ?? ''
    for (const stem of new Set([entry.name, entry.name.slice(0, entry.name.length - ext.length)])) {
      stems.set(stem, [...(stems.get(stem) ?? []), entry])
    }
  }
  return stems
}

/** Later layers replace whole variables of earlier ones. */
export function merged(layers: readonly Variables[]): Variables {
  const [only] = layers
  if (only !== undefined && layers.length === 1) return only
  const all = new Map<string, Value>()
  for (const layer of layers) for (const [name, value] of layer) all.set(name, value)
  return all
}

/** Of `name/`, `name`, `name.yml`, `name.yaml`, `name.json` Ansible reads the first that exists, and so do we, aloud. */
function read(files: Files, entries: ByStem, name: string): Promise<Variables>[] {
  const found = entries.get(name) ?? []
  const candidates = ['', ...extensions].flatMap((ext) => found.filter((entry) => entry.name === name + ext))
  const [first, ...ignored] = candidates
  for (const entry of ignored) {
    const what = `not read: ${files.shown(first?.path ?? '')} has the same name and takes precedence`
    files.problems.push({ ...usage(files.shown(entry.path), what, 'merge both files'), kind: 'warning' })
  }
  if (first === undefined) return []
  const paths = first.directory ? files.below(first.path, isVarsFile) : [first.path]
  return paths.map((path) => files.variables(path))
}

function isVarsFile({ name, directory }: Entry): boolean {
  if (name.startsWith('.') || name.endsWith('~')) return false
  const ext = extname(name)
  return ext === '' || (!directory && extensions.includes(ext))
}
