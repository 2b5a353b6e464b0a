// Checks the node's network: host name, default route, free ports, and firewalls that drop pod traffic.

import { shellWords } from '../../../src/engine/shell-words.ts'
import type { Facts, Holder } from '../../../src/host/facts.ts'
import { holds, network } from '../networks.ts'
import type { BootstrapVars } from '../vars.ts'
import { type Check, disabling, type Finding, installed } from './check.ts'

const NAME = /^(?=.{1,253}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$/
const LEAST_MTU = 1280
/** Interfaces that k3s makes itself. */
const OWN_DEVICES = /^(cni0|flannel[.-]|flannel\.1|kube-|veth|docker0|br-)/
/** Names of k3s's own processes, as the kernel tells them. */
const OWN_PROCESSES = ['k3s', 'k3s-server', 'containerd', 'etcd', 'kubelet', 'caddy', 'ingress-control']

/** The name of the node in its cluster. */
export function nodeName(facts: Facts, vars: BootstrapVars): string {
  const given = vars.k3s_platform_k3s_config['node-name']
  return (typeof given === 'string' ? given : facts.hostname).toLowerCase()
}

export const networkChecks: readonly Check[] = [
  (facts, vars) => {
    const name = nodeName(facts, vars)
    if (NAME.test(name) && !/^localhost(\.|$)/.test(name)) return
    return {
      kind: 'failed',
      what: `the host name "${name}" is not a valid node name`,
      why: /^localhost/.test(name)
        ? 'every machine calls itself localhost: other nodes and certificates could not identify this one'
        : 'Kubernetes accepts letters, digits, dashes and dots (RFC 1123), at most 63 characters between dots',
      hint:
        facts.init === 'openrc'
          ? 'echo edge-1 >/etc/hostname && hostname -F /etc/hostname (with its right name)'
          : 'hostnamectl set-hostname edge-1 (with its right name)',
    }
  },

  (facts, vars) => ports(vars).flatMap((wanted) => heldPort(facts, wanted)),

  (facts) =>
    facts.routes.length === 0 &&
    !installed(facts) && {
      kind: 'failed',
      what: 'the host has no default route',
      why: "k3s detects the node's address from it, and without one the kernel drops packets to Services",
      hint: 'add the gateway; if the network has none: ip link add dummy0 type dummy && ip link set dummy0 up && ip addr add 203.0.113.254/31 dev dummy0 && ip route add default via 203.0.113.255 dev dummy0 metric 1000',
    },

  (facts) =>
    facts.routes
      .filter(({ mtu }) => mtu !== null && mtu < LEAST_MTU)
      .slice(0, 1)
      .map(({ device, mtu }) => ({
        kind: 'warning',
        what: `${device} has an MTU of ${mtu} bytes`,
        why: 'flannel uses 50 of them; below 1280 IPv6 does not work and many connections hang at their first large packet',
        hint: `ip link set ${shellWords([device])} mtu 1500 (also in the host's network configuration), or the MTU of the underlying link`,
      })),

  (facts, vars) =>
    facts.addresses
      .filter(({ device }) => !OWN_DEVICES.test(device))
      .flatMap(({ device, address }): Finding[] =>
        [
          ['k3s_platform_cluster_cidr', vars.k3s_platform_cluster_cidr] as const,
          ['k3s_platform_service_cidr', vars.k3s_platform_service_cidr] as const,
        ]
          .filter(([, networks]) => networks.split(',').some((one) => contains(one, address)))
          .map(([name, networks]) => ({
            kind: 'failed',
            what: `the host's address ${address} (${device}) is inside ${name} ${networks}`,
            why: "traffic to the host's network would be routed to pods or Services",
            hint: `choose an unused network: ${name}: 10.200.0.0/16`,
          })),
      ),

  (facts, vars) => {
    const networks = [vars.k3s_platform_cluster_cidr, vars.k3s_platform_service_cidr].flatMap((list) => list.split(','))
    const closed = networks.filter((network) => !facts.firewall.trusted.includes(network))
    if (closed.length === 0) return
    const why = `it drops traffic from pods to Services and to the node; ${closed.join(' and ')} are not allowed`
    if (facts.firewall.ufw) {
      return {
        kind: 'warning',
        what: 'the firewall ufw is active',
        why,
        hint: `${closed.map((network) => `ufw allow from ${network} to any`).join(' && ')} && ufw allow 6443/tcp; or: ufw disable`,
      }
    }
    return (
      facts.active.has('firewalld') && {
        kind: 'warning',
        what: 'the firewall firewalld is active',
        why,
        hint: `firewall-cmd --permanent --zone=trusted ${closed.map((network) => `--add-source=${network}`).join(' ')} && firewall-cmd --permanent --add-port=6443/tcp && firewall-cmd --reload; or: ${disabling(facts, 'firewalld')}`,
      }
    )
  },

  ({ firewall }) => {
    const hooks = [...new Set(firewall.drops)].filter((hook) => hook === 'input' || hook === 'forward')
    return (
      hooks.length > 0 &&
      !firewall.ufw && {
        kind: 'warning',
        what: `nftables drops by default at ${hooks.join(' and ')}`,
        why: 'traffic between pods and to the node passes this hook',
        hint: 'accept iifname "cni0" and iifname "flannel.1" in /etc/nftables.conf, then: systemctl reload nftables',
      }
    )
  },
]

interface Wanted extends Pick<Holder, 'protocol' | 'port'> {
  readonly by: string
  /** Not needed for k3s itself. */
  readonly later?: true
}

function ports({ k3s_platform_k3s_config: config }: BootstrapVars): Wanted[] {
  const api = Number(config['https-listen-port'] ?? 6443)
  const embedded = config['datastore-endpoint'] === undefined && config['cluster-init'] !== false
  return [
    { protocol: 'tcp', port: api, by: 'the Kubernetes API' },
    ...(config['disable-agent'] === true ? [] : [{ protocol: 'tcp', port: 10250, by: 'the kubelet' } as const]),
    ...(config['flannel-backend'] === undefined || config['flannel-backend'] === 'vxlan'
      ? [{ protocol: 'udp', port: 8472, by: 'flannel' } as const]
      : []),
    ...(embedded ? [2379, 2380].map((port) => ({ protocol: 'tcp', port, by: 'etcd' }) as const) : []),
    ...[80, 443].map((port) => ({ protocol: 'tcp', port, by: 'Caddy', later: true }) as const),
  ]
}

function heldPort(facts: Facts, { protocol, port, by, later }: Wanted): Finding[] {
  const holder = facts.listening.find((one) => one.protocol === protocol && one.port === port)
  if (holder === undefined || OWN_PROCESSES.includes(holder.process ?? '')) return []
  if (!later && facts.active.has('k3s')) return []
  const who = holder.process === null ? 'another process' : `${holder.process} (pid ${holder.pid})`
  return [
    {
      kind: later ? 'warning' : 'failed',
      what: `port ${port}${protocol === 'udp' ? '/udp' : ''} is in use by ${who}`,
      why: `${by} needs it`,
      hint:
        holder.process === null
          ? `find and stop the process: ss -${protocol === 'udp' ? 'u' : 't'}lnp 'sport = :${port}'`
          : disabling(facts, holder.process),
    },
  ]
}

function contains(text: string, address: string): boolean {
  const range = network(text)
  return range !== undefined && holds(range, address)
}
