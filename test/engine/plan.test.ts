// The plan, from what was observed: what would be done, why, and what is left alone.

import { describe, expect, test } from 'vitest'
import { type Change, count, type Op, pending, plan } from '../../src/engine/plan.ts'
import type { Observation, Resource } from '../../src/engine/resource.ts'
import type { State } from '../../src/engine/state.ts'

interface Row extends Partial<Resource> {
  readonly id: string
  readonly found: Observation
  readonly op: Op
  readonly note?: string
  readonly because?: readonly string[]
  readonly fields?: readonly string[]
}

const is = (actual: State | null, desired: State | null): Observation => ({ actual, desired })
const fine = is({ a: 1 }, { a: 1 })
const other = is({ a: 0 }, { a: 1 })

const TABLES: Readonly<Record<string, readonly Row[]>> = {
  'each difference has its op': [
    { id: 'same', found: fine, op: 'none' },
    { id: 'missing', found: is(null, { a: 1 }), op: 'create', fields: ['a'] },
    { id: 'other', found: other, op: 'update', fields: ['a'] },
    { id: 'too much', found: is({ a: 1 }, null), op: 'delete', fields: ['present'] },
    { id: 'rightly absent', found: is(null, null), op: 'none' },
    { id: 'made of nothing', found: is(null, {}), op: 'create' },
    { id: 'there, and that is all', found: is({}, {}), op: 'none' },
  ],
  'an action has its words, and only when there is something to do': [
    { id: 'x', found: other, action: () => 'restart x', op: 'action', note: 'restart x', fields: ['a'] },
    { id: 'y', found: fine, action: () => 'restart y', op: 'none' },
    { id: 'z', found: other, action: () => null, op: 'update', fields: ['a'] },
    { id: 'gone', found: is({}, null), action: () => 'stop it', op: 'delete', fields: ['present'] },
  ],
  'what somebody else owns is shown and never written, even when an input changed': [
    { id: 'in', found: other, op: 'update', fields: ['a'] },
    {
      id: 'x',
      inputs: ['in'],
      found: { ...other, owner: 'Flux (root)' },
      op: 'owned',
      note: 'Flux (root)',
      fields: ['a'],
    },
    { id: 'y', inputs: ['x'], found: fine, afterInputs: () => ({ actual: null }), op: 'none' },
  ],
  'a file of the workstation is never pending; its fields are what is to be written': [
    { id: 'x', workstation: true, found: is(null, { a: 1 }), op: 'local', fields: ['a'] },
    { id: 'y', workstation: true, found: fine, op: 'local' },
    { id: 'z', workstation: true, found: is({ a: 1 }, null), op: 'local', fields: ['present'] },
    { id: 'w', workstation: true, found: { ...other, deferred: 'at the start' }, op: 'local', note: 'at the start' },
    { id: 'v', inputs: ['x'], found: fine, afterInputs: () => ({ actual: null }), op: 'none' },
  ],
  'what cannot be known yet is deferred': [
    { id: 'x', found: { ...other, deferred: 'after the restart' }, op: 'deferred', note: 'after the restart' },
    {
      id: 'y',
      inputs: ['x'],
      found: fine,
      afterInputs: () => ({ actual: null }),
      op: 'create',
      because: ['x'],
      fields: ['a'],
    },
  ],
  'an input that changes shows what follows from it, with the reason': [
    { id: 'a', title: 'config.yaml', found: other, op: 'update', fields: ['a'] },
    { id: 'b', title: 'the unit', found: fine, op: 'none' },
    { id: 'c', title: 'the binary', found: is(null, { a: 1 }), op: 'create', fields: ['a'] },
    {
      id: 'unit',
      title: 'k3s.service',
      inputs: ['a', 'b', 'c', 'unknown'],
      found: fine,
      afterInputs: (actual) => ({ actual: { ...actual, a: 'changed' } }),
      action: () => 'restart',
      op: 'action',
      note: 'restart',
      because: ['config.yaml', 'the binary'],
      fields: ['a'],
    },
    {
      id: 'ready',
      inputs: ['unit'],
      found: fine,
      afterInputs: () => ({ actual: null, deferred: 'after the start' }),
      op: 'deferred',
      note: 'after the start',
    },
  ],
  'an input that changes without consequence gives no reason': [
    { id: 'a', found: other, op: 'update', fields: ['a'] },
    { id: 'b', inputs: ['a'], found: fine, op: 'none' },
    { id: 'c', inputs: ['a'], found: fine, afterInputs: (actual) => ({ actual }), op: 'none' },
    { id: 'd', inputs: ['a'], found: other, op: 'update', fields: ['a'] },
  ],
  'a change that disturbs nobody is no reason': [
    { id: 'a', found: other, disturbs: () => false, op: 'update', fields: ['a'] },
    {
      id: 'b',
      found: other,
      disturbs: ({ actual, desired }) => actual?.a !== desired?.a,
      op: 'update',
      fields: ['a'],
    },
    { id: 'c', inputs: ['a'], found: fine, afterInputs: () => ({ actual: null }), op: 'none' },
    {
      id: 'd',
      inputs: ['a', 'b'],
      found: fine,
      afterInputs: () => ({ actual: null }),
      op: 'create',
      because: ['b'],
      fields: ['a'],
    },
  ],
}

const resource = ({ id, found, op, note, because, fields, ...given }: Row): Resource => ({ id, title: id, ...given })

describe.each(Object.entries(TABLES))('%s', (_, rows) => {
  // In one stage and each in its own: an input may stand in either.
  test.each(['one stage', 'a stage each'])('in %s', (how) => {
    const stages =
      how === 'one stage'
        ? [{ role: 'r', name: 's', resources: rows.map(resource) }]
        : rows.map((row, i) => ({ role: 'r', name: String(i), resources: [resource(row)] }))
    const changes = plan(stages, new Map(rows.map((row) => [row.id, row.found]))).stages.flatMap((s) => s.changes)
    const shown = ({ op, note, because, deltas, resource: { id } }: Change) => ({
      id,
      op,
      note,
      because,
      fields: deltas.map((d) => d.field),
    })
    expect(changes.map(shown)).toEqual(
      rows.map(({ id, op, note, because = [], fields = [] }) => ({ id, op, note, because, fields })),
    )
  })
})

test('a masked field is masked in the plan', () => {
  const resources = [{ id: 'x', title: 'x', masked: ['a'] }]
  const [change] = plan([{ role: 'r', name: 's', resources }], new Map([['x', other]])).stages[0]?.changes ?? []
  expect(change?.deltas).toEqual([{ field: 'a', from: '***', to: '***', masked: true }])
})

test('a resource that was not looked at is a defect, not a change', () => {
  expect(() => plan([{ role: 'r', name: 's', resources: [{ id: 'x', title: 'x' }] }], new Map())).toThrow('x')
})

test('the counts add up, and what is fine, owned or of the workstation is not pending', () => {
  const ops: readonly Op[] = ['none', 'create', 'update', 'delete', 'action', 'owned', 'deferred', 'local']
  const change = (op: Op): Change => ({
    resource: { id: op, title: op },
    op,
    deltas: [],
    because: [],
    actual: null,
    desired: null,
  })
  const changes = ops.map(change)
  expect(count({ stages: [{ role: 'r', name: 's', changes: [...changes, change('none')] }] })).toEqual({
    none: 2,
    create: 1,
    update: 1,
    delete: 1,
    action: 1,
    owned: 1,
    deferred: 1,
    local: 1,
  })
  expect(changes.filter(pending).map((c) => c.op)).toEqual(['create', 'update', 'delete', 'action', 'deferred'])
})
