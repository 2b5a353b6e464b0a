// Checks the machine: cgroup controllers, kernel modules, disk, memory and clock.

import { shellWords } from '../../../src/engine/shell-words.ts'
import { diskAt, type Facts } from '../../../src/host/facts.ts'
import { dataDirOf } from '../config.ts'
import { bootingWith, type Check, enabling, type Finding, installing } from './check.ts'

const SKEW_SECONDS = 60
const FIRST_INSTALL_MIB = 600
const BINARY_MIB = 200
const LEAST_INODES = 10_000
/** Of its file system; k3s has the kubelet throw pods out below 5. */
const LOW_PERCENT = 10
const MEMORY_MIB = 900
const CONTROLLERS = ['cpu', 'cpuset', 'memory']
const CLOCKS = ['systemd-timesyncd', 'chrony', 'chronyd', 'ntp', 'ntpd', 'ntpsec', 'openntpd'] as const

export const machineChecks: readonly Check[] = [
  ({ uid }) =>
    uid !== 0 && {
      kind: 'usage',
      what: 'root is required, but ansible_become is false',
      hint: 'remove ansible_become, log in as root, or use a user with sudo rights',
    },

  ({ init, os }) =>
    init === 'other' && {
      kind: 'failed',
      what: `${os.name} runs neither systemd nor OpenRC`,
      why: 'no init system could start k3s and keep it running',
      hint: 'use a distribution with systemd, or Alpine',
    },

  ({ arch }) =>
    !['amd64', 'arm64', 'arm'].includes(arch) && {
      kind: 'failed',
      what: `k3s is not released for ${arch}`,
      hint: 'use an amd64, arm64 or armhf machine',
    },

  ({ packageManager, os }, vars) =>
    packageManager === null &&
    vars.k3s_platform_packages.length > 0 && {
      kind: 'failed',
      what: `${os.name} has none of apt, dnf, zypper and apk`,
      why: 'the packages of k3s_platform_packages could not be installed',
      hint: 'install them by hand and set k3s_platform_packages: []',
    },

  (facts) => {
    const missing = CONTROLLERS.filter((name) => !facts.cgroup.controllers.includes(name))
    if (missing.length === 0) return
    const words = missing.includes('memory') ? 'cgroup_enable=cpuset cgroup_enable=memory cgroup_memory=1' : undefined
    return {
      kind: 'failed',
      what: `cgroup v${facts.cgroup.version} has no ${missing.join(', ')} controller`,
      why: 'without it, k3s or its pods do not start',
      hint:
        words === undefined
          ? `boot a kernel that has ${missing.join(', ')} (/proc/cgroups), and remove cgroup_disable from its command line`
          : bootingWith(facts, facts.model.startsWith('Raspberry Pi') ? words : 'cgroup_enable=memory'),
    }
  },

  (facts) =>
    facts.cgroup.version === 1 && {
      kind: 'warning',
      what: 'the host uses cgroup v1',
      why: 'Kubernetes has deprecated cgroup v1: newer kubelets do not start on it unless fail-cgroupv1 is set to false',
      hint:
        facts.init === 'systemd'
          ? bootingWith(facts, 'systemd.unified_cgroup_hierarchy=1')
          : `set rc_cgroup_mode="unified" in /etc/rc.conf, then: rc-update add cgroups boot && reboot`,
    },

  (facts, vars) => {
    const wanted = vars.k3s_platform_kernel_modules.includes('br_netfilter') ? ['br_netfilter', 'vxlan'] : ['vxlan']
    const missing = wanted.filter((name) => facts.modules.missing.includes(name))
    const gone = !facts.modules.dir && !facts.there.has('/proc/sys/net/bridge') && wanted.length > 1
    if (gone && facts.container) {
      return {
        kind: 'failed',
        what: 'the kernel module br_netfilter is not loaded, and a container cannot load it',
        why: 'without it, iptables does not see traffic to Services',
        hint: 'on the machine that runs this container: modprobe -a br_netfilter overlay',
      }
    }
    if (gone) {
      return {
        kind: 'failed',
        what: `/lib/modules has no modules for the running kernel ${facts.kernel}`,
        why: 'br_netfilter cannot be loaded; usually the kernel was updated since the last boot',
        hint: 'reboot',
      }
    }
    if (missing.length === 0) return
    return {
      kind: 'failed',
      what: `the kernel ${facts.kernel} has no module ${missing.join(' and no module ')}`,
      why: 'the pod network requires it',
      hint: `${installing(facts, modulesPackage(facts))} && reboot`,
    }
  },

  ({ clockSkewSeconds }) =>
    Math.abs(clockSkewSeconds) > SKEW_SECONDS && {
      kind: 'failed',
      what: `the host's clock is ${Math.abs(clockSkewSeconds)} s ${clockSkewSeconds > 0 ? 'ahead of' : 'behind'} this workstation's`,
      why: 'certificates that k3s creates on its first start would not be valid yet, on the host or here',
      hint: "timedatectl set-ntp true on the host (and check the workstation's clock)",
    },

  (facts) =>
    !facts.container &&
    !CLOCKS.some((name) => facts.active.has(name)) && {
      kind: 'warning',
      what: 'no time synchronization service is running',
      why: 'certificates and etcd fail when clocks drift apart',
      hint: clockFix(facts),
    },

  (facts, vars) => {
    const data = dataDirOf(vars)
    const dirs = [data, '/var/lib/kubelet', '/usr/local/bin']
    const first = (dir: string, i: number) => dirs.findIndex((one) => diskAt(facts, one) === diskAt(facts, dir)) === i
    return dirs.filter(first).flatMap((dir) => room(facts, dir, dir === data))
  },

  ({ memoryMiB }) =>
    memoryMiB < MEMORY_MIB && {
      kind: 'warning',
      what: `the host has ${memoryMiB} MiB of memory`,
      why: 'a k3s server alone needs 1 GiB, plus the memory of the pods: under memory pressure the kernel kills processes',
      hint: 'use 2 GiB or more',
    },

  ({ swaps }) => {
    const slow = swaps.filter((name) => !name.startsWith('/dev/zram'))
    return (
      slow.length > 0 && {
        kind: 'warning',
        what: `swap is enabled on ${slow.join(', ')}`,
        why: "swapping slows down etcd's disk, and the pods' memory limits do not count swapped memory",
        hint: `swapoff -a && sed -i '/[[:space:]]swap[[:space:]]/ s/^/#/' /etc/fstab`,
      }
    )
  },
]

