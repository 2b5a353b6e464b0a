// What k3s leaves running on a node: how each sort is found, and how it is taken away. Shell that busybox reads, too.

import type { SweepSpec } from '../../src/host/kinds/sweep.ts'
import { lines, type Sh, script, sh } from '../../src/host/sh.ts'
import dataDirEntriesText from './shell/data-dir-entries.sh'
import dataDirsText from './shell/data-dirs.sh'
import firewallListText from './shell/firewall-list.sh'
import firewallRemoveText from './shell/firewall-remove.sh'
import interfacesListText from './shell/interfaces-list.sh'
import mountsListText from './shell/mounts-list.sh'
import mountsUnmountText from './shell/mounts-unmount.sh'
import processesKillText from './shell/processes-kill.sh'
import processesListText from './shell/processes-list.sh'
import servicesListText from './shell/services-list.sh'
import servicesStopText from './shell/services-stop.sh'

type Listed = Pick<SweepSpec, 'list' | 'take'>

/**
 * Defines `k_dirs`: prints the data directories that are there. One is named by the inventory; k3s on the node may have been
 * started with another one, by its configuration, its unit or its environment, or with its own default.
 */
export function dataDirs(inventory: string, config: string): Sh {
  return script(dataDirsText, { config, inventory })
}

/** After `k_dirs` and `removing`: `left|same|foreign entries|path|real path` for each; `same`: the root file system is mounted there. */
export const lookAtDataDirs = script(dataDirEntriesText)

export const services: Listed = {
  list: script(servicesListText),
  take: script(servicesStopText),
}

/** Programs of k3s and all that they have started, by executable and by cgroup; containers are children of its shims. */
export function processes(dirs: Sh): Listed {
  return {
    list: lines([dirs, script(processesListText)]),
    take: script(processesKillText),
  }
}

/** Deepest first. The data directory may be a file system of its own: that stays mounted, and is emptied. */
export function mounts(dirs: Sh, keep: readonly string[]): Listed {
  return {
    list: lines([dirs, script(mountsListText, { keep })]),
    take: script(mountsUnmountText),
  }
}

export const interfaces: Listed = {
  list: script(interfacesListText),
  take: sh`k_list | while read -r k_i; do ip link delete "$k_i" 2>/dev/null; done`,
}

/**
 * Chains of kube-proxy, the CNI plugins, flannel and the network policies, with the rules that lead to them. What is restored
 * names only those (--noflush): a rule of anybody else is never written, so its counters stay, too.
 */
export const firewall: Listed = {
  list: script(firewallListText),
  take: script(firewallRemoveText),
}
