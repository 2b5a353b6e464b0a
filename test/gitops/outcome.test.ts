import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { z } from 'zod'
import { type Live, live } from '../../src/cluster/object.ts'
import { applied, fetched, type Outcome, REQUESTED } from '../../src/gitops/outcome.ts'

const given = z
  .strictObject({
    conditions: z.array(z.tuple([z.string(), z.string(), z.string(), z.string()])),
    observed: z.number().default(1),
    /** As each condition has it for itself. */
    conditionsObserved: z.number().optional(),
    /** The request that it bears, and the last one that it has handled. */
    asked: z.string().optional(),
    handled: z.string().optional(),
    attempted: z.string().optional(),
    inventory: z.array(z.string()).optional(),
    artifact: z.string().optional(),
    applied: z.string().optional(),
    path: z.string().default('./x'),
    /** Name of the GitRepository that it takes. */
    from: z.string().default('platform-config'),
    suspend: z.boolean().default(false),
    deleted: z.string().optional(),
  })
  .nullable()
const expected = {
  name: z.string(),
  requested: z.string().optional(),
  is: z.enum(['ready', 'waiting', 'failed']),
  what: z.string().optional(),
  why: z.string().optional(),
  hint: z.string().optional(),
  revision: z.string().optional(),
  unwell: z.array(z.string()).optional(),
}
const wanted = z.object(expected)
const cases = z
  .strictObject({
    fetched: z.array(z.strictObject({ ...expected, source: given })),
    applied: z.array(z.strictObject({ ...expected, root: given, children: z.record(z.string(), given).default({}) })),
  })
  .parse(parse(readFileSync(new URL('outcomes.yaml', import.meta.url), 'utf8')))

function object(kind: string, name: string, is: z.output<typeof given>): Live | null {
  if (is === null) return null
  const { observed, conditionsObserved, asked, handled, attempted, artifact, inventory, path, from, suspend } = is
  const conditions = is.conditions.map(([type, status, reason, message]) => ({
    ...{ type, status, reason, message },
    ...(conditionsObserved !== undefined && { observedGeneration: conditionsObserved }),
  }))
  return live.parse({
    apiVersion: 'x/v1',
    kind,
    metadata: {
      ...{ namespace: 'flux-system', name, generation: 1 },
      ...(asked && { annotations: { [REQUESTED]: asked } }),
      ...(is.deleted && { deletionTimestamp: is.deleted }),
    },
    spec: { path, suspend, sourceRef: { kind: 'GitRepository', name: from } },
    status: {
      conditions,
      observedGeneration: observed,
      ...(artifact && { artifact: { revision: artifact } }),
      ...(is.applied && { lastAppliedRevision: is.applied }),
      ...(attempted && { lastAttemptedRevision: attempted }),
      ...(handled && { lastHandledReconcileAt: handled }),
      ...(inventory && { inventory: { entries: inventory.map((id) => ({ id, v: 'v1' })) } }),
    },
  })
}

function check(outcome: Outcome, { is, what, why, hint, revision, unwell }: z.output<typeof wanted>) {
  expect(outcome.is).toBe(is)
  if (outcome.is === 'ready') return revision === undefined || expect(outcome.revision).toBe(revision)
  for (const [said, wanted] of [
    [outcome.what, what],
    [outcome.why, why],
    [outcome.hint, hint],
  ])
    if (typeof wanted === 'string') expect(said).toContain(wanted)
  if (outcome.is === 'failed') expect(outcome.hint).toBeTruthy()
  if (unwell !== undefined) expect(outcome.unwell).toEqual(unwell)
}

describe('a GitRepository', () => {
  test.each(cases.fetched)('$name', ({ source, requested, ...rest }) => {
    check(fetched(object('GitRepository', 'platform-config', source), { requested }), rest)
  })
})

describe('the Kustomization that stands for the tree', () => {
  test.each(cases.applied)('$name', ({ root, children, requested, ...rest }) => {
    const below = Object.entries(children).flatMap(([name, is]) => object('Kustomization', name, is) ?? [])
    const own = object('Kustomization', 'platform-root', root)
    check(applied({ root: own, children: below, revision: rest.revision, requested }), rest)
  })
})
