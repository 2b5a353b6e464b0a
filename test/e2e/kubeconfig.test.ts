// The kubeconfig on the workstation: only its owner reads it, it names the node's address, and a client works with it.

import { chmod, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { TestNode } from '../testbed/node.ts'
import { Testbed } from '../testbed/testbed.ts'
import { pendingOf, runOf, told, well } from './look.ts'

let testbed: Testbed
let node: TestNode
let inventory: string
let file: string

const PROGRAM = fileURLToPath(new URL('../../dist/k3s-platform.js', import.meta.url))
const REPOSITORY = fileURLToPath(new URL('../..', import.meta.url))
/** Prints each node's name and whether it is ready. */
const LIST_NODES = `import { CoreV1Api, KubeConfig } from '@kubernetes/client-node'
const config = new KubeConfig()
config.loadFromFile(process.argv[1])
const { items } = await config.makeApiClient(CoreV1Api).listNode()
const ready = (node) => node.status.conditions.find(({ type }) => type === 'Ready').status
console.log(JSON.stringify({
  context: config.getCurrentContext(),
  server: config.getCurrentCluster().server,
  nodes: items.map((node) => [node.metadata.name, ready(node)]),
}))`

/** What a client finds in the testbed's network, on the node's own port. */
async function answer(path: string): Promise<unknown> {
  const script = ['--input-type=module', '-e', LIST_NODES, path]
  const done = await testbed.spawn([process.execPath, ...script], { cwd: REPOSITORY })
  expect(done.exitCode, done.stderr).toBe(0)
  return JSON.parse(done.stdout)
}
const TITLE = '~/.kube/k3s-platform/edge-1.yaml'
const mode = async (path: string) => ((await stat(path)).mode & 0o777).toString(8)

beforeAll(async () => {
  testbed = await Testbed.open()
  node = await testbed.node('edge-1')
  inventory = await testbed.inventory([node])
  file = join(testbed.home, '.kube/k3s-platform/edge-1.yaml')
  await well(testbed, ['apply', 'k3s_platform_bootstrap', '-i', inventory])
})
afterAll(() => testbed?.close())

test('a client lists the node with it, at the address that the workstation knows', async () => {
  expect(await mode(file)).toBe('600')
  expect(await answer(file)).toEqual({
    context: 'edge-1',
    server: `https://${node.host}:6443`,
    nodes: [['edge-1', 'True']],
  })
})

test.each([
  [
    'another server in it',
    async () => writeFile(file, (await readFile(file, 'utf8')).replace(/server: .*/, 'server: https://elsewhere')),
  ],
  ['the mode 644', () => chmod(file, 0o644)],
  ['nothing at all', () => rm(file)],
])('%s is put right, counts nowhere, and k3s does not notice', async (_, tamper) => {
  const [before, run] = [await readFile(file, 'utf8'), await runOf(node)]
  await tamper()
  const plan = await told(testbed, ['plan', 'k3s_platform_bootstrap', '-i', inventory])
  expect([plan.code, pendingOf(plan.document)]).toEqual([0, []])
  expect(plan.document.hosts[0]?.plan?.stages.flatMap((stage) => stage.changes)).toContainEqual(
    expect.objectContaining({ op: 'local', title: TITLE, deltas: expect.arrayContaining([expect.anything()]) }),
  )
  const shown = await well(testbed, ['plan', 'k3s_platform_bootstrap', '-i', inventory])
  expect(shown.stdout).toMatch(/kubeconfig +=.*edge-1\.yaml +\(workstation; will be written\)\n/)
  const applied = await told(testbed, ['apply', 'k3s_platform_bootstrap', '-i', inventory])
  expect([applied.code, applied.document.hosts[0]?.recap.changed]).toEqual([0, 0])
  expect(applied.document.hosts[0]?.steps.map(({ op, title }) => `${op} ${title}`)).toEqual([`local ${TITLE}`])
  expect([await readFile(file, 'utf8'), await mode(file)]).toEqual([before, '600'])
  expect(await runOf(node)).toBe(run)
  await well(testbed, ['plan', 'k3s_platform_bootstrap', '-i', inventory])
})

test('a converged node is converged from a home that is empty or not to be had, whoever asks', async () => {
  const nobody = { k3s_platform_kubeconfig_fetch: undefined }
  const unset = await testbed.inventory([node], nobody)
  const recaps = []
  for (const HOME of [await testbed.dir(), '/nonexistent', '/dev/null', null]) {
    for (const dir of [inventory, unset]) {
      const cwd = await testbed.dir()
      const plan = await told(testbed, ['plan', 'k3s_platform_bootstrap', '-i', dir], { env: { HOME }, cwd })
      expect([plan.code, pendingOf(plan.document), plan.document.status], `HOME ${HOME}`).toEqual([0, [], 'ok'])
      recaps.push(plan.document.hosts[0]?.recap)
    }
  }
  expect(new Set(recaps.map((recap) => JSON.stringify(recap))).size).toBe(1)
})

test('without a terminal nothing is fetched unless the inventory says so', async () => {
  const HOME = await testbed.dir()
  const unset = await testbed.inventory([node], { k3s_platform_kubeconfig_fetch: undefined })
  await well(testbed, ['apply', 'k3s_platform_bootstrap', '-i', unset], { env: { HOME } })
  expect(await readdir(HOME)).not.toContain('.kube')
  await well(testbed, ['apply', 'k3s_platform_bootstrap', '-i', inventory], { env: { HOME } })
  expect(await mode(join(HOME, '.kube/k3s-platform/edge-1.yaml'))).toBe('600')
})

test('a person at a terminal gets it, and in CI not even at a terminal', async () => {
  const unset = await testbed.inventory([node], { k3s_platform_kubeconfig_fetch: undefined })
  const apply = ['apply', 'k3s_platform_bootstrap', '-i', unset]
  for (const [CI, files] of [
    ['true', []],
    ['', ['k3s-platform']],
  ] as const) {
    const HOME = await testbed.dir()
    const line = [process.execPath, PROGRAM, ...apply].join(' ')
    const done = await testbed.spawn(['script', '-qec', line, '/dev/null'], { env: { HOME, CI, TERM: 'xterm' } })
    expect(done.exitCode, done.stdout).toBe(0)
    expect(await readdir(join(HOME, '.kube')).catch(() => [])).toEqual(files)
  }
})

test('a home that cannot be written to fails the fetching alone, with the way out', async () => {
  const done = await testbed.cli(['apply', 'k3s_platform_bootstrap', '-i', inventory], { env: { HOME: '/dev/null' } })
  expect(done.code).toBe(1)
  expect(done.stderr).toMatch(/The kubeconfig could not be written.*ENOTDIR.*k3s_platform_kubeconfig_fetch: false/s)
})

test("somebody else's kubeconfig in its place is not overwritten", async () => {
  const path = join(await testbed.dir(), 'config')
  await writeFile(path, 'clusters: []\n')
  const done = await testbed.cli([
    'apply',
    'k3s_platform_bootstrap',
    '-i',
    inventory,
    '-e',
    `k3s_platform_kubeconfig_dest=${path}`,
  ])
  expect(done.code).toBe(1)
  expect(done.stderr).toContain('the file exists and was not written by k3s-platform')
  expect(await readFile(path, 'utf8')).toBe('clusters: []\n')
})

test('it goes where the inventory says', async () => {
  const path = join(await testbed.dir(), 'deep/er/kubeconfig')
  await well(testbed, [
    'apply',
    'k3s_platform_bootstrap',
    '-i',
    inventory,
    '-e',
    `k3s_platform_kubeconfig_dest=${path}`,
  ])
  expect(await mode(path)).toBe('600')
  expect(await readFile(path, 'utf8')).toBe(await readFile(file, 'utf8'))
})
