// A cluster that the original roles have handed over: what kubectl applied there is gone on with, by one command and without a change.

import { readFile } from 'node:fs/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { stringify } from 'yaml'
import { Testbed } from '../testbed/testbed.ts'
import { type Handoff, handoff, reading } from './handoff.ts'
import { field, versions } from './platform.ts'
import { cli } from './state.ts'

const ROLE = 'k3s_platform_bootstrap'
const PATH = './environments/clusters/prod'
/** Of the addon role: the tree needs none of them. */
const NO_ADDONS = JSON.stringify({ k3s_platform_cert_manager_enabled: false, k3s_platform_certificates: [] })

let testbed: Testbed
let at: Handoff
let inventory: string
let manifest: string

const run = (code: number, command: string, ...more: readonly string[]) =>
  cli(testbed, code, [command, ROLE, '-i', inventory, '-e', NO_ADDONS, ...more])
const base64 = (text: string) => Buffer.from(text).toString('base64')

/** What the original role applies: facts of its documentation. */
const original = () => {
  const metadata = (name: string) => ({ name, namespace: 'flux-system' })
  const { username, password } = at.git.login
  return [
    {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: metadata('platform-config'),
      data: { username: base64(username), password: base64(password), 'ca.crt': base64(`${at.git.ca.trim()}\n`) },
    },
    {
      apiVersion: 'source.toolkit.fluxcd.io/v1',
      kind: 'GitRepository',
      metadata: metadata('platform-config'),
      spec: {
        interval: '1m',
        url: at.git.basicUrl,
        ref: { branch: 'main' },
        secretRef: { name: 'platform-config' },
      },
    },
    {
      apiVersion: 'kustomize.toolkit.fluxcd.io/v1',
      kind: 'Kustomization',
      metadata: metadata('platform-root'),
      spec: {
        interval: '5m',
        path: PATH,
        prune: true,
        wait: true,
        timeout: '5m',
        sourceRef: { kind: 'GitRepository', name: 'platform-config' },
      },
    },
  ]
}

beforeAll(async () => {
  testbed = await Testbed.open()
  at = await handoff(testbed, 'edge-1')
  inventory = await testbed.inventory([at.node], {
    ...at.vars,
    ...reading(at, 'https-basic'),
    k3s_platform_flux_root_path: PATH,
  })
  const site = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'site', namespace: 'default' } }
  await at.git.commit({ [`${PATH.slice(2)}/site.yaml`]: stringify(site) })
  await run(0, 'apply', '--skip-tags', 'flux,source,handoff')
  manifest = await readFile(at.flux.file('v2.9.5'), 'utf8')
  await at.node.kubectl(['apply', '-f', '-'], manifest)
  await at.node.kubectl(['-n', 'flux-system', 'rollout', 'status', 'deployments', '--timeout=120s'])
  await at.node.kubectl(
    ['apply', '-f', '-'],
    original()
      .map((one) => stringify(one))
      .join('---\n'),
  )
  const ready = ['kustomization/platform-root', '--for=condition=Ready', '--timeout=120s']
  await at.node.kubectl(['-n', 'flux-system', 'wait', ...ready])
})
afterAll(() => testbed?.close())

test('the first run names the one command that takes the controllers over, and touches nothing', async () => {
  const state = () => versions(at.node, ['deployments', 'crds', 'services', 'secrets', 'namespaces'])
  const before = await state()
  const { stderr } = await run(1, 'apply')
  expect(await state()).toBe(before)
  expect(stderr).toMatch(/✗ edge-1 Flux controllers: owned by kubectl apply, and conflicts are never forced\n/)
  const [, command = ''] = /take them over once with: kubectl (.*) -f \S+, then run apply again$/m.exec(stderr) ?? []
  await at.node.kubectl([...command.split(' '), '-f', '-'], manifest)
})

test('after it the run goes on with what is there, and Flux with what it has applied', async () => {
  const uid = () => field(at.node, 'default', 'configmap/site', '{.metadata.uid}')
  const before = await uid()
  await run(0, 'apply')
  expect((await run(0, 'plan')).stdout).toContain('Plan: no changes')
  expect(await uid()).toBe(before)
})
