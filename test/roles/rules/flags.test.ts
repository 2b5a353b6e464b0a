// Every flag that k3s has may stand in config.yaml: the table of flags against the list of a release.

import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { z } from 'zod'
import { deprecated, flags, longName } from '../../../roles/k3s/flags.ts'

const list = z
  .object({ flags: z.string(), short: z.string() })
  .parse(parse(readFileSync(new URL('k3s-flags.yaml', import.meta.url), 'utf8')))

test('each flag of k3s v1.36.3 has a shape in the table, and the table has no other', () => {
  expect([...flags.keys()].toSorted()).toEqual(list.flags.split(' ').toSorted())
})

test('each short name leads to a flag, and every other name is itself', () => {
  for (const name of list.short.split(' ')) expect(flags.has(longName(name)), name).toBe(true)
  expect(['c', 'constructor', 'data-dir', 'node-label'].map(longName)).toEqual([
    'c',
    'constructor',
    'data-dir',
    'node-label',
  ])
})

test('what k3s deprecates is still a flag', () => {
  for (const name of Object.keys(deprecated)) expect(flags.has(name), name).toBe(true)
})
