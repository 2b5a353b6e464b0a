# Removes what firewall-list.sh has found. What is restored names only those (--noflush): a rule of anybody else is never written.
#   k_t  iptables or one of its kin
#   k_r  what it is to restore
#   k_n  a table of nftables

k_list >/dev/null
for k_t in $(k_tools); do
  k_r=$(k_mine "$k_t")
  case $k_r in *'-F '* | *'-D '*) printf '%s\n' "$k_r" | "$k_t-restore" --noflush || exit 1 ;; esac
done
! k_has nft || nft list tables 2>/dev/null | sed -n 's/^table \(ip6\{0,1\} \(kube-proxy\|flannel-ipv[46]\)\)$/\1/p' | while IFS= read -r k_n; do
  # shellcheck disable=SC2086 # family and name, two words
  nft delete table $k_n
done
