# Prints the network interfaces of the CNI plugins and of kube-proxy.
#   k_i  an interface
#   k_r  the rest of its line

ip -o link show 2>/dev/null | sed 's/^[0-9]*: *\([^:@ ]*\)[^:]*:\(.*\)$/\1 \2 /' | while read -r k_i k_r; do
  case $k_i in cni0 | flannel.[0-9]* | flannel-v6.[0-9]* | flannel-wg | flannel-wg-v6 | kube-ipvs0) echo "$k_i"; continue ;; esac
  case $k_r in *' master cni0 '*) echo "$k_i" ;; esac
done
