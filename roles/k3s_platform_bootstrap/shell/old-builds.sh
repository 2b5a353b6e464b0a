# Prints the directories of the releases that k3s unpacked earlier: not the current and the previous one.
# The names are SHA-256 digests; nothing else is looked at, and two need no further look.
#   k_d  a directory
#   k_n  its name

set --
for k_d in @data@/*; do
  k_n=${k_d##*/}
  case $k_n in *[!0-9a-f]*) ;; *) [ ${#k_n} != 64 ] || [ -L "$k_d" ] || [ ! -d "$k_d" ] || set -- "$@" "$k_d" ;; esac
done
if [ $# -gt 2 ] && [ -e @data@/current ]; then
  for k_d do
    # shellcheck disable=SC3013 # dash, bash and busybox have -ef
    [ "$k_d" -ef @data@/current ] || [ "$k_d" -ef @data@/previous ] || printf '%s\n' "$k_d"
  done
fi
