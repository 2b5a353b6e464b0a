// The shapes of what `-o json` prints for doctor, lock, render and kubeconfig; docs/schema/*.json are made from them.

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
    .describe('component, version, part, architecture'),
  z
    .tuple([z.literal('charts'), z.string(), z.string()])
    .readonly()
    .describe('addon, chart name, version'),
  z
    .tuple([z.literal('manifests'), z.string(), z.string()])
    .readonly()
    .describe('component, owner of the install manifest, version'),
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

export const chartsDocument = z.strictObject({
  schema: z.literal('k3s-platform/charts/v1'),
  exitCode: z.union([z.literal(0), z.literal(1), z.literal(2)]),
  charts: z
    .array(
      z
        .strictObject({
          host: z.string(),
          release: z.string(),
          namespace: z.string(),
          chart: z.string(),
          version: z.string().describe('in the inventory'),
          installed: z
            .string()
            .nullable()
            .describe('version of the release in the cluster; null: there is none, or it was not read'),
          newest: z.string().nullable().describe('in its repository; null: a file, or the repository did not answer'),
          digest: z.string().nullable().describe('SHA-256 in the lock file, or of the file; null: not locked'),
          source: z.string().describe('URL, or path of the file'),
          state: z.enum(['deployed', 'outdated', 'pending', 'failed', 'absent', 'unknown']),
        })
        .readonly(),
    )
    .readonly(),
  problems: z.array(problem).readonly(),
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
          path: z.string().describe('relative to the tree'),
          op: z
            .enum(['create', 'update', 'delete', 'none', 'kept', 'refused'])
            .describe('kept: changed only in Git; refused: changed in Git and in the inventory'),
          why: z.string().optional(),
        })
        .readonly(),
    )
    .readonly(),
  commit: z.string().nullable().describe('null: no commit was created'),
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

export type DoctorDocument = z.output<typeof doctorDocument>
export type LockDocument = z.output<typeof lockDocument>
export type ChartsDocument = z.output<typeof chartsDocument>
export type RenderDocument = z.output<typeof renderDocument>
export type KubeconfigDocument = z.output<typeof kubeconfigDocument>
