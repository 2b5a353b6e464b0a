// From a k3s node back to the machine that it was: read the stages from top to bottom. What tells where things are goes last.

import { type Problem, ProblemError } from '../../src/engine/problem.ts'
import type { Stage } from '../../src/engine/resource.ts'
import { gone, removing } from '../../src/host/kinds/gone.ts'
import { sweep } from '../../src/host/kinds/sweep.ts'
import type { HostResource } from '../../src/host/resource.ts'
import { lines, sh } from '../../src/host/sh.ts'
import { contextsFrom, without } from '../../src/kubeconfig/merge.ts'
import type { RoleContext } from '../role.ts'
import { dataDirOf, paths } from './config.ts'
import { isOurs, kubeconfigDest } from './kubeconfig.ts'
import { clusterGuard, snapshotGuard } from './reset-guards.ts'
import * as list from './reset-lists.ts'
import type { BootstrapVars } from './vars.ts'

const role = 'k3s_platform_bootstrap'
const KEPT = ['/opt/cloud-neutral']
const BINARIES = ['/usr/local/bin', '/opt/bin']
const UNITS = '/etc/systemd/system'
const ETC = '/etc/rancher/k3s'

/** Throws a usage ProblemError for a data directory that holds more than k3s's data. */
export function reset(v: BootstrapVars, context: RoleContext): readonly Stage<HostResource>[] {
  const data = normal(dataDirOf(v))
  const danger = dangerOf(dataDirOf(v))
  if (danger !== null) throw new ProblemError({ kind: 'usage', ...refusal(context.host, dataDirOf(v), danger) })
  const keep = [...KEPT, ...v.k3s_platform_reset_keep.map(normal)]
  const config = paths(v)
  const dirs = list.dataDirs(data, config.config)
  const remove = (path: string) => gone({ path, keep })
  const reload = sh`[ ! -d /run/systemd/system ] || systemctl daemon-reload`
  const stage = (name: string, resources: readonly HostResource[]): Stage<HostResource> => ({ role, name, resources })

  return [
    stage('guards', [
      clusterGuard({ host: context.host, binary: '/usr/local/bin/k3s', kubeconfig: v.k3s_platform_kubeconfig_path }),
      ...(context.deleteSnapshots ? [] : [snapshotGuard(context.host, dirs)]),
    ]),
    stage('services', [
      sweep({ id: 'reset:services', title: 'services of k3s', verb: 'stop', ...list.services }),
      sweep({ id: 'reset:processes', title: 'processes of k3s', verb: 'kill', ...list.processes(dirs) }),
      sweep({ id: 'reset:mounts', title: 'mounts of k3s', verb: 'unmount', ...list.mounts(dirs, keep) }),
    ]),
    stage('network', [
      sweep({ id: 'reset:interfaces', title: 'network interfaces of k3s', verb: 'remove', ...list.interfaces }),
      sweep({ id: 'reset:firewall', title: 'chains of k3s', verb: 'remove', ...list.firewall }),
      ...['/etc/cni', '/opt/cni', '/var/lib/cni', '/run/flannel'].map(remove),
    ]),
    stage('data', [
      dataDirectories(context.host, dirs, keep),
      ...[...new Set([data, '/var/lib/rancher/k3s'])]
        .filter((path) => path.split('/').at(-2) === 'rancher')
        .map((path) => gone({ path: parent(path), keep, only: { emptyBut: [path.slice(parent(path).length + 1)] } })),
      ...['/var/lib/kubelet', '/run/k3s'].map((path) => gone({ path, keep, unmounted: true })),
      remove('/var/log/k3s.log'),
    ]),
    stage('k3s', [
      ...BINARIES.flatMap((at) => [
        ...['kubectl', 'crictl', 'ctr'].flatMap((link) => [
          gone({ path: `${at}/${link}`, keep, only: { linkTo: 'k3s' } }),
        ]),
        ...['k3s', 'k3s-killall.sh', 'k3s-uninstall.sh', 'k3s-agent-uninstall.sh'].map((name) =>
          remove(`${at}/${name}`),
        ),
      ]),
      ...['k3s', 'k3s-agent'].flatMap((name) => [
        ...['.d', '.env', ''].map((end) => gone({ path: `${UNITS}/${name}.service${end}`, keep, after: reload })),
        remove(`/etc/init.d/${name}`),
        remove(`/etc/conf.d/${name}`),
        remove(`/etc/logrotate.d/${name}`),
      ]),
      remove('/etc/sysctl.d/90-k3s-platform.conf'),
      remove('/etc/modules-load.d/k3s-platform.conf'),
      remove('/var/lib/k3s-platform'),
    ]),
    stage('configuration', [
      ...(config.directory === ETC ? [] : [config.dropins, config.registries, config.kubelet].map(remove)),
      ...(v.k3s_platform_kubeconfig_path.startsWith(`${ETC}/`) ? [] : [remove(v.k3s_platform_kubeconfig_path)]),
      ...(config.directory === ETC ? [] : [remove(config.config)]),
      remove(ETC),
      // By its password a node is known to a cluster; the one that it was made for is gone.
      remove('/etc/rancher/node'),
      gone({ path: '/etc/rancher', keep, only: { emptyBut: ['k3s', 'node'] } }),
    ]),
    stage('workstation', [ownKubeconfig(v, context), ...context.workstation.kubeconfigs.map(entries(context))]),
  ]
}

