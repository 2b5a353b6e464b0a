// Variables of custom charts: each entry is installed with the guarantees of the built-in addons.

import { z } from 'zod'
import { Secret } from '../../../src/engine/secret.ts'
import { isMap, type Json, type JsonMap } from '../../../src/engine/state.ts'
import type { GeneratedValue, SecretTree, SecretValues } from '../../../src/supply/secret-values.ts'
import { certificatePem, LABEL, namespaceName, objectName } from '../../shapes.ts'
import { certificate } from './certificates.ts'
import { chartRepo, chartVersion, RELEASE_NAME } from './chart-fields.ts'
import { externalSecret } from './secrets.ts'

const map = z.record(z.string(), z.json())

const [SHORTEST, LONGEST, USUAL] = [16, 128, 32]

type Context = z.core.$RefinementCtx<unknown>
type Path = readonly (string | number)[]

/** Texts only: a number is taken as the text that was written, anything else is no secret. */
function secretTree(value: Json, path: Path, context: Context): SecretTree {
  if (typeof value === 'string') return new Secret(value)
  if (isMap(value)) {
    if (Object.hasOwn(value, 'generate')) {
      const message = path.some((step) => typeof step === 'number')
        ? 'a value in a list cannot be generated: a list is replaced as a whole'
        : 'expected generate alone, such as { generate: { length: 32 } }'
      context.addIssue({ code: 'custom', path: [...path, 'generate'], message, input: value })
    }
    return Object.fromEntries(
      Object.entries(value).map(([key, inner]) => [key, secretTree(inner, [...path, key], context)]),
    )
  }
  if (Array.isArray(value)) return value.map((inner: Json, i: number) => secretTree(inner, [...path, i], context))
  if (typeof value === 'number') {
    context.addIssue({ code: 'invalid_type', expected: 'string', path: [...path], input: value })
  } else {
    const message = 'expected a string: what is not secret belongs in values'
    context.addIssue({ code: 'custom', path: [...path], message, input: value })
  }
  return new Secret('')
}

/** `{ generate: { length: 32 } }`, and nothing beside it. */
function generatorIn(value: Json | undefined): JsonMap | undefined {
  if (!isMap(value) || Object.keys(value).length !== 1) return undefined
  return isMap(value.generate) ? value.generate : undefined
}

function lengthOf(generate: JsonMap, path: readonly string[], context: Context): number {
  const { length = USUAL, ...others } = generate
  for (const key of Object.keys(others)) {
    const message = `unknown key "${key}": only length can be set`
    context.addIssue({ code: 'custom', path: [...path, 'generate', key], message, input: generate })
  }
  if (typeof length === 'number' && Number.isInteger(length) && length >= SHORTEST && length <= LONGEST) return length
  const message = `expected an integer from ${SHORTEST} to ${LONGEST}`
  context.addIssue({ code: 'custom', path: [...path, 'generate', 'length'], message, input: length })
  return USUAL
}

/** Takes what is generated out of the rest. */
function split(values: JsonMap, context: Context): SecretValues {
  const generated: GeneratedValue[] = []
  const without = (inner: JsonMap, path: readonly string[]): JsonMap =>
    Object.fromEntries(
      Object.entries(inner).flatMap(([key, value]) => {
        const here = [...path, key]
        const generate = generatorIn(value)
        if (generate !== undefined) {
          generated.push({ path: here, length: lengthOf(generate, here, context) })
          return []
        }
        if (!isMap(value) || Object.keys(value).length === 0) return [[key, value]]
        const left = without(value, here)
        return Object.keys(left).length === 0 ? [] : [[key, left]]
      }),
    )
  const rest = without(values, [])
  const given = Object.fromEntries(Object.entries(rest).map(([key, value]) => [key, secretTree(value, [key], context)]))
  return { given, generated }
}

const secretValues = map.meta({ secret: true }).transform((values, context) => split(values, context))

const PATH = String.raw`(?:/[\w.~%!$&'()*+,;=:@/?-]*)?`
const http = z
  .string()
  .regex(
    new RegExp(`^${LABEL}:[1-9]\\d{0,4}${PATH}$`),
    'expected a Service, its port and a path, such as web:80/healthz',
  )
  .transform((given) => {
    const [, service = '', port = '', path = ''] = /^([^:]+):(\d+)(.*)$/.exec(given) ?? []
    return { service, port: Number(port), path: path || '/' }
  })

const check = z
  .strictObject({
    http: http.optional(),
    deployment: objectName.optional(),
    job: objectName.optional(),
    certificate: objectName.optional(),
  })
  .refine((one) => Object.keys(one).length === 1, 'expected exactly one of http, deployment, job, certificate')

const entry = z.strictObject({
  name: z.string().regex(RELEASE_NAME.form, RELEASE_NAME.message),
  namespace: namespaceName,
  chart: z
    .string()
    .regex(
      /^[a-z0-9]([a-z0-9._-]*[a-z0-9])?$/i,
      "expected the name in the chart's Chart.yaml, without that of a repository",
    )
    .optional(),
  version: chartVersion('9.4.2'),
  repo: chartRepo.optional(),
  file: z.string().min(1).optional(),
  ca: certificatePem.optional(),
  plain_http: z.boolean().default(false),
  values: map.default({}),
  secret_values: secretValues.optional(),
  ready: z.array(check).default([]),
  certificates: z.array(certificate.omit({ namespaces: true })).default([]),
  external_secrets: z.array(externalSecret.omit({ namespaces: true })).default([]),
  needs: z.array(z.string()).default([]),
  prune: z.boolean().default(true),
})

export const chartVars = {
  k3s_platform_charts: z
    .array(entry)
    .default([])
    .describe(
      'Custom charts, installed like the addons: name, namespace, chart, version, repo or file, values, secret_values, ready, certificates, external_secrets, needs, prune.',
    ),
}

export type ChartEntry = z.output<typeof entry>
export type ReadyCheck = z.output<typeof check>
