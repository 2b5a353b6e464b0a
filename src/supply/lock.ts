// The lock file of an inventory: digests of what releases and charts are made of, as text that is the same for the same content.

import { existsSync, readFileSync } from 'node:fs'
import { rename, writeFile } from 'node:fs/promises'
import { isMap, isScalar, LineCounter, parse, parseDocument, stringify, type YAMLError } from 'yaml'
import { z } from 'zod'
import type { Problem } from '../engine/problem.ts'

export const LOCK_NAME = 'k3s-platform.lock'

/** The way to a digest: `['k3s', 'v1.36.5+k3s1', 'binary', 'amd64']`, `['charts', 'cert-manager', 'v1.20.0']`. */
export type Entry =
  | readonly [section: 'k3s', version: string, part: string, arch: string]
  | readonly [section: 'charts' | 'manifests', name: string, version: string]

const HEADER = `# Digests of what is installed, written by k3s-platform lock. Commit it; what no host wants any more may be deleted.
`

const digest = z.string().regex(/^[0-9a-f]{64}$/, 'expected a sha256 digest: 64 lower case hex digits')
const content = z.looseObject({
  version: z.literal(1, { error: 'expected 1: it was written by another version of k3s-platform' }),
  k3s: z.record(z.string(), z.record(z.string(), z.record(z.string(), digest))).optional(),
  charts: z.record(z.string(), z.record(z.string(), digest)).optional(),
  manifests: z.record(z.string(), z.record(z.string(), digest)).optional(),
})
type Content = z.output<typeof content>

export interface Lock {
  /** Absolute. */
  readonly path: string
  /** null: there is none. */
  readonly text: string | null
  readonly content: Content
}

export const noLock = (path: string): Lock => ({ path, text: null, content: { version: 1 } })

/** `shown` is the path for people. A file that is not there is an empty lock; one that cannot be understood is a problem. */
export async function readLock(
  path: string,
  shown: string,
): Promise<{ readonly lock: Lock; readonly problems: readonly Problem[] }> {
  if (!existsSync(path)) return { lock: noLock(path), problems: [] }
  const text = readFileSync(path, 'utf8')
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, uniqueKeys: true })
  const problem = (at: number | undefined, what: string): Problem => {
    const place = at === undefined ? undefined : lines.linePos(at)
    const where = place === undefined ? shown : `${shown}:${place.line}:${place.col}`
    return { kind: 'usage', where, what, hint: 'take it from git, or delete it and run: k3s-platform lock' }
  }
  if (document.errors.length > 0) {
    const told = document.errors.map((error: YAMLError) =>
      problem(error.pos[0], error.message.split(/ at line |\n/)[0] ?? ''),
    )
    return { lock: noLock(path), problems: told.slice(0, 1) }
  }
  const parsed = content.safeParse(withPlainDigests(document.toJS(), text))
  if (parsed.success) return { lock: { path, text, content: parsed.data }, problems: [] }
  const placeOf = (steps: readonly PropertyKey[]): number | undefined => {
    const node = document.getIn(steps, true)
    return isScalar(node) || isMap(node) ? node.range?.[0] : undefined
  }
  return {
    lock: noLock(path),
    problems: parsed.error.issues.map(({ path: steps, message }) =>
      problem(placeOf(steps), `${steps.map(String).join('.') || 'the file'}: ${message}`),
    ),
  }
}

/** A digest without letters, or with one e, would be a number to YAML; so would a version like 1.10. */
function withPlainDigests(value: unknown, text: string): unknown {
  if (typeof value !== 'object' || value === null) return value ?? {}
  const plain = parse(text, { schema: 'failsafe' })
  const sections = ['k3s', 'charts', 'manifests'].filter((name) => name in value)
  return { ...value, ...Object.fromEntries(sections.map((name) => [name, plain[name]])) }
}

export function digestIn({ content }: Lock, entry: Entry): string | undefined {
  if (entry[0] !== 'k3s') return content[entry[0]]?.[entry[1]]?.[entry[2]]
  return content.k3s?.[entry[1]]?.[entry[2]]?.[entry[3]]
}

/** The lock's text with these digests in it; everything else that it holds stays. */
export function lockText(lock: Lock, digests: Iterable<readonly [Entry, string]>): string {
  let { k3s = {} } = lock.content
  const named = { charts: lock.content.charts ?? {}, manifests: lock.content.manifests ?? {} }
  for (const [entry, sha256] of digests) {
    if (entry[0] !== 'k3s') {
      const [section, name, version] = entry
      named[section] = { ...named[section], [name]: { ...named[section][name], [version]: sha256 } }
    } else {
      const [, version, part, arch] = entry
      const parts = k3s[version] ?? {}
      k3s = { ...k3s, [version]: { ...parts, [part]: { ...parts[part], [arch]: sha256 } } }
    }
  }
  const { version, ...sections } = lock.content
  const written = Object.entries({ k3s, ...named }).filter(([, section]) => Object.keys(section).length > 0)
  const all = Object.entries({
    ...sections,
    ...Object.fromEntries(written.map(([name, section]) => [name, sorted(section)])),
  })
  const inOrder = all.toSorted(([a], [b]) => natural(a, b))
  return HEADER + stringify({ version, ...Object.fromEntries(inOrder) }, { lineWidth: 0 })
}

/** Readers see the old file or the new one. */
export async function writeLock({ path }: Lock, text: string): Promise<void> {
  const part = `${path}.${process.pid}.part`
  await writeFile(part, text)
  await rename(part, path)
}

function sorted(value: object): object {
  const entries = Object.entries(value).toSorted(([a], [b]) => natural(a, b))
  return Object.fromEntries(entries.map(([name, inner]) => [name, typeof inner === 'object' ? sorted(inner) : inner]))
}

/** Numbers by their size: v1.36.9 comes before v1.36.10. */
export function natural(a: string, b: string): number {
  const others = b.split(/(\d+)/)
  for (const [i, one] of a.split(/(\d+)/).entries()) {
    const other = others[i] ?? ''
    if (one !== other) return Number(one) - Number(other) || (one < other ? -1 : 1)
  }
  return a.length - b.length
}
