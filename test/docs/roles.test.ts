import { expect, test } from 'vitest'
import type { z } from 'zod'
import { eachRole } from '../../roles/index.ts'
import { unused } from '../../roles/k3s_platform_bootstrap/vars.ts'
import type { Role } from '../../roles/role.ts'
import { variablesOf } from '../../src/cli/variable-table.ts'
import page from '../../templates/role.md.hbs'

const names = (list: Iterable<string>) => [...list].map((name) => `\`${name}\``).join(', ')

/** What the page of a role says besides what the role itself says. */
const WORDS: Readonly<Record<string, { readonly intro: string; readonly tag: string; readonly outro: string }>> = {
  k3s_platform_bootstrap: {
    intro: 'Turns a bare machine with systemd into a working k3s node; later runs restore that state.',
    tag: 'k3s',
    outro: `Names of the original roles that have no effect are accepted with a warning: ${names(Object.keys(unused))}.`,
  },
  k3s_platform_addon: {
    intro:
      'From a working k3s to the platform: addons, the secrets that they need, issuers, and a certificate in each namespace that consumes it.',
    tag: 'cert-manager',
    outro:
      'The charts are HelmCharts that k3s itself installs, in parallel. An addon that is disabled is uninstalled; its CRDs and their objects are kept.',
  },
}

function readme<V extends z.ZodObject>(role: Role<V>): string {
  const parsed = role.vars.parse({})
  const stages = role.stages(parsed, {
    host: 'HOST',
    address: 'HOST',
    boundSeconds: undefined,
    interactive: true,
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
    variables: variablesOf(role.name, role.vars)
      .filter(({ hasEffect }) => hasEffect)
      .map(({ name, preset, about }) => ({
        name,
        default: preset === undefined ? '-' : `\`${JSON.stringify(preset)}\``,
        description: about.replaceAll('|', '\\|'),
      })),
  })
}

test.each(eachRole((role) => ({ name: role.name, text: () => readme(role) })))(
  'the README of $name says what its variables and stages are',
  async ({ name, text }) => {
    await expect(text()).toMatchFileSnapshot(`../../roles/${name}/README.md`)
  },
)
