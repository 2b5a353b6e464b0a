// The shell that reads the facts: shell builtins, and one process for many things, for it runs in every look.

import { sh } from '../sh.ts'

/** Services whose state is a fact; by their names under systemd and OpenRC. */
export const SERVICES = [
  ...['ufw', 'firewalld', 'nftables'],
  ...['systemd-timesyncd', 'chrony', 'chronyd', 'ntp', 'ntpd', 'ntpsec', 'openntpd'],
  ...['docker', 'kubelet', 'k3s', 'k3s-agent', 'k0scontroller', 'k0sworker', 'rke2-server', 'rke2-agent'],
] as const

/** Paths whose being there is a fact. */
const PATHS = [
  ...['/boot/firmware/cmdline.txt', '/boot/cmdline.txt', '/etc/update-extlinux.conf'],
  ...['/usr/share/selinux/packages/k3s.pp', '/var/lib/selinux/targeted/active/modules/200/k3s'],
  ...['/sbin/apparmor_parser', '/usr/sbin/apparmor_parser', '/run/systemd/container', '/proc/sys/net/bridge'],
  ...['/usr/local/bin/k3s', '/usr/local/bin/k3s-uninstall.sh', '/var/lib/k3s-platform/units'],
  ...['/etc/systemd/system/k3s.service', '/etc/init.d/k3s'],
  ...['/etc/systemd/system/k3s-agent.service', '/etc/init.d/k3s-agent'],
  ...['/var/lib/rancher/k3s/server/db', '/opt/rancher/k3s/server/db'],
  ...['/etc/k0s/k0s.yaml', '/var/lib/k0s', '/etc/kubernetes/kubelet.conf', '/var/snap/microk8s/current'],
  ...['/var/lib/rancher/rke2/server', '/var/lib/rancher/rke2/agent'],
] as const

const COMMANDS = [
  'apt-get',
  'dnf',
  'zypper',
  'apk',
  'grubby',
  'update-grub',
  'grub2-mkconfig',
  'grub-mkconfig',
] as const

/** Files that one sed reads, each of them by the lines that only it has. */
const FILES = [
  ...['self/status', 'meminfo', 'cpuinfo', 'cgroups', 'swaps', 'mounts', 'net/route', 'net/ipv6_route'].map(
    (name) => `/proc/${name}`,
  ),
  ...['/etc/ufw/ufw.conf', '/etc/ufw/user.rules', '/etc/firewalld/zones/trusted.xml'],
] as const

// Mounts of pods and snaps are nobody's disk space.
const READ = String.raw`s/^Uid:[[:space:]]*\([0-9]*\).*/uid=\1/p
s/^MemTotal: *\([0-9]*\).*/memory=\1/p
s/^SwapTotal: *\([0-9]*\).*/swap=\1/p
s/^processor[[:space:]]*:.*/cpu=/p
s/^\([a-z_]*\)[[:space:]][0-9]*[[:space:]][0-9]*[[:space:]]1$/controller=\1/p
s/^\(\/[^[:space:]]*\)[[:space:]]\{1,\}[pf][a-z]*[[:space:]]\{1,\}[0-9]*[[:space:]].*/swapon=\1/p
/^[^ ]* \/snap\//d
/^[^ ]* \/run\//d
/^[^ ]* \/var\/lib\/kubelet\//d
s/^\/dev\/[^ ]* \(\/[^ ]*\) .*/mount=\1/p
s/^[^ ]* \(\/[^ ]*\) zfs .*/mount=\1/p
s/^\([^[:space:]]*\)[[:space:]]00000000[[:space:]]\([0-9A-F]*[[:space:]]\)\{5\}00000000[[:space:]].*/default=\1/p
s/^0\{32\} 00 0\{32\} 00 .* \([^ ]*\)$/default=\1/p
s/^ENABLED=\([a-z]*\).*/ufw=\1/p
s/^### tuple ### allow any any [^ ]* any \([^ ]*\) in.*/trusted=\1/p
s/.*<source address="\([^"]*\)".*/trusted=\1/p`

