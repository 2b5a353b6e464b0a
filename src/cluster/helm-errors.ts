// Explains why Helm failed, from a job's log or a release's record.

import { diagnose } from '../diagnosis/diagnose.ts'
import { HELM } from '../diagnosis/helm.ts'

export interface HelmError {
  /** One line, or a few: the cause. */
  readonly why: string
  readonly hint?: string
  /** A repetition without a change ends the same way. */
  readonly final: boolean
  /** Something that the chart runs did not come up: its pods say more. */
  readonly pods?: boolean
  /** Where in the values: `crds.enabeld`; of an error that is about the values. */
  readonly values?: readonly string[]
}

/** helm-controller's job that found nothing to do, or nothing that it may do: not the reason of anything. */
const NOISE = /does not match expected revision|waiting for operator intervention|^\+ |release: not found/
const UNREACHED = /^looks like "([^"]+)" is not a valid chart repository or cannot be reached: /
const SCHEMA = /values don't meet the specifications of the schema/

/** `text`: a job's log, or the description in a release's record. null: it holds no error. */
export function helmError(text: string): HelmError | null {
  const lines = text.split('\n').filter((line) => line.trim() !== '' && !NOISE.test(line))
  const schema = lines.findIndex((line) => SCHEMA.test(line))
  if (schema !== -1) return schemaError(lines.slice(schema + 1))
  const from = lines.findLastIndex((line) => /^Error: |\bfailed: |^(?:Release|Upgrade) "/.test(line))
  if (from === -1) return null
  const message = lines
    .slice(from, from + 6)
    .join('\n')
    .replace(/^Error: /, '')
    .replace(/^(?:INSTALLATION|UPGRADE) FAILED: /, '')
    .replace(/^(?:Release|Upgrade) "[^"]*" failed: /, '')
    .trim()
  const [prefix = '', url] = UNREACHED.exec(message) ?? []
  const server = url === undefined ? 'the chart repository' : `the chart repository ${url}`
  const found = diagnose(HELM, {
    text: message.slice(prefix.length),
    values: { message, server, host: 'of the chart repository' },
  })
  if (found === undefined) return { why: message, final: false }
  const { cause, hint, final, pods = false } = found
  return { why: cause.trim(), final, pods, ...(hint !== undefined && { hint }) }
}

/** Helm 4: `- at '/crds': additional properties 'enabeld' not allowed`; Helm 3: `- crds: Additional property enabeld is not allowed`. */
function schemaError(lines: readonly string[]): HelmError {
  const told = lines.filter((line) => line.startsWith('- ')).map((line) => line.slice(2))
  const values = told.flatMap((line) => {
    const [, pointer, path, rest = ''] = /^(?:at '([^']*)'|([\w.()]+)): (.*)$/.exec(line) ?? []
    const at = (pointer?.split('/').filter(Boolean).join('.') ?? path ?? '').replace(/^\(root\)$/, '')
    const names = /additional propert(?:ies|y) (.+?)(?: is)? not allowed/i.exec(rest)?.[1]
    const keys = names?.split(', ').map((name) => name.replace(/^'|'$/g, '')) ?? ['']
    return keys.map((key) => [at, key].filter(Boolean).join('.')).filter(Boolean)
  })
  return {
    why: `the chart refuses its values: ${(told.length > 0 ? told : lines.slice(0, 4)).join('\n')}`,
    final: true,
    values,
  }
}
