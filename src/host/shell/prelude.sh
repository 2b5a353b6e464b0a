# The few functions that probes and steps share: they are sent at the head of every script.
# Common ground of dash, bash and busybox: `stat -c`, printf only, no `local`, no arrays, exit codes checked by hand.
# All names begin with k_; what a function takes is $1, $2, ... in its comment. Names of one letter that scripts share:
#   k_o  what the last k_stat, k_digest or k_sum found
#   k_l  the line or loop variable of a function here
#   k_n  a counter

umask 022; LC_ALL=C; export LC_ALL
PATH="${PATH:-/usr/bin:/bin}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"; export PATH
unset CDPATH ENV BASH_ENV; cd / || exit 1
k_has() { command -v "$1" >/dev/null 2>&1; }
k_fail() { printf '%s\n' "$*" >&2; exit 1; }
k_nl='
'
# k_o becomes `<mode> <owner> <group>|<stamp>` of a path, empty where there is none; the stamp is what changes when a file is
# replaced or written to, without reading it. k_stats has those that were asked for together.
k_stat() {
  k_o=''; IFS=$k_nl; set -f
  for k_l in $k_stats; do case $k_l in "$1|"*\|*\|*) ;; "$1|"*) k_o=${k_l#"$1|"}; break ;; esac; done
  unset IFS; set +f
  [ -n "$k_o" ] || k_o=$(stat -c '%a %U %G|%s.%Y.%i' -- "$1" 2>/dev/null)
}
# k_o becomes the sha256 of a file; k_digests has those that were asked for together
k_digest() {
  k_o=''; IFS=$k_nl; set -f
  for k_l in $k_digests; do case $k_l in *"  $1") k_o=${k_l%% *}; break ;; esac; done
  unset IFS; set +f
  [ ${#k_o} = 64 ] || { k_o=$(sha256sum <"$1"); k_o=${k_o%% *}; }
}
k_stats='' k_digests=''
# sha256 of a file; for a large one openssl is six times as fast, for a small one it starts more slowly
k_sum() { k_o=$(sha256sum <"$1") && printf '%s\n' "${k_o%% *}"; }
k_sum_large() {
  if k_has openssl; then k_o=$(openssl dgst -sha256 -r <"$1") && printf '%s\n' "${k_o%% *}"; else k_sum "$1"; fi
}
# what kind of thing is at a path, then for a file or directory its mode, owner and group
k_meta() {
  if [ -L "$1" ]; then printf 'link - - - %s\n' "$(readlink "$1")"
  elif [ -f "$1" ]; then k_stat "$1"; printf 'file %s\n' "${k_o%|*}"
  elif [ -d "$1" ]; then k_stat "$1"; printf 'directory %s\n' "${k_o%|*}"
  elif [ -e "$1" ]; then printf 'other - - -\n'
  else printf 'absent - - -\n'; fi
}
k_stamp() { k_stat "$1"; printf '%s\n' "${k_o##*|}"; }
# the lock on descriptor $1, waited for $2 seconds at most; busybox's flock has no -w
k_lock() {
  k_n=0
  until flock -n "$1"; do [ "$k_n" -lt "$2" ] || return 1; k_n=$((k_n + 1)); sleep 1; done
}
# fsync of files and their directories: a full sync where sync takes no names
k_sync() { sync -- "$@" 2>/dev/null || sync; }
# stdin becomes the file $1 with mode $2 and owner $3, whole or not at all; $4 is its sha256
k_put() {
  k_dir=${1%/*}; k_tmp="${k_dir}/.${1##*/}.k3sp.$$"
  rm -f -- "${k_dir}/.${1##*/}.k3sp."*
  (umask 077; cat >"$k_tmp") || { rm -f -- "$k_tmp"; k_fail "cannot write to ${k_dir}"; }
  [ "$(k_sum "$k_tmp")" = "$4" ] || { rm -f -- "$k_tmp"; k_fail "the data received for $1 differs from the data sent (disk full?)"; }
  k_place "$k_tmp" "$1" "$2" "$3"
}
# the finished file $1 becomes $2 with mode $3 and owner $4 by a rename; a link to a directory is not entered
k_place() {
  chown -- "$4" "$1" && chmod -- "$3" "$1" && k_sync "$1" && { [ ! -d "$2" ] || rm -f -- "$2"; } && mv -f -- "$1" "$2" && k_sync "${2%/*}/" || {
    rm -f -- "$1"; k_fail "cannot install $2"
  }
  # where SELinux is, a file made beside its place has not yet the label of that place
  ! k_has restorecon || restorecon -- "$2" 2>/dev/null || :
}
