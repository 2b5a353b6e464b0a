# Unmounts what k_list prints.
#   k_p  a mount point

k_list | while IFS= read -r k_p; do
  umount "$k_p" 2>/dev/null || umount -l "$k_p" 2>/dev/null
  case $k_p in */netns/cni-*) rm -f -- "$k_p" ;; esac
done
