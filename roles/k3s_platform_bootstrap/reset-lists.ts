// What k3s leaves running on a node: how each sort is found, and how it is taken away. Shell that busybox reads, too.

import type { SweepSpec } from '../../src/host/kinds/sweep.ts'
import { lines, type Sh, sh } from '../../src/host/sh.ts'

type Listed = Pick<SweepSpec, 'list' | 'take'>

/**
 * Defines `k_dirs`: prints the data directories that are there. One is named by the inventory; k3s on the node may have been
 * started with another one, by its configuration, its unit or its environment, or with its own default.
 */
export function dataDirs(inventory: string, config: string): Sh {
  return sh`k_named() {
  for k_f in ${config} ${config}.d/*.yaml /etc/rancher/k3s/config.yaml /etc/rancher/k3s/config.yaml.d/*.yaml; do
    [ ! -f "$k_f" ] || sed -n 's/^"\{0,1\}data-dir"\{0,1\}:[ ]*["'\'']\{0,1\}\([^"'\''# ]*\).*/\1/p' "$k_f"
  done
  for k_f in /etc/systemd/system/k3s.service /etc/systemd/system/k3s-agent.service /etc/init.d/k3s /etc/init.d/k3s-agent; do
    [ ! -f "$k_f" ] || { tr '\n\t' '  ' <"$k_f" | tr -d "\"'\\\\\\\\"; echo; } | sed -n 's/.* \(--data-dir\|-d\)[= ] *\([^ ]*\).*/\2/p'
    [ ! -f "$k_f.env" ] || sed -n 's/^K3S_DATA_DIR=["'\'']\{0,1\}\([^"'\'' ]*\).*/\1/p' "$k_f.env"
  done
}
k_dirs() {
  { printf '%s\n' ${inventory}
    k_n=$(k_named); printf '%s\n' "$k_n"
    if [ -z "$k_n" ]; then
      for k_f in /etc/systemd/system/k3s*.service /etc/init.d/k3s* /usr/local/bin/k3s*uninstall.sh; do
        [ ! -f "$k_f" ] || echo /var/lib/rancher/k3s
      done
    fi
  } | sed 's:\(.\)/*$:\1:' | sort -u | while IFS= read -r k_d; do
    [ -z "$k_d" ] || { [ ! -e "$k_d" ] && [ ! -L "$k_d" ]; } || printf '%s\n' "$k_d"
  done
}`
}

/** After `k_dirs` and `removing`: `left|same|foreign entries|path|real path` for each; `same`: the root file system is mounted there. */
export const lookAtDataDirs = sh`k_dirs | while IFS= read -r k_d; do
  k_l=''; k_left "$k_d" && k_l=left
  k_s=''; k_mounted "$k_d" && [ "$(stat -c %d "$k_d")" = "$(stat -c %d /)" ] && k_s=same
  k_o='' k_y=''
  for k_p in "$k_d"/* "$k_d"/.[!.]*; do
    [ -e "$k_p" ] || [ -L "$k_p" ] || continue
    k_kept "$k_p" || k_mounted "$k_p" && continue
    case \${k_p##*/} in agent | server | data | storage | lost+found | .*) k_y=yes ;; *) k_holds "$k_p" || k_o="$k_o \${k_p##*/}" ;; esac
  done
  [ -z "$k_y" ] || k_o=''
  printf '%s|%s|%s|%s|%s\n' "$k_l" "$k_s" "\${k_o# }" "$k_d" "$(readlink -f "$k_d")"
done`