/** Ports of k3s, etcd, flannel and Caddy: who holds them is asked only when somebody does, for that looks at every process. */
const OWN_PORTS = [6443, 10250, 2379, 2380, 8472]
const WEB_PORTS = [80, 443]
const held = (ports: readonly number[]) => sh`case $k_l in ${bar(ports)}) k_who=yes ;; esac`

function bar(ports: readonly number[]) {
  const [first, ...rest] = ports.map((port) => sh`*:${port}[!0-9]*`)
  return rest.reduce((all, one) => sh`${all} | ${one}`, first ?? sh`''`)
}

export const factsProbe = sh`set -f
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
k_say "$(. $k_f; printf 'os=%s|%s|%s|%s' "$ID" "$ID_LIKE" "$VERSION_ID" "$PRETTY_NAME")"
k_r=$(uname -rm); k_say "uname=$k_r"; k_r=/lib/modules/\${k_r% *}
k_say "time=$(date +%s)"
for k_f in ${COMMANDS}; do ! k_has "$k_f" || k_say "has=$k_f"; done
for k_f in ${PATHS}; do [ ! -e "$k_f" ] || k_say "there=$k_f"; done
if [ -e /sys/fs/cgroup/cgroup.controllers ]; then k_one cgroup2 /sys/fs/cgroup/cgroup.controllers; fi
set +f
for k_f in br_netfilter:net/bridge/br_netfilter.ko vxlan:drivers/net/vxlan; do
  set -- "$k_r/kernel/\${k_f#*:}"*
  if [ -e "$1" ] || [ -d "/sys/module/\${k_f%%:*}" ]; then k_say "module=\${k_f%%:*}"
  elif [ -d "$k_r" ]; then grep -q "/\${k_f%%:*}\.ko" "$k_r/modules.builtin" 2>/dev/null && k_say "module=\${k_f%%:*}" || k_say "nomodule=\${k_f%%:*}"; fi
done
set -f
[ -d "$k_r" ] || k_say nomodules=
k_on() { k_say "active=$1"; [ "$1" != k3s ] || k_k3s=yes; [ "$1" != nftables ] || k_nft=yes; }
k_k3s='' k_nft=''
if [ -d /run/systemd/system ]; then
  # To ask systemctl costs as much as all the rest; systemd keeps such a link for every unit that is not inactive.
  k_say init=systemd; for k_f in ${SERVICES}; do [ ! -L "/run/systemd/units/invocation:$k_f.service" ] || k_on "$k_f"; done
elif [ -e /run/openrc ] || k_has openrc-run; then
  k_say init=openrc; for k_f in ${SERVICES}; do [ ! -e "/run/openrc/started/$k_f" ] || k_on "$k_f"; done
else k_say init=other; fi
k_r=$(sed -n ${READ} ${FILES} 2>/dev/null); k_say "$k_r"
k_d='/ /tmp'
for k_f in $k_r; do
  case $k_f in
    mount=*) k_d="$k_d \${k_f#mount=}" ;;
    default=*) [ "$k_f" = default=lo ] || k_one "mtu=\${k_f#default=}" "/sys/class/net/\${k_f#default=}/mtu" ;;
  esac
done
stat -f -c 'disk=%n %S %a %b %d %c' $k_d 2>/dev/null
ip -o addr show scope global 2>/dev/null
[ -z "$k_nft" ] || nft list ruleset 2>/dev/null | sed -n 's/^[[:space:]]*type filter hook \([a-z]*\) .*policy drop.*/drops=\1/p'
# /proc/net/tcp has every connection in it, and takes long; ss asks for those that listen.
k_l=$(ss -Hltnu 2>/dev/null || netstat -ltnu 2>/dev/null); printf '%s' "$k_all$k_l$k_nl"
k_who=''
${held(WEB_PORTS)}
[ -n "$k_k3s" ] || ${held(OWN_PORTS)}
[ -z "$k_who" ] || { ss -Hltnup 2>/dev/null || netstat -ltnup 2>/dev/null; } | sed -n 's/^[tu][cd]p.*/holder=&/p'
:`
