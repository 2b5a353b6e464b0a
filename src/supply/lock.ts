// The lock file of an inventory: digests of what releases and charts are made of, as text that is the same for the same content.

import { isUtf8 } from 'node:buffer'
import { Composer, isMap, isScalar, Lexer, LineCounter, Parser, parse, stringify, visit } from 'yaml'
import { z } from 'zod'
import { type Problem, ProblemError } from '../engine/problem.ts'
import { digest } from '../files/digest.ts'
import { readIfPresent, reason, TEXT_BYTES } from '../files/read-file.ts'
import { writeWhole } from './write-file.ts'

export const LOCK_NAME = 'k3s-platform.lock'

/** The way to a digest: `['k3s', 'v1.36.5+k3s1', 'binary', 'amd64']`, `['charts', 'cert-manager', 'v1.20.0']`. */
export type LockEntry =
  | readonly [section: 'k3s', version: string, part: string, arch: string]
  | readonly [section: 'charts' | 'manifests', name: string, version: string]

const HEADER = `# Digests of what is installed, written by k3s-platform lock. Commit it; entries that no host uses may be deleted.
`

const content = z.looseObject({
  version: z.literal(1, { error: 'expected 1: it was written by another version of k3s-platform' }),
  k3s: z.record(z.string(), z.record(z.string(), z.record(z.string(), digest))).optional(),
  charts: z.record(z.string(), z.record(z.string(), digest)).optional(),
  manifests: z.record(z.string(), z.record(z.string(), digest)).optional(),
})
type Content = z.output<typeof content>

export interface LockFile {
  /** Absolute. */
  readonly path: string
  /** null: there is none. */
  readonly text: string | null
  readonly content: Content
}

export const noLock = (path: string): LockFile => ({ path, text: null, content: { version: 1 } })

/** A lock of 10,000 digests has fewer tokens, and no level below the fourth. */
const MOST_TOKENS = 60_000
const MOST_LEVELS = 12
const MOST_PROBLEMS = 20

/** `shown` is the path for people. A file that is not there is an empty lock; one that cannot be understood is a problem. */
export async function readLock(
  path: string,
  shown: string,
): Promise<{ readonly lock: LockFile; readonly problems: readonly Problem[] }> {
  const lines = new LineCounter()
  const refuse = (...found: readonly { readonly at?: number | undefined; readonly what: string }[]) => {
    const hint = 'restore it from Git, or delete it and run: k3s-platform lock'
    const problems = found.slice(0, MOST_PROBLEMS).map(({ at, what }): Problem => {
      const place = at === undefined ? undefined : lines.linePos(at)
      return { kind: 'usage', where: place ? `${shown}:${place.line}:${place.col}` : shown, what, hint }
    })
    return { lock: noLock(path), problems }
  }
  let bytes: Buffer | undefined
  try {
    bytes = readIfPresent(path, TEXT_BYTES)
  } catch (error) {
    return refuse({ what: `the lock file cannot be read: ${reason(error)}` })
  }
  if (bytes === undefined) return { lock: noLock(path), problems: [] }
  if (!isUtf8(bytes)) return refuse({ what: 'the lock file is not UTF-8' })
  const text = bytes.toString('utf8')
  const document = documentOf(text, lines)
  if ('what' in document) return refuse(document)
  const [error] = document.errors
  if (error) return refuse({ at: error.pos[0], what: error.message.split(/ at line |\n/)[0] ?? '' })
  const parsed = content.safeParse(withPlainDigests(document.toJS(), text))
  if (parsed.success) return { lock: { path, text, content: parsed.data }, problems: [] }
  const placeOf = (steps: readonly PropertyKey[]): number | undefined => {
    const node = document.getIn(steps, true)
    return isScalar(node) || isMap(node) ? node.range?.[0] : undefined
  }
  return refuse(
    ...parsed.error.issues.map(({ path: steps, message }) => ({
      at: placeOf(steps),
      what: `${steps.map(String).join('.') || 'the file'}: ${message}`,
    })),
  )
}

/** Depth and size are refused before the recursive parts of the parser begin. */
function documentOf(text: string, lines: LineCounter) {
  let fault: { readonly at: number; readonly what: string } | undefined
  lines.addNewLine(0)
  function* tokens() {
    const parser = new Parser(lines.addNewLine)
    let count = 0
    for (const lexeme of new Lexer().lex(text)) {
      yield* parser.next(lexeme)
      count++
      if (count > MOST_TOKENS) fault = { at: parser.offset, what: 'the file has too many entries' }
      if (parser.stack.length > MOST_LEVELS) fault = { at: parser.offset, what: 'the file is nested too deeply' }
      if (fault) return
    }
    yield* parser.end()
  }
  const documents = [...new Composer({ uniqueKeys: true, logLevel: 'silent' }).compose(tokens(), true, text.length)]
  if (fault) return fault
  const [document, second] = documents
  if (document === undefined) return { at: 0, what: 'the file is empty' }
  if (second !== undefined) return { at: second.range[0], what: 'a second YAML document starts here' }
  visit(document, {
    Alias: (_, { range }) => {
      fault ??= { at: range?.[0] ?? 0, what: 'aliases are not supported here' }
    },
    Node: (_, { tag, range }) => {
      if (tag !== undefined) fault ??= { at: range?.[0] ?? 0, what: 'tags are not supported here' }
    },
    Pair: (_, { key }) => {
      if (!isScalar(key) || key.value !== '__proto__') return
      fault ??= { at: key.range?.[0] ?? 0, what: 'the key "__proto__" is not supported' }
    },
  })
  return fault ?? document
}

/** A digest without letters, or with one e, would be a number to YAML; so would a version like 1.10. */
function withPlainDigests(value: unknown, text: string): unknown {
  if (typeof value !== 'object' || value === null) return value ?? {}
  const plain = parse(text, { schema: 'failsafe', logLevel: 'silent' })
  const sections = ['k3s', 'charts', 'manifests'].filter((name) => name in value)
  return { ...value, ...Object.fromEntries(sections.map((name) => [name, plain[name]])) }
}

export function digestIn({ content }: LockFile, entry: LockEntry): string | undefined {
  if (entry[0] !== 'k3s') return content[entry[0]]?.[entry[1]]?.[entry[2]]
  return content.k3s?.[entry[1]]?.[entry[2]]?.[entry[3]]
}

/** The lock's text with these digests in it; everything else that it holds stays. */
export function lockText(lock: LockFile, digests: Iterable<readonly [LockEntry, string]>): string {
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
export async function writeLock({ path }: LockFile, text: string): Promise<void> {
  try {
    await writeWhole(path, text)
  } catch (error) {
    throw new ProblemError({ kind: 'failed', where: path, what: 'the lock file cannot be written', why: reason(error) })
  }
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
