// What preflight finds on the hosts of test/host/facts.yaml, with the default variables.

import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { z } from 'zod'
import { preflight } from '../../../roles/k3s_platform_bootstrap/preflight.ts'
import { vars } from '../../../roles/k3s_platform_bootstrap/vars.ts'
import { readFacts } from '../../../src/host/facts.ts'
import { context } from './context.ts'

const hosts = z
  .array(z.object({ host: z.string(), source: z.string(), answer: z.string(), finds: z.array(z.string()) }))
  .parse(parse(readFileSync(new URL('../../host/facts.yaml', import.meta.url), 'utf8')))

test.each(hosts)('$host ($source)', ({ answer, finds }) => {
  const facts = readFacts({ text: answer }, 999_000, 1_001_000)
  const found = preflight(vars.parse({}), { facts, observations: new Map() }, context())
  expect(found.map(({ kind, what }) => `${kind}: ${what}`)).toEqual(finds)
  for (const { where, why, hint, what } of found) {
    expect(where).toBe('edge-1')
    expect(hint, what).toBeTruthy()
    if (!/root is required|is not released/.test(what)) expect(why, what).toBeTruthy()
  }
})
