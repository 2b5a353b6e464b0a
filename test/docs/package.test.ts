// What people install: the program, its docs and examples, and nothing that the program would have to load from elsewhere.

import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { isBuiltin } from 'node:module'
import { dirname, join } from 'node:path'
import { beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import { buildProgram, PROGRAM } from '../build.ts'

const root = join(import.meta.dirname, '../..')
const Packed = z.tuple([z.object({ files: z.array(z.object({ path: z.string() })) })])
const Manifest = z.object({ dependencies: z.record(z.string(), z.string()).default({}) })

/** Libraries try these and do without them: native parts of ssh2, colors of debug, encodings of node-fetch; ajv only names its own files. */
const OPTIONAL = /^(cpu-features|supports-color|encoding)$|\.node$|^ajv\/dist\/runtime\//

beforeAll(buildProgram, 120_000)

test('the package holds no source maps, no sources and no tests', { timeout: 120_000 }, () => {
  const packed = execFileSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], {
    cwd: root,
    encoding: 'utf8',
  })
  const [{ files }] = Packed.parse(JSON.parse(packed))
  const paths = files.map(({ path }) => path)
  expect(paths).toEqual(
    expect.arrayContaining(['dist/k3s-platform.js', 'docs/ssh.md', 'CHANGELOG.md', 'README.md', 'LICENSE']),
  )
  const kinds = new Set(paths.map((path) => path.replace(/^(dist|docs|inventories)\/.*(\.\w+)$/, '$1 $2')))
  expect([...kinds].toSorted()).toEqual([
    'CHANGELOG.md',
    'LICENSE',
    'README.md',
    'dist .js',
    'dist .json',
    'docs .json',
    'docs .md',
    'docs .svg',
    'inventories .yaml',
    'man/k3s-platform.1',
    'package.json',
  ])
})

test('what the program loads at run time is a dependency, and every dependency is loaded', () => {
  const dist = dirname(PROGRAM)
  const code = readdirSync(dist).map((name) => readFileSync(join(dist, name), 'utf8'))
  const loaded = code.flatMap((text) => [...text.matchAll(/\b(?:require|import)\(["'`]([^"'`./][^"'`]*)["'`]\)/g)])
  const packages = new Set(
    loaded.map(([, name = '']) => name).filter((name) => !isBuiltin(name) && !OPTIONAL.test(name)),
  )
  const { dependencies } = Manifest.parse(JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')))
  expect([...packages].toSorted()).toEqual(Object.keys(dependencies).toSorted())
})