function parent(path: string): string {
  return path.slice(0, path.lastIndexOf('/'))
}

/** Looks at each where k3s keeps its data, by the inventory and by what is on the node; refuses what is more than that. */
function dataDirectories(host: string, dirs: ReturnType<typeof list.dataDirs>, keep: readonly string[]): HostResource {
  const base = sweep({
    id: 'reset:data',
    title: 'data directory',
    verb: 'remove',
    list: sh`:`,
    take: lines([removing(keep), dirs, sh`k_dirs | while IFS= read -r k_d; do k_remove "$k_d"; done`]),
  })
  return {
    ...base,
    probe: lines([dirs, removing(keep, sh`$(k_dirs)`), list.lookAtDataDirs]),
    read: ({ text }) => {
      const found = text
        .split('\n')
        .filter(Boolean)
        .map((line) => {
          const [left = '', same = '', foreign = '', path = '', real = ''] = line.split('|')
          return { left: left === 'left', same: same === 'same', foreign, path, real }
        })
      const bad = found.flatMap(({ path, real, same, foreign }) => {
        const why =
          dangerOf(path) ??
          (real === path ? null : `it is a symbolic link or below one, and resolves to ${real}`) ??
          (same ? 'a part of the root file system is mounted there' : null) ??
          (foreign === '' ? null : `it contains files that are not from k3s: ${foreign}`)
        return why === null ? [] : [{ kind: 'failed' as const, ...refusal(host, path, why) }]
      })
      if (bad.length > 0) throw new ProblemError(bad)
      return { actual: { found: found.filter(({ left }) => left).map(({ path }) => path) } }
    },
  }
}

function refusal(host: string, path: string, why: string): Omit<Problem, 'kind'> {
  return {
    where: `${host} data directory`,
    what: `${JSON.stringify(path)} is not removed: ${why}`,
    hint: 'set the real data directory of k3s (k3s_platform_data_dir), or empty it by hand; nothing was touched',
  }
}

const SYSTEM = ['bin', 'boot', 'dev', 'etc', 'lib', 'lib32', 'lib64', 'proc', 'sbin', 'sys', 'usr']
/** Below these every directory is somebody's whole world. */
const SHARED = ['var', 'home', 'run']

/** Why a directory must not be emptied, from its name alone; null: it may. */
export function dangerOf(path: string): string | null {
  if (!path.startsWith('/')) return 'it is not an absolute path'
  const parts = path.split('/').filter(Boolean)
  if (parts.includes('..') || parts.includes('.')) return 'it contains . or ..'
  const [top = ''] = parts
  if (SYSTEM.includes(top)) return 'it belongs to the operating system'
  if (parts.length < (SHARED.includes(top) ? 3 : 2)) return 'other software also keeps files there'
  if (KEPT.some((kept) => `${kept}/`.startsWith(`${normal(path)}/`) || normal(path).startsWith(`${kept}/`)))
    return 'it is always kept'
  return null
}

function normal(path: string): string {
  return path.replace(/\/+/g, '/').replace(/(.)\/$/, '$1')
}

/** The role's own file, unless somebody else wrote it. */
function ownKubeconfig(v: BootstrapVars, context: RoleContext): HostResource {
  const path = kubeconfigDest(v, context)
  const { workstation } = context
  return here(
    path,
    path,
    () => isOurs(workstation.read(path)?.content ?? ''),
    () => workstation.remove(path),
  )
}

/** What `kubeconfig` merged for this host. */
function entries({ host, address, workstation }: RoleContext): (path: string) => HostResource {
  const origin = { host, address }
  return (path) =>
    here(
      `${path}#${host}`,
      `context of ${host} in ${path}`,
      () => {
        const text = workstation.read(path)?.content
        return text !== undefined && contextsFrom(text, origin, path).length > 0
      },
      () => workstation.edit(path, (text) => (text === null ? '' : without(text, origin, path))),
    )
}

function here(id: string, title: string, isThere: () => boolean, remove: () => Promise<void>): HostResource {
  return {
    id: `workstation:${id}`,
    title,
    workstation: true,
    probe: sh`:`,
    read: () => ({ actual: isThere() ? { there: true } : null }),
    desired: () => null,
    steps: () => [{ title: `remove ${title}`, read: sh`:`, save: remove }],
  }
}
