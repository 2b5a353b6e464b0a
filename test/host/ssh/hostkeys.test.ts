// known_hosts is read as OpenSSH reads it, and keys are judged by it.

import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { z } from 'zod'
import {
  fingerprint,
  type HostKeyPolicy,
  judge,
  knownFor,
  parseKnownHosts,
  parsePins,
  preferredTypes,
} from '../../../src/host/ssh/hostkeys.ts'

const data = z
  .object({
    keys: z.record(z.string(), z.string()),
    hashed: z.array(z.string()),
    cases: z.array(z.object({ text: z.string(), ask: z.record(z.string(), z.array(z.number())) })),
  })
  .parse(parse(readFileSync(join(import.meta.dirname, 'known-hosts.yaml'), 'utf8')))

const dir = mkdtempSync(join(tmpdir(), 'k3sp-keys-'))
afterAll(() => rmSync(dir, { recursive: true }))
const fill = (text: string) => text.replace(/\$(\w+)/g, (_, name: string) => data.keys[name] ?? '')
const blob = (name: string) => Buffer.from(data.keys[name]?.split(' ')[1] ?? '', 'base64')

/** The numbers of the lines that we find for `host` or `[host]:port`. */
function found(text: string, name: string): number[] {
  const [, bracketed, port] = /^\[(.*)\]:(\d+)$/.exec(name) ?? []
  const known = knownFor(parseKnownHosts(text, 'f'), bracketed ?? name, Number(port ?? 22))
  const lines = [...known.keys, ...known.revoked, ...known.authorities]
  return lines.map((key) => Number(key.source.split(':')[1])).sort((a, b) => a - b)
}

