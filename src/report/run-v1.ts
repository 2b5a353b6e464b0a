// The shape of the document that `-o json` prints; docs/schema/run-v1.json is made from it.

import { z } from 'zod'

const count = z.int().nonnegative()
const seconds = z.number().nonnegative()
const op = z
  .enum(['none', 'create', 'update', 'delete', 'action', 'owned', 'deferred', 'local'])
  .describe('local: a file on the workstation, which is never pending; its deltas are what apply writes')

export const problem = z
  .strictObject({
    kind: z.enum(['usage', 'unreachable', 'failed', 'warning', 'interrupted']),
    where: z.string().describe('file:line:column path, host, or host and resource'),
    what: z.string(),
    why: z.string().optional(),
    hint: z.string().optional(),
    rescued: z.literal(true).optional().describe('the last good state was restored'),
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
        'action: the action; owned: the owner; deferred, local: what it waits for; create, update: the source of a digest',
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
  .describe('an applied change')
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
      .describe('the plan at the start of the run; null: the run ended before it was computed'),
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
    problems: z.array(problem).describe('problems that do not belong to a host'),
  })
  .describe('One run of k3s-platform apply or plan')

export type RunDocument = z.infer<typeof runDocument>
