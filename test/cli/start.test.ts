// The start file of dist/: chunks find each other, and compiled code is kept where nobody else can put any.

import { spawnSync } from 'node:child_process'
import { chownSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { seesRoot } from '../owners.ts'

const START = readFileSync(new URL('../../scripts/start.cjs', import.meta.url), 'utf8')

let dist: string
let home: string
beforeEach(() => {
  // Below a directory that only this user can write, as a real home is: /tmp is none.
  const root = mkdtempSync(join(homedir(), '.start-test-'))
  dist = join(root, 'dist')
  home = join(root, 'home')
  for (const path of [dist, home]) mkdirSync(path)
  writeFileSync(join(dist, 'start.js'), START.replace('MAIN', 'main-1.js'))
  writeFileSync(join(dist, 'package.json'), '{"type":"commonjs"}')
  writeFileSync(join(dist, 'main-1.js'), "const b = require('./b-2.js'); exports.a = 1; process.exitCode = b.run()")
  writeFileSync(
    join(dist, 'b-2.js'),
    "const { join } = require('node:path'); exports.run = () => { console.log(join('x', String(require('./main-1.js').a))); return Number(process.argv[2] ?? 0) }",
  )
})
afterEach(() => rmSync(join(dist, '..'), { recursive: true, force: true }))

const run = (...args: string[]) => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(dist, 'start.js'), ...args], {
    env: { HOME: home },
    encoding: 'utf8',
  })
  return [status, stdout, stderr]
}
const cache = () => join(home, '.cache/k3s-platform/code', `${process.version}-${process.arch}`)

test.skipIf(!seesRoot)('the code of a run that went well is kept for its user alone, and used again', () => {
  expect(run()).toEqual([0, 'x/1\n', ''])
  expect(readdirSync(cache()).toSorted()).toEqual(['b-2.js', 'main-1.js'])
  const kept = () => readdirSync(cache()).map((name) => statSync(join(cache(), name)))
  expect(kept().map(({ mode }) => mode & 0o777)).toEqual([0o600, 0o600])
  const before = kept().map(({ ino }) => ino)
  expect(run()).toEqual([0, 'x/1\n', ''])
  expect(kept().map(({ ino }) => ino)).toEqual(before)
})

test.skipIf(!seesRoot)('what was kept and is broken or of another build is replaced', () => {
  run()
  writeFileSync(join(cache(), 'b-2.js'), 'broken')
  writeFileSync(join(cache(), 'old-9.js'), 'of another build')
  expect(run()).toEqual([0, 'x/1\n', ''])
  expect(readdirSync(cache()).toSorted()).toEqual(['b-2.js', 'main-1.js'])
  expect(readFileSync(join(cache(), 'b-2.js')).length).toBeGreaterThan(100)
})

test('after a mistake nothing is kept: it has used little of the code', () => {
  expect(run('64')).toEqual([64, 'x/1\n', ''])
  expect(readdirSync(home)).toEqual([])
})

test.skipIf(process.getuid?.() !== 0)('in a home of somebody else nothing is kept and nothing is read', () => {
  chownSync(home, 12345, 12345)
  expect(run()).toEqual([0, 'x/1\n', ''])
  expect(readdirSync(home)).toEqual([])
})