export const services: Listed = {
  list: sh`for k_u in k3s k3s-agent; do
  if [ -d /run/systemd/system ]; then
    case $(systemctl show -p ActiveState --value "$k_u.service") in inactive | failed | '') k_a='' ;; *) k_a=yes ;; esac
    case $(systemctl is-enabled "$k_u.service" 2>/dev/null) in enabled*) k_a=yes ;; esac
    [ -z "$k_a" ] || printf '%s.service\n' "$k_u"
  elif [ -e "/etc/init.d/$k_u" ]; then
    if rc-service "$k_u" status >/dev/null 2>&1 || [ -e "/etc/runlevels/default/$k_u" ]; then printf '%s\n' "$k_u"; fi
  fi
done`,
  take: sh`k_list | while IFS= read -r k_u; do
  k_wait 60 "stopping $k_u"
  case $k_u in
    *.service) timeout 60 systemctl stop "$k_u" || systemctl kill -s KILL "$k_u"; systemctl disable -q "$k_u"; systemctl reset-failed "$k_u" 2>/dev/null ;;
    *) rc-service "$k_u" stop; rc-update del "$k_u" default ;;
  esac
done`,
}

/** Programs of k3s and all that they have started, by executable and by cgroup; containers are children of its shims. */
export function processes(dirs: Sh): Listed {
  return {
    list: lines([
      dirs,
      sh`k_exes=$(ls -l /proc/[0-9]*/exe 2>/dev/null | sed -n 's:.* /proc/\([0-9]*\)/exe -> \(.*\):\1 \2:p')
k_groups='/k3s(-agent)?\.service|openrc[./]k3s'
# Pods are another's where a kubelet of its own runs; k3s has it built in.
case $k_exes in *'/kubelet'*) ;; *) k_groups="$k_groups|:/kubepods([./]|\$)" ;; esac
k_all=$(for k_d in /usr/local/bin/k3s /opt/bin/k3s $(k_dirs); do
  printf '%s\n' "$k_exes" | while read -r k_p k_x; do case $k_x in "$k_d" | "$k_d (deleted)" | "$k_d"/*) echo "$k_p" ;; esac; done
done; grep -sE "$k_groups" /proc/[0-9]*/cgroup | sed 's:^/proc/\([0-9]*\)/.*:\1:')
k_tree=$(grep -s '^PPid:' /proc/[0-9]*/status | sed 's:^/proc/\([0-9]*\)/status\:PPid\:[^0-9]*\([0-9]*\)$:\1 \2:')
k_all=" $(printf '%s' "$k_all" | tr '\n' ' ') "
k_grown=yes
while [ -n "$k_grown" ]; do
  k_grown=$(printf '%s\n' "$k_tree" | while read -r k_p k_q; do
    case $k_all in *" $k_p "*) ;; *" $k_q "*) printf '%s ' "$k_p" ;; esac
  done)
  k_all="$k_all$k_grown"
done
for k_p in $(printf '%s\n' $k_all | sort -nu); do
  k_c=''; { read -r k_c <"/proc/$k_p/comm"; } 2>/dev/null && [ "$k_p" != 1 ] && printf '%s (%s)\n' "$k_c" "$k_p"
done`,
    ]),
    take: sh`k_i=0
while [ "$k_i" -lt 10 ]; do
  k_i=$((k_i + 1)); k_p=$(k_list | sed 's/.*(\([0-9]*\))$/\1/')
  [ -n "$k_p" ] || exit 0
  kill -9 $k_p 2>/dev/null; sleep 0.5 2>/dev/null || sleep 1
done`,
  }
}

/** Deepest first. The data directory may be a file system of its own: that stays mounted, and is emptied. */
export function mounts(dirs: Sh, keep: readonly string[]): Listed {
  return {
    list: lines([
      dirs,
      sh`k_ds=$(k_dirs)
sed 's/^[^ ]* [^ ]* [^ ]* [^ ]* \([^ ]*\) .*/\1/' /proc/self/mountinfo | sort -ur | while IFS= read -r k_e; do
  k_p=$(printf '%b' "$k_e")
  for k_k in ${keep}; do case "$k_p/" in "$k_k"/*) continue 2 ;; esac; case $k_k in "$k_p"/*) continue 2 ;; esac; done
  case $k_p in /run/k3s/* | /var/lib/kubelet/* | /run/netns/cni-* | /var/run/netns/cni-*) printf '%s\n' "$k_p"; continue ;; esac
  printf '%s\n' "$k_ds" | while IFS= read -r k_d; do [ -n "$k_d" ] || continue; case $k_p in "$k_d"/*) printf '%s\n' "$k_p" ;; esac; done
done
for k_p in /run/netns/cni-*; do [ ! -e "$k_p" ] || grep -q " $k_p " /proc/self/mountinfo || printf '%s\n' "$k_p"; done`,
    ]),
    take: sh`k_list | while IFS= read -r k_p; do
  umount "$k_p" 2>/dev/null || umount -l "$k_p" 2>/dev/null
  case $k_p in */netns/cni-*) rm -f -- "$k_p" ;; esac
done`,
  }
}

