// The shape of what `certs forecast -o json` prints; docs/schema/certs-forecast-v1.json is made from it.

import { z } from 'zod'
import { problem } from './run-v1.ts'

const count = z.int().nonnegative()
const certificate = { host: z.string(), namespace: z.string(), name: z.string() }
const environment = z.enum(['production', 'staging']).describe("of Let's Encrypt")

export const certsForecastDocument = z.strictObject({
  schema: z.literal('k3s-platform/certs-forecast/v1'),
  exitCode: z.union([z.literal(0), z.literal(1), z.literal(2)]),
  from: z.string().describe('RFC 3339, as all times'),
  until: z.string(),
  days: count,
  isComplete: z.boolean().describe('false: it ends early, because it has too many renewals'),
  certificates: count,
  renewals: z
    .array(
      z
        .strictObject({
          ...certificate,
          at: z.string(),
          validitySeconds: z.number(),
          notAfter: z.string(),
          kind: z.enum(['first', 'renewal']).describe('first: no certificate has been issued for these names yet'),
          limited: z.boolean().describe("whether Let's Encrypt's limits apply to it"),
        })
        .readonly(),
    )
    .readonly()
    .describe('in the order of time'),
  changes: z
    .array(
      z
        .strictObject({
          at: z.string(),
          environment,
          profile: z.string(),
          fromSeconds: z.number(),
          toSeconds: z.number(),
          certificates: count.describe('how many have this profile'),
        })
        .readonly(),
    )
    .readonly()
    .describe('of the validity of new certificates'),
  findings: z
    .array(
      z
        .strictObject({
          ...certificate,
          at: z.string(),
          kind: z
            .enum(['expires', 'refused', 'too-frequent', 'ignored-setting'])
            .describe('refused: a limit delays the renewal; the certificate in use remains valid until it is renewed'),
          what: z.string(),
          hint: z.string(),
          occurrences: count.describe('within the forecast; `at` and `what` are of the first one'),
        })
        .readonly(),
    )
    .readonly()
    .describe('the most important first'),
  buckets: z
    .array(
      z
        .strictObject({
          environment,
          limit: z
            .enum(['names', 'domain', 'orders', 'failures'])
            .describe(
              'certificates for one set of names; new ones below a registered domain; new orders of an account',
            ),
          subject: z.string(),
          burst: count,
          level: count.describe('requests left now'),
          lowest: count,
          lowestAt: z.string(),
        })
        .readonly(),
    )
    .readonly()
    .describe('the lowest first'),
  problems: z.array(problem).readonly().describe('hosts that could not be read'),
})

export type CertsForecastDocument = z.output<typeof certsForecastDocument>
