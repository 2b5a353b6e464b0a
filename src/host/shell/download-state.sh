# Prints what is at $k_path, its digest and its version, from a stamp in $k_stamps where one fits.
#   k_s k_d k_n  a line of stamps: stamp, digest, version
#   k_h k_v      the digest and the version of the file

@naming@
k_meta "$k_path"
if [ -f "$k_path" ] && [ ! -L "$k_path" ]; then
  k_stat "$k_path"; k_is=${k_o##*|} k_h='' k_v=''
  if [ -f "$k_stamps" ]; then while read -r k_s k_d k_n; do [ "$k_s" != "$k_is" ] || { k_h=$k_d k_v=$k_n; break; }; done <"$k_stamps"; fi
  if [ -z "$k_h" ]; then
    k_h=$(k_sum_large "$k_path")
    if [ -f "$k_stamps" ]; then while read -r k_s k_d k_n; do [ "$k_d" != "$k_h" ] || { k_v=$k_n; break; }; done <"$k_stamps"; fi
  fi
  printf 'content %s %s\n' "$k_h" "$k_v"
fi
