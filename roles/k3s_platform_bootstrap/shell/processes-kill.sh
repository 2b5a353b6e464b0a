# Kills what k_list prints, again and again while there is something.
#   k_i  the number of tries
#   k_p  the process ids

k_i=0
while [ "$k_i" -lt 10 ]; do
  k_i=$((k_i + 1)); k_p=$(k_list | sed 's/.*(\([0-9]*\))$/\1/')
  [ -n "$k_p" ] || exit 0
  # shellcheck disable=SC2086 # a list of words
  kill -9 $k_p 2>/dev/null; sleep 0.5 2>/dev/null || sleep 1
done
