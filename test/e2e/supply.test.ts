// Where k3s comes from: a lock file that is kept to, files of the workstation, images for nodes without a registry.

import { createHash } from 'node:crypto'
import { mkdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { TestNode } from '../testbed/node.ts'
import { K3S_VERSIONS, Testbed } from '../testbed/testbed.ts'
import { runOf } from './look.ts'
import { cli, expectGood, expectUntouched, said } from './state.ts'

const [OLDER, NEWER] = K3S_VERSIONS
const WRONG = '0'.repeat(64)
const ARCH = process.arch === 'arm64' ? 'arm64' : 'amd64'
const NAME = ARCH === 'amd64' ? 'k3s' : 'k3s-arm64'
/** Their charts would be locked, too. */
const NO_ADDONS = Object.fromEntries(
  ['cert_manager', 'external_secrets', 'caddy', 'external_dns', 'reloader'].map((addon) => [
    `k3s_platform_${addon}_enabled`,
    false,
  ]),
)
const IMAGES = `k3s-airgap-images-${ARCH}.tar.zst`

let testbed: Testbed
let node: TestNode
let inventory: string
let lock: string
/** The older release as files of the workstation, with a small archive of images and the sums of both. */
let release: string

beforeAll(async () => {
  testbed = await Testbed.open()
  node = await testbed.node('edge-1')
  release = join(await testbed.dir(), OLDER)
  await mkdir(release)
  await symlink(await standin(), join(release, NAME))
  await writeFile(join(release, IMAGES), 'the images of the older release')
  const sums = await Promise.all([NAME, IMAGES].map(async (name) => `${await sumOf(join(release, name))}  ${name}\n`))
  await writeFile(join(release, `sha256sum-${ARCH}.txt`), sums.join(''))
  await mkdir(join(release, '..', NEWER))
  await writeFile(join(release, '..', NEWER, `sha256sum-${ARCH}.txt`), `${WRONG}  ${NAME}\n`)
  const url = await testbed.mirror.serve('full', join(release, '..'))
  inventory = await testbed.inventory([node], { k3s_platform_k3s_mirror_url: url, ...NO_ADDONS })
  lock = join(inventory, 'k3s-platform.lock')
})
afterAll(() => testbed?.close())

async function standin(): Promise<string> {
  const build = new URL('../testbed/k3s-standin/build', import.meta.url).pathname
  return (await execa(build, [OLDER])).stdout.trim().replace(/k3s$/, NAME)
}

async function sumOf(path: string): Promise<string> {
  return createHash('sha256')
    .update(await readFile(path))
    .digest('hex')
}

const state = () =>
  node.ask(
    'sha256sum /usr/local/bin/k3s /etc/rancher/k3s/config.yaml; find /usr/local/bin /var/lib/k3s-platform | sort',
  )

test('without a lock --locked refuses before any host is spoken to', async () => {
  const refused = await cli(testbed, 64, ['apply', 'k3s_platform_bootstrap', '-i', inventory, '--locked'])
  expect(refused.stderr).toContain(`${OLDER} (binary, amd64, arm64, arm) is not locked`)
  expect(refused.stderr).toContain('run k3s-platform lock')
  await expectUntouched(node)
})

test('a file of the workstation that is not there, or is another one, is refused before anything is touched', async () => {
  const file = join(inventory, 'files/another')
  await mkdir(join(inventory, 'files'))
  await writeFile(file, 'not k3s')
  const absent = await cli(testbed, 64, [
    'apply',
    'k3s_platform_bootstrap',
    '-i',
    inventory,
    '-e',
    'k3s_platform_k3s_file=absent',
  ])
  expect(absent.stderr).toContain(`${join(inventory, 'absent')} cannot be read`)
  const digest = await sumOf(join(release, NAME))
  const pinned = ['-e', 'k3s_platform_k3s_file=files/another', '-e', `k3s_platform_k3s_sha256=${digest}`]
  const other = await cli(testbed, 1, ['apply', 'k3s_platform_bootstrap', '-i', inventory, ...pinned])
  expect(other.stderr).toContain(digest)
  expect(other.stderr).toContain(await sumOf(file))
  await expectUntouched(node)
})

test('a digest of another architecture does not do: the first look refuses, and nothing is touched', async () => {
  const other = ARCH === 'amd64' ? 'arm64' : 'amd64'
  await writeFile(lock, `version: 1\nk3s:\n  ${OLDER}:\n    binary:\n      ${other}: ${WRONG}\n`)
  const refused = await cli(testbed, 1, ['apply', 'k3s_platform_bootstrap', '-i', inventory, '--locked'])
  expect(refused.stderr).toContain(`${OLDER} (binary, ${ARCH}) is not locked`)
  await expectUntouched(node)
  await rm(lock)
})

test('what lock wrote is installed with --locked, from the workstation file, without asking the mirror', async () => {
  await cli(testbed, 0, ['lock', '-i', inventory])
  expect(await readFile(lock, 'utf8')).toContain(await sumOf(join(release, NAME)))
  await symlink(join(release, NAME), join(inventory, 'files/k3s'))
  await testbed.mirror.clear()
  const file = ['-e', 'k3s_platform_k3s_file=files/k3s']
  const plan = await cli(testbed, 2, ['plan', 'k3s_platform_bootstrap', '-i', inventory, '--locked', ...file])
  expect(plan.stdout).toMatch(/\+ \/usr\/local\/bin\/k3s +v\S+ \(sha256 [0-9a-f]{6}…, locked\)/)
  await cli(testbed, 0, ['apply', 'k3s_platform_bootstrap', '-i', inventory, '--locked', ...file])
  expect(await testbed.mirror.requests()).toEqual([])
  await expectGood(testbed, node, inventory)
})

test('a version that is not locked is refused where CI=true, and not where it is told otherwise', async () => {
  const before = [await state(), await runOf(node)]
  const newer = ['-i', inventory, '-e', `k3s_platform_k3s_version=${NEWER}`]
  const env = { CI: 'true' }
  const refused = await cli(testbed, 64, ['apply', 'k3s_platform_bootstrap', ...newer], { env })
  expect(refused.stderr).toContain(`${NEWER} (binary, amd64, arm64, arm) is not locked`)
  const plan = await cli(testbed, 2, ['plan', 'k3s_platform_bootstrap', ...newer], {
    env: { ...env, K3S_PLATFORM_LOCKED: 'false' },
  })
  expect(plan.stdout).toMatch(/~ \/usr\/local\/bin\/k3s .*\(sha256 as published\)/)
  await cli(testbed, 0, ['plan', 'k3s_platform_bootstrap', '-i', inventory], { env })
  expect([await state(), await runOf(node)]).toEqual(before)
})

test.each(['node', 'workstation'])(
  'a wrong digest in the lock leaves the node as it was, fetched by the %s',
  async (via) => {
    const before = [await state(), await runOf(node)]
    const good = await readFile(lock, 'utf8')
    await writeFile(lock, good.replace(await sumOf(join(release, NAME)), WRONG))
    try {
      const done = await cli(testbed, 1, [
        'apply',
        'k3s_platform_bootstrap',
        '-i',
        inventory,
        '-e',
        `k3s_platform_download=${via}`,
      ])
      expect(said(done)).toContain(WRONG)
      expect(said(done)).toContain(await sumOf(join(release, NAME)))
      expect([await state(), await runOf(node)]).toEqual(before)
    } finally {
      await writeFile(lock, good)
    }
    await expectGood(testbed, node, inventory)
  },
)

test.each(['node', 'workstation'])(
  'images for nodes without a registry come by the same rules, fetched by the %s',
  async (via) => {
    const there = `/opt/rancher/k3s/agent/images/${IMAGES}`
    await node.ask(`rm -f ${there}`)
    const run = await runOf(node)
    const args = ['-i', inventory, '-e', 'k3s_platform_airgap_images=true', '-e', `k3s_platform_download=${via}`]
    await cli(testbed, 0, ['lock', ...args])
    expect(await readFile(lock, 'utf8')).toContain(await sumOf(join(release, IMAGES)))
    await cli(testbed, 0, ['apply', 'k3s_platform_bootstrap', '--locked', ...args])
    expect(await node.ask(`cat ${there}; stat -c ' %a %U' ${there}`)).toBe('the images of the older release 644 root')
    await cli(testbed, 0, ['plan', 'k3s_platform_bootstrap', ...args])
    expect(await runOf(node)).toBe(run)
  },
)
