# Part of ready.sh: the shell itself picks the state of the node out of $k_o, by its quotes, for to cut it with a pattern takes dash 10 ms.
#   k_n  the state of the node, or what is wrong

# shellcheck disable=SC2086 # it is split at its quotes
IFS='"'; set -f; set -- $k_o; unset IFS; set +f
while [ $# -gt 4 ] && [ "$1$2$3$4" != "cells:[$k_name," ]; do shift; done
k_n=${5:-$k_name has not joined}
printf 'node=%s\n' "$k_n"; case $k_n in Ready | Ready,*) ;; *) return 1 ;; esac
