// Owners by the marks on an object, and field managers by their names.

import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { z } from 'zod'
import { live } from '../../src/cluster/object.ts'
import { managerOf, ownerOf } from '../../src/cluster/ownership.ts'

const strings = z.record(z.string(), z.string())
const metadata = z.strictObject({ labels: strings.default({}), annotations: strings.default({}) })
const { owners, managers } = z
  .strictObject({
    owners: z.array(
      z.strictObject({ name: z.string(), metadata, wanted: metadata.optional(), owner: z.string().nullable() }),
    ),
    managers: strings,
  })
  .parse(parse(readFileSync(new URL('ownership.yaml', import.meta.url), 'utf8')))

const OBJECT = { apiVersion: 'v1', kind: 'ConfigMap' }

test.each(owners)('the owner of $name is $owner', ({ metadata: found, wanted, owner }) => {
  const object = live.parse({ ...OBJECT, metadata: { name: 'x', ...found } })
  expect(ownerOf(object, wanted && { ...OBJECT, metadata: { name: 'x', ...wanted } })).toBe(owner)
})

test.each(Object.entries(managers))('the manager %s is %s', (name, expected) => {
  const { title, writesAgain } = managerOf(name)
  expect(`${title}${writesAgain ? ', again' : ''}`).toBe(expected)
})
