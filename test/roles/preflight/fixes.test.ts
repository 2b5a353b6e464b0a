// The command that fixes a finding, by distribution, and what is no finding: hosts of facts.yaml with something other about them.

import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { z } from 'zod'
import { preflight } from '../../../roles/k3s_platform_bootstrap/preflight.ts'
import { vars } from '../../../roles/k3s_platform_bootstrap/vars.ts'
import { readFacts } from '../../../src/host/facts.ts'
import { context } from './context.ts'

const read = (file: string): unknown => parse(readFileSync(new URL(file, import.meta.url), 'utf8'))
const hosts = z.array(z.object({ host: z.string(), answer: z.string() })).parse(read('../../host/facts.yaml'))
const cases = z
  .array(
    z.strictObject({
      it: z.string(),
      host: z.string(),
      without: z.array(z.string()).default([]),
      with: z.array(z.string()).default([]),
      /** Left out: the host has nothing that the unchanged one has not. */
      finds: z.string().optional(),
      hint: z.string().optional(),
    }),
  )
  .parse(read('fixes.yaml'))

function look(answer: string, others: Parameters<typeof context>[1] = []) {
  const facts = readFacts({ text: answer }, 999_000, 1_001_000)
  return preflight(vars.parse({}), { facts, observations: new Map() }, context('edge-1', others))
}

test.each(cases)('$it', ({ host, without, with: more, finds, hint }) => {
  const base = hosts.find((one) => one.host === host)?.answer ?? ''
  const lines = base.split('\n')
  for (const line of without) expect(lines).toContain(line)
  const changed = [...lines.filter((line) => !without.includes(line)), ...more].join('\n')
  const told = ({ kind, what, hint }: { kind: string; what: string; hint?: string | undefined }) => ({
    finds: `${kind} ${what}`,
    hint,
  })
  const before = look(base).map(told)
  const after = look(changed).map(told)
  if (finds === undefined) expect(after).toEqual(before)
  else expect(after.filter((one) => one.finds === finds)).toEqual([{ finds, hint }])
})

test('two machines with one name or one machine id are told together, another pair of them is not', () => {
  const [debian] = hosts
  const met = (nodeName: string, machineId: string) => [{ host: 'edge-0', nodeName, machineId }]
  expect(look(debian?.answer ?? '', met('facts-a', '1'))).toMatchObject([
    { kind: 'warning', where: 'edge-0, edge-1', what: 'both hosts are named facts-a' },
  ])
  expect(look(debian?.answer ?? '', met('other', '12b6c12f1ac34694a2928ccc2253ef7f'))).toMatchObject([
    { kind: 'warning', where: 'edge-0, edge-1', what: 'both have the same machine ID: one is a clone of the other' },
  ])
  expect(look(debian?.answer ?? '', met('other', '1'))).toEqual([])
})
