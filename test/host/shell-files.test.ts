// The files of shell: each says what it does and what its names of one letter are; comments do not travel.

import { readdirSync, readFileSync } from 'node:fs'
import { basename, join, relative } from 'node:path'
import { describe, expect, test } from 'vitest'
import { prelude } from '../../src/host/prelude.ts'

const root = join(import.meta.dirname, '../..')
const files = ['src', 'roles'].flatMap((top) =>
  readdirSync(join(root, top), { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.sh'))
    .map((path) => join(root, top, path)),
)

test('all shell lies where npm run check reads it', () => {
  const read = readFileSync(join(root, 'scripts/check-shell.sh'), 'utf8')
  expect(read).toContain(' src/*/shell/*.sh roles/*/shell/*.sh ')
  expect(files.length).toBeGreaterThan(30)
  expect(files.filter((path) => !/^(src|roles)\/\w+\/shell\/[^/]+$/.test(relative(root, path)))).toEqual([])
})

const isComment = (line: string) => line.startsWith('#')

/** The names of one letter that the comment at the head explains: `#   k_s k_d  two columns`. */
const explainedIn = (head: readonly string[]) =>
  head.flatMap((line) => /^# {3}((?:k_\w+ +)+)/.exec(line)?.[1]?.trim().split(/ +/) ?? [])

function headOf(lines: readonly string[]): readonly string[] {
  return lines.slice(
    0,
    lines.findIndex((line) => !isComment(line)),
  )
}

const linesOf = (path: string) => readFileSync(path, 'utf8').split('\n')
const shared = explainedIn(headOf(linesOf(join(root, 'src/host/shell/prelude.sh'))))

describe.each(files.map((path) => [basename(path), path] as const))('%s', (_, path) => {
  const lines = linesOf(path)
  const head = headOf(lines)

  test('says in its first lines what it does, and what its names of one letter are', () => {
    expect(head.filter((line) => !line.startsWith('#!')).length).toBeGreaterThan(0)
    const code = lines.filter((line) => !isComment(line.trim())).join('\n')
    const used = new Set(code.match(/\bk_[a-z]\b/g))
    const explained = new Set([...shared, ...explainedIn(head)])
    expect([...used].filter((name) => !explained.has(name))).toEqual([])
  })
})

test('comments and empty lines are for people, and are not sent', () => {
  expect(prelude.reveal()).not.toMatch(/^\s*(#|$)/m)
  expect(prelude.reveal()).toContain('k_place() {\n')
})
