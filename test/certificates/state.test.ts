// Each case of states.yaml: the state of a Certificate by its status, and what a program makes of it.

import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { z } from 'zod'
import { certificate } from '../../src/certificates/bundle.ts'
import { certificateFindings } from '../../src/certificates/findings.ts'
import { CERTIFICATE_STATES, certificateState, isHealthy, tlsStatusOf } from '../../src/certificates/state.ts'

const now = new Date('2026-11-23T01:24:12Z')
const condition = z.tuple([z.string(), z.string()]).rest(z.string())
const cases = z
  .record(
    z.string(),
    z.strictObject({
      generation: z.number().default(1),
      status: z.looseObject({ conditions: z.array(condition).default([]) }),
      state: z.enum(CERTIFICATE_STATES),
      is: z.enum(['issued', 'pending', 'failed']),
    }),
  )
  .parse(parse(readFileSync(new URL('states.yaml', import.meta.url), 'utf8')))

test.each(Object.entries(cases))('%s', (_, { generation, status, state, is }) => {
  const conditions = status.conditions.map(([type, value, reason, lastTransitionTime]) => ({
    ...{ type, status: value, reason, observedGeneration: 1 },
    ...(lastTransitionTime !== undefined && { lastTransitionTime }),
  }))
  const live = certificate.parse({
    metadata: { name: 'tls', namespace: 'database', generation },
    spec: { secretName: 'tls', issuerRef: { name: 'issuer' } },
    status: { ...status, conditions },
  })
  const found = certificateState(live, now)
  expect({ state: found, is: tlsStatusOf(found) }).toEqual({ state, is })
})

test('only what is valid, and renewed in time, is healthy', () => {
  expect(CERTIFICATE_STATES.filter(isHealthy)).toEqual(['Ready', 'Renewing'])
})

test('doctor tells what does not end well by itself, and leaves out what is in progress', () => {
  const live = (name: string, created: string, status: object) => ({
    kind: 'Certificate',
    metadata: { name, namespace: 'database', generation: 1, creationTimestamp: created },
    spec: { secretName: name, issuerRef: { name: 'issuer' } },
    status,
  })
  const condition = (type: string) => [{ type, status: 'True' }]
  const all = [
    live('well', '2026-01-01T00:00:00Z', { conditions: condition('Ready'), notAfter: '2027-01-23T01:24:12Z' }),
    live('new', '2026-11-23T01:24:00Z', { conditions: condition('Issuing') }),
    live('stuck', '2026-11-22T01:24:12Z', { conditions: condition('Issuing') }),
    live('gone', '2026-01-01T00:00:00Z', { notAfter: '2026-11-22T01:24:12Z' }),
    live('late', '2026-01-01T00:00:00Z', {
      ...{ conditions: condition('Ready'), notAfter: '2026-11-24T01:24:12Z', renewalTime: '2026-11-01T00:00:00Z' },
    }),
  ]
  expect(certificateFindings(all, 'edge-1', now)).toMatchInlineSnapshot(`
    [
      {
        "hint": "k3s-platform certs explain -n database stuck -l edge-1",
        "what": "it is not issued after 24 h",
        "where": "Certificate database/stuck",
      },
      {
        "hint": "k3s-platform certs explain -n database gone -l edge-1",
        "what": "the certificate has expired",
        "where": "Certificate database/gone",
        "why": "valid until 2026-11-22T01:24:12Z, 24 h ago",
      },
      {
        "hint": "k3s-platform certs explain -n database late -l edge-1",
        "what": "its renewal has failed or is overdue",
        "where": "Certificate database/late",
        "why": "valid until 2026-11-24T01:24:12Z, in 24 h",
      },
    ]
  `)
})
