# Reads the facts of a host: shell builtins, and one process for many things, for it runs in every look.
#   k_f  a name or a word in a loop
#   k_r  the release of the kernel, its modules; then what sed has read
#   k_d  the directories whose disk space is asked for
#   k_l  the sockets that listen

set -f
# what is found, told in few writes
k_all='' k_nl='
'
k_say() { k_all=$k_all$1$k_nl; }
k_one() { [ ! -r "$2" ] || { k_f=''; IFS= read -r k_f <"$2"; k_say "$1=$k_f"; } 2>/dev/null; }
k_one hostname /proc/sys/kernel/hostname
k_one machine /etc/machine-id
k_one model /proc/device-tree/model
k_one selinux /sys/fs/selinux/enforce
k_one apparmor /sys/module/apparmor/parameters/enabled
k_f=/etc/os-release; [ -r $k_f ] || k_f=/usr/lib/os-release
# shellcheck disable=SC1090 # the path is chosen on the host
k_say "$(. $k_f; printf 'os=%s|%s|%s|%s' "$ID" "$ID_LIKE" "$VERSION_ID" "$PRETTY_NAME")"
k_r=$(uname -rm); k_say "uname=$k_r"; k_r=/lib/modules/${k_r% *}
k_say "time=$(date +%s)"
for k_f in @commands@; do ! k_has "$k_f" || k_say "has=$k_f"; done
for k_f in @paths@; do [ ! -e "$k_f" ] || k_say "there=$k_f"; done
if [ -e /sys/fs/cgroup/cgroup.controllers ]; then k_one cgroup2 /sys/fs/cgroup/cgroup.controllers; fi
set +f
for k_f in br_netfilter:net/bridge/br_netfilter.ko vxlan:drivers/net/vxlan; do
  set -- "$k_r/kernel/${k_f#*:}"*
  if [ -e "$1" ] || [ -d "/sys/module/${k_f%%:*}" ]; then k_say "module=${k_f%%:*}"
  elif [ -d "$k_r" ]; then grep -q "/${k_f%%:*}\.ko" "$k_r/modules.builtin" 2>/dev/null && k_say "module=${k_f%%:*}" || k_say "nomodule=${k_f%%:*}"; fi
done
set -f
[ -d "$k_r" ] || k_say nomodules=
k_on() { k_say "active=$1"; [ "$1" != k3s ] || k_k3s=yes; [ "$1" != nftables ] || k_nft=yes; }
k_k3s='' k_nft=''
if [ -d /run/systemd/system ]; then
  # To ask systemctl costs as much as all the rest; systemd keeps such a link for every unit that is not inactive.
  k_say init=systemd; for k_f in @services@; do [ ! -L "/run/systemd/units/invocation:$k_f.service" ] || k_on "$k_f"; done
elif [ -e /run/openrc ] || k_has openrc-run; then
  k_say init=openrc; for k_f in @services@; do [ ! -e "/run/openrc/started/$k_f" ] || k_on "$k_f"; done
else k_say init=other; fi
k_r=$(sed -n @read@ @files@ 2>/dev/null); k_say "$k_r"
k_d='/ /tmp'
for k_f in $k_r; do
  case $k_f in
    mount=*) k_d="$k_d ${k_f#mount=}" ;;
    default=*) [ "$k_f" = default=lo ] || k_one "mtu=${k_f#default=}" "/sys/class/net/${k_f#default=}/mtu" ;;
  esac
done
# shellcheck disable=SC2086 # a list of words
stat -f -c 'disk=%n %S %a %b %d %c' $k_d 2>/dev/null
ip -o addr show scope global 2>/dev/null
[ -z "$k_nft" ] || nft list ruleset 2>/dev/null | sed -n 's/^[[:space:]]*type filter hook \([a-z]*\) .*policy drop.*/drops=\1/p'
# /proc/net/tcp has every connection in it, and takes long; ss asks for those that listen.
k_l=$(ss -Hltnu 2>/dev/null || netstat -ltnu 2>/dev/null); printf '%s' "$k_all$k_l$k_nl"
k_who=''
@webPorts@
[ -n "$k_k3s" ] || @ownPorts@
[ -z "$k_who" ] || { ss -Hltnup 2>/dev/null || netstat -ltnup 2>/dev/null; } | sed -n 's/^[tu][cd]p.*/holder=&/p'
:
