// Encryption of Secrets is switched on in a cluster that runs: what is there is encrypted, too, also by the run after a killed one.

import { afterAll, beforeAll, expect, test } from 'vitest'
import type { TestNode } from '../testbed/node.ts'
import { Testbed } from '../testbed/testbed.ts'
import { cli, said } from './state.ts'

const MARK = '/var/lib/k3s-platform/secrets-to-encrypt'
const ON = ['-e', 'k3s_platform_secrets_encryption=true']

let testbed: Testbed
let node: TestNode
let inventory: string

beforeAll(async () => {
  testbed = await Testbed.open()
  node = await testbed.node('edge-1')
  inventory = await testbed.inventory([node], { k3s_platform_k3s_config: { 'https-listen-port': 7443 } })
  await cli(testbed, 0, ['apply', 'k3s_platform_bootstrap', '-i', inventory])
})
afterAll(() => testbed?.close())

const status = () => node.ask('k3s secrets-encrypt status -d /opt/rancher/k3s -s https://127.0.0.1:7443')

test('the plan shows the restart and what is done to the Secrets that are there', async () => {
  const plan = said(await cli(testbed, 2, ['plan', 'k3s_platform_bootstrap', '-i', inventory, ...ON]))
  expect(plan).toContain('! restart k3s.service')
  expect(plan).toContain('! encrypt the existing Secrets (secrets-encrypt rotate-keys)')
})

test('apply encrypts them, and nothing is left to do', async () => {
  await node.kubectl(['create', 'secret', 'generic', 'old', '--from-literal=a=b'])
  const before = await node.kubectl(['get', 'secret', 'old', '-o', 'jsonpath={.metadata.resourceVersion}'])
  await cli(testbed, 0, ['apply', 'k3s_platform_bootstrap', '-i', inventory, ...ON])
  expect(await status()).toContain('Current Rotation Stage: reencrypt_finished')
  expect(await node.kubectl(['get', 'secret', 'old', '-o', 'jsonpath={.metadata.resourceVersion}'])).not.toBe(before)
  expect(await node.kubectl(['get', 'secret', 'old', '-o', 'jsonpath={.data.a}'])).toBe('Yg==')
  expect((await node.run(`test -e ${MARK}`)).code).toBe(1)
  await cli(testbed, 0, ['plan', 'k3s_platform_bootstrap', '-i', inventory, ...ON])
})

test('a run that was killed between the restart and the end leaves it to the next one', async () => {
  await node.ask(`: >${MARK}`)
  const plan = said(await cli(testbed, 2, ['plan', 'k3s_platform_bootstrap', '-i', inventory, ...ON]))
  expect(plan).toContain('! encrypt the existing Secrets')
  expect(plan).not.toContain('restart k3s.service')
  await cli(testbed, 0, ['apply', 'k3s_platform_bootstrap', '-i', inventory, ...ON])
  expect((await node.run(`test -e ${MARK}`)).code).toBe(1)
})

test('it cannot be switched off again, and nothing is touched', async () => {
  const refused = said(await cli(testbed, 1, ['apply', 'k3s_platform_bootstrap', '-i', inventory]))
  expect(refused).toContain('secrets-encryption cannot change from true to false')
  expect(await node.ask('systemctl is-active k3s')).toBe('active')
})

test('builds that k3s unpacked for earlier releases go, but for two', async () => {
  await node.ask(
    `cd /opt/rancher/k3s/data && for n in a b; do d=$(printf "$n%.0s" $(seq 64)); mkdir -p $d/bin; echo x >$d/bin/k3s; done; ln -sfn $PWD/$(printf 'b%.0s' $(seq 64)) previous`,
  )
  const plan = said(await cli(testbed, 2, ['plan', 'k3s_platform_bootstrap', '-i', inventory, ...ON]))
  expect(plan).toContain('remove 1 unpacked build of earlier k3s releases')
  const { stdout: found } = await testbed.cli(['doctor', '-i', inventory, ...ON])
  expect(found).toMatch(
    /Unpacked builds of earlier k3s releases take 1 MB: 1 MB \/opt\/rancher\/k3s\/data\/a{64}\n.*k3s-platform apply -l edge-1 -t ready\n/,
  )
  await cli(testbed, 0, ['apply', 'k3s_platform_bootstrap', '-l', 'edge-1', '-t', 'ready', '-i', inventory, ...ON])
  expect(await node.ask(`ls /opt/rancher/k3s/data | grep -c '^[0-9a-f]\\{64\\}$'`)).toBe('2')
})
