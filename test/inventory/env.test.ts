// Variables that default to the environment: the first name that has a value, below what the inventory says.

import { tmpdir } from 'node:os'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { Secret } from '../../src/engine/secret.ts'
import { bindVars, type Host } from '../../src/inventory/index.ts'
import { loadInventory } from '../../src/inventory/load.ts'

const schema = z.object({
  k3s_platform_token: z
    .string()
    .meta({ secret: true })
    .min(4, 'too short')
    .transform((text) => new Secret(text))
    .optional()
    .meta({ env: ['FIRST_TOKEN', 'SECOND_TOKEN'] }),
})

async function hostWith(vars: string): Promise<Host> {
  const extraVars = vars === '' ? [] : [vars]
  const [host] = (await loadInventory({ sources: ['edge-1,'], extraVars, cwd: tmpdir(), env: {} })).hosts
  if (host === undefined) throw new Error('no host')
  return host
}

test.each([
  ['the inventory wins', 'k3s_platform_token=written', { FIRST_TOKEN: 'from env' }, 'written'],
  ['the first name that is not empty counts', '', { FIRST_TOKEN: '', SECOND_TOKEN: 'second' }, 'second'],
  ['a template in it is text', '', { FIRST_TOKEN: '{{ nobody }}' }, '{{ nobody }}'],
  ['none of them is not set', '', {}, undefined],
])('%s', async (_, vars, env, value) => {
  const bound = bindVars(await hostWith(vars), schema, { env })
  expect(bound.problems).toEqual([])
  expect(bound.value?.k3s_platform_token?.reveal()).toBe(value)
})

test('a value of the environment that is refused is told by its name, and not shown', async () => {
  const { problems } = bindVars(await hostWith(''), schema, { env: { FIRST_TOKEN: 'abc' } })
  expect(problems).toEqual([{ kind: 'usage', where: 'environment  FIRST_TOKEN', what: 'too short' }])
})
