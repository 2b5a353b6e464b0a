# After data-dirs.sh and remove-tree.sh: `left|same|foreign entries|path|real path` for each data directory.
#   k_d  a data directory
#   k_l  `left`: there is something to remove
#   k_s  `same`: the root file system is mounted there
#   k_p  an entry of it
#   k_y  `yes`: an entry is one of k3s
#   k_o  the entries that are not

k_dirs | while IFS= read -r k_d; do
  k_l=''; k_left "$k_d" && k_l=left
  k_s=''; k_mounted "$k_d" && [ "$(stat -c %d "$k_d")" = "$(stat -c %d /)" ] && k_s=same
  k_o='' k_y=''
  for k_p in "$k_d"/* "$k_d"/.[!.]*; do
    [ -e "$k_p" ] || [ -L "$k_p" ] || continue
    k_kept "$k_p" || k_mounted "$k_p" && continue
    case ${k_p##*/} in agent | server | data | storage | lost+found | .*) k_y=yes ;; *) k_holds "$k_p" || k_o="$k_o ${k_p##*/}" ;; esac
  done
  [ -z "$k_y" ] || k_o=''
  printf '%s|%s|%s|%s|%s\n' "$k_l" "$k_s" "${k_o# }" "$k_d" "$(readlink -f "$k_d")"
done
