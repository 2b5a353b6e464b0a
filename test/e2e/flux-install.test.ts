// Flux's controllers on a real node: installed from a release, left in peace when they are as they were, healed, upgraded, and
// what is told when their manifest cannot be had.

import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import type { Flux } from '../testbed/flux.ts'
import type { TestNode } from '../testbed/node.ts'
import { Testbed } from '../testbed/testbed.ts'
import { told } from './look.ts'
import { versions } from './platform.ts'
import { cli, said } from './state.ts'

/** Nobody answers at the repository: it has no part in this. */
const ROLE = ['k3s_platform_bootstrap', '--skip-tags', 'source']
const OLDER = 'k3s_platform_flux_version=v2.9.4'
const NAMES = ['helm-controller', 'kustomize-controller', 'notification-controller', 'source-controller']
const KINDS = [
  'deployments',
  'crds',
  'networkpolicies',
  'resourcequotas',
  'serviceaccounts',
  'services',
  'clusterroles',
]
const WRONG = '0'.repeat(64)
/** Their charts would be locked, too. */
const NO_ADDONS = ['cert_manager', 'external_secrets', 'caddy', 'external_dns', 'reloader'].flatMap((addon) => [
  '-e',
  `{"k3s_platform_${addon}_enabled":false}`,
])

let testbed: Testbed
let flux: Flux
let node: TestNode
let inventory: string

beforeAll(async () => {
  testbed = await Testbed.open()
  node = await testbed.node('edge-1')
  ;[flux] = await Promise.all([testbed.flux(), node.programs('flux')])
  inventory = await testbed.inventory([node], {
    k3s_platform_git_url: 'https://git.example/platform.git',
    k3s_platform_flux_mirror_url: flux.url,
  })
})
afterAll(() => testbed?.close())
afterEach(async () => {
  await flux.mirror.up()
  await flux.mirror.clear()
})

const run = (code: number, command: string, ...more: readonly string[]) =>
  cli(testbed, code, [command, ...ROLE, '-i', inventory, ...more])
