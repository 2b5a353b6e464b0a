// Changing a kubeconfig that other tools change at the same time.

import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { createPrivate, editKubeconfig } from '../../src/cli/kubeconfig-file.ts'

let dir: string
let file: string
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'kubeconfig-'))
  file = join(dir, 'new/config')
})
afterEach(() => rmSync(dir, { recursive: true }))
const there = () => readdirSync(join(dir, 'new')).toSorted()

test('edits at the same time all arrive', async () => {
  await Promise.all(['a', 'b', 'c'].map((word) => editKubeconfig(file, (text) => `${text ?? ''}${word}\n`)))
  expect(readFileSync(file, 'utf8').trim().split('\n').toSorted()).toEqual(['a', 'b', 'c'])
  expect(there()).toEqual(['config', 'config.k3s-platform-backup-1', 'config.k3s-platform-backup-2'])
})

test('an edit that fails leaves the file, no lock and no backup', async () => {
  await editKubeconfig(file, () => 'old\n')
  const failing = editKubeconfig(file, () => {
    throw new Error('refused')
  })
  await expect(failing).rejects.toThrow('refused')
  expect([readFileSync(file, 'utf8'), there()]).toEqual(['old\n', ['config']])
})

test('an edit that changes nothing writes nothing', async () => {
  await editKubeconfig(file, () => 'old\n')
  await editKubeconfig(file, (text) => text ?? '')
  expect(there()).toEqual(['config'])
})

test('a lock that another program holds is waited for, then named; it is not removed', {
  timeout: 15_000,
}, async () => {
  await editKubeconfig(file, () => 'old\n')
  writeFileSync(`${file}.lock`, '')
  await expect(editKubeconfig(file, () => 'new\n')).rejects.toThrow('another program holds the lock')
  expect([readFileSync(file, 'utf8'), existsSync(`${file}.lock`)]).toEqual(['old\n', true])
})

test('a link that leads nowhere yet is replaced by the file', async () => {
  await editKubeconfig(file, () => 'old\n')
  const link = join(dir, 'new/link')
  symlinkSync('nowhere', link)
  await editKubeconfig(link, (text) => text ?? 'first\n')
  expect(readFileSync(link, 'utf8')).toBe('first\n')
})

test('a file that is created is private, and of many at once only one is', async () => {
  const done = await Promise.all(['a', 'b', 'c'].map((text) => createPrivate(file, text)))
  expect(done.filter(Boolean)).toEqual([true])
  expect(readFileSync(file, 'utf8')).toBe(['a', 'b', 'c'][done.indexOf(true)])
  expect([statSync(file).mode & 0o777, there()]).toEqual([0o600, ['config']])
  symlinkSync('nowhere', join(dir, 'new/link'))
  expect(await createPrivate(join(dir, 'new/link'), 'x')).toBe(false)
  await expect(createPrivate(join(file, 'below'), 'x')).rejects.toThrow(/ENOTDIR|EEXIST/)
})
