# How service-start.sh speaks with OpenRC about $k_unit, which it calls $k_sv.
# supervise-daemon returns at once and starts its child again after respawn_delay; start_count says how often it has. Its
# service script has its pidfile at /run/NAME.pid and its log at /var/log/NAME.log. What died without a word is zapped. A
# start may return before the pidfile is written: it is gone when several looks have not seen it.
#   k_n  how often the service was started
#   k_p  a process id

k_tool=rc-service k_gone=0 k_sv=${k_unit%.service} k_logfile=/var/log/${k_unit%.service}.log
k_since=$(wc -c 2>/dev/null <"$k_logfile" || echo 0)
k_pid() { k_p=''; read -r k_p 2>/dev/null <"$1"; [ -n "$k_p" ] && kill -0 "$k_p" 2>/dev/null; }
k_tries() { k_n=0; read -r k_n 2>/dev/null <"/run/openrc/options/$k_sv/start_count"; printf '%s' "${k_n:-0}"; }
k_load() { :; }
k_enable() { [ -L "/etc/runlevels/default/$k_sv" ] || rc-update -q add "$k_sv" default; }
k_start() {
  k_gone=0
  k_pid "/run/$k_sv.pid" || rc-service -q "$k_sv" zap >/dev/null 2>&1
  rc-service "$k_sv" restart >/dev/null 2>&1
}
k_look() {
  k_is=coming k_why=''
  if ! k_pid "/run/$k_sv.pid"; then
    k_gone=$((k_gone + 1)) k_why='supervise-daemon is not running'
    [ "$k_gone" -lt 5 ] || k_is=down
  elif k_pid "/run/openrc/options/$k_sv/child_pid"; then k_is=up
  elif [ "$(k_tries)" -lt 1 ]; then k_why='it exited, supervise-daemon restarts it'
  else k_is=down; k_why='it exited again'; fi
}
k_tell() { printf '%s, restarted %s times' "$(rc-service "$k_sv" status 2>/dev/null | sed -n 's/.*status: *//p')" "$(k_tries)"; }
k_log() { tail -c +$((k_since + 1)) "$k_logfile" 2>/dev/null | tail -n 40; }
