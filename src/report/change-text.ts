// One change as lines of text: sign, title, what differs by field, and a file's content as a unified diff.

import { structuredPatch } from 'diff'
import type { Op } from '../engine/plan.ts'
import type { Delta, Json } from '../engine/state.ts'
import { isSha256 } from '../files/digest.ts'
import type { ToldChange } from './serialize.ts'
import type { Colour, Paint } from './style.ts'

export const SIGNS: Readonly<Record<Op, readonly [sign: string, colour: Colour]>> = {
  none: ['=', 'dim'],
  create: ['+', 'green'],
  update: ['~', 'yellow'],
  delete: ['-', 'red'],
  action: ['!', 'magenta'],
  owned: ['o', 'cyan'],
  deferred: ['?', 'cyan'],
  local: ['=', 'dim'],
}

export interface ChangeStyle {
  readonly paint: Paint
  /** Every field, nothing shortened. */
  readonly full: boolean
  /** Whether it is yet to be done: then a wait says how far it is. Default: it is done. */
  readonly ahead?: boolean
  /** Whose files' contents are shown: nobody's, only those that are there already, or also what is created. */
  readonly contents: 'none' | 'updated' | 'all'
}

export interface ChangeText {
  readonly sign: string
  readonly title: string
  /** Goes on the title's line; may be empty. */
  readonly tail: string
  /** Goes below, indented. */
  readonly body: readonly string[]
}

const CONTEXT = 3
const LINES_OF_DIFF = 60
/** With -v. */
const MOST_LINES_OF_DIFF = 2000
/** Lines taken out and put in between two texts: the time to find them grows with its square. */
const LONGEST_EDIT = 2000
const INLINE = 48
const LONG = 60
/** Fields that say the same as the version, for machines. */
const DIGESTS = ['sha256', 'inputs']

export function changeText(change: ToldChange, style: ChangeStyle): ChangeText {
  const [sign, colour] = SIGNS[change.op]
  const because = change.because.length > 0 ? `because: ${change.because.map(shortName).join(', ')}` : ''
  const base = { sign: style.paint(colour, sign), title: change.title, body: [] }
  switch (change.op) {
    case 'none':
      return { ...base, tail: '' }
    case 'owned':
      return { ...base, ...ownedText(change, style) }
    case 'deferred':
      return { ...base, tail: change.note ?? '' }
    case 'delete':
      return { ...base, tail: because }
    case 'local':
      return { ...base, tail: localText(change, style) }
    case 'action':
      return {
        ...base,
        title: change.note ?? change.title,
        tail: because || (style.ahead ? stateText(change) : ''),
        body: style.full ? change.deltas.map((d) => `  ${fieldText(d, true)}`) : [],
      }
    case 'create':
    case 'update': {
      const shown = visible(change, style)
      const files = change.deltas.filter(isContent)
      const inline = shown.map((d) => fieldText(d, style.full)).join(', ')
      const fits = inline.length <= INLINE || shown.length === 1
      const remark = shown.some((d) => d.field === 'version') ? digestText(change) : ''
      return {
        ...base,
        tail: [[fits ? inline : '', remark].filter(Boolean).join(' '), because].filter(Boolean).join('  '),
        body: [
          ...(fits ? [] : shown.map((d) => `  ${fieldText(d, style.full)}`)),
          ...(style.contents === 'all' || (style.contents === 'updated' && change.op === 'update')
            ? files.flatMap((d) => diffLines(d, style))
            : []),
        ],
      }
    }
  }
}

/** Of something new only its version is news; of a changed version the digests are not. */
function visible({ op, deltas }: ToldChange, { full }: ChangeStyle): readonly Delta[] {
  const fields = deltas.filter((d) => !isContent(d))
  if (full) return fields
  const version = fields.some((d) => d.field === 'version')
  if (op === 'create') return fields.filter((d) => d.field === 'version')
  return version ? fields.filter((d) => !DIGESTS.includes(d.field)) : fields
}

/** `(sha256 9f2c41…, locked)`: what a version stands for, and who says so. */
function digestText({ note, deltas }: ToldChange): string {
  if (note === null) return ''
  const to = deltas.find((d) => d.field === 'sha256')?.to ?? null
  return to === null ? `(sha256 ${note})` : `(sha256 ${valueText(to, false)}, ${note})`
}

