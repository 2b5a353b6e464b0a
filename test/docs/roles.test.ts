import { expect, test } from 'vitest'
import { z } from 'zod'
import { eachRole } from '../../roles/index.ts'
import { unused } from '../../roles/k3s_platform_bootstrap/vars.ts'
import type { Role } from '../../roles/role.ts'
import page from '../../templates/role.md.hbs'

const names = (list: Iterable<string>) => [...list].map((name) => `\`${name}\``).join(', ')

/** What the page of a role says besides what the role itself says. */
const WORDS: Readonly<Record<string, { readonly intro: string; readonly tag: string; readonly outro: string }>> = {
  k3s_platform_bootstrap: {
    intro: 'From a bare machine with systemd to a working k3s, and on every later run back to it.',
    tag: 'k3s',
    outro: `Names of the original roles that have no effect are accepted with a warning: ${names(Object.keys(unused))}.`,
  },
  k3s_platform_addon: {
    intro:
      'From a working k3s to the platform: addons, the secrets that they need, issuers, and a certificate in each namespace that consumes it.',
    tag: 'cert-manager',
    outro:
      'The charts are HelmCharts that k3s itself installs, side by side. An addon that is turned off is uninstalled; its CRDs and their objects stay.',
  },
}

function readme<V extends z.ZodObject>(role: Role<V>): string {
  const { properties = {} } = z.toJSONSchema(role.vars, { io: 'input', unrepresentable: 'any' })
  const parsed = role.vars.parse({})
  const defaults: Readonly<Record<string, unknown>> = parsed
  const stages = role.stages(parsed, {
    host: 'HOST',
    address: 'HOST',
    boundSeconds: undefined,
    workstation: {
      kubeconfigs: [],
      read: () => null,
      write: () => Promise.resolve(),
      edit: () => Promise.resolve(),
      create: () => Promise.resolve(true),
      remove: () => Promise.resolve(),
    },
  })
  const tags = [...new Set(stages.map(({ name }) => name))]
  return page({
    role: role.name,
    ...WORDS[role.name],
    stages: tags.map((name) => {
      const resources = stages.filter((stage) => stage.name === name).flatMap((stage) => stage.resources)
      return { name, resources: [...new Set(resources.map((r) => r.title))].join('; ') }
    }),
    variables: Object.entries(properties)
      .filter(([name]) => !Object.hasOwn(unused, name))
      .map(([name, schema]) => {
        const { description = '' } = z.object({ description: z.string().optional() }).parse(schema)
        const value = defaults[name]
        return {
          name,
          default: value === undefined ? '-' : `\`${JSON.stringify(value)}\``,
          description: description.replaceAll('|', '\\|'),
        }
      }),
  })
}

test.each(eachRole((role) => ({ name: role.name, text: () => readme(role) })))(
  'the README of $name says what its variables and stages are',
  async ({ name, text }) => {
    await expect(text()).toMatchFileSnapshot(`../../roles/${name}/README.md`)
  },
)
