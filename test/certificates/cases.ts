// Reads the cases: objects of base.yaml, patched, as a bundle; Secrets name files of pairs.yaml instead of data.

import { readdirSync, readFileSync } from 'node:fs'
import { parse } from 'yaml'
import { z } from 'zod'
import { type Bundle, readBundle } from '../../src/certificates/bundle.ts'

const here = (path: string) => new URL(path, import.meta.url)
const load = (path: string): unknown => parse(readFileSync(here(path), 'utf8'))

const patches = z.record(z.string(), z.unknown())
const record = (value: unknown) => (Array.isArray(value) ? undefined : patches.safeParse(value).data)
const base = z
  .object({
    now: z.string(),
    stages: z.record(z.string(), z.array(z.string())),
    overlays: z.record(z.string(), patches),
    objects: z.record(z.string(), z.unknown()),
  })
  .parse(load('base.yaml'))
const pairs = z.record(z.string(), z.string()).parse(load('pairs.yaml'))

const shape = z.strictObject({
  stage: z.string(),
  /** Patches by the name of an object of base.yaml; null leaves it out; another name is another object. */
  with: patches.default({}),
  now: z.string().default(base.now),
  probe: z.unknown().optional(),
  addresses: z.object({ name: z.array(z.string()), node: z.array(z.string()) }).optional(),
  refusal: z.string().optional(),
  is: z.enum(['ready', 'waiting', 'failed']),
  /** The rule that speaks; null: nothing is wrong. */
  rule: z.string().nullable(),
})

export interface Case {
  readonly what: string
  readonly is: string
  readonly rule: string | null
  readonly bundle: Bundle
}

export const cases: readonly Case[] = readdirSync(here('cases'))
  .toSorted()
  .flatMap((file) => Object.entries(z.record(z.string(), shape).parse(load(`cases/${file}`))))
  .map(([what, one]) => ({ what, is: one.is, rule: one.rule, bundle: bundleOf(one) }))

function bundleOf({ stage, with: patched, now, probe, addresses, refusal }: z.output<typeof shape>): Bundle {
  const names = new Set([...(base.stages[stage] ?? []), ...Object.keys(patched)])
  const objects = [...names].flatMap((name) => {
    const whole = merge(merge(base.objects[name], base.overlays[stage]?.[name]), patched[name])
    return whole === null ? [] : [withData(whole)]
  })
  return readBundle({
    now: new Date(now),
    namespace: 'database',
    name: 'postgresql-tls',
    objects,
    probe,
    addresses,
    refusal,
  })
}

/** RFC 7396, but that a patch that is left out changes nothing. */
function merge(target: unknown, patch: unknown): unknown {
  if (patch === undefined) return target
  const [fields, onto] = [record(patch), record(target) ?? {}]
  if (fields === undefined) return patch
  const entries = [...new Set([...Object.keys(onto), ...Object.keys(fields)])].map((key) => [
    key,
    merge(onto[key], fields[key]),
  ])
  return Object.fromEntries(entries.filter(([, value]) => value !== null))
}

function withData(object: unknown): unknown {
  const data = record(record(object)?.data)
  if (data === undefined) return object
  const encoded = ([key, file]: [string, unknown]) => [
    key,
    Buffer.from(pairs[String(file)] ?? String(file)).toString('base64'),
  ]
  return { ...record(object), data: Object.fromEntries(Object.entries(data).map(encoded)) }
}
