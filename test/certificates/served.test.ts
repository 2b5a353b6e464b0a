// What is served against what is in the Secret, and how people see it.

import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { z } from 'zod'
import {
  compareServed,
  handshakeFailure,
  isServed,
  leafOf,
  type ServedRow,
  servedText,
} from '../../src/certificates/served.ts'

const pairs = z
  .record(z.string(), z.string())
  .parse(parse(readFileSync(new URL('pairs.yaml', import.meta.url), 'utf8')))
const secret = (pem: string) => ({ data: { 'tls.crt': Buffer.from(pem).toString('base64') } })
const leaf = (fingerprint: string, until: string) => ({ fingerprint, notAfter: new Date(until) })
const HELD = leaf('AA:BB', '2027-01-01T00:00:00Z')

test('the leaf of a Secret is its first certificate; what is none is told by nothing', () => {
  expect(leafOf(secret(pairs['acme.crt'] ?? ''))?.fingerprint).toMatch(/^(?:[0-9A-F]{2}:){31}[0-9A-F]{2}$/)
  expect([null, {}, { data: {} }, { data: { 'tls.crt': 7 } }, secret('no certificate')].map(leafOf)).toEqual(
    Array(5).fill(undefined),
  )
})

test.each([
  ['Current', 'the same', HELD, HELD, null],
  [
    'Outdated',
    'one that ends earlier',
    leaf('CC:DD', '2026-12-01T00:00:00Z'),
    HELD,
    'the certificate in the Secret is valid until 2027-01-01T00:00:00Z',
  ],
  [
    'Different',
    'another one',
    leaf('CC:DD', '2027-03-01T00:00:00Z'),
    HELD,
    'the certificate in the Secret is valid until 2027-01-01T00:00:00Z',
  ],
  ['Different', 'one without a pair', HELD, undefined, 'the Secret contains no readable certificate'],
  ['Unreachable', 'nothing', 'connect ECONNREFUSED', HELD, 'connect ECONNREFUSED'],
])('%s: %s', (state, _, shown, held, why) => {
  expect(compareServed(shown, held)).toMatchObject({ state, why })
})

test.each([
  [
    'TLS alert: internal error',
    new Error(
      '00:error:0A000438:SSL routines:ssl3_read_bytes:tlsv1 alert internal error:ssl/rec.c:1:SSL alert number 80',
    ),
  ],
  ['connect ECONNREFUSED 203.0.113.7:443', new Error('connect ECONNREFUSED 203.0.113.7:443')],
  ['no error at all', 'no error at all'],
])('a handshake that failed is told as: %s', (words, error) => {
  expect(handshakeFailure(error)).toBe(words)
})

const row = (node: ServedRow['node']['state'], outside: ServedRow['node']['state'] | null): ServedRow => {
  const shown = (state: ServedRow['node']['state']) => ({
    state,
    notAfter: state === 'Unreachable' ? null : '2027-01-01T00:00:00Z',
    why: state === 'Current' ? null : 'a reason',
  })
  return {
    ...{ host: 'edge-1', namespace: 'platform', name: 'site-tls', servername: 'site.svc.plus' },
    ...{ node: shown(node), outside: outside === null ? null : shown(outside) },
  }
}

test('a name that is out of reach from outside may be so on purpose; another certificate never is', () => {
  expect([row('Current', 'Current'), row('Current', 'Unreachable'), row('Current', null)].every(isServed)).toBe(true)
  expect([row('Outdated', 'Current'), row('Unreachable', null), row('Current', 'Outdated')].some(isServed)).toBe(false)
})

test('a line for each name, then the reasons', () => {
  expect(servedText([row('Current', 'Unreachable'), row('Outdated', null)], true)).toMatchInlineSnapshot(`
    "HOST    NAMESPACE  NAME      SERVERNAME     NODE      OUTSIDE      VALID UNTIL
    edge-1  platform   site-tls  site.svc.plus  Current   Unreachable  2027-01-01T00:00:00Z
    edge-1  platform   site-tls  site.svc.plus  Outdated  -            2027-01-01T00:00:00Z
    site.svc.plus from outside: a reason
    site.svc.plus on the node: a reason
    "
  `)
  expect(servedText([], false)).toBe('no certificate is served by Caddy\n')
})
