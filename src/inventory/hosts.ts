// Host names as inventories write them: ranges, ports, IPv6 addresses in brackets.

import { isIPv6 } from 'node:net'
import { NAME } from './budget.ts'

export interface Named {
  readonly names: readonly string[]
  readonly port?: number
}

/** `web[01:50:2]:2222`, `db-[a:f]`, `[2001:db8::1]:22`. A string is what is wrong with it. */
export function expandHosts(text: string): Named | string {
  if (text.length > NAME) return `a host's name has more than ${NAME.toLocaleString('en-US')} characters`
  const [, bracketed, bracketPort] = /^\[([0-9a-fA-F:.%\w]+)\](?::(\d+))?$/.exec(text) ?? []
  if (bracketed !== undefined && isAddress(bracketed)) return named([bracketed], bracketPort)
  if (isAddress(text)) return named([text], undefined)
  const [, pattern = text, port] = /^(.*[^:]):(\d+)$/.exec(text) ?? []
  const bare = /^(?:[^[\]]|\[[^[\]]*\])*$/.test(pattern) ? pattern : undefined
  if (bare === undefined) return `the brackets of "${text}" do not match`
  const rest = bare.replace(/\[[^\]]*\]/g, '')
  if (rest.includes(':') && !isIPv6(rest))
    return `"${text}" is not a host name: a port is a number, IPv6 with a port is [address]:port`
  const names = ranges(bare)
  return typeof names === 'string' ? names : named(names, port)
}

/** IPv6. Node's own pattern takes 5 ms to compile: a name without a colon need not meet it. */
export const isAddress = (text: string): boolean => text.includes(':') && isIPv6(text)

const named = (names: readonly string[], port: string | undefined): Named =>
  port === undefined ? { names } : { names, port: Number(port) }

function ranges(pattern: string): readonly string[] | string {
  let names: readonly string[] = ['']
  for (const piece of pattern.split(/(?=\[)|(?<=\])/)) {
    const steps = piece.startsWith('[') ? range(piece.slice(1, -1)) : [piece]
    if (typeof steps === 'string') return steps
    if (names.length * steps.length > MOST)
      return `the ranges of "${pattern}" expand to more than ${MOST.toLocaleString('en-US')} hosts`
    names = names.flatMap((name) => steps.map((step) => name + step))
  }
  return names
}

const MOST = 65_536

function range(text: string): readonly string[] | string {
  const [, first = '', last = '', by = '1'] = /^(\w*):(\w+)(?::(\d+))?$/.exec(text) ?? []
  const step = Number(by)
  const bad = `the range [${text}] is not [first:last] or [first:last:step]`
  if (last === '' || step < 1) return bad
  if (/^[A-Za-z]$/.test(first) && /^[A-Za-z]$/.test(last)) {
    return count(first.charCodeAt(0), last.charCodeAt(0), step, (n) => String.fromCharCode(n)) ?? bad
  }
  if (!/^\d*$/.test(first) || !/^\d+$/.test(last)) return bad
  const zeros = first.startsWith('0') && first.length > 1
  if (zeros && first.length !== last.length)
    return `the ends of the range [${text}] must have the same number of digits`
  return (
    count(Number(first), Number(last), step, (n) => (zeros ? String(n).padStart(first.length, '0') : String(n))) ?? bad
  )
}

function count(first: number, last: number, step: number, spell: (n: number) => string): string[] | undefined {
  if (last < first || (last - first) / step >= MOST) return undefined
  const length = Math.floor((last - first) / step) + 1
  return Array.from({ length }, (_, i) => spell(first + i * step))
}
