// Reads a kubeconfig file: its entries as data, or every mistake in it with its position.

import { type Document, isMap, isNode, isScalar, isSeq, LineCounter, parseAllDocuments } from 'yaml'
import { z } from 'zod'
import { type Problem, ProblemError } from '../engine/problem.ts'

const map = z.record(z.string(), z.unknown())
const named = <K extends string>(key: K) => z.looseObject({ name: z.string() }).and(z.record(z.literal(key), map))

const shape = z.looseObject({
  clusters: z.array(named('cluster')).nullish(),
  users: z.array(named('user')).nullish(),
  contexts: z.array(named('context')).nullish(),
  'current-context': z.string().nullish(),
})

export const LISTS = { clusters: 'cluster', users: 'user', contexts: 'context' } as const
export type List = keyof typeof LISTS

/** A named entry of one of the three lists: `{ name, cluster: {...} }`. */
export type NamedEntry = { readonly name: string; readonly [key: string]: unknown }
export type Kubeconfig = { readonly [L in List]?: readonly NamedEntry[] | null | undefined } & {
  readonly 'current-context'?: string | null | undefined
  readonly [key: string]: unknown
}

export interface KubeconfigFile {
  readonly text: string
  /** null: there is nothing in it but comments. */
  readonly document: Document.Parsed | null
  readonly data: Kubeconfig
}

/** `where` names the file in problems. Throws ProblemError of kind `usage` for what is not a kubeconfig; shows no content. */
export function readKubeconfig(text: string, where: string): KubeconfigFile {
  const lines = new LineCounter()
  const found = parseAllDocuments(text, { lineCounter: lines, prettyErrors: false })
  const documents = 'empty' in found ? [] : found
  const refuse = (offset: number, what: string): Problem => {
    const { line, col } = lines.linePos(offset)
    return {
      kind: 'usage',
      where: `${where}:${Math.max(line, 1)}:${Math.max(col, 1)}`,
      what,
      hint: 'correct it by hand, or select another file with KUBECONFIG; the file was not changed',
    }
  }
  const broken = documents.flatMap(({ errors }) => errors.map((e) => refuse(e.pos[0], `is not YAML: ${words(e.code)}`)))
  if (broken.length > 0) throw new ProblemError(broken)
  const [document, second] = documents
  if (second !== undefined) {
    throw new ProblemError(refuse(second.range[0], 'a second document starts here; a kubeconfig has exactly one'))
  }
  if (document === undefined || isEmpty(document)) return { text, document: null, data: {} }
  const data: unknown = document.toJS()
  const parsed = shape.safeParse(data)
  if (!parsed.success) {
    throw new ProblemError(
      parsed.error.issues.map(({ path, message }) =>
        refuse(offsetOf(document, path), `${path.join('.') || 'the file'}: ${message.replace(/^Invalid input: /, '')}`),
      ),
    )
  }
  const twice = Object.keys(LISTS).flatMap((list) => {
    const items = document.get(list)
    if (!isSeq(items)) return []
    const names = items.items.map((item) => (isMap(item) ? item.get('name') : undefined))
    return names.flatMap((name, i) =>
      names.indexOf(name) < i ? [refuse(offsetOf(document, [list, i]), `${list}: "${name}" exists twice`)] : [],
    )
  })
  if (twice.length > 0) throw new ProblemError(twice)
  // As it was read: zod would bring its keys into another order.
  return { text, document, data: data as Kubeconfig }
}

function isEmpty({ contents }: Document.Parsed): boolean {
  return contents === null || (isScalar(contents) && contents.value === null && contents.source === '')
}

/** The node at a path, or the nearest one above it that is there. */
function offsetOf(document: Document.Parsed, path: readonly PropertyKey[]): number {
  for (let n = path.length; n > 0; n--) {
    const node = document.getIn(path.slice(0, n), true)
    if (isNode(node) && node.range) return node.range[0]
  }
  return document.contents?.range?.[0] ?? 0
}

/** `BAD_INDENT`: the parser's own words may quote what is in the file. */
function words(code: string): string {
  return code.toLowerCase().replaceAll('_', ' ')
}