/** `mode: 644 -> 600`; a version needs no name; a secret tells only that it changed. */
function fieldText({ field, from, to, masked }: Delta, full: boolean): string {
  const name = field === 'version' ? '' : `${field}: `
  if (masked) return `${name}*** (${from === null ? 'new' : to === null ? 'removed' : 'changed'})`
  if (from === null) return `${name}${valueText(to, full)}`
  return `${name}${valueText(from, full)} -> ${valueText(to, full)}`
}

/** `o`: whose it is, and what the owner has otherwise than the inventory. */
function ownedText({ note, deltas }: ToldChange, { full }: ChangeStyle): Pick<ChangeText, 'tail' | 'body'> {
  const owner = note ?? 'another tool'
  if (deltas.length === 0) return { tail: `owned by ${owner}`, body: [] }
  if (isMissing(deltas)) return { tail: `missing: ${owner} does not manage it`, body: [] }
  const rows = deltas.map(
    ({ field, from, to, masked }) =>
      `  ${field}: ${masked ? '***' : `${valueText(from, full)}, in the inventory ${valueText(to, full)}`}`,
  )
  return { tail: `it differs in ${owner}`, body: rows }
}

/** `(workstation; will be written)`: it counts nowhere, but apply does it. */
function localText({ note, deltas }: ToldChange, { ahead }: ChangeStyle): string {
  if (deltas.length === 0 && note === null) return '(workstation)'
  const verb = deltas.some(({ field, to }) => field === 'present' && to === false) ? 'removed' : 'written'
  return `(workstation; ${ahead ? 'will be ' : ''}${verb})`
}

/** How far something is that is waited for. */
function stateText({ deltas }: ToldChange): string {
  const from = deltas.find(({ field }) => field === 'state')?.from
  return typeof from === 'string' ? valueText(from, false) : ''
}

/** Of an object that is to be there, and is not. */
const isMissing = (deltas: readonly Delta[]) =>
  deltas.some(({ field, from }) => (field === 'present' || field === 'state' || field === 'version') && from === null)

function valueText(value: Json, full: boolean): string {
  if (value === null) return 'absent'
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  const lines = text.trimEnd().split('\n').length
  if (lines > 1) return `${lines} lines`
  if (full) return text.trimEnd()
  if (isSha256(text)) return `${text.slice(0, 6)}…`
  return text.length > LONG ? `${text.slice(0, LONG - 1)}…` : text
}

/** A text of lines on at least one side, and a text on the other. A digest stands for what cannot be shown. */
function isContent({ from, to, masked }: Delta): boolean {
  const sides = [from, to]
  return (
    !masked &&
    sides.every((side) => side === null || (typeof side === 'string' && !isSha256(side))) &&
    sides.some((side) => typeof side === 'string' && side.includes('\n'))
  )
}

function diffLines({ from, to }: Delta, { paint, full }: ChangeStyle): string[] {
  const bound = text(from) === '' || text(to) === '' ? {} : { maxEditLength: LONGEST_EDIT }
  const patch = structuredPatch('', '', text(from), text(to), '', '', { context: CONTEXT, ...bound })
  if (patch === undefined) return [`${valueText(from, false)} -> ${valueText(to, false)}: too many differences to show`]
  const { hunks } = patch
  const fromTop = hunks.length === 1 && (hunks[0]?.oldStart ?? 0) <= 1
  const lines = hunks.flatMap((hunk) => [
    ...(fromTop ? [] : [paint('cyan', `@@ -${hunk.oldStart},${hunk.oldLines} +${hunk.newStart},${hunk.newLines} @@`)]),
    ...hunk.lines.map((line) => paintLine(line, paint)),
  ])
  if (lines.length === 0) return ['*** (changed)']
  const most = full ? MOST_LINES_OF_DIFF : LINES_OF_DIFF
  if (lines.length <= most) return lines
  return [...lines.slice(0, most), `… ${lines.length - most} more lines${full ? '' : ': -v shows them'}`]
}

function paintLine(line: string, paint: Paint): string {
  const [sign = '', text] = [line[0], line.slice(1)]
  if (sign === '\\') return paint('dim', line)
  const spaced = `${sign} ${text}`.trimEnd()
  return sign === ' ' ? spaced : paint(sign === '+' ? 'green' : 'red', spaced)
}

function text(side: Json): string {
  return typeof side === 'string' ? side : ''
}

function shortName(title: string): string {
  return title.startsWith('/') ? (title.split('/').findLast(Boolean) ?? title) : title
}
