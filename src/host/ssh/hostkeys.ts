// Host keys: reads known_hosts and pins, and judges the key that a server offers.

import { createHash, createHmac } from 'node:crypto'
import { type Problem, ProblemError } from '../../engine/problem.ts'
import { shellWords } from '../../engine/shell-words.ts'

export type HostKeyPolicy = 'strict' | 'accept-new'

/** `source` is `file:line`, or the name of what gave the key. */
export interface HostKey {
  readonly type: string
  readonly blob: Buffer
  readonly source: string
}

/** One line of known_hosts: comma-separated patterns or one hashed name, and a key. */
export interface KnownLine extends HostKey {
  readonly marker: 'cert-authority' | 'revoked' | undefined
  readonly hosts: string
}

/** What known_hosts says for one host. */
export interface Known {
  readonly keys: readonly HostKey[]
  /** Keys of the same host at another port's plain name: they let in, but do not count as changed. */
  readonly portless: readonly HostKey[]
  readonly revoked: readonly HostKey[]
  readonly authorities: readonly HostKey[]
}

/** Keys from the inventory; when there is one, it replaces known_hosts (whose revocations stay). */
export interface Pins {
  readonly fingerprints: readonly string[]
  readonly keys: readonly HostKey[]
}

export interface Trust {
  readonly name: string
  readonly host: string
  readonly port: number
  readonly known: Known
  readonly pins: Pins
  readonly policy: HostKeyPolicy
}

export type HostKeyVerdict =
  | { readonly is: 'trusted' }
  | { readonly is: 'new'; readonly key: HostKey }
  | { readonly is: 'refused'; readonly problem: Problem }

/** `SHA256:` and unpadded base64, as ssh-keygen -l prints it. */
export function fingerprint(blob: Uint8Array): string {
  return `SHA256:${createHash('sha256').update(blob).digest('base64').replace(/=+$/, '')}`
}

/** The type that the blob itself names (its first string); '' when there is none. */
function keyType(blob: Buffer): string {
  const length = blob.length > 4 ? blob.readUInt32BE(0) : 0
  return blob.length >= 4 + length ? blob.toString('latin1', 4, 4 + length) : ''
}

/** The name under which a host stands in known_hosts. */
export function knownName(host: string, port: number): string {
  return port === 22 ? host.toLowerCase() : `[${host.toLowerCase()}]:${port}`
}

/** Lines that nobody can read are left out, as ssh does. */
export function parseKnownHosts(text: string, source: string): KnownLine[] {
  return text.split('\n').flatMap((line, i): KnownLine[] => {
    const words = line.trim().split(/[ \t]+/)
    const marker = words[0] === '@cert-authority' ? 'cert-authority' : words[0] === '@revoked' ? 'revoked' : undefined
    const [hosts, type, data] = marker ? words.slice(1) : words
    if (!hosts || hosts.startsWith('#') || hosts.startsWith('@') || !type || !data) return []
    const blob = Buffer.from(data, 'base64')
    return keyType(blob) === type ? [{ marker, hosts, type, blob, source: `${source}:${i + 1}` }] : []
  })
}

/** What `lines` say for host and port, in OpenSSH's way of matching. */
export function knownFor(lines: readonly KnownLine[], host: string, port: number): Known {
  const name = knownName(host, port)
  const here = lines.filter((line) => matches(line.hosts, name))
  const plain = port === 22 ? [] : lines.filter((line) => !line.marker && matches(line.hosts, host.toLowerCase()))
  return {
    keys: here.filter((line) => !line.marker),
    portless: plain,
    // ssh looks only at the names with and without this port. A key that is not to be trusted at one port is so at all.
    revoked: lines.filter((line) => line.marker === 'revoked' && isRevokedFor(line.hosts, host.toLowerCase(), name)),
    authorities: here.filter((line) => line.marker === 'cert-authority'),
  }
}

function isRevokedFor(hosts: string, host: string, name: string): boolean {
  const anyPort = hosts.startsWith('|') ? hosts : hosts.replace(/\[([^\],]*)\]:[^,]*/g, '$1')
  return [hosts, anyPort].some((patterns) => matches(patterns, name) || matches(patterns, host))
}

function matches(hosts: string, name: string): boolean {
  if (hosts.startsWith('|')) {
    const [, magic, salt, hash] = hosts.split('|')
    if (magic !== '1' || !salt || !hash) return false
    return createHmac('sha1', Buffer.from(salt, 'base64')).update(name).digest('base64') === hash
  }
  let found = false
  for (const pattern of hosts.toLowerCase().split(',')) {
    const negated = pattern.startsWith('!')
    if (!glob(negated ? pattern.slice(1) : pattern, name)) continue
    if (negated) return false
    found = true
  }
  return found
}

function glob(pattern: string, name: string): boolean {
  const source = pattern.replace(/[\\^$.+()[\]{}|]/g, '\\$&')
  return new RegExp(`^${source.replace(/\*+/g, '.*').replace(/\?/g, '.')}$`, 's').test(name)
}

/**
 * Reads pins: `SHA256:...`, or a public key `type base64 [comment]`, with or without host names before it.
 * Throws a usage problem for anything else.
 */
