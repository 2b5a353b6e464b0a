// What else is on the machine and wants the same: another Kubernetes, another k3s, security modules; and its twins.

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
      what: `${name} is set up here`,
      why: 'two Kubernetes on one machine fight for ports, iptables, /var/lib/kubelet and the network of the pods',
      hint: `use another machine, or remove it with all that runs in it: ${gone}`,
    })),

  (facts) =>
    tells(facts, AGENT, ['k3s-agent']) && {
      kind: 'failed',
      what: 'it is an agent of another k3s cluster',
      why: 'it would be a server of its own then, and its pods there would be gone',
      hint: 'drain it, delete the node there, then on the host: k3s-agent-uninstall.sh',
    },

  (facts, vars) => {
    const dir = dataDirOf(vars)
    return (
      !facts.k3s.ours &&
      dir !== DEFAULT_DATA &&
      !facts.there.has(`${dir}/server/db`) &&
      facts.there.has(`${DEFAULT_DATA}/server/db`) && {
        kind: 'failed',
        what: `a k3s has its data in ${DEFAULT_DATA}, and k3s_platform_data_dir is ${dir}`,
        why: 'k3s would start there with an empty cluster, and all that runs in this one would be gone',
        hint: `to take it over: k3s_platform_data_dir: ${DEFAULT_DATA}; to start anew: k3s-uninstall.sh on the host`,
      }
    )
  },

  (facts) =>
    !facts.k3s.ours &&
    facts.k3s.service && {
      kind: 'warning',
      what: 'k3s is here already, and was not installed by k3s-platform: it is taken over',
      why: 'its unit, config.yaml and binary become those of the inventory; flags in its unit are lost',
      hint: 'compare first: plan -D, and on the host: systemctl cat k3s; flags go into k3s_platform_k3s_config',
    },

  (facts) =>
    facts.active.has('docker') &&
    !installed(facts) && {
      kind: 'warning',
      what: 'docker runs here',
      why: 'k3s brings its own containerd; docker takes memory, and drops forwarded traffic where it was there first',
      hint: `if nothing needs it: ${disabling(facts, 'docker')}; else nothing: k3s leaves its containers alone`,
    },

  (facts) => {
    if (facts.selinux !== 'enforcing') return
    if (facts.there.has('/usr/share/selinux/packages/k3s.pp')) return
    if (facts.there.has('/var/lib/selinux/targeted/active/modules/200/k3s')) return
    return {
      kind: installed(facts) ? 'warning' : 'failed',
      what: 'SELinux is enforcing, and k3s-selinux is not installed',
      why: 'it stops containers from using their volumes and k3s from starting some of them',
      hint: selinuxFix(facts),
    }
  },

  (facts) =>
    facts.apparmor &&
    !facts.there.has('/sbin/apparmor_parser') &&
    !facts.there.has('/usr/sbin/apparmor_parser') && {
      kind: 'warning',
      what: 'AppArmor is on, and apparmor_parser is not there',
      why: 'containerd cannot load its profile: containers run without one, and those that ask for one do not start',
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
            what: `both are called ${nodeName}`,
            why: 'in one cluster the second would take the place of the first; in logs and metrics they are one',
            hint: 'give one of them another name: hostnamectl set-hostname NAME, or is one machine in the inventory twice?',
          },
        ]
      : []),
    ...(other.machineId === facts.machineId && facts.machineId !== ''
      ? [
          {
            other: other.host,
            kind: 'warning' as const,
            what: 'both have the same machine id: one is a copy of the other',
            why: 'they get the same address by DHCP and the same MAC on flannel; Kubernetes takes them for one machine',
            hint: 'on the copy: rm /etc/machine-id /var/lib/dbus/machine-id; systemd-machine-id-setup && reboot',
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
