// A directory with its mode and owner.

import type { HostResource } from '../resource.ts'
import { sh } from '../sh.ts'

export interface DirectorySpec {
  readonly path: string
  /** Octal as chmod takes it: `755`, the default. */
  readonly mode?: string
  readonly owner?: string
  readonly group?: string
}

/** What is in it is left alone. A link to a directory is taken for that directory: people move data with one. */
export function directory({ path, mode = '755', owner = 'root', group = 'root' }: DirectorySpec): HostResource {
  return {
    id: `directory:${path}`,
    title: `${path}/`,
    asks: { stats: [`${path}/.`] },
    probe: sh`if [ -d ${path} ]; then k_meta ${path}/.; else k_meta ${path}; fi`,
    read: ({ text }) => {
      const [type = '', ...found] = text.trim().split(' ')
      if (type === 'absent') return { actual: null }
      if (type !== 'directory') return { actual: { type } }
      return { actual: { type, mode: found[0] ?? null, owner: found[1] ?? null, group: found[2] ?? null } }
    },
    desired: () => ({ type: 'directory', mode, owner, group }),
    steps: () => [
      {
        title: `create ${path}`,
        run: sh`mkdir -p -- ${path} && chown -- ${`${owner}:${group}`} ${path} && chmod -- ${mode} ${path}`,
      },
    ],
  }
}
