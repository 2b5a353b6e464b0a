# Prints `stale PATH` for files that an earlier run wrote and `foreign KEYS|PATH` for those of others; wanted ones are passed over.
#   k_w  a path that is wanted
#   k_l  the first line of a file

for f in @files@; do
  [ -f "$f" ] || continue
  for k_w in '' @wanted@; do [ "$k_w" != "$f" ] || continue 2; done
  k_l=''; read -r k_l <"$f" || :
  case $k_l in
    @ours@*) printf 'stale %s\n' "$f" ;;
    *) printf 'foreign %s|%s\n' "$(sed -n 's/^\([A-Za-z][A-Za-z0-9-]*+\{0,1\}\):.*/\1/p' "$f" | tr '\n' ' ')" "$f" ;;
  esac
done
