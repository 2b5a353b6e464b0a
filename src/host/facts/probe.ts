// The shell that reads the facts: shell builtins, and one process for many things, for it runs in every look.

import { script, sh } from '../sh.ts'
import factsText from '../shell/facts.sh'

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

export const factsProbe = script(factsText, {
  commands: COMMANDS,
  paths: PATHS,
  services: SERVICES,
  read: READ,
  files: FILES,
  webPorts: held(WEB_PORTS),
  ownPorts: held(OWN_PORTS),
})
