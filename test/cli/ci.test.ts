// One meaning of CI: what keeps secrets out of a build server's log also keeps to the lock file.

import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { supplyOf } from '../../src/cli/run.ts'

let directory = ''
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'k3sp-ci-'))
  await writeFile(join(directory, 'k3s-platform.lock'), 'version: 1\n')
})
afterAll(() => rm(directory, { recursive: true }))

test.each([
  ['true', true],
  ['1', true],
  ['yes', true],
  ['woodpecker', true],
  ['false', false],
  ['0', false],
  ['', false],
  [undefined, false],
])('with CI=%s, only what the lock file lists is installed: %s', async (CI, strict) => {
  const { supply } = await supplyOf([directory], { locked: null }, { env: { CI }, cwd: directory })
  expect(supply.strict).toBe(strict)
})
