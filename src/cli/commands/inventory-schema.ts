// inventory schema: the JSON Schema of files with variables, and of hosts.yaml, made from the variables that the roles take.

import { z } from 'zod'
import { eachRole } from '../../../roles/index.ts'
import { connectionVariables } from '../../inventory/index.ts'
import { EXIT } from '../../report/outcome.ts'
import type { Io } from '../io.ts'
import type { CliOptions } from '../options.ts'

export async function schema({ hostsFile }: CliOptions & { readonly hostsFile: boolean }, io: Io): Promise<number> {
  io.document(hostsFile ? hostsSchema() : varsSchema())
  return EXIT.ok
}

const DIALECT = 'http://json-schema.org/draft-07/schema#'
const OWN = '^k3s_platform_'

/** What a template gives is not known before it is evaluated. */
const TEMPLATE = { type: 'string', pattern: '\\{\\{' }

const Made = z.object({
  properties: z.record(z.string(), z.record(z.string(), z.unknown())),
  definitions: z.record(z.string(), z.unknown()).default({}),
})

/** Of all variables: the connection's, and each role's. */
function made() {
  const shapes = [connectionVariables.shape, ...eachRole((role): z.ZodRawShape => role.vars.shape)]
  const all = z.object(Object.fromEntries(shapes.flatMap((shape) => Object.entries(shape))))
  const schema = z.toJSONSchema(all, { io: 'input', unrepresentable: 'any', target: 'draft-7' })
  const { properties, definitions } = Made.parse(schema)
  return {
    properties: Object.fromEntries(Object.entries(properties).map(([n, one]) => [n, variable(one)])),
    definitions,
  }
}

/** What our schemas know about a variable beside its type. */
const META = ['hint', 'env', 'secret']

function variable({ description, default: preset, ...rest }: Readonly<Record<string, unknown>>): object {
  const type = Object.fromEntries(Object.entries(rest).filter(([key]) => !META.includes(key)))
  return {
    ...(description !== undefined && { description }),
    ...(preset !== undefined && { default: preset }),
    ...(Object.keys(type).length > 0 && { anyOf: [type, TEMPLATE] }),
  }
}

/** Variables with our prefix that nobody knows are mistakes; other names are for others. */
function varsMap(properties: object): object {
  const own = Object.keys(properties).filter((name) => new RegExp(OWN).test(name))
  return {
    type: ['object', 'null'],
    propertyNames: { anyOf: [{ not: { pattern: OWN } }, { enum: own }] },
    properties,
  }
}

export function varsSchema(): object {
  const { properties, definitions } = made()
  return { $schema: DIALECT, title: 'Variables of k3s-platform', ...varsMap(properties), definitions }
}

/** Of the inventory in YAML: groups with hosts, children and variables. */
export function hostsSchema(): object {
  const { properties, definitions } = made()
  const map = (values: object) => ({ type: ['object', 'null'], additionalProperties: values })
  const ref = (name: string) => ({ $ref: `#/definitions/${name}` })
  return {
    $schema: DIALECT,
    title: 'Inventory of k3s-platform',
    ...map(ref('group')),
    definitions: {
      ...definitions,
      vars: varsMap(properties),
      group: {
        type: ['object', 'null'],
        properties: { hosts: map(ref('vars')), children: map(ref('group')), vars: ref('vars') },
        additionalProperties: false,
      },
    },
  }
}
