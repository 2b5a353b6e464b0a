// Each case of issuers.yaml: how far the issuer is, which rule speaks, and the words.

import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { z } from 'zod'
import { issuer as shape } from '../../src/certificates/bundle.ts'
import { explainIssuer, ISSUER_RULES, issuerFacts, issuerReady } from '../../src/certificates/issuer.ts'
import { judge } from '../../src/certificates/rule.ts'
import { ACME_ISSUER } from '../../src/diagnosis/acme.ts'
import { CA_ISSUER, VAULT_ISSUER, VENAFI_ISSUER } from '../../src/diagnosis/issuers.ts'

const now = new Date('2026-11-23T01:24:12Z')
const cases = z
  .record(
    z.string(),
    z.strictObject({
      status: z.string().default('False'),
      reason: z.string().optional(),
      message: z.string().optional(),
      generation: z.number().default(1),
      ago: z.number().default(0),
      solvers: z.array(z.unknown()).default([]),
      /** Default: an ACME server with these solvers. */
      spec: z.unknown().optional(),
      secrets: z.array(z.object({ name: z.string(), keys: z.array(z.string()) })).optional(),
      is: z.string(),
      rule: z.string().nullable(),
    }),
  )
  .parse(parse(readFileSync(new URL('issuers.yaml', import.meta.url), 'utf8')))

test.each(Object.entries(cases))(
  '%s',
  (_, { status, reason, message, generation, ago, solvers, spec, secrets, is, rule }) => {
    const lastTransitionTime = new Date(now.getTime() - ago * 1000).toISOString()
    const conditions = reason
      ? [{ type: 'Ready', status, reason, message, lastTransitionTime, observedGeneration: 1 }]
      : []
    const live = {
      kind: 'ClusterIssuer',
      metadata: { name: 'svc-plus-acme-http01', generation },
      spec: spec ?? { acme: { server: 'https://acme.example.test:14000/dir', solvers } },
      status: { conditions },
    }
    const facts = issuerFacts(shape.parse(live), now, secrets)
    const state = explainIssuer(live, now, secrets)
    expect({ is: state.is, rule: issuerReady(facts) ? null : judge(ISSUER_RULES, facts)?.name }).toEqual({ is, rule })
    expect(state).toMatchSnapshot()
  },
)

test('every rule has a case, here or as the example of its row', () => {
  const tables = { '': ACME_ISSUER, 'ca-': CA_ISSUER, 'vault-': VAULT_ISSUER, 'venafi-': VENAFI_ISSUER }
  const rows = Object.entries(tables).flatMap(([of, table]) => table.map(({ name }) => `issuer-${of}${name}`))
  const seen = new Set([...rows, ...Object.values(cases).map(({ rule }) => rule)])
  expect(ISSUER_RULES.map(({ name }) => name).filter((name) => !seen.has(name))).toEqual([])
})

test('an issuer that is not there is waited for', () => {
  expect(explainIssuer(undefined, now)).toMatchObject({ is: 'waiting', why: 'the issuer does not exist' })
})
