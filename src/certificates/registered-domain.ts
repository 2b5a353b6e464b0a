// Finds the registered domain of a name: what Let's Encrypt counts certificates by.

import { isIP } from 'node:net'
import ipaddr from 'ipaddr.js'
import { getDomain } from 'tldts'

/**
 * `shop.example.co.uk` is `example.co.uk`, by the public suffix list with its private part, as Let's Encrypt uses it; a name that is
 * a public suffix itself counts as it is. An IPv4 address is its own domain, an IPv6 address that of its /64.
 */
export function registeredDomain(name: string): string {
  if (isIP(name) === 4) return name
  if (isIP(name) === 6) return ipaddr.IPv6.networkAddressFromCIDR(`${name.replace(/%.*/, '')}/64`).toString()
  const plain = name.replace(/^\*\./, '')
  return getDomain(plain, { allowPrivateDomains: true }) ?? plain
}

/** Names as a set: lowercase, without a trailing dot, sorted. */
export function nameSet(names: readonly string[]): string[] {
  return [...new Set(names.map((name) => name.toLowerCase().replace(/\.$/, '')))].toSorted()
}
