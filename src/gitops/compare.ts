// Compares the tree in the inventory with what was written last time and with manual changes in Git.

import { type Document, isSeq, parseDocument } from 'yaml'
import { type Problem, ProblemError } from '../engine/problem.ts'
import { type Json, same } from '../engine/state.ts'
import { sha256 } from '../files/digest.ts'
import { isInside } from './files.ts'
import { yamlText } from './text.ts'
import { LISTS, listPath, type Tree, type TreeListing } from './tree.ts'

/** `kept`: people changed it, and the inventory has nothing new for it. `refused`: both have. */
type Op = 'create' | 'update' | 'delete' | 'none' | 'kept' | 'refused'

export interface FileChange {
  readonly path: string
  readonly op: Op
  /** What is to be in it; null: it is to go. */
  readonly text: string | null
  /** What people did to it, for `kept` and `refused`. */
  readonly why?: string
  /** Others write to it, too: what is to be in it may all be ours, or partly theirs. */
  readonly shared?: 'ours' | 'theirs'
}

/** The bytes of a file of the tree; null: it is not there; `other`: a folder, a link or the like. */
export type ReadTreeFile = (path: string) => Buffer | null | 'other'

/**
 * All changes for some clusters of one tree, by path. With `overwrite` nothing is kept or refused, but what is no regular
 * file. Throws a usage ProblemError for a list of digests or a shared file that cannot be read, and where two clusters
 * want one file.
 */
export function compare(trees: readonly Tree[], disk: ReadTreeFile, overwrite: boolean): FileChange[] {
  const problems = collisions(trees)
  const changes = trees.flatMap((tree) => {
    try {
      return compareOne(tree, disk, overwrite)
    } catch (error) {
      if (!(error instanceof ProblemError)) throw error
      problems.push(...error.problems)
      return []
    }
  })
  const shared = sharedTexts(trees, disk, problems)
  if (problems.length > 0) throw new ProblemError(problems)
  const ours = sharedTexts(trees, (path) => (path.startsWith(LISTS) ? disk(path) : null), problems)
  for (const [path, text] of shared) {
    changes.push({ ...simple(path, text, textOf(path, disk)), shared: text === ours.get(path) ? 'ours' : 'theirs' })
  }
  return changes.filter(({ op, text }) => op !== 'none' || text !== null).toSorted((a, b) => (a.path < b.path ? -1 : 1))
}

/** Path to text of the files that others write to, too: several clusters may have entries in one. */
function sharedTexts(trees: readonly Tree[], disk: ReadTreeFile, problems: Problem[]): Map<string, string | null> {
  const texts = new Map<string, string | null>()
  for (const { cluster, listings } of trees) {
    for (const listing of listings) {
      try {
        const { path } = listing
        const text = texts.has(path) ? (texts.get(path) ?? null) : textOf(path, disk)
        texts.set(path, merged(listing, text, new Set(formerOf(cluster, disk).keys())))
      } catch (error) {
        if (!(error instanceof ProblemError)) throw error
        problems.push(...error.problems)
      }
    }
  }
  return texts
}

function collisions(trees: readonly Tree[]): Problem[] {
  const owners = new Map<string, string>()
  return trees.flatMap(({ cluster, files }) => {
    const [path] = [...files.keys()].filter((one) => owners.has(one))
    for (const one of files.keys()) owners.set(one, cluster)
    if (path === undefined) return []
    const what = `${cluster} would also write ${path}`
    return [problem(path, what, 'use a separate directory for each cluster: k3s_platform_flux_root_path')]
  })
}

function compareOne({ cluster, files }: Tree, disk: ReadTreeFile, overwrite: boolean): FileChange[] {
  const former = formerOf(cluster, disk)
  const paths = [...new Set([...files.keys(), ...former.keys()])].toSorted()
  const changes = paths.map((path) => change(path, files.get(path) ?? null, former.get(path), disk, overwrite))
  const lines = changes.flatMap(({ path, op, text }) => {
    const digest = op === 'kept' || op === 'refused' || text === null ? former.get(path) : sha256(text)
    return digest === undefined || (text === null && op !== 'refused') ? [] : [`${digest}  ${path}\n`]
  })
  const list = listPath(cluster)
  const text = lines.length === 0 ? null : lines.join('')
  return [...changes, simple(list, text, textOf(list, disk))]
}

