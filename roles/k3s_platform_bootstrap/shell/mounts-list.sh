# Prints the mounts of k3s, the deepest first.
#   k_ds the data directories
#   k_e  a mount point as the kernel escapes it
#   k_p  the mount point
#   k_k  a path that is kept
#   k_d  a data directory

k_ds=$(k_dirs)
sed 's/^[^ ]* [^ ]* [^ ]* [^ ]* \([^ ]*\) .*/\1/' /proc/self/mountinfo | sort -ur | while IFS= read -r k_e; do
  k_p=$(printf '%b' "$k_e")
  for k_k in @keep@; do case "$k_p/" in "$k_k"/*) continue 2 ;; esac; case $k_k in "$k_p"/*) continue 2 ;; esac; done
  case $k_p in /run/k3s/* | /var/lib/kubelet/* | /run/netns/cni-* | /var/run/netns/cni-*) printf '%s\n' "$k_p"; continue ;; esac
  printf '%s\n' "$k_ds" | while IFS= read -r k_d; do [ -n "$k_d" ] || continue; case $k_p in "$k_d"/*) printf '%s\n' "$k_p" ;; esac; done
done
for k_p in /run/netns/cni-*; do [ ! -e "$k_p" ] || grep -q " $k_p " /proc/self/mountinfo || printf '%s\n' "$k_p"; done