export function parsePins(name: string, pins: readonly string[]): Pins {
  const fingerprints: string[] = []
  const keys: HostKey[] = []
  const problems: Problem[] = []
  for (const pin of pins) {
    const text = pin.trim()
    const print = /^SHA256:([A-Za-z0-9+/]{43})=?$/.exec(text)
    const key = parseKnownHosts(`* ${text}`, 'pin')[0] ?? parseKnownHosts(text, 'pin')[0]
    if (print) fingerprints.push(`SHA256:${print[1]}`)
    else if (key) keys.push({ type: key.type, blob: key.blob, source: 'the inventory' })
    else {
      const what = `not a host key: "${text.length > 60 ? `${text.slice(0, 60)}…` : text}"`
      const hint = 'use SHA256:... as printed by ssh-keygen -l, or the public key: ssh-ed25519 AAAA...'
      problems.push({ kind: 'usage', where: name, what, hint })
    }
  }
  if (problems.length > 0) throw new ProblemError(problems)
  return { fingerprints, keys }
}

/** The types of key to ask the server for, known ones first, so that it shows the key that can be compared. */
export function preferredTypes(trust: Trust): string[] {
  const known = trust.pins.keys.length > 0 ? trust.pins.keys : [...trust.known.keys, ...trust.known.portless]
  return [...new Set([...known.map((key) => key.type), ...keyTypes])].filter((type) => keyTypes.includes(type))
}

const keyTypes = ['ssh-ed25519', 'ecdsa-sha2-nistp256', 'ecdsa-sha2-nistp384', 'ecdsa-sha2-nistp521', 'ssh-rsa']

/** Whether the offered key lets in. A key that differs from a known one is refused under every policy. */
export function judge(trust: Trust, blob: Buffer): HostKeyVerdict {
  const is = (key: HostKey) => key.blob.equals(blob)
  const offered: Offered = { type: keyType(blob), print: fingerprint(blob), host: trust.host, port: trust.port }
  const { pins, known } = trust
  const pinned = pins.fingerprints.length + pins.keys.length > 0
  const trusted = pinned
    ? pins.fingerprints.includes(offered.print) || pins.keys.some(is)
    : known.keys.some(is) || known.portless.some(is)
  if (trusted && !known.revoked.some(is)) return { is: 'trusted' }
  const isNew = !pinned && known.keys.length === 0 && !known.revoked.some(is)
  if (isNew && trust.policy === 'accept-new')
    return { is: 'new', key: { type: offered.type, blob, source: 'the server' } }
  return { is: 'refused', problem: hostKeyProblem(trust, offered) }
}

/** A key as messages tell of it, and the host and port that showed it. */
export interface Offered {
  readonly type: string
  readonly print: string
  readonly host: string
  readonly port: number
}

/** Why a key that is not trusted is refused: revoked, not the pinned one, changed, or not known. */
export function hostKeyProblem(trust: Trust, offered: Offered): Problem {
  const { pins, known } = trust
  const problem = (what: string, why: string | undefined, hint: string): Problem => ({
    kind: 'unreachable',
    where: trust.name,
    what,
    ...(why ? { why } : {}),
    hint,
  })
  const between = 'the server was reinstalled, or an attacker intercepts the connection'
  const prints = (keys: readonly HostKey[]) => keys.map((key) => fingerprint(key.blob)).join(', ')
  const revoked = known.revoked.find((key) => fingerprint(key.blob) === offered.print)
  if (revoked) {
    const hint = 'do not log in; generate a new host key on the server'
    return problem(`host key is revoked (offered ${offered.print})`, `@revoked in ${revoked.source}`, hint)
  }
  if (pins.fingerprints.length + pins.keys.length > 0) {
    const pinned = [...pins.fingerprints, ...pins.keys.map((key) => fingerprint(key.blob))].join(', ')
    const hint = `check the key on the console (${showKeys}), then correct the pin in the inventory`
    return problem(`host key is not the pinned one (pinned ${pinned}, offered ${offered.print})`, between, hint)
  }
  if (known.keys.length > 0) {
    const same = known.keys.filter((key) => key.type === offered.type)
    const shown = same.length > 0 ? same : known.keys
    const source = shown[0]?.source ?? ''
    const remedy = source.startsWith('/')
      ? `ssh-keygen -R ${shellWords([knownName(offered.host, offered.port)])}`
      : `correct ${source}`
    const what = `host key changed (known ${prints(shown)}, offered ${offered.print})`
    return problem(what, `${between}; known from ${source}`, `check the key on the console, then: ${remedy}`)
  }
  const port = offered.port === 22 ? '' : `-p ${offered.port} `
  const certificate = 'known_hosts trusts this host only by a certificate, which it did not present'
  return problem(
    `host key is not known (offered ${offered.type} ${offered.print})`,
    known.authorities.length > 0 ? certificate : undefined,
    `check it on the console (${showKeys}), then: ssh-keyscan ${port}${offered.host} >> ~/.ssh/known_hosts; ` +
      'or pin it: k3s_platform_ssh_host_key; or set k3s_platform_ssh_host_key_policy: accept-new',
  )
}

export const showKeys = 'for k in /etc/ssh/ssh_host_*_key.pub; do ssh-keygen -lf $k; done'