function change(
  path: string,
  text: string | null,
  was: string | undefined,
  disk: ReadTreeFile,
  overwrite: boolean,
): FileChange {
  const found = disk(path)
  const [is, wanted] = [found === null || found === 'other' ? null : sha256(found), text === null ? null : sha256(text)]
  if (found === 'other') return { path, op: 'refused', text, why: 'it is not a regular file' }
  if (is === wanted) return { path, op: 'none', text }
  const op = is === null ? 'create' : wanted === null ? 'delete' : 'update'
  if (overwrite || is === was || (is === null && was === undefined)) return { path, op, text }
  const why =
    was === undefined ? 'it was not written by render' : is === null ? 'it was removed in Git' : 'it was changed in Git'
  return { path, op: was === wanted ? 'kept' : 'refused', text, why }
}

function simple(path: string, text: string | null, found: string | null): FileChange {
  const op = text === found ? 'none' : found === null ? 'create' : text === null ? 'delete' : 'update'
  return { path, op, text }
}

function textOf(path: string, disk: ReadTreeFile): string | null {
  const found = disk(path)
  if (found === 'other') throw new ProblemError(problem(path, 'it is not a regular file', 'move it away'))
  return found === null ? null : found.toString('utf8')
}

/** Path to digest of what was written last time; a path that leads out of the tree is no such path. */
function formerOf(cluster: string, disk: ReadTreeFile): Map<string, string> {
  const list = listPath(cluster)
  const lines = (textOf(list, disk) ?? '').split('\n')
  return new Map(
    lines.flatMap((line, i) => {
      if (line === '') return []
      const [, digest = '', path = ''] = /^([0-9a-f]{64}) {2}((?!\/)\S.*)$/.exec(line) ?? []
      if (path === '' || !isInside(path))
        throw new ProblemError(
          problem(`${list}:${i + 1}:1`, 'expected a digest and the path of a file', 'restore it from Git'),
        )
      return [[path, digest] as const]
    }),
  )
}

/** The file's text with our entries in its list, and without those that were ours; what is right already is not touched. */
function merged(
  { path, key, entries, base, mine, first }: TreeListing,
  text: string | null,
  former: ReadonlySet<string>,
) {
  if (text === null) return entries.length === 0 ? null : yamlText([{ ...base, [key]: entries }])
  const excess = excessOf(text)
  if (excess !== undefined) throw new ProblemError(problem(path, excess, 'move it away'))
  const document = parseDocument(text)
  const [error] = document.errors
  const at = error?.linePos?.[0]
  if (error) {
    const where = at ? `${path}:${at.line}:${at.col}` : path
    throw new ProblemError(problem(where, `it is not valid YAML: ${error.message.split('\n', 1).join('')}`))
  }
  const found = document.get(key)
  if (found !== undefined && found !== null && !isSeq(found))
    throw new ProblemError(problem(path, `${key}: expected a list`))
  const list: { readonly json: Json; readonly node: unknown }[] = isSeq(found)
    ? found.items.map((node) => ({ json: jsonOf(node, document), node }))
    : []
  const wants = (json: Json) => entries.some((one) => same(one, json))
  const kept = list.filter(({ json }) => wants(json) || !mine(json, former))
  const lacking = entries.filter((one) => !list.some(({ json }) => same(one, json)))
  if (kept.length === list.length && lacking.length === 0) return text
  const made = lacking.map((one) => document.createNode(one))
  const nodes = kept.map(({ node }) => node)
  const all = first ? [...made, ...nodes] : [...nodes, ...made]
  if (isSeq(found)) found.items = all
  else document.set(key, all)
  if (all.length === 0 && same(document.toJS(), { ...base, [key]: [] })) return null
  return document.toString({ lineWidth: 0 })
}

const SHARED_CHARS = 262_144
const REFERENCES = 1000

/** What would keep a parser of YAML busy: no list of resources, and no rules of sops, come near it. */
function excessOf(text: string): string | undefined {
  if (text.length > SHARED_CHARS) return `it is longer than ${SHARED_CHARS / 1024} KiB`
  const references = text.match(/(?<=^|[\s[{,])[&*!]/g)?.length ?? 0
  return references > REFERENCES ? `it has more than ${REFERENCES} anchors, aliases and tags` : undefined
}

function jsonOf(node: unknown, document: Document): Json {
  const value: Json = JSON.parse(JSON.stringify(document.createNode(node).toJS(document)))
  return value
}

function problem(where: string, what: string, hint?: string): Problem {
  return { kind: 'usage', where, what, ...(hint !== undefined && { hint }) }
}
