// The shape of the document that `-o json` prints; docs/schema/run-v1.json is made from it.

import { z } from 'zod'

const count = z.int().nonnegative()
const seconds = z.number().nonnegative()
const op = z.enum(['none', 'create', 'update', 'delete', 'action', 'owned', 'deferred'])

export const problem = z
  .strictObject({
    kind: z.enum(['usage', 'unreachable', 'failed', 'warning', 'interrupted']),
    where: z.string().describe('file:line:column path, host, or host and resource'),
    what: z.string(),
    why: z.string().optional(),
    hint: z.string().optional(),
    rescued: z.literal(true).optional().describe('the last good state was put back'),
  })
  .meta({ id: 'problem' })

const delta = z
  .strictObject({
    field: z.string(),
    from: z.unknown().describe('null: absent; "***" when masked'),
    to: z.unknown().describe('null: absent; "***" when masked'),
    masked: z.literal(true).optional(),
  })
  .meta({ id: 'delta' })

const change = z
  .strictObject({
    id: z.string(),
    title: z.string(),
    op,
    note: z
      .string()
      .nullable()
      .describe(
        'action: what is done; owned: the owner; deferred: what it waits for; create, update: whose word a digest is',
      ),
    because: z.array(z.string()).describe('titles of the inputs that cause it'),
    deltas: z.array(delta),
  })
  .meta({ id: 'change' })

const stage = z.strictObject({ role: z.string(), name: z.string(), changes: z.array(change) }).meta({ id: 'stage' })

const step = z
  .strictObject({
    role: z.string(),
    stage: z.string(),
    id: z.string(),
    title: z.string(),
    op,
    seconds,
  })
  .describe('a change that was made')
  .meta({ id: 'step' })

const recap = z
  .strictObject({ ok: count, changed: count, unreachable: count, failed: count, skipped: count, rescued: count })
  .meta({ id: 'recap' })

const host = z
  .strictObject({
    host: z.string(),
    status: z.enum(['ok', 'pending', 'failed', 'unreachable', 'interrupted']),
    about: z.string().nullable(),
    recap,
    seconds,
    execs: count.describe('commands run over the connection'),
    plan: z
      .strictObject({ checks: count, stages: z.array(stage) })
      .nullable()
      .describe('what was to do when the run began; null: it did not get that far'),
    steps: z.array(step),
    problems: z.array(problem),
  })
  .meta({ id: 'host' })

export const runDocument = z
  .strictObject({
    schema: z.literal('k3s-platform/run/v1'),
    mode: z.enum(['apply', 'check']),
    status: z.enum(['ok', 'pending', 'failed', 'usage', 'interrupted']),
    exitCode: z.int(),
    hosts: z.array(host),
    problems: z.array(problem).describe('those that belong to no host'),
  })
  .describe('One run of k3s-platform apply or plan')

export type RunDocument = z.infer<typeof runDocument>
