// The shapes of what `inventory` and `explain` print with -o json and -o yaml; docs/schema/*.json are made from them.

import { z } from 'zod'
import { problem } from './run-v1.ts'

const count = z.int().nonnegative()
const vars = z.record(z.string(), z.unknown()).describe('by name, templated; secrets are ***')
const group = z.strictObject({
  name: z.string(),
  children: z.array(z.string()).readonly().describe('groups directly below it'),
  hosts: z.array(z.string()).readonly().describe('hosts that are named in it'),
})

const origins = z
  .array(
    z.strictObject({
      where: z.string().describe('file:line:column path'),
      value: z.unknown().describe('as it is written'),
    }),
  )
  .readonly()

export const inventoryListDocument = z.strictObject({
  schema: z.literal('k3s-platform/inventory-list/v1'),
  hosts: z
    .array(z.strictObject({ name: z.string(), address: z.string(), groups: z.array(z.string()).readonly(), vars }))
    .readonly(),
  groups: z.array(group).readonly(),
})

export const inventoryGraphDocument = z.strictObject({
  schema: z.literal('k3s-platform/inventory-graph/v1'),
  groups: z.array(group).readonly(),
})

export const inventoryVarsDocument = z.strictObject({
  schema: z.literal('k3s-platform/inventory-vars/v1'),
  host: z.string(),
  groups: z.array(z.string()).readonly(),
  vars,
  origins: z
    .record(z.string(), origins)
    .optional()
    .describe('of each variable, by precedence: the first one wins (--origin)'),
})

export const inventoryCheckDocument = z.strictObject({
  schema: z.literal('k3s-platform/inventory-check/v1'),
  exitCode: z.literal(0),
  hosts: count,
  groups: count,
  warnings: z.array(problem).readonly(),
})

export const explainDocument = z.strictObject({
  schema: z.literal('k3s-platform/explain/v1'),
  variables: z
    .array(
      z.strictObject({
        name: z.string(),
        usedBy: z.string().nullable().describe('a role, or `connection`; null: only templates of the inventory'),
        about: z.string(),
        type: z.string().describe('in words'),
        default: z.unknown().optional().describe('absent: there is none, or `about` says it'),
        environment: z
          .array(z.string())
          .readonly()
          .describe('environment variables that set it where the inventory does not'),
        set: z
          .array(
            z.strictObject({
              hosts: z.array(z.string()).readonly(),
              value: z.unknown().describe('templated; secrets are ***'),
              origins: origins.describe('by precedence: the first one wins'),
            }),
          )
          .readonly(),
        unset: z.array(z.string()).readonly().describe('hosts that do not set it'),
      }),
    )
    .readonly(),
})

export type ExplainDocument = z.output<typeof explainDocument>
export type InventoryListDocument = z.output<typeof inventoryListDocument>
export type InventoryGraphDocument = z.output<typeof inventoryGraphDocument>
export type InventoryVarsDocument = z.output<typeof inventoryVarsDocument>
export type InventoryCheckDocument = z.output<typeof inventoryCheckDocument>
