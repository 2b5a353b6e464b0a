// What Helm says, and what is made of it.

import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { z } from 'zod'
import { helmError } from '../../src/cluster/helm-errors.ts'

const cases = z
  .array(z.strictObject({ name: z.string(), log: z.string() }))
  .parse(parse(readFileSync(new URL('helm-errors.yaml', import.meta.url), 'utf8')))

describe('an error of Helm is told in words', () => {
  test.each(cases)('$name', ({ log }) => {
    expect(helmError(log)).toMatchSnapshot()
  })
})
