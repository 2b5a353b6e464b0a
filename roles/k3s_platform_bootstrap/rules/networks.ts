// Rules for networks: sizes, address families and overlaps.

import { isIP } from 'node:net'
import type { Finding } from '../../role.ts'
import { holds, type Network, network, overlap } from '../networks.ts'
import type { Element } from '../settings.ts'
import type { Asked } from './rule.ts'

export function networkFindings({ settings, context }: Asked): Finding[] {
  const found: Finding[] = []
  const read = (key: 'cluster-cidr' | 'service-cidr') =>
    settings.list(key).flatMap(({ text, path, given }) => {
      const one = network(text)
      if (one === undefined)
        found.push({ path, what: `${key}: expected a network such as 10.42.0.0/16, got "${text}"` })
      return one === undefined ? [] : { ...one, path, key, given }
    })
  const [pods, services] = [read('cluster-cidr'), read('service-cidr')]
  const nodes = settings.list('node-ip').filter(({ text, path }) => {
    if (isIP(text) === 0) found.push({ path, what: `node-ip: expected an IP address, got "${text}"` })
    return isIP(text) > 0
  })

  for (const list of [pods, services]) {
    const [first, second, third] = list
    const dual = second !== undefined && third === undefined && first?.family !== second.family
    if (second !== undefined && !dual) {
      found.push({ path: second.path, what: `${second.key}: expected one network, or an IPv4 and an IPv6 one` })
    }
    for (const one of list) found.push(...badSize(one))
  }
  const families = (list: readonly Network[]) => list.map(({ family }) => `IPv${family}`).join(' and ')
  const [pod, service] = [pods[0], services[0]]
  const of = (...list: readonly Element[]) => (list.find(({ given }) => given) ?? list[0])?.path ?? []
  if (pod !== undefined && service !== undefined && families(pods) !== families(services)) {
    const what = `the service network is ${families(services)}, the pod network is ${families(pods)}`
    found.push({ path: of(service, pod), what, hint: 'both require the same address families in the same order' })
  }
  for (const one of services) {
    const other = pods.find((each) => overlap(each, one))
    if (other === undefined) continue
    const what = `the service network ${one.text} overlaps the pod network ${other.text}`
    found.push({ path: of(one, other), what })
  }
  const own = nodes.length > 0 ? nodes : [{ text: context.address, path: undefined }]
  for (const { text, path } of own) {
    for (const one of [...pods, ...services].filter((each) => holds(each, text))) {
      const whose = one.key === 'cluster-cidr' ? 'pods' : 'services'
      found.push({
        path: path ?? one.path,
        what: `the node's address ${text} is in the network of ${whose}, ${one.text}`,
      })
    }
  }
  const kinds = nodes.map(({ text }) => isIP(text))
  const [node] = nodes
  if (node !== undefined && pods.length > 0) {
    const has = kinds.map((kind) => `IPv${kind}`).join(' and ')
    if (new Set(kinds).size < kinds.length) {
      found.push({ path: node.path, what: 'node-ip: expected one address, or an IPv4 and an IPv6 one' })
    } else if (pods.some(({ family }) => !kinds.includes(family))) {
      found.push({ path: node.path, what: `the node's address is ${has}, but the pod network is ${families(pods)}` })
    }
  }
  for (const { text, path } of settings.list('cluster-dns')) {
    if (isIP(text) === 0) found.push({ path, what: `cluster-dns: expected an IP address, got "${text}"` })
    else if (services.length > 0 && !services.some((one) => holds(one, text))) {
      found.push({ path, what: `cluster-dns: ${text} is not in the service network` })
    }
  }
  return found
}

/** What kube-apiserver and kube-controller-manager take: a node gets a /24 or a /64 of the pods' network. */
function badSize({
  text,
  range: [, bits],
  family,
  key,
  path,
}: Network & { key: string; path: Finding['path'] }): Finding[] {
  const [from, to] = key === 'service-cidr' ? (family === 4 ? [12, 28] : [108, 124]) : family === 4 ? [1, 24] : [1, 64]
  if (bits >= from && bits <= to) return []
  const allowed = key === 'service-cidr' ? `from /${from} to /${to}` : `/${to} or larger`
  return [{ path, what: `${key}: ${text} is too ${bits > to ? 'small' : 'large'}`, hint: `it must be ${allowed}` }]
}
