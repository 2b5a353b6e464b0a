// group_vars and host_vars: which files belong to a name, and in which order they are read.

import { extname, join } from 'node:path'
import { type Entry, type Files, list } from './files.ts'
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
  const groups = list(join(directory, 'group_vars'))
  const hosts = list(join(directory, 'host_vars'))
  const secrets = (withSecrets ? list(directory) : []).filter((entry) => isSecretsFile(entry.name) && !entry.directory)
  return {
    async group(name) {
      const first = name === 'all' ? secrets.map((entry) => files.variables(entry.path, true)) : []
      return merged(await Promise.all([...first, ...read(files, groups, name)]))
    },
    async host(name) {
      return merged(await Promise.all(read(files, hosts, name)))
    },
  }
}

export const isSecretsFile = (name: string) => name === 'secrets.yaml' || name === 'secrets.yml'

/** Later layers replace whole variables of earlier ones. */
export function merged(layers: readonly Variables[]): Variables {
  const all = new Map<string, Value>()
  for (const layer of layers) for (const [name, value] of layer) all.set(name, value)
  return all
}

/** Of `name/`, `name`, `name.yml`, `name.yaml`, `name.json` Ansible reads the first that exists, and so do we, aloud. */
function read(files: Files, entries: readonly Entry[], name: string): Promise<Variables>[] {
  const candidates = ['', ...extensions].flatMap((ext) => entries.filter((entry) => entry.name === name + ext))
  const [first, ...ignored] = candidates
  for (const entry of ignored) {
    const what = `not read: ${files.shown(first?.path ?? '')} has the same name and comes first`
    const problem = { ...usage(files.shown(entry.path), what, 'merge the two'), kind: 'warning' } as const
    if (!files.problems.some((p) => p.where === problem.where && p.what === what)) files.problems.push(problem)
  }
  if (first === undefined) return []
  const paths = first.directory ? below(first.path) : [first.path]
  return paths.map((path) => files.variables(path))
}

function below(directory: string): string[] {
  const entries = list(directory).filter(({ name }) => !name.startsWith('.') && !name.endsWith('~'))
  return entries.flatMap(({ name, path, directory: isDirectory }) => {
    const ext = extname(name)
    if (isDirectory) return ext === '' ? below(path) : []
    return ext === '' || extensions.includes(ext) ? [path] : []
  })
}
