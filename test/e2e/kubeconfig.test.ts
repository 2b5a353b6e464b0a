// The kubeconfig on the workstation: only its owner reads it, it names the node's address, and a client works with it.

import { chmod, readFile, rm, stat, writeFile } from 'node:fs/promises'
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
    'update',
  ],
  ['the mode 644', () => chmod(file, 0o644), 'update'],
  ['nothing at all', () => rm(file), 'create'],
])('%s is put right, and k3s does not notice', async (_, tamper, op) => {
  const [before, run] = [await readFile(file, 'utf8'), await runOf(node)]
  await tamper()
  const plan = await told(testbed, ['plan', 'k3s_platform_bootstrap', '-i', inventory])
  expect([plan.code, pendingOf(plan.document)]).toEqual([2, [`${op} ~/.kube/k3s-platform/edge-1.yaml`]])
  await well(testbed, ['apply', 'k3s_platform_bootstrap', '-i', inventory])
  expect([await readFile(file, 'utf8'), await mode(file)]).toEqual([before, '600'])
  expect(await runOf(node)).toBe(run)
  await well(testbed, ['plan', 'k3s_platform_bootstrap', '-i', inventory])
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
  expect(done.stderr).toContain('it is there and was not written by k3s-platform')
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
