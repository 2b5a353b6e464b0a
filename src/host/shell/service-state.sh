# Prints LoadState, ActiveState, SubState, UnitFileState and NeedDaemonReload as systemctl does, under OpenRC, too.
#   k_f  the process id of supervise-daemon
#   k_c  the process id of its child

if [ -d /run/openrc ] && [ ! -d /run/systemd/system ]; then
  k_f='' k_c=''
  if [ -e @script@ ]; then echo LoadState=loaded; else echo LoadState=not-found; fi
  if [ ! -L @started@ ]; then printf '%s\n' ActiveState=inactive SubState=stopped
  else
    read -r k_f 2>/dev/null <@pidfile@; read -r k_c 2>/dev/null <@childPidfile@
    if ! kill -0 "${k_f:-x}" 2>/dev/null; then printf '%s\n' ActiveState=failed SubState=crashed
    elif ! kill -0 "${k_c:-x}" 2>/dev/null; then printf '%s\n' ActiveState=activating SubState=respawn
    else printf '%s\n' ActiveState=active SubState=running; fi
  fi
  if [ -L @runlevel@ ]; then echo UnitFileState=enabled; fi
else systemctl show -p LoadState -p ActiveState -p SubState -p UnitFileState -p NeedDaemonReload @unit@ || exit 1; fi
