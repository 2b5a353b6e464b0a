// What systemd and OpenRC call the same things: the shell that `service` asks and tells either of them with.

import type { Facts } from '../facts.ts'
import type { HostResource } from '../resource.ts'
import { type Sh, script } from '../sh.ts'
import openrcText from '../shell/openrc.sh'
import stateText from '../shell/service-state.sh'
import systemdText from '../shell/systemd.sh'

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
  return script(stateText, {
    script: `/etc/init.d/${name}`,
    started: `/run/openrc/started/${name}`,
    pidfile: `/run/${name}.pid`,
    childPidfile: `/run/openrc/options/${name}/child_pid`,
    runlevel: `/etc/runlevels/default/${name}`,
    unit,
  })
}

/**
 * Functions about $k_unit: `k_load` (a file of it was written), `k_enable`, `k_start` (begins a start or restart, waits for
 * nothing), `k_look` (sets k_is to up, down or coming, and k_why), `k_tell` (its state, for people), `k_log` (what it said
 * since k_since; $k_logfile is where, if not in the journal). Both count tries, for a service that is started again and again never fails by itself.
 */
export const speaking: Readonly<Record<ServiceInit, Sh>> = {
  systemd: script(systemdText),
  openrc: script(openrcText),
}
