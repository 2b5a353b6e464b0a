# Prints how a node is: uptime, memory, release, a pending reboot, snapshots, and the first certificate of each file of k3s.
#   k_s k_d k_n  a line of stamps: stamp, digest, version; words that are not needed
#   k_f          a file
#   k_c          whether the lines are those of a certificate

read -r k_f k_n </proc/uptime && printf 'uptime=%s\n' "$k_f"
sed -n 's/^MemAvailable: *\([0-9]*\).*/available=\1/p' /proc/meminfo
if [ -x @binary@ ] && [ -f @stamps@ ]; then
  k_stat @binary@
  while read -r k_s k_d k_n; do [ "$k_s" != "${k_o##*|}" ] || printf 'release=%s\n' "$k_n"; done <@stamps@
fi
# Debian and Ubuntu: whoever installs a kernel or libc writes it, and a boot empties /run.
if [ -e /run/reboot-required ]; then
  echo reboot=required
  [ ! -r /run/reboot-required.pkgs ] || while read -r k_n; do printf 'package=%s\n' "$k_n"; done </run/reboot-required.pkgs
fi
stat -c 'snapshot=%Y' -- @snapshots@/* 2>/dev/null
# A file of k3s has its authority behind the certificate; a private key beside it is never printed.
for k_f in @dataDir@/server/tls/*.crt @dataDir@/server/tls/etcd/*.crt @dataDir@/agent/*.crt; do
  [ -f "$k_f" ] || continue
  printf 'certificate=%s\n' "${k_f##*/}"; k_c=''
  while IFS= read -r k_l; do
    case $k_l in *'BEGIN CERTIFICATE'*) k_c=yes ;; esac
    [ -z "$k_c" ] || printf '%s\n' "$k_l"
    case $k_l in *'END CERTIFICATE'*) break ;; esac
  done <"$k_f"
done
:
