// Removes a file or a tree, except protected paths. Links are never followed, mounts never entered.

import type { HostResource } from '../resource.ts'
import { lines, type Sh, script, sh } from '../sh.ts'
import removeTreeText from '../shell/remove-tree.sh'

export interface GoneSpec {
  readonly path: string
  /** Absolute paths that stay, with all that is below them. */
  readonly keep?: readonly string[]
  /** Only this: a link to what is named; a directory when nothing is in it, or only what goes, too. Default: anything. */
  readonly only?: { readonly linkTo: string } | { readonly emptyBut: readonly string[] }
  /** Mounts below PATH are unmounted before. */
  readonly unmounted?: true
  readonly after?: Sh
}

/**
 * Defines `k_left PATH`: whether there is something to remove, and `k_remove PATH`. A mount point is left as it is, bind mounts
 * included; PATH itself may be one and is emptied then. The flag of GNU rm for this does not know bind mounts. Mounts below the
 * words of `unmounted` will not be there any more: a look takes them for what will go.
 */
export function removing(keep: readonly string[], unmounted: Sh = sh``): Sh {
  return script(removeTreeText, { unmounted, keep })
}

export function gone({ path, keep = [], only, unmounted, after }: GoneSpec): HostResource {
  const there =
    only === undefined
      ? sh`k_left ${path}`
      : 'emptyBut' in only
        ? sh`[ -d ${path} ] && [ ! -L ${path} ] && ! k_kept ${path} && ! k_mounted ${path} && [ -z "$(ls -A ${path} | grep -vxF ${only.emptyBut.flatMap((name) => ['-e', name])})" ]${only.emptyBut.map(
            (name) =>
              sh` && ! k_kept ${`${path}/${name}`} && ! k_mounted ${`${path}/${name}`} && ! k_holds ${`${path}/${name}`}`,
          )}`
        : sh`[ -L ${path} ] && [ "$(readlink ${path})" = ${only.linkTo} ]`
  return {
    id: `gone:${path}`,
    title: path,
    probe: sh`${removing(keep, unmounted ? sh`${path}` : sh``)}
if ${there}; then echo there; fi`,
    read: ({ text }) => ({ actual: text === '' ? null : { there: true } }),
    desired: () => null,
    steps: () => [
      {
        title: `remove ${path}`,
        run: lines([
          removing(keep),
          only !== undefined && 'emptyBut' in only ? sh`rmdir -- ${path} || exit 1` : sh`k_remove ${path} || exit 1`,
          ...(after ? [after] : []),
        ]),
      },
    ],
  }
}
