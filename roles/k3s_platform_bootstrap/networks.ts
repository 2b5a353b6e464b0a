// Parses networks in CIDR notation, and compares them with addresses and with each other.

import { isIP } from 'node:net'
import ipaddr from 'ipaddr.js'

export interface Network {
  readonly text: string
  readonly family: 4 | 6
  readonly range: readonly [address: ipaddr.IPv4 | ipaddr.IPv6, bits: number]
}

/** `10.42.0.0/16`; undefined for what is none. ipaddr.js alone also takes `10.42/16` and octal numbers. */
export function network(given: string): Network | undefined {
  const text = given.trim()
  const [address = ''] = text.split('/', 1)
  const family = isIP(address)
  if ((family !== 4 && family !== 6) || !ipaddr.isValidCIDR(text)) return undefined
  return { text, family, range: ipaddr.parseCIDR(text) }
}

export function holds({ range: [base, bits], family }: Network, address: string): boolean {
  return isIP(address) === family && ipaddr.parse(address).match(base, bits)
}

export function overlap(a: Network, b: Network): boolean {
  return holds(a, b.range[0].toString()) || holds(b, a.range[0].toString())
}
