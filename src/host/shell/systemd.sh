# How service-start.sh speaks with systemd about $k_unit.
# The unit writes READY=1 when it is up (Type=notify); a start blocks until then, so it is started without blocking and
# watched. A unit with Restart=always never says `failed`: it failed when systemd tries it for the third time.
# Only starts made by this script are judged: the previous process may fail while the new start is queued. systemd gives each
# start an InvocationID, which its journal lines also have; systemd before 232 has none.
#   k_n  the name of a property; in k_log the number of a start
#   k_v  its value
#   k_i  the InvocationID of a start

k_tool=systemctl k_logfile='' k_before='' k_ours='' k_since=$(date '+%Y-%m-%d %H:%M:%S')
k_show() {
  k_active='' k_sub='' k_job='' k_id='' k_restarts=0 k_result='' k_exit=''
  while IFS='=' read -r k_n k_v; do
    case $k_n in
      ActiveState) k_active=$k_v ;; SubState) k_sub=$k_v ;; Job) k_job=$k_v ;; InvocationID) k_id=$k_v ;;
      NRestarts) k_restarts=$k_v ;; Result) k_result=$k_v ;; ExecMainStatus) k_exit=$k_v ;;
    esac
  done <<K_STATE
$(systemctl show -p ActiveState,SubState,Job,InvocationID,NRestarts,Result,ExecMainStatus "$k_unit")
K_STATE
}
k_load() { systemctl daemon-reload; }
k_enable() { systemctl enable -q "$k_unit"; }
k_start() { k_show; k_before=$k_id; systemctl reset-failed "$k_unit" 2>/dev/null; systemctl restart --no-block "$k_unit"; }
k_look() {
  k_is=coming k_why=''
  k_show
  if [ -n "$k_id" ] && [ "$k_id" = "$k_before" ]; then k_why='the previous process is stopping'; return; fi
  case " $k_ours " in *" $k_id "*) ;; *) k_ours="$k_ours $k_id" ;; esac
  case $k_active/$k_sub in
    active/*) if [ -n "$k_job" ]; then k_why='its restart is queued'; else k_is=up; fi ;;
    failed/*) if [ -n "$k_job" ]; then k_why='its start is queued'; else k_is=down; k_why=$k_result; fi ;;
    */auto-restart*) if [ "$k_restarts" -lt 1 ]; then k_why='it exited, systemd restarts it'; else k_is=down; k_why=$k_result; fi ;;
    *) k_why=$k_active ;;
  esac
}
k_tell() { k_show; printf '%s (%s), exit %s' "$k_active" "$k_sub" "$k_exit"; }
k_log() {
  # The journal takes a line of a process that ended at once late, and may then no longer know which start it is from.
  timeout 10 journalctl --sync >/dev/null 2>&1
  k_n=0
  for k_i in $k_ours; do
    k_n=$((k_n + 1)); printf 'start=%s\n' "$k_n"
    k_journal _SYSTEMD_INVOCATION_ID="$k_i" + INVOCATION_ID="$k_i"
  done
  echo start=any
  k_journal -u "$k_unit" | grep -vxF -- "$(k_journal _SYSTEMD_INVOCATION_ID="${k_before:-none}" + INVOCATION_ID="${k_before:-none}")"
}
k_journal() { journalctl --since "$k_since" -o cat --no-pager -n 400 "$@" 2>/dev/null | grep -v '^Scheduled restart job' | tail -n 40; }