/** The same from ssh-keygen. */
function reference(text: string, name: string): number[] {
  const file = join(dir, 'known_hosts')
  writeFileSync(file, text)
  try {
    const out = execFileSync('ssh-keygen', ['-F', name, '-f', file], { encoding: 'utf8', stdio: 'pipe' })
    return [...out.matchAll(/^# Host .* found: line (\d+)/gm)].map((match) => Number(match[1]))
  } catch {
    return []
  }
}

describe.each(data.cases.map(({ text, ask }) => [text, ask] as const))('in %j', (raw, ask) => {
  const text = fill(raw)
  test.each(Object.entries(ask))('%s is found as ssh-keygen finds it', (name, lines) => {
    expect({ ours: found(text, name), theirs: reference(text, name) }).toEqual({ ours: lines, theirs: lines })
  })
})

test('names that ssh-keygen has hashed are found', () => {
  const file = join(dir, 'hashed')
  writeFileSync(file, data.hashed.map((name) => `${name} ${data.keys.ed25519}\n`).join(''))
  execFileSync('ssh-keygen', ['-H', '-f', file], { stdio: 'pipe' })
  const text = readFileSync(file, 'utf8')
  expect(text).not.toContain('example')
  expect(data.hashed.map((name) => found(text, name))).toEqual([[1], [2], [3]])
  expect(found(text, 'other.example')).toEqual([])
})

test('a fingerprint is the one that ssh-keygen prints', () => {
  const file = join(dir, 'key.pub')
  writeFileSync(file, data.keys.rsa ?? '')
  expect(execFileSync('ssh-keygen', ['-lf', file], { encoding: 'utf8' })).toContain(fingerprint(blob('rsa')))
})

const trust = (text: string, pins: string[], policy: HostKeyPolicy, port = 22) => ({
  name: 'edge-1',
  host: 'host.example',
  port,
  known: knownFor(parseKnownHosts(fill(text), '/home/me/.ssh/known_hosts'), 'host.example', port),
  pins: parsePins('edge-1', pins.map(fill)),
  policy,
})

const ed25519Print = fingerprint(blob('ed25519'))

test.each([
  ['a known key is trusted', 'host.example $ed25519', [], 'strict', 'trusted'],
  ['an unknown host is refused under strict', 'other $ed25519', [], 'strict', 'refused: host key is not known'],
  ['an unknown host is new under accept-new', 'other $ed25519', [], 'accept-new', 'new'],
  ['a changed key is refused under strict', 'host.example $other', [], 'strict', 'refused: host key changed'],
  ['a changed key is refused under accept-new', 'host.example $other', [], 'accept-new', 'refused: host key changed'],
  ['a key of another type is a change, too', 'host.example $rsa', [], 'accept-new', 'refused: host key changed'],
  ['one of two known keys is enough', 'host.example $other\nhost.example $ed25519', [], 'strict', 'trusted'],
  [
    'a revoked key is refused',
    'host.example $ed25519\n@revoked * $ed25519',
    [],
    'strict',
    'refused: host key is revoked',
  ],
  ['a revoked key is refused though new', '@revoked * $ed25519', [], 'accept-new', 'refused: host key is revoked'],
  [
    'a revoked key is refused though pinned',
    '@revoked * $ed25519',
    ['$ed25519'],
    'strict',
    'refused: host key is revoked',
  ],
  [
    'an authority for certificates is no key',
    '@cert-authority * $ed25519',
    [],
    'strict',
    'refused: host key is not known',
  ],
  ['a pinned key is trusted', '', ['$ed25519 root@edge'], 'strict', 'trusted'],
  ['a pinned line of known_hosts is trusted', '', ['host.example $ed25519'], 'strict', 'trusted'],
  ['a pinned fingerprint is trusted', '', [ed25519Print], 'strict', 'trusted'],
  ['one of two pins is enough', '', ['$rsa', ed25519Print], 'strict', 'trusted'],
  [
    'a pin wins over known_hosts',
    'host.example $ed25519',
    ['$other'],
    'accept-new',
    'refused: host key is not the pinned one',
  ],
] as const)('%s', (_, text, pins, policy, wanted) => {
  const verdict = judge(trust(text, [...pins], policy), blob('ed25519'))
  const is = verdict.is === 'refused' ? `refused: ${verdict.problem.what.replace(/ \(.*/, '')}` : verdict.is
  expect(is).toBe(wanted)
})

test('a key known for the host without a port lets in at another port, and its change there is news', () => {
  const at2222 = trust('host.example $ed25519', [], 'strict', 2222)
  expect(judge(at2222, blob('ed25519')).is).toBe('trusted')
  expect(judge(at2222, blob('other'))).toMatchObject({ problem: { what: expect.stringContaining('is not known') } })
})

test.each([
  ['by the plain name, at another port', '@revoked host.example $ed25519', 2222],
  [
    'by the plain name, though known at that port',
    '@revoked host.example $ed25519\n[host.example]:2222 $ed25519',
    2222,
  ],
  ['at one port, at the usual one', '@revoked [host.example]:2222 $ed25519\nhost.example $ed25519', 22],
  ['at one port, at another', '@revoked [host.example]:2222 $ed25519', 2223],
  ['by a pattern', '@revoked *.example $ed25519', 2222],
  ['by a pattern with a port', '@revoked other,[*.example]:2222 $ed25519', 22],
  ['whatever the case of the name', '@revoked HOST.Example $ed25519', 2222],
])('a key that is revoked %s is refused under every policy', (_, text, port) => {
  for (const policy of ['strict', 'accept-new'] as const) {
    expect(judge(trust(text, [], policy, port), blob('ed25519'))).toMatchObject({
      problem: { what: expect.stringMatching(/^host key is revoked/) },
    })
  }
})

test('a key that is revoked for a hashed name is refused at every port', () => {
  const file = join(dir, 'hashed-revoked')
  writeFileSync(file, fill('host.example $ed25519\n'))
  execFileSync('ssh-keygen', ['-H', '-f', file], { stdio: 'pipe' })
  const text = readFileSync(file, 'utf8').replace(/^(?=\|)/, '@revoked ')
  expect(text).toMatch(/^@revoked \|1\|/)
  expect(judge(trust(text, [], 'accept-new', 2222), blob('ed25519')).is).toBe('refused')
})

test('a key that is revoked for another host, or another key, says nothing', () => {
  for (const text of ['@revoked other.example $ed25519', '@revoked host.example $other']) {
    expect(judge(trust(text, [], 'accept-new', 2222), blob('ed25519')).is).toBe('new')
  }
})

test('a changed host key is refused with both fingerprints and the way out', () => {
  expect(judge(trust('[host.example]:2222 $other', [], 'strict', 2222), blob('ed25519'))).toEqual({
    is: 'refused',
    problem: {
      kind: 'unreachable',
      where: 'edge-1',
      what: `host key changed (known ${fingerprint(blob('other'))}, offered ${ed25519Print})`,
      why: 'the server was reinstalled, or an attacker intercepts the connection; known from /home/me/.ssh/known_hosts:1',
      hint: "check the key on the console, then: ssh-keygen -R '[host.example]:2222'",
    },
  })
})

test('the server is asked first for the types of key that are known', () => {
  expect(preferredTypes(trust('host.example $rsa\nhost.example $ecdsa', [], 'strict')).slice(0, 3)).toEqual([
    'ssh-rsa',
    'ecdsa-sha2-nistp256',
    'ssh-ed25519',
  ])
  expect(preferredTypes(trust('host.example $rsa', ['$ecdsa'], 'strict'))[0]).toBe('ecdsa-sha2-nistp256')
  expect(preferredTypes(trust('', [], 'strict'))[0]).toBe('ssh-ed25519')
})

test.each(['SHA256:tooshort', 'MD5:aa:bb', 'ssh-ed25519', 'ssh-rsa $ed25519'])('%s is no pin', (pin) => {
  const text = pin.replace('$ed25519', data.keys.ed25519?.split(' ')[1] ?? '')
  expect(() => parsePins('edge-1', [text])).toThrow(/edge-1: not a host key/)
})
