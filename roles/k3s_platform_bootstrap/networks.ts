// Networks and addresses: which family they are of, and whether they share addresses.

import { BlockList, isIP } from 'node:net'

export interface Network {
  readonly text: string
  readonly address: string
  readonly bits: number
  readonly family: 4 | 6
}

/** `10.42.0.0/16`; undefined for what is none. */
export function network(text: string): Network | undefined {
  const [address = '', bits = '', ...rest] = text.trim().split('/')
  const family = isIP(address)
  if ((family !== 4 && family !== 6) || rest.length > 0 || !/^\d{1,3}$/.test(bits)) return undefined
  return Number(bits) <= (family === 4 ? 32 : 128)
    ? { text: text.trim(), address, bits: Number(bits), family }
    : undefined
}

export function holds({ address, bits, family }: Network, other: string): boolean {
  const list = new BlockList()
  list.addSubnet(address, bits, family === 4 ? 'ipv4' : 'ipv6')
  return isIP(other) === family && list.check(other, family === 4 ? 'ipv4' : 'ipv6')
}

export function overlap(a: Network, b: Network): boolean {
  return holds(a, b.address) || holds(b, a.address)
}
