# Puts $k_part in place as $k_dest, or sets owner and mode where there is no part, and records a stamp of it.
#   k_h  the digest of the file

mkdir -p -- "${k_stampfile%/*}" || exit 1
if [ -n "$k_part" ]; then k_place "$k_part" "$k_dest" "$k_mode" "$k_owner" || exit 1
else chown -- "$k_owner" "$k_dest" && chmod -- "$k_mode" "$k_dest" || exit 1; fi
k_h=$(k_sum_large "$k_dest")
{ printf '%s %s %s\n' "$(k_stamp "$k_dest")" "$k_h" "$k_version"; grep -sv " $k_h " "$k_stampfile" | head -n 20; } | {
  cat >"$k_stampfile.new" && k_sync "$k_stampfile.new" && mv -f -- "$k_stampfile.new" "$k_stampfile"; }
