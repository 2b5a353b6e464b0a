// The shapes of what `-o json` prints for doctor, certs, lock, render and kubeconfig; docs/schema/*.json are made from them.

import { z } from 'zod'
import { problem } from './run-v1.ts'

const count = z.int().nonnegative()
const verdict = z.enum(['ok', 'warnings', 'failed'])
const looked = z
  .strictObject({ name: z.string(), status: verdict, about: z.string(), findings: z.array(problem).readonly() })
  .readonly()

export const doctorDocument = z.strictObject({
  schema: z.literal('k3s-platform/doctor/v1'),
  status: verdict,
  exitCode: z.union([z.literal(0), z.literal(1), z.literal(2)]),
  failures: count,
  warnings: count,
  workstation: looked.optional(),
  hosts: z.array(looked),
})

const entry = z.union([
  z
    .tuple([z.literal('k3s'), z.string(), z.string(), z.string()])
    .readonly()
    .describe('what it belongs to, version, part, architecture'),
  z
    .tuple([z.literal('charts'), z.string(), z.string()])
    .readonly()
    .describe('what it belongs to, name of the chart, version'),
  z
    .tuple([z.literal('manifests'), z.string(), z.string()])
    .readonly()
    .describe('what it belongs to, whose install manifest, version'),
])

export const lockDocument = z.strictObject({
  schema: z.literal('k3s-platform/lock/v1'),
  path: z.string(),
  check: z.boolean().describe('nothing was written'),
  exitCode: z.int(),
  differences: z
    .array(
      z
        .strictObject({ entry, from: z.string().nullable().describe('null: not locked yet'), to: z.string() })
        .readonly(),
    )
    .readonly(),
  unchanged: count,
  missing: z.array(entry).readonly().describe('architectures that the release does not have'),
})

export const renderDocument = z.strictObject({
  schema: z.literal('k3s-platform/render/v1'),
  tree: z.string(),
  check: z.boolean().describe('nothing was written'),
  exitCode: z.int(),
  files: z
    .array(
      z
        .strictObject({
          path: z.string().describe('below the tree'),
          op: z
            .enum(['create', 'update', 'delete', 'none', 'kept', 'refused'])
            .describe('kept: changed in Git only; refused: changed in Git and in the inventory'),
          why: z.string().optional(),
        })
        .readonly(),
    )
    .readonly(),
  commit: z.string().nullable().describe('null: none was made'),
})

export const kubeconfigDocument = z.strictObject({
  schema: z.literal('k3s-platform/kubeconfig/v1'),
  path: z.string().describe('the file it was merged into'),
  contexts: z
    .array(
      z
        .strictObject({
          host: z.string(),
          context: z.string(),
          server: z.string(),
          is: z.enum(['added', 'updated', 'unchanged']),
        })
        .readonly(),
    )
    .readonly(),
})

export const certsDocument = z.strictObject({
  schema: z.literal('k3s-platform/certs/v1'),
  exitCode: z.union([z.literal(0), z.literal(1), z.literal(2)]),
  certificates: z
    .array(
      z
        .strictObject({
          host: z.string(),
          namespace: z.string(),
          name: z.string(),
          status: z.enum(['issued', 'pending', 'failed']),
          issuer: z.string(),
          names: z.array(z.string()).readonly(),
          secretName: z.string(),
          notAfter: z.string().nullable().describe('RFC 3339; null: nothing was issued yet'),
          renewalTime: z.string().nullable(),
          owner: z.string().nullable().describe('the tool that has it: Flux (platform-root)'),
          tree: z
            .array(z.strictObject({ depth: count, object: z.string(), state: z.string() }).readonly())
            .readonly()
            .optional()
            .describe('of explain: what belongs to it, from top to bottom'),
          because: z
            .strictObject({
              rule: z.string(),
              cause: z.string(),
              evidence: z.array(z.string()).readonly(),
              fix: z.string(),
              after: z.string(),
            })
            .readonly()
            .nullable()
            .optional()
            .describe('of explain; null: nothing is wrong'),
        })
        .readonly(),
    )
    .readonly(),
  problems: z.array(problem).readonly(),
})

export type CertsDocument = z.output<typeof certsDocument>
export type DoctorDocument = z.output<typeof doctorDocument>
export type LockDocument = z.output<typeof lockDocument>
export type RenderDocument = z.output<typeof renderDocument>
export type KubeconfigDocument = z.output<typeof kubeconfigDocument>
