// What a node's network must be: a name, a route, free ports, nothing that drops the pods' traffic.

import { isIPv4 } from 'node:net'
import type { Facts, Holder } from '../../../src/host/facts.ts'
import type { Vars } from '../vars.ts'
import { type Check, disabling, type Finding, installed } from './check.ts'

const NAME = /^(?=.{1,253}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$/
const LEAST_MTU = 1280
/** Interfaces that k3s makes itself. */
const OWN_DEVICES = /^(cni0|flannel[.-]|flannel\.1|kube-|veth|docker0|br-)/
/** Names of k3s's own processes, as the kernel tells them. */
const OWN_PROCESSES = ['k3s', 'k3s-server', 'containerd', 'etcd', 'kubelet', 'caddy']

/** The name of the node in its cluster. */
export function nodeName(facts: Facts, vars: Vars): string {
  const given = vars.k3s_platform_k3s_config['node-name']
  return (typeof given === 'string' ? given : facts.hostname).toLowerCase()
}

export const networkChecks: readonly Check[] = [
  (facts, vars) => {
    const name = nodeName(facts, vars)
    if (NAME.test(name) && !/^localhost(\.|$)/.test(name)) return
    return {
      kind: 'failed',
      what: `its host name "${name}" cannot be the name of a node`,
      why: /^localhost/.test(name)
        ? 'every machine is called localhost to itself: other nodes and certificates could not tell it'
        : 'Kubernetes takes letters, digits, dashes and dots (RFC 1123), at most 63 between dots',
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
      what: 'it has no default route',
      why: 'k3s finds its own address by it, and the kernel lets no packet to a service go without one',
      hint: 'add the gateway; without one: ip link add dummy0 type dummy && ip link set dummy0 up && ip addr add 203.0.113.254/31 dev dummy0 && ip route add default via 203.0.113.255 dev dummy0 metric 1000',
    },

  (facts) =>
    facts.routes
      .filter(({ mtu }) => mtu !== null && mtu < LEAST_MTU)
      .slice(0, 1)
      .map(({ device, mtu }) => ({
        kind: 'warning',
        what: `${device} takes packets of ${mtu} bytes at most`,
        why: 'flannel takes 50 of them; below 1280 IPv6 does not work and many connections hang at their first large packet',
        hint: `ip link set ${device} mtu 1500 (and in the network settings of the host), or what the link below it can carry`,
      })),

  (facts, vars) =>
    facts.addresses
      .filter(({ device }) => !OWN_DEVICES.test(device))
      .flatMap(({ device, address }): Finding[] =>
        [
          ['k3s_platform_cluster_cidr', vars.k3s_platform_cluster_cidr] as const,
          ['k3s_platform_service_cidr', vars.k3s_platform_service_cidr] as const,
        ]
          .filter(([, networks]) => networks.split(',').some((network) => contains(network, address)))
          .map(([name, networks]) => ({
            kind: 'failed',
            what: `its address ${address} (${device}) lies in ${name} ${networks}`,
            why: 'what should go to the network of the host would go to pods or services',
            hint: `choose a network that nothing else has: ${name}: 10.200.0.0/16`,
          })),
      ),

  (facts, vars) => {
    const networks = [vars.k3s_platform_cluster_cidr, vars.k3s_platform_service_cidr].flatMap((list) => list.split(','))
    const closed = networks.filter((network) => !facts.firewall.trusted.includes(network))
    if (closed.length === 0) return
    const why = `it drops what pods send to services and to the node; ${closed.join(' and ')} are not let in`
    if (facts.firewall.ufw) {
      return {
        kind: 'warning',
        what: 'the firewall ufw is on',
        why,
        hint: `${closed.map((network) => `ufw allow from ${network} to any`).join(' && ')} && ufw allow 6443/tcp; or: ufw disable`,
      }
    }
    return (
      facts.active.has('firewalld') && {
        kind: 'warning',
        what: 'the firewall firewalld is on',
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
        why: 'what pods send to each other and to the node passes there',
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

function ports({ k3s_platform_k3s_config: config }: Vars): Wanted[] {
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
      what: `port ${port}${protocol === 'udp' ? '/udp' : ''} is held by ${who}`,
      why: `${by} needs it`,
      hint:
        holder.process === null
          ? `find it, and stop it: ss -${protocol === 'udp' ? 'u' : 't'}lnp 'sport = :${port}'`
          : disabling(facts, holder.process),
    },
  ]
}

function contains(network: string, address: string): boolean {
  const [base = '', bits = ''] = network.split('/')
  if (!isIPv4(base) || !isIPv4(address)) return false
  const shift = 2 ** (32 - Number(bits))
  return Math.floor(number(base) / shift) === Math.floor(number(address) / shift)
}

function number(address: string): number {
  return address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0)
}
