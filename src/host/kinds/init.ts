// What systemd and OpenRC call the same things: the shell that `service` asks and tells either of them with.

import type { Facts } from '../facts.ts'
import type { HostResource } from '../resource.ts'
import { type Sh, sh } from '../sh.ts'

export type ServiceInit = 'systemd' | 'openrc'

/** Anything but OpenRC is spoken to as systemd: preflight has refused what is neither. */
export function initOf({ init }: Pick<Facts, 'init'>): ServiceInit {
  return init === 'openrc' ? 'openrc' : 'systemd'
}

/** The same resource, but only on hosts with that init: elsewhere it is neither looked at nor planned. */
export function onInit(init: ServiceInit, resource: HostResource): HostResource {
  return { ...resource, on: init }
}

export function belongs({ on }: HostResource, facts: Pick<Facts, 'init'>): boolean {
  return on === undefined || on === initOf(facts)
}

/** `k3s.service` is called `k3s` by OpenRC. */
const named = (unit: string) => unit.replace(/\.service$/, '')

/** Where the service file of a unit lies. */
export function unitPath(init: ServiceInit, unit: string): string {
  return init === 'openrc' ? `/etc/init.d/${named(unit)}` : `/etc/systemd/system/${unit}`
}

/** Prints LoadState, ActiveState, SubState, UnitFileState and NeedDaemonReload as systemctl does, whoever is asked. */
export function stateOf(unit: string): Sh {
  const name = named(unit)
  return sh`if [ -d /run/openrc ] && [ ! -d /run/systemd/system ]; then
  k_f='' k_c=''
  if [ -e ${`/etc/init.d/${name}`} ]; then echo LoadState=loaded; else echo LoadState=not-found; fi
  if [ ! -L ${`/run/openrc/started/${name}`} ]; then printf '%s\n' ActiveState=inactive SubState=stopped
  else
    read -r k_f 2>/dev/null <${`/run/${name}.pid`}; read -r k_c 2>/dev/null <${`/run/openrc/options/${name}/child_pid`}
    if ! kill -0 "\${k_f:-x}" 2>/dev/null; then printf '%s\n' ActiveState=failed SubState=crashed
    elif ! kill -0 "\${k_c:-x}" 2>/dev/null; then printf '%s\n' ActiveState=activating SubState=respawn
    else printf '%s\n' ActiveState=active SubState=running; fi
  fi
  if [ -L ${`/etc/runlevels/default/${name}`} ]; then echo UnitFileState=enabled; fi
else systemctl show -p LoadState -p ActiveState -p SubState -p UnitFileState -p NeedDaemonReload ${unit} || exit 1; fi`
}

/**
 * Functions about $k_unit: `k_load` (a file of it was written), `k_enable`, `k_start` (begins a start or restart, waits for
 * nothing), `k_look` (sets k_is to up, down or coming, and k_why), `k_tell` (its state, for people), `k_log` (what it said
 * since k_since; $k_logfile is where, if not in the journal). Both count tries, for a service that is started again and again never fails by itself.
 */
export const speaking: Readonly<Record<ServiceInit, Sh>> = {
  // The unit writes READY=1 when it is up (Type=notify); a start blocks until then, so it is started without blocking and
  // watched. A unit with Restart=always never says `failed`: it failed when systemd tries it for the third time.
  systemd: sh`k_tool=systemctl k_logfile='' k_since=$(date '+%Y-%m-%d %H:%M:%S')
k_state() { systemctl show -p "$1" --value "$k_unit"; }
k_load() { systemctl daemon-reload; }
k_enable() { systemctl enable -q "$k_unit"; }
k_start() { systemctl reset-failed "$k_unit" 2>/dev/null; systemctl restart --no-block "$k_unit"; }
k_look() {
  k_is=coming k_why=''
  case $(k_state ActiveState)/$(k_state SubState) in
    active/*) if [ -n "$(k_state Job)" ]; then k_why='its restart is queued'; else k_is=up; fi ;;
    failed/*) k_is=down; k_why="$(k_state Result)" ;;
    */auto-restart*) if [ "$(k_state NRestarts)" -lt 1 ]; then k_why='it ended, systemd starts it again'; else k_is=down; fi ;;
    *) k_why="$(k_state ActiveState)" ;;
  esac
}
k_tell() { printf '%s (%s), exit %s' "$(k_state ActiveState)" "$(k_state SubState)" "$(k_state ExecMainStatus)"; }
k_log() { journalctl -u "$k_unit" --since "$k_since" -o cat --no-pager -n 400 2>/dev/null | grep -v '^Scheduled restart job' | tail -n 40; }`,

  // supervise-daemon returns at once and starts its child again after respawn_delay; start_count says how often it has. Its
  // service script has its pidfile at /run/NAME.pid and its log at /var/log/NAME.log. What died without a word is zapped. A
  // start may return before the pidfile is written: it is gone when several looks have not seen it.
  openrc: sh`k_tool=rc-service k_gone=0 k_sv=\${k_unit%.service} k_logfile=/var/log/\${k_unit%.service}.log
k_since=$(wc -c 2>/dev/null <"$k_logfile" || echo 0)
k_pid() { k_p=''; read -r k_p 2>/dev/null <"$1"; [ -n "$k_p" ] && kill -0 "$k_p" 2>/dev/null; }
k_tries() { k_n=0; read -r k_n 2>/dev/null <"/run/openrc/options/$k_sv/start_count"; printf '%s' "\${k_n:-0}"; }
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
    k_gone=$((k_gone + 1)) k_why='supervise-daemon is gone'
    [ "$k_gone" -lt 5 ] || k_is=down
  elif k_pid "/run/openrc/options/$k_sv/child_pid"; then k_is=up
  elif [ "$(k_tries)" -lt 1 ]; then k_why='it ended, supervise-daemon starts it again'
  else k_is=down; k_why='it ended again'; fi
}
k_tell() { printf '%s, started again %s times' "$(rc-service "$k_sv" status 2>/dev/null | sed -n 's/.*status: *//p')" "$(k_tries)"; }
k_log() { tail -c +$((k_since + 1)) "$k_logfile" 2>/dev/null | tail -n 40; }`,
}