const names = async () =>
  (await node.kubectl(['get', 'deployments', '-n', 'flux-system', '-o', 'name']))
    .trim()
    .split('\n')
    .map((line) => line.replace(/.*\//, ''))
const images = () =>
  node.kubectl([
    'get',
    'deployments',
    '-n',
    'flux-system',
    '-o',
    'jsonpath={.items[*].spec.template.spec.containers[*].image}',
  ])
/** All that Flux is made of, as the API has it: a status that is told again is no change. */
const state = async () => (await versions(node, KINDS.slice(1))) + (await images())

/** Server-side applies of CRDs that the API has counted, the dry ones as well. */
const writes = () =>
  node.ask(
    'k3s kubectl get --raw /metrics | grep \'^apiserver_request_total{.*resource="customresourcedefinitions".*verb="APPLY"\' || :',
  )

/** Nothing is pending, nothing is fetched, and it takes one command on the node. */
async function expectQuiet(...more: readonly string[]): Promise<number> {
  await flux.mirror.clear()
  const before = [await state(), await writes()]
  const { code, document, seconds } = await told(testbed, ['plan', ...ROLE, '-i', inventory, ...more])
  expect([code, document.hosts[0]?.execs]).toEqual([0, 1])
  expect(await flux.mirror.requests()).toEqual([])
  expect([await state(), await writes()]).toEqual(before)
  return seconds
}

test('a wrong digest, a mirror that is down and a release that is not there are told, and no part of Flux is applied', async () => {
  await run(0, 'apply', '--skip-tags', 'flux')
  const wrong = await run(1, 'apply', '-e', `k3s_platform_flux_sha256=${WRONG}`)
  expect(wrong.stderr).toMatch(/✗ http\S+\/v2\.9\.5\/install\.yaml: the workstation could not fetch it/)
  expect(wrong.stderr).toContain(`expected sha256 ${WRONG}, got ${await flux.digest('v2.9.5')}`)
  const absent = await run(1, 'plan', '-e', 'k3s_platform_flux_version=v2.9.6')
  expect(absent.stderr).toMatch(/flux_2\.9\.6_checksums\.txt: the digest of install\.yaml is unknown\n +why: +HTTP 404/)
  await flux.mirror.fault({ path: '/install.yaml', kind: 'cut', bytes: 1000 })
  expect((await run(1, 'apply')).stderr).toContain('the workstation could not fetch it')
  await flux.mirror.down()
  const down = await run(1, 'apply')
  expect(down.stderr).toMatch(/why: +.*ECONNREFUSED/)
  expect(down.stderr).toContain('k3s_platform_flux_version and the mirror')
  expect(await node.kubectl(['get', 'namespaces,crds', '-o', 'name'])).not.toMatch(/flux/)
})

test('a run that is killed in the middle is healed by the next, which goes on from what is there', async () => {
  const killed = testbed.spawnCli(['apply', ...ROLE, '-i', inventory, '-e', OLDER])
  const since = Date.now()
  while ((await node.run('k3s kubectl get crd gitrepositories.source.toolkit.fluxcd.io')).code !== 0) {
    if (Date.now() - since > 60_000) throw new Error('no CRD has come')
  }
  killed.kill('SIGKILL')
  await killed
  const plan = await run(2, 'plan', '-e', OLDER)
  expect(plan.stdout).toMatch(/~ Flux controllers\s+v2\.9\.4, in part -> v2\.9\.4/)
  await run(0, 'apply', '-e', OLDER)
  expect(await names()).toEqual(NAMES)
  await expectQuiet('-e', OLDER)
}, 120_000)

test('on the way to another release the images change, and nothing goes that should stay', async () => {
  const before = await images()
  const crds = await node.kubectl(['get', 'crds', '-o', 'name'])
  const plan = await run(2, 'plan', '--diff')
  expect(plan.stdout).toMatch(/~ Flux controllers\s+v2\.9\.4 -> v2\.9\.5/)
  expect(plan.stdout).toMatch(/Deployment flux-system\/source-controller spec\.template\S*image/)
  await run(0, 'apply')
  expect(await images()).not.toBe(before)
  expect(await names()).toEqual(NAMES)
  expect(await node.kubectl(['get', 'crds', '-o', 'name'])).toBe(crds)
  const seconds = await expectQuiet()
  const without = (await run(0, 'plan', '--skip-tags', 'flux')).seconds
  console.log(`a converged look takes ${seconds.toFixed(2)} s with Flux, ${without.toFixed(2)} s without`)
})

test.each([
  [
    'a Deployment that is gone',
    ['delete', 'deployment', '-n', 'flux-system', 'helm-controller'],
    'Deployment flux-system/helm-controller',
  ],
  [
    'a field of a CRD that is gone',
    [
      'patch',
      'crd',
      'gitrepositories.source.toolkit.fluxcd.io',
      '--type=json',
      '-p',
      '[{"op":"remove","path":"/spec/names/shortNames"}]',
    ],
    'spec.names.shortNames',
  ],
  [
    'a label that is gone',
    ['label', 'serviceaccount', '-n', 'flux-system', 'source-controller', 'app.kubernetes.io/component-'],
    'ServiceAccount flux-system/source-controller metadata.labels',
  ],
])('%s is seen and put back', async (_, drift, shown) => {
  await node.kubectl(drift)
  await flux.mirror.down()
  expect((await run(2, 'plan', '--diff')).stdout).toContain(shown)
  await run(0, 'apply')
  await flux.mirror.up()
  expect(await names()).toEqual(NAMES)
  await expectQuiet()
})

test('an image that somebody has set is theirs: it is told with a command that puts it right, and not forced', async () => {
  await node.kubectl([
    'set',
    'image',
    '-n',
    'flux-system',
    'deployment/source-controller',
    'manager=ghcr.io/fluxcd/source-controller:v0',
  ])
  const refused = await run(1, 'apply')
  expect(refused.stderr).toMatch(
    /✗ edge-1 Deployment flux-system\/source-controller: a field belongs to another field manager/,
  )
  expect(await images()).toContain('source-controller:v0')
  const [, patch = ''] = /take ownership: kubectl (.*)/.exec(refused.stderr) ?? expect.fail(said(refused))
  await node.ask(`k3s kubectl ${patch}`)
  await run(0, 'apply')
  expect(await images()).not.toContain('source-controller:v0')
  await expectQuiet()
})

/** All Deployments are available, and still are some looks later. */
async function settled(one: TestNode): Promise<void> {
  let well = 0
  const look = async () => {
    const lacking = '{.items[*].status.unavailableReplicas}'
    const path = `jsonpath=${lacking}`
    well = (await one.kubectl(['get', 'deployments', '-n', 'flux-system', '-o', path])) === '' ? well + 1 : 0
    return well
  }
  await expect.poll(look).toBeGreaterThanOrEqual(6)
}

test('several hosts fetch it once, and what is locked is installed with --locked', async () => {
  const other = await testbed.node('edge-2')
  const both = await testbed.inventory([node, other], {
    k3s_platform_git_url: 'https://git.example/platform.git',
    k3s_platform_flux_mirror_url: flux.url,
    k3s_platform_flux_components: [],
    k3s_platform_https_proxy: 'http://me:s3cret-of-proxy@127.0.0.1:3128',
  })
  await testbed.spawn(['rm', '-rf', `${testbed.home}/.cache`])
  await cli(testbed, 0, ['lock', '-i', both, '-l', 'edge-2', ...NO_ADDONS])
  await flux.mirror.clear()
  const done = await cli(testbed, 0, ['apply', ...ROLE, '-i', both, '--locked'], { timeout: 240_000 })
  expect((await flux.mirror.requests()).map(({ path }) => path)).toEqual(['/v2.9.5/install.yaml'])
  expect(said(done)).not.toContain('s3cret-of-proxy')
  for (const one of [node, other]) {
    const pods = await one.kubectl(['get', 'deployments', '-n', 'flux-system', '-o', 'yaml'])
    expect(pods).toContain('name: flux-proxy')
    expect(pods).not.toContain('s3cret-of-proxy')
    // The nodes' pods share their network: the new one starts once more when the old one has let go of the port.
    await settled(one)
  }
  await cli(testbed, 0, ['plan', ...ROLE, '-i', both, '--locked'])
  await cli(testbed, 0, ['apply', ...ROLE, '-i', inventory])
  expect(await node.kubectl(['get', 'secrets', '-n', 'flux-system', '-o', 'name'])).toBe('')
  await expectQuiet()
}, 300_000)
