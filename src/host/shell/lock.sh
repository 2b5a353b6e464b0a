# Holds the lock of the host while the connection lives: see src/host/lock.ts.
# L is the lock file, D the directory of this run; D/go exists while steps may go on.
#   k_l  a line of stdin, in the shell that reads it

L=/run/k3s-platform.lock
exec 9>>"$L" || exit 1
k_has flock || k_fail 'flock is missing (package util-linux)'
if ! flock -n 9; then
  printf 'held %s\n' "$(cat "$L.holder" 2>/dev/null)"
  k_lock 9 @waitSeconds@ || exit 75
fi
rm -rf /run/k3s-platform.go.*
D=$(mktemp -d /run/k3s-platform.go.XXXXXX) && : >"$D/go" || exit 1
trap 'rm -rf "$D"' EXIT; trap 'exit 1' HUP TERM INT PIPE
printf '%s\n' @holder@ >"$L.holder"
printf 'locked %s\n' "$D/go"
# shellcheck disable=SC2016 # the inner shell reads the line
while k_line=$(timeout 20 sh -c 'IFS= read -r k_l && printf %s "$k_l"' 9>&-); do
  case $k_line in stop) rm -f "$D/go" ;; bye) exit 0 ;; esac
done