/** `data`: it is the data directory, which can be moved. */
function room(facts: Facts, dir: string, data: boolean): readonly Finding[] {
  const disk = diskAt(facts, dir)
  if (disk === undefined) return []
  const { path, sizeMiB, freeMiB, freeInodes } = disk
  const large = `du -xh ${shellWords([path])} | sort -h | tail`
  const many = `du -x --inodes ${shellWords([path])} | sort -n | tail`
  const fewInodes = freeInodes !== null && freeInodes < LEAST_INODES
  if (facts.k3s.binary) {
    const low = freeMiB * 100 < sizeMiB * LOW_PERCENT
    if (!low && !fewInodes) return []
    return [
      {
        kind: 'warning',
        what: `${path} has ${low ? `${freeMiB} of ${sizeMiB} MiB` : `${freeInodes} inodes`} left`,
        why: 'below 5 % the kubelet evicts pods, and etcd stops on a full disk',
        hint: `${low ? large : many}; to remove unused images: k3s crictl rmi --prune`,
      },
    ]
  }
  const needed = dir === '/usr/local/bin' ? BINARY_MIB : FIRST_INSTALL_MIB
  const move = data ? `, or move the data with k3s_platform_data_dir (now ${dir})` : ''
  if (freeMiB < needed) {
    return [
      {
        kind: 'failed',
        what: `${freeMiB} MiB are free on ${path}, but k3s and its data need ${needed}`,
        why: `${dir} is on it`,
        hint: `free up space: ${large}${move}`,
      },
    ]
  }
  if (!fewInodes) return []
  return [
    {
      kind: 'failed',
      what: `${freeInodes} inodes are free on ${path}, but images and their files need ${LEAST_INODES}`,
      why: 'a file system without free inodes is full, however much space it has',
      hint: `remove small files: ${many}${move}`,
    },
  ]
}

function clockFix(facts: Facts): string {
  if (facts.packageManager === 'apt-get') return 'timedatectl set-ntp true || apt-get install -y systemd-timesyncd'
  const name = facts.packageManager === 'apk' || facts.packageManager === null ? 'chrony' : 'chronyd'
  return `${installing(facts, 'chrony')} && ${enabling(facts, facts.init === 'openrc' ? 'chronyd' : name)}`
}

/** Where a distribution keeps the modules that its smallest kernel leaves out. */
function modulesPackage({ os, kernel, packageManager }: Facts): string {
  if (os.id === 'ubuntu')
    return kernel.includes('raspi') ? 'linux-modules-extra-raspi' : `linux-modules-extra-${kernel}`
  if (packageManager === 'dnf') return 'kernel-modules-extra'
  if (packageManager === 'apk') return 'linux-lts'
  if (packageManager === 'zypper') return 'kernel-default'
  return 'linux-image-amd64'
}
