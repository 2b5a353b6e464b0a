// The formats of JSON Schema as the validator in Helm reads them (santhosh-tekuri/jsonschema v6, format.go), Go's own parsers included.

import { isIPv6 } from 'node:net'

type Test = (text: string) => boolean

const matches =
  (pattern: RegExp): Test =>
  (text) =>
    pattern.test(text)

const ipv4: Test = (text) => {
  const groups = text.split('.')
  return groups.length === 4 && groups.every((group) => /^(?:0|[1-9]\d{0,2})$/.test(group) && Number(group) <= 255)
}

const ipv6: Test = (text) => isIPv6(text) && !text.includes('%')

/** A dot at the end is no part of it. */
const hostname: Test = (text) => {
  const name = text.replace(/\.$/, '')
  return (
    Buffer.byteLength(name) <= 253 && name.split('.').every((label) => /^(?!-)[A-Za-z0-9-]{1,63}(?<!-)$/.test(label))
  )
}

const email: Test = (text) => {
  const at = text.lastIndexOf('@')
  if (at < 0 || Buffer.byteLength(text) > 254) return false
  const [local, domain] = [text.slice(0, at), text.slice(at + 1)]
  if (Buffer.byteLength(local) > 64) return false
  const quoted = local.length > 1 && local.startsWith('"')
  if (
    quoted
      ? /[\\"]/.test(local.slice(1, -1))
      : !/^(?!\.)(?!.*\.\.)[A-Za-z0-9.!#$%&'*+\-/=?^_`{|}~]*(?<!\.)$/.test(local)
  )
    return false
  const [, address] = /^\[(.*)\]$/.exec(domain) ?? []
  if (address === undefined) return hostname(domain)
  return address.startsWith('IPv6:') ? ipv6(address.slice(5)) : ipv4(address)
}

const date: Test = (text) => {
  if (!/^\d{4}-\d{2}-\d{2}$/.test(text)) return false
  const [year = 0, month = 0, day = 0] = text.split('-').map(Number)
  const leap = (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0
  const days = [31, leap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][month - 1] ?? 0
  return day >= 1 && day <= days
}

const time: Test = (text) => {
  const found = /^(\d\d):(\d\d):(\d\d)(?:\.\d+)?(?:[zZ]|([+-])(\d\d):(\d\d))$/.exec(text)
  if (found === null) return false
  const [hour, minute, second] = found.slice(1, 4).map(Number) as [number, number, number]
  const [offsetHour, offsetMinute] = [Number(found[5] ?? 0), Number(found[6] ?? 0)]
  if (hour > 23 || minute > 59 || second > 60 || offsetHour > 23 || offsetMinute > 59) return false
  // A leap second exists only as the last one of a day in UTC.
  const utc = hour * 60 + minute + (found[4] === '-' ? 1 : -1) * (offsetHour * 60 + offsetMinute)
  return second < 60 || (utc + 1440) % 1440 === 1439
}

const dateTime: Test = (text) => /^.{10}[tT]/s.test(text) && date(text.slice(0, 10)) && time(text.slice(11))

const duration = matches(/^P(?:\d+W|(?!$)(?:\d+Y)?(?:\d+M)?(?:\d+D)?(?:T(?=\d)(?:\d+H)?(?:\d+M)?(?:\d+S)?)?)$/)

const period: Test = (text) => {
  const slash = text.indexOf('/')
  const [start, end] = [text.slice(0, slash), text.slice(slash + 1)]
  if (slash < 0) return false
  if (start.startsWith('P')) return duration(start) && dateTime(end)
  return dateTime(start) && (end.startsWith('P') ? duration(end) : dateTime(end))
}

const POINTER = '(?:/(?:[^/~]|~[01])*)*'

/** What Go's net/url makes of it, as far as formats ask; undefined: it refuses it. */
function goUrl(text: string): { readonly absolute: boolean; readonly path: string } | undefined {
  const [whole = '', fragment] = cut(text, '#')
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what Go refuses.
  if (/[\x00-\x1f\x7f]/.test(whole) || !decodes(fragment ?? '') || whole.startsWith(':')) return undefined
  const [, scheme, after = whole] = /^([A-Za-z][A-Za-z0-9+.-]*):(.*)$/s.exec(whole) ?? []
  const absolute = scheme !== undefined
  const [rest = ''] = cut(after, '?')
  if (!rest.startsWith('/')) {
    if (absolute) return { absolute, path: '' }
    return (cut(rest, '/')[0] ?? '').includes(':') || !decodes(rest) ? undefined : { absolute, path: rest }
  }
  const withAuthority = rest.startsWith('//') && (absolute || !rest.startsWith('///'))
  const [, authority = '', path = rest] = withAuthority ? (/^\/\/([^/]*)(.*)$/s.exec(rest) ?? []) : []
  return decodes(path) && isAuthority(authority) ? { absolute, path } : undefined
}

function isAuthority(authority: string): boolean {
  const at = authority.lastIndexOf('@')
  const [user, host] = [authority.slice(0, Math.max(0, at)), authority.slice(at + 1)]
  if (!/^[A-Za-z0-9\-._:~!$&'()*+,;=%@]*$/.test(user) || !decodes(user)) return false
  if (host.startsWith('[')) {
    const [, address = ''] = /^\[([^\]]*)\](?::\d*)?$/.exec(host) ?? []
    return ipv6(address)
  }
  // An address of IPv6 without its brackets would have a second colon.
  // biome-ignore lint/suspicious/noControlCharactersInRegex: all beyond ASCII is allowed.
  return /^(?:[A-Za-z0-9\-_.~!$&'()*+,;=<>"]|[^\x00-\x7f])*(?::\d*)?$/.test(host)
}

const decodes: Test = (text) => !/%(?![0-9A-Fa-f]{2})/.test(text)

function cut(text: string, mark: string): readonly string[] {
  const at = text.indexOf(mark)
  return at < 0 ? [text] : [text.slice(0, at), text.slice(at + 1)]
}

const uri: Test = (text) => goUrl(text)?.absolute === true
const uriReference: Test = (text) => !text.includes('\\') && goUrl(text) !== undefined
const uriTemplate: Test = (text) =>
  goUrl(text)
    ?.path.split('/')
    .every((part) => /^(?:[^{}]*\{[^{}]*\})*[^{}]*$/.test(part.replace(/%7b/gi, '{').replace(/%7d/gi, '}'))) ?? false

/** All but `regex`, which is for the engine to say. */
export const FORMATS: Readonly<Record<string, Test>> = {
  date,
  time,
  'date-time': dateTime,
  duration,
  period,
  email,
  hostname,
  ipv4,
  ipv6,
  uri,
  iri: uri,
  'uri-reference': uriReference,
  'iri-reference': uriReference,
  'uri-template': uriTemplate,
  uuid: matches(/^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i),
  'json-pointer': matches(new RegExp(`^${POINTER}$`)),
  'relative-json-pointer': matches(new RegExp(`^(?:0|[1-9]\\d*)(?:#|${POINTER})$`)),
  semver: matches(
    /^(?:(?:0|[1-9]\d*)\.){2}(?:0|[1-9]\d*)(?:-(?:0|[1-9]\d*|\d*[A-Za-z-][A-Za-z0-9-]*)(?:\.(?:0|[1-9]\d*|\d*[A-Za-z-][A-Za-z0-9-]*))*)?(?:\+[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*)?$/,
  ),
}
