# Defines k_left PATH, whether there is something to remove, and k_remove PATH; mounts and what is kept stay.
#   k_m  the mount points
#   k_e  a mount point or an entry of a directory
#   k_k  a path that is kept, or a mount point
#   k_g  `yes`: it will be unmounted before

k_m=$(sed 's/^[^ ]* [^ ]* [^ ]* [^ ]* \([^ ]*\) .*/\1/' /proc/self/mountinfo)
k_m=$(for k_e in $k_m; do
  k_g=''
  for k_k in @unmounted@; do case $k_e in "$k_k"/*) k_g=yes ;; esac; done
  for k_k in @keep@; do case "$k_e/" in "$k_k"/*) k_g='' ;; esac; case $k_k in "$k_e"/*) k_g='' ;; esac; done
  [ -n "$k_g" ] || printf '%s\n' "$k_e"
done)
k_kept() { for k_k in '' @keep@; do case "$1/" in "$k_k"/*) [ -z "$k_k" ] || return 0 ;; esac; done; return 1; }
k_mounted() { for k_k in $k_m; do [ "$k_k" != "$1" ] || return 0; done; return 1; }
k_holds() { # something below $1 stays
  for k_k in '' @keep@; do case $k_k in "$1"/*) [ ! -e "$k_k" ] && [ ! -L "$k_k" ] || return 0 ;; esac; done
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
}
