// Durations, colour and redaction, by tables.

import { expect, test } from 'vitest'
import { clock, duration } from '../../src/engine/duration.ts'
import type { Op } from '../../src/engine/plan.ts'
import { Secret } from '../../src/engine/secret.ts'
import { oneAtATime } from '../../src/report/plan-text.ts'
import { redactor } from '../../src/report/redact.ts'
import { wantsColour } from '../../src/report/style.ts'

test.each([
  [0.2, '0.2 s', '0 s'],
  [31.44, '31.4 s', '31 s'],
  [59.96, '1 m', '1 m'],
  [72.3, '1 m 12 s', '1 m 12 s'],
  [180, '3 m', '3 m'],
  [7500, '2 h 5 m', '2 h 5 m'],
])('%f seconds read %s, and while they run %s', (seconds, told, running) => {
  expect([duration(seconds), clock(seconds)]).toEqual([told, running])
})

test.each([
  [true, {}, true, true],
  [true, {}, false, false],
  [false, { FORCE_COLOR: '1' }, true, false],
  [true, { NO_COLOR: '1' }, true, false],
  [true, { NO_COLOR: '' }, true, true],
  [true, { FORCE_COLOR: '1' }, false, true],
  [true, { FORCE_COLOR: '0' }, true, false],
  [true, { FORCE_COLOR: '1', NO_COLOR: '1' }, false, true],
  [true, { TERM: 'dumb' }, true, false],
])('color %s, %j, terminal %s: colour %s', (color, env, isTTY, wanted) => {
  expect(wantsColour({ color, env, isTTY })).toBe(wanted)
})

const key = '-----BEGIN KEY-----\nMC4CAQAwBQYDK2VwBCIEIJ\nshort\n-----END KEY-----\n'

test.each([
  ['as it is', 'hunter22', 'pw=hunter22;', 'pw=***;'],
  ['in JSON', 'a"b\\c1', '{"p":"a\\"b\\\\c1"}', '{"p":"***"}'],
  ['in base64', 'hunter22', 'aHVudGVyMjI=', '***='],
  ['in a URL', 'p@ss word', 'https://u:p%40ss%20word@h', 'https://u:***@h'],
  ['with its newline gone', 'token-1\n', 'Bearer token-1', 'Bearer ***'],
  ['whose characters mean something in a pattern', 'a.b*c(d', 'axbxc a.b*c(d', 'axbxc ***'],
  ['of many lines, indented', key, '  MC4CAQAwBQYDK2VwBCIEIJ\n  short', '  ***\n  short'],
  ['too short to hide', 'abc', 'abcdef', 'abcdef'],
  ['empty', '', 'abc', 'abc'],
])('a secret %s is redacted as far as it can be', (_, secret, text, shown) => {
  expect(redactor([new Secret(secret)])(text)).toBe(shown)
})

test('of two secrets the longer one is looked for first', () => {
  expect(redactor([new Secret('pass'), new Secret('password')])('password pass')).toBe('*** ***')
})

test.each<[string, readonly Op[], readonly string[]]>([
  [
    'have something to change',
    ['update', 'create', 'deferred'],
    ['One at a time: s1, s2, s3 (servers of one cluster)'],
  ],
  ['are as they should be', ['none', 'owned', 'none'], []],
  ['lack no more than a file of the workstation', ['local', 'local', 'none'], []],
  ['have one among them that changes', ['none', 'update', 'local'], []],
])('servers of one cluster that %s', (_, ops, lines) => {
  const change = { id: 'x', title: 'x', note: null, because: [], deltas: [] }
  const plans = ops.map((op, i) => ({
    at: 0,
    event: 'plan' as const,
    host: `s${i + 1}`,
    about: '',
    checks: 0,
    plan: { stages: [{ role: 'r', name: 's', changes: [{ ...change, op }] }] },
    exclusive: ['cluster'],
  }))
  expect(oneAtATime(plans)).toEqual(lines)
})
