// Where k3s and its images come from: by architecture, by whose digest, and what is refused, told in tables.

import { expect, test } from 'vitest'
import {
  assetOf,
  lockableOf,
  type ReleasePart,
  supplyProblems,
  supplyRules,
} from '../../roles/k3s_platform_bootstrap/release.ts'
import { type BootstrapVars, vars } from '../../roles/k3s_platform_bootstrap/vars.ts'
import type { Observation } from '../../src/engine/resource.ts'
import { readFacts } from '../../src/host/facts.ts'
import { type LockEntry, noLock } from '../../src/supply/lock.ts'
import type { Supply } from '../../src/supply/supply.ts'

const VERSION = 'v1.36.5+k3s1'
const [A, B, C] = ['a'.repeat(64), 'b'.repeat(64), 'c'.repeat(64)]
const given = (more: object): BootstrapVars =>
  vars.parse({ k3s_platform_k3s_version: VERSION, k3s_platform_k3s_mirror_url: 'http://m', ...more })

/** `locked`: digest by part and architecture, `binary amd64`. `files`: digest by path. */
function supply({
  locked = {},
  files = {},
  strict = false,
}: {
  locked?: Record<string, string>
  files?: Record<string, string>
  strict?: boolean
}): Supply {
  return {
    lock: { ...noLock('/i/k3s-platform.lock'), text: Object.keys(locked).length > 0 ? '' : null },
    lockShown: 'i/k3s-platform.lock',
    strict,
    locked: ([section, version, part, arch]: LockEntry) =>
      section === 'k3s' && version === VERSION ? locked[`${part} ${arch}`] : undefined,
    locate: (path) => `/i/${path}`,
    digestOf: (path) => files[path],
  }
}

test.each<[machine: string, part: ReleasePart, name: string, sums: string]>([
  ['x86_64', 'binary', 'k3s', 'amd64'],
  ['aarch64', 'binary', 'k3s-arm64', 'arm64'],
  ['armv7l', 'binary', 'k3s-armhf', 'arm'],
  ['armv8l', 'binary', 'k3s-armhf', 'arm'],
  ['x86_64', 'images', 'k3s-airgap-images-amd64.tar.zst', 'amd64'],
  ['aarch64', 'images', 'k3s-airgap-images-arm64.tar.zst', 'arm64'],
  ['armv7l', 'images', 'k3s-airgap-images-arm.tar.zst', 'arm'],
])('on %s the %s is %s', (machine, part, name, sums) => {
  const { arch } = readFacts({ text: `uname=6.1.0 ${machine}\n` }, 0, 0)
  expect(assetOf(part, given({}), {}, arch)).toEqual({
    urls: [`http://m/v1.36.5%2Bk3s1/${name}`],
    sums: { url: `http://m/v1.36.5%2Bk3s1/sha256sum-${sums}.txt`, name },
    sha256: null,
    by: 'as published',
  })
})

test.each<[title: string, more: object, locked: Record<string, string>, sha256: string | null, by: string]>([
  ['nothing is known: the release publishes it', {}, {}, null, 'as published'],
  ['the lock file wins over the release', {}, { 'binary amd64': B }, B, 'locked'],
  ['a pin wins over the lock file', { k3s_platform_k3s_sha256: A }, { 'binary amd64': B }, A, 'pinned'],
  [
    'a pin by architecture counts for its own',
    { k3s_platform_k3s_sha256: { amd64: A } },
    { 'binary amd64': B },
    A,
    'pinned',
  ],
  [
    'a pin for another architecture is none',
    { k3s_platform_k3s_sha256: { arm64: A } },
    { 'binary amd64': B },
    B,
    'locked',
  ],
  ['a file has the digest that is locked', { k3s_platform_k3s_file: 'f' }, { 'binary amd64': B }, B, 'locked'],
  ['a file without any has its own', { k3s_platform_k3s_file: 'f' }, {}, C, 'from the file'],
])('%s', (_title, more, locked, sha256, by) => {
  const asset = assetOf('binary', given(more), { supply: supply({ locked, files: { '/i/f': C } }) }, 'amd64')
  expect(asset).toMatchObject({ sha256, by })
  expect(asset.file).toBe('k3s_platform_k3s_file' in more ? '/i/f' : undefined)
})

test.each<[more: object, entries: string[]]>([
  [{}, ['binary amd64', 'binary arm64', 'binary arm']],
  [{ k3s_platform_k3s_sha256: A }, []],
  [{ k3s_platform_k3s_sha256: { arm: A }, k3s_platform_k3s_file: 'f' }, ['binary amd64', 'binary arm64']],
  [{ k3s_platform_k3s_sha256: A, k3s_platform_k3s_images_file: 'f' }, ['images amd64', 'images arm64', 'images arm']],
])('with %j what is locked is %j', (more, entries) => {
  expect(lockableOf(given(more)).map(({ entry }) => entry.slice(2).join(' '))).toEqual(entries)
})

const LOCKED = { 'binary amd64': A, 'binary arm64': A }
test.each<[title: string, more: object, with_: Parameters<typeof supply>[0], before: string[], looking: string[]]>([
  ['nothing is refused without --locked', {}, {}, [], []],
  [
    'a version that is not locked is refused',
    {},
    { strict: true },
    [`${VERSION} (binary, amd64, arm64, arm) is not locked`],
    [`${VERSION} (binary, amd64) is not locked`],
  ],
  ['one that is locked is not', {}, { strict: true, locked: LOCKED }, [], []],
  ['one that is pinned is not', { k3s_platform_k3s_sha256: A }, { strict: true }, [], []],
  [
    'one that is locked for another architecture is found by the look',
    {},
    { strict: true, locked: { 'binary arm': A } },
    [],
    [`${VERSION} (binary, amd64) is not locked`],
  ],
  [
    'images that are not locked are refused',
    { k3s_platform_airgap_images: true },
    { strict: true, locked: LOCKED },
    [`${VERSION} (images, amd64, arm64, arm) is not locked`],
    [`${VERSION} (images, amd64) is not locked`],
  ],
  ['a file that is not there is refused', { k3s_platform_k3s_file: 'f' }, {}, ['/i/f cannot be read'], []],
  [
    'a file that is another one is found by the look',
    { k3s_platform_k3s_file: 'f' },
    { locked: LOCKED, files: { '/i/f': B } },
    [],
    [`it is not k3s of ${VERSION}: its digest differs`],
  ],
  ['a file that is it is fine', { k3s_platform_k3s_file: 'f' }, { locked: LOCKED, files: { '/i/f': A } }, [], []],
])('%s', (_title, more, with_, before, looking) => {
  const context = { host: 'edge-1', supply: supply(with_) }
  const look = {
    facts: readFacts({ text: 'uname=6.1.0 x86_64\n' }, 0, 0),
    observations: new Map<string, Observation>(),
  }
  expect(supplyRules(given(more), context).flatMap(({ what, warning }) => (warning ? [] : [what]))).toEqual(before)
  expect(supplyProblems(given(more), look, context).map(({ what }) => what)).toEqual(looking)
})

test('a file that is another one does not matter where the right one is installed', () => {
  const observations = new Map([['download:/usr/local/bin/k3s', { actual: { sha256: A }, desired: null }]])
  const look = { facts: readFacts({ text: 'uname=6.1.0 x86_64\n' }, 0, 0), observations }
  const context = { host: 'edge-1', supply: supply({ locked: LOCKED, files: {} }) }
  expect(supplyProblems(given({ k3s_platform_k3s_file: 'f' }), look, context)).toEqual([])
})
