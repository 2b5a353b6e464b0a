import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { z } from 'zod'
import { type Text, textsOf } from './texts.ts'

const top = fileURLToPath(new URL('../../', import.meta.url))

const row = z.strictObject({ ban: z.string(), write: z.string(), example: z.string(), not: z.string().optional() })
const list = z
  .strictObject({ phrases: z.array(row), spelling: z.array(row) })
  .parse(parse(readFileSync(new URL('word-list.yaml', import.meta.url), 'utf8')))
const rows = [...list.phrases, ...list.spelling].map((one) => ({ ...one, pattern: new RegExp(one.ban, 'i') }))

/** Text without code: backticks, URLs, options and names with an underscore are not prose. */
const prose = (text: string) => text.replace(/`[^`]*`|https?:\S+|--[a-z-]+|\S*_\S*/g, '…')

const files = execFileSync('git', ['ls-files', 'src', 'roles', 'docs', 'templates', ':(glob)*.md'], { cwd: top })
  .toString()
  .split('\n')
  .filter((file) => /\.(ts|md|json|md\.hbs)$/.test(file) && !file.endsWith('.d.ts'))

/** Shell is not prose: a script has a variable or a command separator. */
const isProse = ({ kind, text }: Text) =>
  kind !== 'string' || (/ /.test(text.trim()) && !/k_\w|\$\(|"\$|; do|&& \{/.test(text))

function findings(kinds: readonly Text['kind'][]): string[] {
  return files
    .flatMap((file) => textsOf(top, file))
    .filter((text) => kinds.includes(text.kind) && isProse(text))
    .flatMap(({ file, line, text }) =>
      rows.flatMap(({ pattern, write }) => {
        const found = pattern.exec(prose(text))
        return found === null ? [] : [`${file}:${line}: "${found[0]}": write "${write}"  in: ${text.slice(0, 160)}`]
      }),
    )
}

test.each(rows)('the word list finds "$example" and leaves alone what it must', ({ pattern, example, not }) => {
  expect(example).toMatch(pattern)
  if (not !== undefined) expect(not).not.toMatch(pattern)
})

test('messages, help texts and descriptions are written in the words of the field', () => {
  expect(findings(['string'])).toEqual([])
})

test('pages are written in the words of the field', () => {
  expect(findings(['page'])).toEqual([])
})
