// The table of all variables, made from the schemas of the connection and of the roles: for explain, completion and the docs.

import { z } from 'zod'
import { eachRole } from '../../roles/index.ts'
import { unused } from '../../roles/k3s_platform_bootstrap/vars.ts'
import { connectionVariables, metaAt } from '../inventory/index.ts'

export interface VariableInfo {
  readonly name: string
  /** The role that takes it; `connection`: it decides how a host is reached. */
  readonly usedBy: string
  /** What it changes, in a sentence or two. */
  readonly about: string
  /** `text`, `list of text`, `one of a, b`. */
  readonly type: string
  /** Undefined: it has none, or the description says it. */
  readonly preset: unknown
  /** Environment variables that set it where the inventory does not, the first one first. */
  readonly environment: readonly string[]
  readonly secret: boolean
  /** Accepted for old inventories. */
  readonly hasEffect: boolean
}

const Made = z.object({ properties: z.record(z.string(), z.record(z.string(), z.unknown())) })
const Environment = z.array(z.string()).catch([])

/** The variables of one schema, in its order. */
export function variablesOf(usedBy: string, schema: z.ZodObject): VariableInfo[] {
  const presets: Readonly<Record<string, unknown>> = schema.safeParse({}).data ?? {}
  const { properties } = Made.parse(z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }))
  return Object.entries(properties).map(([name, { description, default: preset, ...type }]) => {
    const meta = metaAt(schema, [name])
    return {
      ...{ name, usedBy, about: typeof description === 'string' ? description : '', type: typeText(type) },
      // A map that becomes a list of names and values is still written as a map.
      preset: preset ?? presets[name],
      environment: Environment.parse(meta.env),
      secret: meta.secret === true,
      hasEffect: !Object.hasOwn(unused, name),
    }
  })
}

/** Those that two roles take are in it once. */
export function allVariables(): readonly VariableInfo[] {
  const all = [
    ...variablesOf('connection', connectionVariables),
    ...eachRole((role) => variablesOf(role.name, role.vars)).flat(),
  ]
  const byName = new Map<string, VariableInfo>()
  for (const one of all) {
    const known = byName.get(one.name)
    byName.set(one.name, known === undefined ? one : { ...known, usedBy: `${known.usedBy}, ${one.usedBy}` })
  }
  return [...byName.values()]
}

const Type = z.object({
  type: z.union([z.string(), z.array(z.string())]).optional(),
  enum: z.array(z.unknown()).optional(),
  const: z.unknown().optional(),
  anyOf: z.array(z.unknown()).optional(),
  items: z.unknown().optional(),
})

const WORDS: Readonly<Record<string, string>> = { string: 'text', object: 'map', array: 'list', null: 'nothing' }

/** A JSON Schema in a few words. */
function typeText(schema: unknown): string {
  const { type, anyOf, items, ...rest } = Type.catch({}).parse(schema)
  if (rest.enum !== undefined) return `one of ${rest.enum.join(', ')}`
  if (rest.const !== undefined) return String(rest.const)
  if (anyOf !== undefined) return [...new Set(anyOf.map(typeText))].join(' or ')
  if (type === 'array') return items === undefined ? 'list' : `list of ${typeText(items)}`
  if (type === undefined) return 'any'
  return [type]
    .flat()
    .map((one) => WORDS[one] ?? one)
    .join(' or ')
}
