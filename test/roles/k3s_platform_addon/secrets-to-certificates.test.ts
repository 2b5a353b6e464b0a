// Secrets, Vault, issuers and certificates by tables: variables as they are written, and what is made or said of them.

import { mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test, vi } from 'vitest'
import { parse, stringify } from 'yaml'
import { z } from 'zod'
import { certificateFindings } from '../../../roles/k3s_platform_addon/certificate-rules.ts'
import { certificateStages } from '../../../roles/k3s_platform_addon/certificates.ts'
import { copyFindings } from '../../../roles/k3s_platform_addon/copies.ts'
import { locateFindings, withCustomDomains } from '../../../roles/k3s_platform_addon/custom-domains.ts'
import { issuerFindings, issuerStages } from '../../../roles/k3s_platform_addon/issuers.ts'
import { namespacesOf, secretFindings, secretStages } from '../../../roles/k3s_platform_addon/secrets.ts'
import { vars } from '../../../roles/k3s_platform_addon/vars.ts'
import { externalSecretStages } from '../../../roles/k3s_platform_addon/vault.ts'
import { Secret } from '../../../src/engine/secret.ts'
import { bindVars, loadInventory } from '../../../src/inventory/index.ts'
import { context } from '../k3s_platform_bootstrap/given.ts'

/** A kind that only remembers what it was asked for, so that the tables show the whole of it. */
const { kind } = vi.hoisted(() => ({
  kind:
    (name: string) =>
    (spec: object, more: object = {}) => ({ id: `${name}-id`, name, spec: { ...spec, ...more } }),
}))
vi.mock('../../../src/cluster/kinds/object.ts', () => ({ object: kind('object') }))
vi.mock('../../../src/cluster/kinds/secret.ts', () => ({ secret: kind('secret') }))
vi.mock('../../../src/cluster/kinds/present.ts', () => ({ present: kind('present') }))
vi.mock('../../../src/cluster/kinds/issuance.ts', () => ({
  issuerReady: kind('issuerReady'),
  certificateReady: kind('certificateReady'),
}))
vi.mock('../../../src/cluster/kinds/caddy.ts', async (original) => ({
  ...(await original<object>()),
  caddyServes: kind('caddyServes'),
}))
vi.mock('../../../src/cluster/kinds/synced.ts', () => ({
  storeReady: kind('storeReady'),
  secretSynced: kind('secretSynced'),
}))

const made = {
  secrets: secretStages,
  vault: externalSecretStages,
  issuers: issuerStages,
  certificates: certificateStages,
}

/** By the sentence that it is called: group_vars/all.yaml, or that and the environment. */
const cases = z.record(
  z.string(),
  z.union([z.string(), z.strictObject({ vars: z.string(), env: z.record(z.string(), z.string()) })]),
)
const topic = z.strictObject({
  makes: z.partialRecord(z.enum(['secrets', 'vault', 'issuers', 'certificates']), cases).optional(),
  says: cases.optional(),
})

async function bound(given: z.output<typeof cases>[string]) {
  const { vars: text, env } = typeof given === 'string' ? { vars: given, env: {} } : given
  const cwd = realpathSync(mkdtempSync(join(tmpdir(), 'addon-')))
  try {
    const lines = text.replace(/^(?=.)/gm, '    ')
    writeFileSync(join(cwd, 'all.yaml'), `all:\n  hosts:\n    edge-1:\n  vars:\n${lines || '    x: 1'}`)
    const { hosts, problems } = await loadInventory({ sources: [join(cwd, 'all.yaml')], cwd, env })
    expect(problems).toEqual([])
    const [host] = hosts
    if (host === undefined) throw new Error('no host')
    const is = bindVars(host, vars, { env })
    const whole = (v: typeof is.sound) => v && withCustomDomains(v)
    return {
      ...{ host, ...is, given: is.sound, value: whole(is.value), sound: whole(is.sound) },
      clean: (out: string) => out.replaceAll(`${cwd}/`, ''),
    }
  } finally {
    rmSync(cwd, { recursive: true })
  }
}

async function said(given: z.output<typeof cases>[string]): Promise<string> {
  const { host, given: before, sound, problems, broken, clean } = await bound(given)
  const names = new Set(host.names())
  const written = { given: (name: string) => names.has(name), broken: (name: string) => broken.has(name) }
  const found =
    sound === undefined || before === undefined
      ? []
      : locateFindings(before, [
          ...secretFindings(sound, context, written),
          ...issuerFindings(sound, context, written),
          ...certificateFindings(sound, context, written),
          ...copyFindings(sound),
        ]).map(({ path, warning, ...rest }) => ({
          kind: warning ? 'warning' : 'usage',
          where: host.where(path),
          ...rest,
        }))
  const lines = [...problems, ...found].map(
    ({ kind, where, what, hint }) =>
      `${kind === 'usage' ? 'x' : kind} ${where}: ${what}${hint === undefined ? '' : `\n    hint: ${hint}`}`,
  )
  return clean(`\n${lines.join('\n')}\n`)
}

/** Secrets as what they are: these are no one's. */
const revealed = (value: unknown): unknown =>
  value instanceof Secret
    ? `secret ${value.reveal()}`
    : Array.isArray(value)
      ? value.map(revealed)
      : typeof value === 'object' && value !== null
        ? Object.fromEntries(Object.entries(value).map(([key, one]) => [key, revealed(one)]))
        : value

describe.each(['secrets', 'issuers', 'certificates', 'custom-domains', 'copies'])('%s', (name) => {
  const { makes = {}, says = {} } = topic.parse(parse(readFileSync(join(import.meta.dirname, `${name}.yaml`), 'utf8')))

  for (const [stage, table] of Object.entries(makes)) {
    test.each(Object.entries(table))(`makes: %s (${stage})`, async (_, given) => {
      const { value, problems } = await bound(given)
      expect(problems).toEqual([])
      if (value === undefined) return
      const stages = made[z.enum(['secrets', 'vault', 'issuers', 'certificates']).parse(stage)](value, context)
      const resources = stages.flatMap((one) => one.resources.map((resource) => [one.name, resource] as const))
      const shown = resources.map(([at, resource]) => {
        const { name: of, spec } = z.looseObject({ name: z.string(), spec: z.unknown() }).parse(resource)
        return stringify({ [`${at}: ${of}`]: revealed(spec) }, { lineWidth: 0, aliasDuplicateObjects: false })
      })
      expect(`\n${shown.join('')}namespaces: ${namespacesOf(value).join(' ')}\n`).toMatchSnapshot()
    })
  }

  test.each(Object.entries(says))('says: %s', async (_, given) => {
    expect(await said(given)).toMatchSnapshot()
  })
})
