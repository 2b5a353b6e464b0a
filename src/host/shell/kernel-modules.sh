# Prints those of the modules that are loaded or built into the kernel. For two of them /sys/module has no entry when they are
# built in, but their effect shows.
#   k_m  the name of a module

for k_m in @names@; do
  if [ -d "/sys/module/$k_m" ] || { [ "$k_m" = br_netfilter ] && [ -e /proc/sys/net/bridge ]; } ||
    grep -qw "$k_m" /proc/filesystems || grep -qs "/$k_m\.ko" "/lib/modules/$(uname -r)/modules.builtin"; then printf '%s\n' "$k_m"; fi
done
