// Files that an earlier run wrote and this inventory does not want any more; what others wrote is told, and left alone.

import type { HostResource } from '../resource.ts'
import { lines, type Sh, sh } from '../sh.ts'
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
    probe: sh`for f in ${patterns}; do
  [ -f "$f" ] || continue
  for k_w in ${['', ...wanted]}; do [ "$k_w" != "$f" ] || continue 2; done
  k_l=''; read -r k_l <"$f" || :
  case $k_l in
    ${ours}*) printf 'stale %s\n' "$f" ;;
    *) printf 'foreign %s|%s\n' "$(sed -n 's/^\([A-Za-z][A-Za-z0-9-]*+\{0,1\}\):.*/\1/p' "$f" | tr '\n' ' ')" "$f" ;;
  esac
done`,
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
