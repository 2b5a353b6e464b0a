// The lock command: what it writes, byte for byte, what it refuses, and what it says.

import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { stringify } from 'yaml'
import { program } from '../../src/cli/program.ts'
import { roles } from '../../src/cli/roles.ts'
import type { Streams } from '../../src/report/sink.ts'
import { type Served, serve } from '../host/kinds/served.ts'

const sum = (text: string) => createHash('sha256').update(text).digest('hex')
const FOUR = 'v1.36.4+k3s1'
const FIVE = 'v1.36.5+k3s1'

let web: Served
let dir: string
beforeAll(async () => {
  web = await serve()
})
afterAll(() => web.close())
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'k3sp-lock-'))
  mkdirSync(join(dir, 'prod'))
  web.requests = []
  web.answers = { ...release(FOUR), ...release(FIVE) }
  inventory({ 'edge-1': {} }, { k3s_platform_k3s_version: FIVE })
  return () => rmSync(dir, { recursive: true })
})

/** The files of sums of a release, by the mirror's paths. */
function release(version: string, arches: readonly string[] = ['amd64', 'arm64', 'arm'], salt = '') {
  const name = (arch: string) => ({ amd64: 'k3s', arm: 'k3s-armhf' })[arch] ?? `k3s-${arch}`
  return Object.fromEntries(
    arches.map((arch) => {
      const names = [
        `k3s-airgap-images-${arch}.tar.gz`,
        `k3s-airgap-images-${arch}.tar.zst`,
        name(arch),
        'k3s-images.txt',
      ]
      const content = names.map((one) => `${sum(`${one} ${version}${salt}`)}  ${one}\n`).join('')
      return [`/${encodeURIComponent(version)}/sha256sum-${arch}.txt`, { content, status: 200, ranges: true }]
    }),
  )
}

/** Nothing but k3s: the charts of addons have tests of their own. */
const ADDONS = ['certManager', 'externalSecrets', 'caddy', 'externalDns', 'reloader']
const k3s_platform_values = { components: Object.fromEntries(ADDONS.map((name) => [name, { enabled: false }])) }

function inventory(hosts: object, vars: object, file = 'prod/hosts.yaml') {
  const all = { hosts, vars: { k3s_platform_k3s_mirror_url: web.url, k3s_platform_values, ...vars } }
  writeFileSync(join(dir, file), stringify({ all }))
}

async function cli(...argv: string[]) {
  const told = { stdout: '', stderr: '' }
  const streams: Streams = {
    stdout: { write: (text: string) => (told.stdout += text) },
    stderr: { write: (text: string) => (told.stderr += text) },
    env: { HOME: dir },
    cwd: dir,
    now: () => 0,
    onExit: () => () => {},
  }
  const code = await program(argv, streams, { version: '1.2.3', roles })
  const clean = (text: string) => text.replaceAll(web.url, 'URL')
  return { code, stdout: clean(told.stdout), stderr: clean(told.stderr) }
}
const lockFile = () => readFileSync(join(dir, 'prod/k3s-platform.lock'), 'utf8')
const short = (text: string) => `${sum(text).slice(0, 6)}…`

test('the digests of every architecture of the version go beside the inventory, and the next run changes nothing', async () => {
  expect(await cli('lock', '-i', 'prod')).toEqual({
    code: 0,
    stdout: `  + k3s ${FIVE} binary amd64  ${short(`k3s ${FIVE}`)}
  + k3s ${FIVE} binary arm64  ${short(`k3s-arm64 ${FIVE}`)}
  + k3s ${FIVE} binary arm  ${short(`k3s-armhf ${FIVE}`)}
Lock: prod/k3s-platform.lock: 3 added, 0 changed, 0 unchanged.
`,
    stderr: '',
  })
  const written = `# Digests of what is installed, written by k3s-platform lock. Commit it; entries that no host uses may be deleted.
version: 1
k3s:
  ${FIVE}:
    binary:
      amd64: ${sum(`k3s ${FIVE}`)}
      arm: ${sum(`k3s-armhf ${FIVE}`)}
      arm64: ${sum(`k3s-arm64 ${FIVE}`)}
`
  expect(lockFile()).toBe(written)
  expect(await cli('lock', '-i', 'prod')).toMatchObject({
    code: 0,
    stdout: 'Lock: prod/k3s-platform.lock: 0 added, 0 changed, 3 unchanged.\n',
  })
  expect(lockFile()).toBe(written)
  expect(readdirSync(join(dir, 'prod')).toSorted()).toEqual(['hosts.yaml', 'k3s-platform.lock'])
})

