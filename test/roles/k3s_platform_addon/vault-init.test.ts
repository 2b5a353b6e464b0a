// Vault's variables by a table: the stages that they make, and what is said of those that do not go together.

import { mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { z } from 'zod'
import { addon } from '../../../roles/k3s_platform_addon/role.ts'
import { vars } from '../../../roles/k3s_platform_addon/vars.ts'
import { vaultInitFindings, vaultInitStages } from '../../../roles/k3s_platform_addon/vault-init.ts'
import { bindVars, loadInventory } from '../../../src/inventory/index.ts'
import { context } from '../k3s_platform_bootstrap/given.ts'

const PHASES = ['pre_flux', 'post_flux'] as const
const row = z.strictObject({
  vars: z.string(),
  env: z.record(z.string(), z.string()).default({}),
  makes: z.partialRecord(z.enum(PHASES), z.array(z.string())).optional(),
  /** Why nothing can be shown. */
  refused: z.string().optional(),
  says: z.array(z.string()).default([]),
})
const table = z.record(z.string(), row)
const rows = table.parse(parse(readFileSync(join(import.meta.dirname, 'vault-init.yaml'), 'utf8')))

test.each(Object.entries(rows))('%s', async (_, { vars: text, env, makes, says, refused }) => {
  const cwd = realpathSync(mkdtempSync(join(tmpdir(), 'vault-init-')))
  try {
    const lines = text.replace(/^(?=.)/gm, '    ')
    writeFileSync(join(cwd, 'all.yaml'), `all:\n  hosts:\n    edge-1:\n  vars:\n${lines || '    x: 1'}`)
    const { hosts } = await loadInventory({ sources: [join(cwd, 'all.yaml')], cwd, env })
    const [host] = hosts
    if (host === undefined) throw new Error('no host')
    const { sound, problems, broken } = bindVars(host, vars, { env })
    if (sound === undefined) throw new Error('nothing is sound')
    const names = new Set(host.names())
    const written = { given: (name: string) => names.has(name), broken: (name: string) => broken.has(name) }
    const found = vaultInitFindings(sound, { ...(refused && { terminal: { refused } }) }, written).map(
      ({ path, what, warning, missing }) => {
        const kind = warning ? 'warning' : missing ? 'missing' : 'x'
        return `${kind} ${host.where(path)}: ${what}`
      },
    )
    const told = [...problems.map(({ where, what }) => `x ${where}: ${what}`), ...found]
    expect(told.map((line) => line.replaceAll(`${cwd}/`, ''))).toEqual(says)
    const stages = PHASES.map((phase) => [phase, vaultInitStages(sound, context, phase)] as const)
    const made = stages.flatMap(([phase, all]) =>
      all.map(({ resources }) => [phase, resources.map(({ title }) => title)] as const),
    )
    if (makes) expect(Object.fromEntries(made)).toEqual(makes)
    expect(inspect([problems, found, stages], { depth: null })).not.toContain('hidden')
  } finally {
    rmSync(cwd, { recursive: true })
  }
})

test('the stage stands before what reads Vault, or last but the clearing up; and nothing of it is ever pruned', () => {
  const given = (phase: string) =>
    vars.parse({
      k3s_platform_vault_server: 'https://vault.svc.plus',
      k3s_platform_vault_bootstrap_mode: 'migrate',
      k3s_platform_vault_init_phase: phase,
      k3s_platform_vault_root_token: 'hvs.x',
      k3s_platform_vault_init_json: '{"keys":["61"]}',
      k3s_platform_external_secrets: [{ name: 'a', namespaces: ['core-prod'], dataFrom: ['a'] }],
    })
  const names = (phase: string) => addon.stages(given(phase), context).map(({ name }) => name)
  const early = names('pre_flux')
  expect(early[early.indexOf('vault-init') + 1]).toBe('vault')
  expect(names('post_flux').slice(-2)).toEqual(['vault-init', 'prune'])
  const [stage] = vaultInitStages(given('pre_flux'), context, 'pre_flux')
  expect(stage?.resources.map(({ writes }) => writes)).toEqual([undefined, undefined, undefined])
})
