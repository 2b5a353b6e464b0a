// The table of scripts/check-rooms.mjs is the order of the rooms that CONTRIBUTING.md states, and it finds what breaks the order.

import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { importsOf, LEVELS, problemOf } from '../../scripts/check-rooms.mjs'

const root = join(import.meta.dirname, '../..')

test('the order is the one that CONTRIBUTING.md states', () => {
  const text = readFileSync(join(root, 'CONTRIBUTING.md'), 'utf8')
  const [, order = ''] = /Imports point downward[^:]*: (.*?)\./s.exec(text) ?? []
  const stated = order.split('→').map((level) => {
    const [, parent = '', names = ''] = /`(src\/)?\{?([\w,]+)\}?`/.exec(level) ?? []
    return names.split(',').map((name) => `${parent}${name}`)
  })
  expect(stated.length).toBeGreaterThan(6)
  const source = LEVELS.map((rooms) => rooms.filter((room) => room === 'roles' || room.startsWith('src/')))
  expect(source.filter((rooms) => rooms.length > 0)).toEqual(stated)
})

test('every directory of the program is a room, and every role one of its own', () => {
  const rooms = LEVELS.flat()
  const directories = (top: string) =>
    readdirSync(join(root, top), { withFileTypes: true }).flatMap((entry) =>
      entry.isDirectory() ? [`${top}/${entry.name}`] : [],
    )
  expect([...directories('src'), ...directories('roles')].filter((name) => !rooms.includes(name))).toEqual([])
})

test.each([
  ['src/engine/a.ts', 'src/diagnosis/b.ts', 'not below'],
  ['src/engine/a.ts', 'templates/b.hbs', 'not below'],
  ['src/diagnosis/a.ts', 'src/engine/b.ts', 'not below'],
  ['src/files/a.ts', 'src/supply/b.ts', 'not below'],
  ['src/supply/a.ts', 'src/report/b.ts', 'not below'],
  ['src/host/a.ts', 'src/cluster/b.ts', 'not below'],
  ['src/gitops/a.ts', 'src/vault/b.ts', 'not below'],
  ['src/gitops/kinds/a.ts', 'src/cli/b.ts', 'not below'],
  ['roles/role.ts', 'roles/handoff/b.ts', 'not below'],
  ['roles/handoff/a.ts', 'roles/k3s_platform_addon/b.ts', 'not below'],
  ['roles/k3s_platform_addon/a.ts', 'roles/k3s_platform_bootstrap/b.ts', 'not below'],
  ['roles/k3s_platform_addon/a.ts', 'roles/index.ts', 'not below'],
  ['roles/k3s_platform_addon/a.ts', 'src/inventory/b.ts', 'only builders'],
  ['roles/handoff/a.ts', 'src/host/ssh/b.ts', 'only builders'],
  ['src/host/kinds/a.ts', 'src/host/transport.ts', 'never runs it'],
  ['src/elsewhere/a.ts', 'src/engine/b.ts', 'in no room'],
])('%s does not import %s: %s', (from, to, why) => {
  expect(problemOf(from, to)).toContain(why)
})

test.each([
  ['src/cli/commands/a.ts', 'roles/index.ts'],
  ['roles/index.ts', 'roles/k3s_platform_addon/b.ts'],
  ['roles/k3s_platform_addon/addons/a.ts', 'roles/role.ts'],
  ['src/host/kinds/a.ts', 'src/host/sh.ts'],
  ['src/host/ssh/a.ts', 'src/host/transport.ts'],
  ['src/vault/a.ts', 'src/cluster/b.ts'],
])('%s imports %s', (from, to) => {
  expect(problemOf(from, to)).toBeUndefined()
})

test('imports are found in each form: of values, of types, for their effect, passed on, and late', () => {
  const source = `import { a,
  b } from '../engine/a.ts'
import type { C } from './c.ts'
import './d.ts'
export * from './e.ts'
import pkg from 'package'
const late = async () => (await import('../files/f.ts')).f
type G = import('./g.ts').G
import h from './h.ts?worker'
`
  const names = ['engine/a', 'host/c', 'host/d', 'host/e', 'files/f', 'host/g', 'host/h']
  expect(importsOf('src/host/x.ts', source)).toEqual(names.map((name) => `src/${name}.ts`))
})
