import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'

const top = join(import.meta.dirname, '../..')

test('no two exported types share a name', () => {
  const files = execFileSync('git', ['ls-files', 'src/**/*.ts', 'roles/**/*.ts'], { cwd: top, encoding: 'utf8' })
  const places = new Map<string, string[]>()
  for (const file of files.split('\n').filter(Boolean))
    for (const [, name = ''] of readFileSync(join(top, file), 'utf8').matchAll(/^export (?:interface|type) (\w+)/gm))
      places.set(name, [...(places.get(name) ?? []), file])
  expect(places.size).toBeGreaterThan(100)
  expect([...places].filter(([, found]) => found.length > 1)).toEqual([])
})
