// Removes files of an earlier run that left the inventory, and reports files of other tools.

import type { HostResource } from '../resource.ts'
import { lines, type Sh, script, sh } from '../sh.ts'
import staleFilesText from '../shell/stale-files.sh'
import { disturb } from './file.ts'

export interface StraysSpec {
  readonly title: string
  /** Where to look; `pattern` is a shell pattern of file names. */
  readonly places: readonly { readonly directory: string; readonly pattern: string }[]
  /** Paths that stay. */
  readonly wanted: readonly string[]
  /** How the first line of a file of ours begins. */
  readonly ours: string
  /** A marker made before one is removed: see `service`. */
  readonly mark: string
}

/** Its state has, of each file of somebody else, only the top-level keys: its values may be secrets. */
export function strays({ title, places, wanted, ours, mark }: StraysSpec): HostResource {
  const patterns = places.map(({ directory, pattern }): Sh => sh`${directory}/${glob(pattern)}`)
  const stale = (state: { readonly [field: string]: unknown } | null): string[] =>
    Array.isArray(state?.stale) ? state.stale.map(String) : []
  return {
    id: `strays:${places[0]?.directory ?? ''}`,
    title,
    meaning: '',
    probe: script(staleFilesText, { files: patterns, wanted, ours }),
    read: ({ text }) => {
      const told = text.split('\n')
      const foreign = told.flatMap((line) => {
        const [, keys = '', path = ''] = /^foreign ([^|]*)\|(.*)$/.exec(line) ?? []
        return path === '' ? [] : [[path, keys.split(' ').filter(Boolean)] as const]
      })
      return {
        actual: {
          stale: told.flatMap((line) => (line.startsWith('stale ') ? line.slice(6) : [])),
          foreign: Object.fromEntries(foreign),
        },
      }
    },
    desired: () => ({ stale: [] }),
    action: (actual) => `remove ${stale(actual).join(', ')}`,
    steps: ({ actual }) => [
      { title: `remove ${stale(actual).join(', ')}`, run: lines([disturb(mark), sh`rm -f -- ${stale(actual)}`]) },
    ],
  }
}

/** The pattern's stars stay the shell's. */
function glob(pattern: string): Sh {
  const [first = '', ...rest] = pattern.split('*')
  return rest.reduce((script, part) => sh`${script}*${part}`, sh`${first}`)
}
