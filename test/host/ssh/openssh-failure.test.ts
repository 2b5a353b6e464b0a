// Which ends of the system's ssh are a server that closes before its banner: those may be tried again, no other.

import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { z } from 'zod'
import { EarlyClose } from '../../../src/host/ssh/early-close.ts'
import { knownFor, parsePins } from '../../../src/host/ssh/hostkeys.ts'
import { explain } from '../../../src/host/ssh/openssh-failure.ts'

const cases = z
  .array(z.strictObject({ name: z.string(), again: z.boolean(), said: z.string() }))
  .parse(parse(readFileSync(new URL('early-closes.yaml', import.meta.url), 'utf8')))

const at = { name: 'edge-1', host: '203.0.113.9', port: 22 }
const login = {
  ...at,
  user: 'deploy',
  hostKeyAlias: undefined,
  password: undefined,
  timeoutMs: 10_000,
  trust: { ...at, known: knownFor([], at.host, at.port), pins: parsePins('edge-1', []), policy: 'strict' as const },
}

test.each(cases)('a login is only repeated if nothing was sent yet: $name', ({ said, again }) => {
  expect(explain(login, said.replaceAll('\n', '\r\n')) instanceof EarlyClose).toBe(again)
})

test('where a ProxyCommand does not say whether it was turned away, the problem says what would', () => {
  const said = cases.find(({ name }) => name.includes('does not say'))?.said ?? ''
  expect(explain(login, said).problems[0]?.hint).toMatch(/use ProxyJump, or ssh -v/)
})
