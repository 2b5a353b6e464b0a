# Starts $k_unit, watches it until it is healthy, and puts the last good inputs back when it does not become healthy.
# Takes k_unit, k_home, k_bound and k_inputs, the functions of systemd.sh or openrc.sh, k_health and k_validate; "$@" are the files that are inputs.
#   k_p  the path of an input
#   k_i  its number, under which a copy of it is kept
#   k_t  a temporary file

k_now() { cut -d. -f1 /proc/uptime; }
k_up() { # starts the unit; 0 when it is healthy
  k_t0=$(k_now) k_why="$k_tool did not start it"
  k_load; k_enable || return 1
  k_start || return 1
  while :; do
    k_look
    case $k_is in
      up) if k_why=$(k_health 2>&1); then return 0; fi ;;
      down) return 1 ;;
    esac
    k_alive || exit 1
    [ $(( $(k_now) - k_t0 )) -lt "$k_bound" ] || return 1
    k_wait "$k_bound" "${k_why:-not healthy}"
    sleep 0.3 2>/dev/null || sleep 1
  done
}
k_copy() { rm -f -- "$2"; { [ "$(stat -c %s -- "$1")" -gt 1048576 ] && ln -- "$1" "$2" 2>/dev/null; } || cp -p -- "$1" "$2"; }
k_remember() { # the inputs as they are now are good
  # shellcheck disable=SC2174 # the directory above exists
  rm -rf -- "$k_home/good.new" && mkdir -p -m 700 "$k_home/good.new" || return 1
  k_i=0
  for k_p in "$@"; do
    k_i=$((k_i + 1))
    [ ! -f "$k_p" ] || k_copy "$k_p" "$k_home/good.new/$k_i" || return 1
    printf '%s\n' "$k_p" >>"$k_home/good.new/paths"
  done
  printf '%s\n' "$k_inputs" >"$k_home/good.new/inputs"
  k_sync "$k_home"/good.new/*
  rm -rf -- "$k_home/good.old"; [ ! -d "$k_home/good" ] || mv -- "$k_home/good" "$k_home/good.old"
  mv -- "$k_home/good.new" "$k_home/good" && rm -rf -- "$k_home/good.old"
  cp -- "$k_home/good/inputs" "$k_home/inputs.new" && k_sync "$k_home/inputs.new" && mv -f -- "$k_home/inputs.new" "$k_home/inputs" && rm -f -- "$k_home/disturbed" && k_sync "$k_home"
}
k_put_back() { # the inputs of the last good start; what is an input only now goes
  [ -d "$k_home/good" ] || [ ! -d "$k_home/good.old" ] || mv -- "$k_home/good.old" "$k_home/good"
  [ -f "$k_home/good/inputs" ] || return 1
  k_i=0
  while IFS= read -r k_p; do
    k_i=$((k_i + 1))
    if [ -f "$k_home/good/$k_i" ]; then
      # A link to the same file is never renamed over it.
      [ "$(stat -c %d.%i -- "$k_p" 2>/dev/null)" != "$(stat -c %d.%i -- "$k_home/good/$k_i")" ] || continue
      k_t="${k_p%/*}/.${k_p##*/}.k3sp.back"
      k_copy "$k_home/good/$k_i" "$k_t" && mv -f -- "$k_t" "$k_p" || return 1
    else rm -f -- "$k_p"; fi
  done <"$k_home/good/paths"
  for k_p in "$@"; do grep -qxF -- "$k_p" "$k_home/good/paths" || rm -f -- "$k_p"; done
}
# shellcheck disable=SC2174 # what is above it is for everybody
mkdir -p -m 700 "$k_home" && : >"$k_home/disturbed" || exit 1
if ! k_why=$(k_validate 2>&1); then
  printf '%s\n' "$k_why" >&2
  k_put_back "$@" || exit @refusedFirst@
  k_load; rm -f -- "$k_home/disturbed"
  exit @refused@
fi
if k_up; then k_remember "$@" || k_fail 'it is running, but this could not be recorded'; exit 0; fi
[ -z "$k_logfile" ] || printf 'log=%s\n' "$k_logfile"
printf 'state=%s, after %s s: %s\n' "$(k_tell)" "$(( $(k_now) - k_t0 ))" "$k_why"
k_log >&2
k_put_back "$@" || exit @noGood@
k_wait "$k_bound" 'restoring the last good configuration'
if k_up; then
  cp -- "$k_home/good/inputs" "$k_home/inputs" && rm -f -- "$k_home/disturbed"
  exit @putBack@
fi
exit @stillDown@
