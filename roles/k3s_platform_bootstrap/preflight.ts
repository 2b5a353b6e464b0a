// What must be true of a node before anything is changed on it; each finding says what, why it matters, and the way out.

import type { Problem } from '../../src/engine/problem.ts'
import type { Look } from '../../src/engine/resource.ts'
import type { Facts } from '../../src/host/facts.ts'
import type { RoleContext } from '../role.ts'
import { unused, type Vars } from './vars.ts'

type Finding = Omit<Problem, 'where'>

type Check = (facts: Facts, vars: Vars) => Finding | false | undefined

const SKEW_SECONDS = 60
const FIRST_INSTALL_MIB = 600

const checks: readonly Check[] = [
  ({ uid }) =>
    uid !== 0 && {
      kind: 'usage',
      what: 'needs root, and ansible_become: false forbids to become it',
      hint: 'remove ansible_become, log in as root, or give a user who may use sudo',
    },
  ({ init, os }) =>
    init !== 'systemd' && {
      kind: 'failed',
      what: `${os.name} does not run systemd`,
      why: 'the k3s service is a systemd unit',
      hint: 'use a distribution with systemd',
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
  ({ cgroup }) =>
    !cgroup.memory && {
      kind: 'failed',
      what: `cgroup v${cgroup.version} has no memory controller`,
      why: 'pods will not start without it',
      hint: 'add cgroup_enable=memory to the kernel command line (Raspberry Pi: /boot/firmware/cmdline.txt), reboot, run again',
    },
  ({ clockSkewSeconds }) =>
    Math.abs(clockSkewSeconds) > SKEW_SECONDS && {
      kind: 'failed',
      what: `its clock is ${Math.abs(clockSkewSeconds)} s ${clockSkewSeconds > 0 ? 'ahead of' : 'behind'} this workstation's`,
      why: 'certificates that k3s makes at its start would not be valid yet, or here',
      hint: 'timedatectl set-ntp true on the host (and look at the clock of the workstation)',
    },
  ({ freeMiB, k3s }, vars) => {
    const free = vars.k3s_platform_install_dir.startsWith('/opt/') ? freeMiB.opt : freeMiB.var
    return (
      !k3s.binary &&
      Math.min(free, freeMiB.root) < FIRST_INSTALL_MIB && {
        kind: 'failed',
        what: `${Math.min(free, freeMiB.root)} MiB are free, ${FIRST_INSTALL_MIB} are needed for k3s and its data`,
        hint: `make room, or move the data with k3s_platform_install_dir (now ${vars.k3s_platform_install_dir})`,
      }
    )
  },
]

export const checkCount = checks.length

export function preflight(vars: Vars, { facts }: Look<Facts>, { host }: RoleContext): Problem[] {
  const findings = checks.flatMap((check) => check(facts, vars) || [])
  const ignored = Object.entries(unused).flatMap(([name, why]): Finding[] =>
    Object.hasOwn(vars, name) ? [{ kind: 'warning', what: `${name} has no effect`, why }] : [],
  )
  return [...findings, ...ignored].map((finding) => ({ where: host, ...finding }))
}