test('every version that a host wants is locked, the images where they are wanted, and each source is asked once', async () => {
  inventory(
    { 'edge-1': {}, 'edge-2': {}, 'edge-3': { k3s_platform_k3s_version: FOUR, k3s_platform_airgap_images: true } },
    { k3s_platform_k3s_version: FIVE },
  )
  expect((await cli('lock', '-i', 'prod')).stdout).toContain('9 added, 0 changed, 0 unchanged')
  expect(web.requests).toHaveLength(6)
  const text = lockFile()
  expect(text.indexOf(FOUR)).toBeLessThan(text.indexOf(FIVE))
  expect(text.match(/^ {4}images:\n {6}amd64: .*$/m)?.[0]).toContain(sum(`k3s-airgap-images-amd64.tar.zst ${FOUR}`))
  expect(text.match(/images:/g)).toHaveLength(1)
})

test('a file as inventory has its lock beside it, and --check writes nothing and exits 2 while it is behind', async () => {
  const behind = await cli('lock', '-i', 'prod/hosts.yaml', '-C')
  expect(behind).toMatchObject({ code: 2, stdout: expect.stringContaining('is outdated: 3 added, 0 changed') })
  expect(existsSync(join(dir, 'prod/k3s-platform.lock'))).toBe(false)
  await cli('lock', '-i', 'prod/hosts.yaml')
  expect(await cli('lock', '-i', 'prod/hosts.yaml', '--check')).toMatchObject({ code: 0, stderr: '' })
})

test('what else is in the file stays, other versions too, and the same content is the same text', async () => {
  const digest = 'a'.repeat(64)
  const k3s = { 'v1.36.10+k3s1': { binary: { amd64: digest } }, 'v1.36.4+k3s1': { binary: { amd64: digest } } }
  const charts = { 'cert-manager': { 'v1.21.2': digest } }
  writeFileSync(join(dir, 'prod/k3s-platform.lock'), stringify({ k3s, version: 1, charts }))
  await cli('lock', '-i', 'prod')
  const names = lockFile()
    .match(/^ *\S+:(?= |$)/gm)
    ?.map((line) => line.trim())
  expect(names?.slice(0, 4)).toEqual(['version:', 'charts:', 'cert-manager:', 'v1.21.2:'])
  expect(names?.filter((name) => name.startsWith('v1.36'))).toEqual([`${FOUR}:`, `${FIVE}:`, 'v1.36.10+k3s1:'])
})

test('a digest that changed for the same version is refused with both, and taken over with --yes', async () => {
  await cli('lock', '-i', 'prod')
  const before = lockFile()
  web.answers = { ...release(FIVE), ...release(FIVE, ['arm64'], ' again') }
  const refused = await cli('lock', '-i', 'prod')
  expect(refused).toMatchObject({ code: 1, stdout: '' })
  expect(refused.stderr).toMatch(
    /^✗ prod\/k3s-platform.lock k3s v1.36.5\+k3s1 binary arm64: the published digest differs/m,
  )
  for (const word of [sum(`k3s-arm64 ${FIVE}`), sum(`k3s-arm64 ${FIVE} again`), 'releases are immutable', 'lock --yes'])
    expect(refused.stderr).toContain(word)
  expect(await cli('lock', '-i', 'prod', '--check')).toMatchObject({ code: 1 })
  expect(lockFile()).toBe(before)
  const taken = await cli('lock', '-i', 'prod', '--yes')
  expect(taken.stdout).toContain(
    `~ k3s ${FIVE} binary arm64  ${short(`k3s-arm64 ${FIVE}`)} -> ${short(`k3s-arm64 ${FIVE} again`)}`,
  )
  expect(lockFile()).toBe(before.replace(sum(`k3s-arm64 ${FIVE}`), sum(`k3s-arm64 ${FIVE} again`)))
})

test('a digest of digits only, or with one e, is text', async () => {
  const digests = { amd64: '0'.repeat(64), arm: `${'1'.repeat(40)}e${'2'.repeat(23)}`, arm64: 'f'.repeat(64) }
  const lines = Object.entries(digests).map(([arch, digest]) => `      ${arch}: ${digest}\n`)
  writeFileSync(join(dir, 'prod/k3s-platform.lock'), `version: 1\nk3s:\n  ${FIVE}:\n    binary:\n${lines.join('')}`)
  const refused = await cli('lock', '-i', 'prod')
  for (const digest of Object.values(digests)) expect(refused.stderr).toContain(`locked     ${digest}`)
  await cli('lock', '-i', 'prod', '-e', `k3s_platform_k3s_version=${FOUR}`)
  for (const digest of Object.values(digests)) expect(lockFile()).toContain(digest)
  expect((await cli('lock', '-i', 'prod', '-C', '-e', `k3s_platform_k3s_version=${FOUR}`)).code).toBe(0)
})

