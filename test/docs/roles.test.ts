import { expect, test } from 'vitest'
import { z } from 'zod'
import { bootstrap } from '../../roles/k3s_platform_bootstrap/role.ts'
import { unused } from '../../roles/k3s_platform_bootstrap/vars.ts'
import page from '../../templates/role.md.hbs'

test('the README of k3s_platform_bootstrap says what its variables and stages are', async () => {
  const { properties = {} } = z.toJSONSchema(bootstrap.vars, { io: 'input', unrepresentable: 'any' })
  const parsed = bootstrap.vars.parse({})
  const defaults: Readonly<Record<string, unknown>> = parsed
  const stages = bootstrap.stages(parsed, {
    host: 'HOST',
    address: 'HOST',
    boundSeconds: undefined,
    workstation: {
      kubeconfigs: [],
      read: () => null,
      write: () => Promise.resolve(),
      edit: () => Promise.resolve(),
      remove: () => Promise.resolve(),
    },
  })
  const text = page({
    role: bootstrap.name,
    intro: 'From a bare machine with systemd to a working k3s, and on every later run back to it.',
    stages: stages.map(({ name, resources }) => ({ name, resources: resources.map((r) => r.title).join('; ') })),
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
    outro: `Names of the original roles that have no effect are accepted with a warning: ${Object.keys(unused)
      .map((name) => `\`${name}\``)
      .join(', ')}.`,
  })
  await expect(text).toMatchFileSnapshot('../../roles/k3s_platform_bootstrap/README.md')
})
