// Checks for conflicting software: another Kubernetes, another k3s, security modules, and cloned hosts.

import type { Facts } from '../../../src/host/facts.ts'
import { dataDirOf } from '../config.ts'
import { type Check, disabling, type Finding, installed, installing } from './check.ts'

const DEFAULT_DATA = '/var/lib/rancher/k3s'

const AGENT = ['/etc/systemd/system/k3s-agent.service', '/etc/init.d/k3s-agent']

/** Distributions of Kubernetes by what tells that one of them is set up here, and how it goes away. */
const KUBERNETES: readonly { name: string; paths: readonly string[]; services: readonly string[]; gone: string }[] = [
  {
    name: 'k0s',
    paths: ['/etc/k0s/k0s.yaml', '/var/lib/k0s'],
    services: ['k0scontroller', 'k0sworker'],
    gone: 'k0s stop && k0s reset && reboot',
  },
  {
    name: 'kubeadm (a kubelet)',
    paths: ['/etc/kubernetes/kubelet.conf'],
    services: ['kubelet'],
    gone: 'kubeadm reset && systemctl disable --now kubelet',
  },
  { name: 'MicroK8s', paths: ['/var/snap/microk8s/current'], services: [], gone: 'snap remove --purge microk8s' },
  {
    name: 'RKE2',
    paths: ['/var/lib/rancher/rke2/server', '/var/lib/rancher/rke2/agent'],
    services: ['rke2-server', 'rke2-agent'],
    gone: 'rke2-uninstall.sh',
  },
]

export const otherChecks: readonly Check[] = [
  (facts) =>
    KUBERNETES.filter(({ paths, services }) => tells(facts, paths, services)).map(({ name, gone }) => ({
      kind: 'failed',
      what: `${name} is installed on the host`,
      why: 'two Kubernetes distributions on one machine conflict over ports, iptables, /var/lib/kubelet and the pod network',
      hint: `use another machine, or remove it with all its workloads: ${gone}`,
    })),

  (facts) =>
    tells(facts, AGENT, ['k3s-agent']) && {
      kind: 'failed',
      what: 'the host is an agent of another k3s cluster',
      why: 'it would become a separate server and lose the pods of that cluster',
      hint: 'drain it, delete its Node there, then run on the host: k3s-agent-uninstall.sh',
    },

  (facts, vars) => {
    const dir = dataDirOf(vars)
    return (
      !facts.k3s.ours &&
      dir !== DEFAULT_DATA &&
      !facts.there.has(`${dir}/server/db`) &&
      facts.there.has(`${DEFAULT_DATA}/server/db`) && {
        kind: 'failed',
        what: `an existing k3s keeps its data in ${DEFAULT_DATA}, but k3s_platform_data_dir is ${dir}`,
        why: 'k3s would start with an empty cluster, and all workloads of the existing one would be lost',
        hint: `to take over the existing cluster: k3s_platform_data_dir: ${DEFAULT_DATA}; to start over: k3s-uninstall.sh on the host`,
      }
    )
  },

  (facts) =>
    !facts.k3s.ours &&
    facts.k3s.service && {
      kind: 'warning',
      what: 'k3s is already installed, but not by k3s-platform: this run takes it over',
      why: 'its unit, config.yaml and binary are replaced with those of the inventory; flags in its unit are lost',
      hint: 'compare first: plan -D, and on the host: systemctl cat k3s; move its flags to k3s_platform_k3s_config',
    },

  (facts) =>
    facts.active.has('docker') &&
    !installed(facts) && {
      kind: 'warning',
      what: 'Docker is running on the host',
      why: 'k3s includes its own containerd; Docker uses memory, and its iptables policy drops forwarded traffic if it was installed first',
      hint: `if it is not needed: ${disabling(facts, 'docker')}; otherwise do nothing: k3s does not touch its containers`,
    },

  (facts) => {
    if (facts.selinux !== 'enforcing') return
    if (facts.there.has('/usr/share/selinux/packages/k3s.pp')) return
    if (facts.there.has('/var/lib/selinux/targeted/active/modules/200/k3s')) return
    return {
      kind: installed(facts) ? 'warning' : 'failed',
      what: 'SELinux is enforcing, but k3s-selinux is not installed',
      why: 'SELinux then denies containers access to their volumes, and some do not start',
      hint: selinuxFix(facts),
    }
  },

  (facts) =>
    facts.apparmor &&
    !facts.there.has('/sbin/apparmor_parser') &&
    !facts.there.has('/usr/sbin/apparmor_parser') && {
      kind: 'warning',
      what: 'AppArmor is enabled, but apparmor_parser is not installed',
      why: 'containerd cannot load its profile: containers run without one, and those that require one do not start',
      hint: installing(facts, facts.packageManager === 'zypper' ? 'apparmor-parser' : 'apparmor'),
    },
]

/** Machines of one run that cannot be told apart, told once for each pair. */
export function twins(
  { facts, nodeName }: { readonly facts: Facts; readonly nodeName: string },
  others: readonly { readonly host: string; readonly machineId: string; readonly nodeName: string }[],
): readonly (Finding & { readonly other: string })[] {
  return others.flatMap((other) => [
    ...(other.nodeName === nodeName
      ? [
          {
            other: other.host,
            kind: 'warning' as const,
            what: `both hosts are named ${nodeName}`,
            why: 'in one cluster the second Node would replace the first; logs and metrics cannot distinguish them',
            hint: 'rename one of them: hostnamectl set-hostname NAME; or check whether the inventory lists one machine twice',
          },
        ]
      : []),
    ...(other.machineId === facts.machineId && facts.machineId !== ''
      ? [
          {
            other: other.host,
            kind: 'warning' as const,
            what: 'both have the same machine ID: one is a clone of the other',
            why: 'they get the same address from DHCP and the same MAC on flannel; Kubernetes treats them as one machine',
            hint: 'on the clone: rm /etc/machine-id /var/lib/dbus/machine-id; systemd-machine-id-setup && reboot',
          },
        ]
      : []),
  ])
}

function tells({ there, active }: Facts, paths: readonly string[], services: readonly string[]): boolean {
  return paths.some((path) => there.has(path)) || services.some((name) => [...active].some((one) => one === name))
}

/** The package comes from Rancher's repository, which has one directory per family. */
function selinuxFix(facts: Facts): string {
  const base = 'https://rpm.rancher.io/k3s/stable/common'
  const major = facts.os.version.split('.')[0] ?? ''
  if (facts.packageManager === 'zypper') {
    return `rpm --import https://rpm.rancher.io/public.key && zypper -p ${base}/microos/noarch install -y k3s-selinux`
  }
  const dir = facts.os.id === 'fedora' ? 'coreos' : `centos/${['7', '8', '9', '10'].includes(major) ? major : '9'}`
  return `rpm --import https://rpm.rancher.io/public.key && dnf install -y --repofrompath k3s,${base}/${dir}/noarch k3s-selinux`
}