test('the install manifest of Flux is locked where Flux applies the tree, with what the release publishes', async () => {
  const digest = `${'1'.repeat(40)}e${'2'.repeat(23)}`
  const flux = { k3s_platform_git_url: 'https://git.example/platform.git', k3s_platform_flux_mirror_url: web.url }
  web.answers = {
    ...web.answers,
    '/v2.9.5/flux_2.9.5_checksums.txt': { content: `${digest}  install.yaml\n`, status: 200, ranges: true },
  }
  inventory({ 'edge-1': {} }, { ...flux, k3s_platform_k3s_version: FIVE })
  expect((await cli('lock', '-i', 'prod')).stdout).toContain(`  + manifest flux v2.9.5  ${digest.slice(0, 6)}…\n`)
  expect(lockFile()).toMatch(new RegExp(`^manifests:\n  flux:\n    v2.9.5: "?${digest}"?\n`, 'm'))
  expect(await cli('lock', '-i', 'prod', '-C')).toMatchObject({ code: 0, stderr: '' })
  const absent = await cli('lock', '-i', 'prod', '-e', 'k3s_platform_flux_version=v2.9.6')
  expect(absent.stderr).toMatch(
    /the digest of manifest flux v2\.9\.6 could not be fetched[\s\S]*check k3s_platform_flux_version/,
  )
  inventory({ 'edge-1': {} }, { ...flux, k3s_platform_handoff: 'none', k3s_platform_k3s_version: FOUR })
  expect((await cli('lock', '-i', 'prod')).stdout).not.toContain('flux')
  const planned = await cli(
    'plan',
    '-i',
    'prod',
    '--locked',
    '-e',
    'k3s_platform_handoff=flux',
    '-e',
    'k3s_platform_flux_version=v2.9.4',
  )
  expect(planned).toMatchObject({ code: 64 })
  expect(planned.stderr).toMatch(/✗ \S+.*: the install manifest of Flux v2\.9\.4 is not locked/)
})

test('a pinned digest needs no lock', async () => {
  inventory({ 'edge-1': { k3s_platform_k3s_sha256: { amd64: 'b'.repeat(64) } } }, { k3s_platform_k3s_version: FIVE })
  expect((await cli('lock', '-i', 'prod')).stdout).toContain('2 added')
  expect(lockFile()).not.toContain('amd64')
})

test('an architecture that a mirror does not have is told, and the others are locked', async () => {
  web.answers = release(FIVE, ['amd64'])
  const done = await cli('lock', '-i', 'prod')
  expect(done).toMatchObject({ code: 0, stderr: '' })
  expect(done.stdout).toContain(`  ? k3s ${FIVE} binary arm64  not published\n`)
  expect(done.stdout).toContain('1 added')
})

test.each([
  [
    'a version that is not there',
    {},
    /✗ URL\/v9\.9\.9%2Bk3s1\/sha256sum-amd64\.txt: the digest of .* could not be fetched\n +why: +HTTP 404/,
  ],
  [
    'a server that is not there',
    { k3s_platform_k3s_mirror_url: 'http://127.0.0.1:4999' },
    /✗ http:\/\/127\.0\.0\.1:4999\/v9.*\n +why: +.*ECONNREFUSED/,
  ],
])('%s is told by URL and reason, and nothing is written', async (_title, vars, says) => {
  inventory({ 'edge-1': {} }, { ...vars, k3s_platform_k3s_version: 'v9.9.9+k3s1' })
  const done = await cli('lock', '-i', 'prod')
  expect(done).toMatchObject({ code: 1, stdout: '', stderr: expect.stringMatching(says) })
  expect(existsSync(join(dir, 'prod/k3s-platform.lock'))).toBe(false)
})

test.each([
  ['of conflict', '<<<<<<< HEAD\nversion: 1\n', 'k3s-platform.lock:1:'],
  ['with a bad digest', `version: 1\nk3s:\n  ${FIVE}:\n    binary:\n      amd64: 12ab\n`, 'k3s-platform.lock:5:14'],
  ['of another version', 'version: 2\n', 'k3s-platform.lock:1:10'],
])('a lock file %s is a problem with its place', async (_title, text, where) => {
  writeFileSync(join(dir, 'prod/k3s-platform.lock'), text)
  for (const command of ['lock', 'plan']) {
    const done = await cli(command, '-i', 'prod')
    expect(done).toMatchObject({ code: 64, stdout: '', stderr: expect.stringContaining(`✗ prod/${where}`) })
  }
})

test('hosts that are named on the command line have no place for a lock file', async () => {
  expect(await cli('lock', '-i', '203.0.113.7,')).toMatchObject({ code: 64, stdout: '' })
})

test('-o json is one document', async () => {
  const done = await cli('lock', '-i', 'prod', '-o', 'json')
  expect(JSON.parse(done.stdout)).toMatchObject({
    schema: 'k3s-platform/lock/v1',
    path: 'prod/k3s-platform.lock',
    differences: [{ entry: ['k3s', FIVE, 'binary', 'amd64'], from: null, to: sum(`k3s ${FIVE}`) }, {}, {}],
  })
})
