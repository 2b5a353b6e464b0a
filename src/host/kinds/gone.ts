// A file or a tree that must not be there, but for what is to be kept below it. Links are never followed, mounts never entered.

import type { HostResource } from '../resource.ts'
import { lines, type Sh, sh } from '../sh.ts'

export interface GoneSpec {
  readonly path: string
  /** Absolute paths that stay, with all that is below them. */
  readonly keep?: readonly string[]
  /** Only this: a link to what is named; a directory when nothing is in it, or only one that goes, too. Default: anything. */
  readonly only?: { readonly linkTo: string } | { readonly emptyBut: string }
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
  return sh`k_m=$(sed 's/^[^ ]* [^ ]* [^ ]* [^ ]* \([^ ]*\) .*/\1/' /proc/self/mountinfo)
k_m=$(for k_e in $k_m; do
  k_g=''
  for k_k in ${unmounted}; do case $k_e in "$k_k"/*) k_g=yes ;; esac; done
  for k_k in ${keep}; do case "$k_e/" in "$k_k"/*) k_g='' ;; esac; case $k_k in "$k_e"/*) k_g='' ;; esac; done
  [ -n "$k_g" ] || printf '%s\n' "$k_e"
done)
k_kept() { for k_k in ${['', ...keep]}; do case "$1/" in "$k_k"/*) [ -z "$k_k" ] || return 0 ;; esac; done; return 1; }
k_mounted() { for k_k in $k_m; do [ "$k_k" != "$1" ] || return 0; done; return 1; }
k_holds() { # something below $1 stays
  for k_k in ${['', ...keep]}; do case $k_k in "$1"/*) [ ! -e "$k_k" ] && [ ! -L "$k_k" ] || return 0 ;; esac; done
  for k_k in $k_m; do case $k_k in "$1"/*) return 0 ;; esac; done
  return 1
}
k_left() {
  [ -e "$1" ] || [ -L "$1" ] || return 1
  k_kept "$1" && return 1
  [ ! -L "$1" ] && [ -d "$1" ] || return 0
  k_mounted "$1" || k_holds "$1" || return 0
  for k_e in "$1"/* "$1"/.[!.]* "$1"/..?*; do
    [ -e "$k_e" ] || [ -L "$k_e" ] || continue
    k_mounted "$k_e" && continue
    k_left "$k_e" && return 0
  done
  return 1
}
k_remove() {
  k_kept "$1" && return 0
  if [ -L "$1" ] || [ ! -d "$1" ]; then rm -f -- "$1"; return; fi
  if ! k_mounted "$1" && ! k_holds "$1"; then rm -rf -- "$1"; return; fi
  for k_e in "$1"/* "$1"/.[!.]* "$1"/..?*; do
    [ -e "$k_e" ] || [ -L "$k_e" ] || continue
    k_mounted "$k_e" || k_remove "$k_e"
  done
  k_mounted "$1" || k_holds "$1" || rmdir -- "$1"
}`
}

export function gone({ path, keep = [], only, unmounted, after }: GoneSpec): HostResource {
  const there =
    only === undefined
      ? sh`k_left ${path}`
      : 'emptyBut' in only
        ? sh`[ -d ${path} ] && [ ! -L ${path} ] && ! k_kept ${path} && ! k_mounted ${path} && [ -z "$(ls -A ${path} | grep -vxF ${only.emptyBut})" ] &&
  ! k_kept ${`${path}/${only.emptyBut}`} && ! k_mounted ${`${path}/${only.emptyBut}`} && ! k_holds ${`${path}/${only.emptyBut}`}`
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