export const interfaces: Listed = {
  list: sh`ip -o link show 2>/dev/null | sed 's/^[0-9]*: *\([^:@ ]*\)[^:]*:\(.*\)$/\1 \2 /' | while read -r k_i k_r; do
  case $k_i in cni0 | flannel.[0-9]* | flannel-v6.[0-9]* | flannel-wg | flannel-wg-v6 | kube-ipvs0) echo "$k_i"; continue ;; esac
  case $k_r in *' master cni0 '*) echo "$k_i" ;; esac
done`,
  take: sh`k_list | while read -r k_i; do ip link delete "$k_i" 2>/dev/null; done`,
}

/**
 * Chains of kube-proxy, the CNI plugins, flannel and the network policies, with the rules that lead to them. What is restored
 * names only those (--noflush): a rule of anybody else is never written, so its counters stay, too.
 */
export const firewall: Listed = {
  list: sh`k_tools() {
  for k_t in iptables ip6tables; do k_has $k_t-save && echo $k_t; done
  k_has iptables-legacy-save && [ -s /proc/net/ip_tables_names ] && echo iptables-legacy
  k_has ip6tables-legacy-save && [ -s /proc/net/ip6_tables_names ] && echo ip6tables-legacy
}
k_mine() { # what takes our chains out of $1, as iptables-restore reads it
  k_s=$("$1-save" 2>/dev/null)
  for k_b in $(printf '%s\n' "$k_s" | sed -n 's/^\*//p'); do
    k_x=$(printf '%s\n' "$k_s" | sed -n "/^\*$k_b\$/,/^COMMIT/p")
    k_c=$(printf '%s\n' "$k_x" | sed -n 's/^:\(\(KUBE\|CNI\|FLANNEL\)-[^ ]*\) .*/\1/p')
    k_r=$(printf '%s\n' "$k_x" | sed -n '/^-A \(KUBE\|CNI\|FLANNEL\)-/d
/^-A [^"]*\("[^"]*"[^"]*\)* -[jg] \(KUBE\|CNI\|FLANNEL\)-/s/^-A/-D/p
/^-A .* --comment "KUBE-ROUTER rule/s/^-A/-D/p')
    [ -n "$k_c$k_r" ] || continue
    printf '*%s\n' "$k_b"
    [ -z "$k_r" ] || printf '%s\n' "$k_r"
    for k_n in $k_c; do printf '%s %s\n' -F "$k_n"; done
    for k_n in $k_c; do printf '%s %s\n' -X "$k_n"; done
    echo COMMIT
  done
}
for k_t in $(k_tools); do
  k_mine "$k_t" | sed -n "s/^-X /$k_t /p; s/^-D \([^ ]*\) .*KUBE-ROUTER rule.*/$k_t rule of kube-router in \1/p"
done
! k_has nft || nft list tables 2>/dev/null | sed -n 's/^table \(ip6\{0,1\} \(kube-proxy\|flannel-ipv[46]\)\)$/nft \1/p'`,
  take: sh`k_list >/dev/null
for k_t in $(k_tools); do
  k_r=$(k_mine "$k_t")
  case $k_r in *'-F '* | *'-D '*) printf '%s\n' "$k_r" | "$k_t-restore" --noflush || exit 1 ;; esac
done
! k_has nft || nft list tables 2>/dev/null | sed -n 's/^table \(ip6\{0,1\} \(kube-proxy\|flannel-ipv[46]\)\)$/\1/p' | while IFS= read -r k_n; do
  nft delete table $k_n
done`,
}
