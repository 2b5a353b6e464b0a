// Paths from outside, joined to a folder: what stays in it, and what is refused.

import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { fileName, pathInside, relativePath } from '../../src/files/path-inside.ts'

const above = mkdtempSync(join(tmpdir(), 'path-inside-'))
const root = join(above, 'root')

beforeAll(() => {
  mkdirSync(join(root, 'folder'), { recursive: true })
  mkdirSync(join(above, 'outside'))
  symlinkSync('../outside', join(root, 'out'))
  symlinkSync('folder', join(root, 'in'))
  symlinkSync('nowhere', join(root, 'dangling'))
  symlinkSync(root, join(above, 'link'))
})
afterAll(() => rmSync(above, { recursive: true }))

describe('a path stays in its folder', () => {
  test.each(['file', 'folder/file', 'new/new/file', 'in/file', '::1.yaml', '...', 'a..b', 'name with spaces'])(
    '%j',
    (path) => {
      expect(pathInside(root, path)).toBe(join(root, path))
    },
  )

  test('also where the folder itself is a link, is missing or ends in a slash', () => {
    expect(pathInside(join(above, 'link'), 'folder/file')).toBe(join(above, 'link/folder/file'))
    expect(pathInside(join(above, 'new'), 'folder/file')).toBe(join(above, 'new/folder/file'))
    expect(pathInside(`${root}/`, 'folder/file')).toBe(join(root, 'folder/file'))
  })
})

describe('a path that leads elsewhere is refused', () => {
  test.each([
    ...['', '.', '..', '/', '/etc/passwd', '../file', 'folder/../../file', 'folder/..', 'folder//file', 'folder/'],
    ...['a\\..\\b', 'a\0b', 'a\nb', 'a\u009bb', 'x'.repeat(224), 'out/file', 'out/new/file', 'dangling/file'],
  ])('%j', (path) => {
    expect(() => pathInside(root, path)).toThrow('it is not a valid target path')
  })

  test('without looking at the disk', () => {
    expect(() => relativePath('a/../b')).toThrow('a/../b')
    expect(relativePath('a/b')).toBe('a/b')
  })
})

test('a name with slashes is the name of one file', () => {
  expect(fileName('arn:aws:eks:eu-1:1:cluster/x')).toBe('arn:aws:eks:eu-1:1:cluster%2Fx')
  expect(fileName('../../x')).toBe('..%2F..%2Fx')
  expect(() => fileName('..')).toThrow()
})
