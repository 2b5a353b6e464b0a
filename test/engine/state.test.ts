// How two states differ: by field, masked where it is a secret.

import { expect, test } from 'vitest'
import { type Delta, diff, type State, same } from '../../src/engine/state.ts'

const masked = ['token']
const DIFFS: readonly (readonly [string, State | null, State | null, readonly Delta[]])[] = [
  ['nothing and nothing', null, null, []],
  ['equal fields', { a: 1, b: 'x' }, { a: 1, b: 'x' }, []],
  ['a field that only the actual has', { a: 1, seen: true }, { a: 1 }, []],
  ['a field that differs', { a: 1 }, { a: 2 }, [{ field: 'a', from: 1, to: 2 }]],
  ['text and a number that read alike', { a: '1' }, { a: 1 }, [{ field: 'a', from: '1', to: 1 }]],
  ['a field that is missing', {}, { a: 'x' }, [{ field: 'a', from: null, to: 'x' }]],
  ['a field that should be absent and is', {}, { a: null }, []],
  ['a field that should be absent', { a: 'x' }, { a: null }, [{ field: 'a', from: 'x', to: null }]],
  [
    'false, 0 and empty text, which are not absent',
    { a: null, b: null, c: null },
    { a: false, b: 0, c: '' },
    [
      { field: 'a', from: null, to: false },
      { field: 'b', from: null, to: 0 },
      { field: 'c', from: null, to: '' },
    ],
  ],
  ['everything, where nothing is', null, { a: 1 }, [{ field: 'a', from: null, to: 1 }]],
  ['something that should not be', { a: 1 }, null, [{ field: 'present', from: true, to: false }]],
  ['maps in another order of keys', { a: { x: 1, y: [1, { z: 2 }] } }, { a: { y: [1, { z: 2 }], x: 1 } }, []],
  ['lists in another order', { a: [1, 2] }, { a: [2, 1] }, [{ field: 'a', from: [1, 2], to: [2, 1] }]],
  ['a list and a longer one', { a: [1] }, { a: [1, null] }, [{ field: 'a', from: [1], to: [1, null] }]],
  [
    'a map with a key of null and one without',
    { a: { x: null } },
    { a: {} },
    [{ field: 'a', from: { x: null }, to: {} }],
  ],
  ['an empty list and an empty map', { a: [] }, { a: {} }, [{ field: 'a', from: [], to: {} }]],
  [
    'a secret that changed',
    { token: 'old' },
    { token: 'new' },
    [{ field: 'token', from: '***', to: '***', masked: true }],
  ],
  ['a secret that is new', null, { token: 'new' }, [{ field: 'token', from: null, to: '***', masked: true }]],
  ['a secret that goes', { token: 'old' }, { token: null }, [{ field: 'token', from: '***', to: null, masked: true }]],
  ['a secret that is the same', { token: 'old' }, { token: 'old' }, []],
]

test.each(DIFFS)('%s', (_, actual, desired, deltas) => {
  expect(diff(actual, desired, masked)).toEqual(deltas)
})

test('keys of an object prototype are no keys', () => {
  expect(same({}, { toString: 'x' })).toBe(false)
  expect(same({ toString: 'x' }, { constructor: 'x' })).toBe(false)
})
