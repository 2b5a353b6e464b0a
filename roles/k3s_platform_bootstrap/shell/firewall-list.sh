# Prints the chains and rules of kube-proxy, the CNI plugins, flannel and the network policies.
# k_mine TOOL prints what takes them out again, as TOOL-restore reads it.
#   k_t  iptables or one of its kin
#   k_s  what it saves
#   k_b  a table
#   k_x  the lines of that table
#   k_c  its chains that are ours
#   k_r  its rules that are ours
#   k_n  a chain

k_tools() {
  for k_t in iptables ip6tables; do k_has $k_t-save && echo $k_t; done
  # Only where the kernel has their tables: to ask would load them. Files of /proc have no size.
  k_has iptables-legacy-save && grep -qs . /proc/net/ip_tables_names && echo iptables-legacy
  k_has ip6tables-legacy-save && grep -qs . /proc/net/ip6_tables_names && echo ip6tables-legacy
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
! k_has nft || nft list tables 2>/dev/null | sed -n 's/^table \(ip6\{0,1\} \(kube-proxy\|flannel-ipv[46]\)\)$/nft \1/p'
