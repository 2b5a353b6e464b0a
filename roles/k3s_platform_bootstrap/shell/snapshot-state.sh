# Prints the release that is installed, and whether its embedded etcd needs a snapshot and has one of the last hour.
#   k_v          the release
#   k_s k_d k_n  a line of stamps: stamp, digest, version

k_v=''
if [ -x @binary@ ]; then
  k_stat @binary@; k_is=${k_o##*|}
  if [ -f @stamps@ ]; then while read -r k_s k_d k_n; do [ "$k_s" != "$k_is" ] || k_v=$k_n; done <@stamps@; fi
  if [ -z "$k_v" ]; then k_v=$(timeout 10 @binary@ --version 2>/dev/null | sed -n 's/^k3s version \([^ ]*\).*/\1/p'); fi
fi
printf 'version=%s\n' "$k_v"
if [ -n "$k_v" ] && [ "$k_v" != @version@ ] && [ -d @etcd@ ]; then
  [ -z "$(find @snapshots@ -name @name@ -mmin -60 2>/dev/null)" ] || echo taken=yes
  echo etcd=yes
  @serviceState@
fi
