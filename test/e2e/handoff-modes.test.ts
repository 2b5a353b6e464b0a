// Each way of reading the repository takes a bare node to a platform that Flux has; by ssh with a given key: handoff.test.ts.

import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { TestNode } from '../testbed/node.ts'
import { Testbed } from '../testbed/testbed.ts'
import { forms } from './forms.ts'
import { type Handoff, handoff, issued, kustomizations, publish, reading, secretLines } from './handoff.ts'
import { told, well } from './look.ts'
import { field, versions } from './platform.ts'
import { cli, said } from './state.ts'

let testbed: Testbed
const LONG = { timeout: 400_000 }

beforeAll(async () => {
  testbed = await Testbed.open()
})
afterAll(() => testbed?.close())

const secret = async (node: TestNode, key: string) =>
  Buffer.from(
    await field(node, 'flux-system', 'secret/platform-config', `{.data.${key.replace('.', '\\.')}}`),
    'base64',
  ).toString()

describe.each([
  ['public', ['ca.crt']],
  ['https-basic', ['ca.crt', 'password', 'username']],
  ['https-bearer', ['bearerToken', 'ca.crt']],
] as const)('a full run on a fresh node, by %s', (mode, keys) => {
  let at: Handoff
  let inventory: string
  let revision: string

  // One node at a time: each has an API server of its own.
  beforeAll(async () => {
    at = await handoff(testbed, mode)
    inventory = await testbed.inventory([at.node], { ...at.vars, ...reading(at, mode) })
    revision = await publish(testbed, at.git, inventory)
  })
  afterAll(() => at?.node.down())

  test('ends with all of Git applied and well', async () => {
    const { stdout } = await well(testbed, ['apply', '-i', inventory], LONG)
    expect(stdout).toMatch(new RegExp(`${mode} +ok=\\d+ +changed=\\d+ +unreachable=0 +failed=0`))
    const all = await kustomizations(at.node)
    expect(Object.keys(all)).toContain('platform-root')
    expect(Object.keys(all)).toHaveLength(5)
    expect(new Set(Object.values(all))).toEqual(new Set(['True']))
    const applied = await at.node.kubectl([
      ...['get', 'kustomizations', '-n', 'flux-system', '-o', 'jsonpath={.items[*].status.lastAppliedRevision}'],
    ])
    expect(new Set(applied.split(' '))).toEqual(new Set([`main@sha1:${revision}`]))
    const data = await field(at.node, 'flux-system', 'secret/platform-config', '{.data}')
    expect(Object.keys(JSON.parse(data)).toSorted()).toEqual(keys)
  })

  test('issues each certificate once', async () => {
    expect(await issued(at.node)).toMatch(/orders 2$/)
  })

  test('leaves nothing to do, and a second run is one exec that changes nothing', async () => {
    const { document } = await told(testbed, ['plan', '-i', inventory])
    expect(document.exitCode).toBe(0)
    const kinds = ['certificates', 'clusterissuers', 'kustomizations', 'gitrepositories', 'secrets', 'deployments']
    const before = [await versions(at.node, kinds), await issued(at.node)]
    const again = await told(testbed, ['apply', '-i', inventory], LONG)
    expect(again.document.hosts[0]).toMatchObject({ status: 'ok', execs: 1, recap: { changed: 0 } })
    expect([await versions(at.node, kinds), await issued(at.node)]).toEqual(before)
  })
})

describe('the bootstrap role alone, with a deploy key that is made', () => {
  const MADE = /a deploy key was generated: (ssh-ed25519 \S+)/
  const SCANNED = /the host keys of .* were trusted on first use: ssh-ed25519 SHA256:/
  const REFUSED = /it cannot be fetched: the Git server refuses the login/
  let at: Handoff
  let inventory: string
  let publicKey = ''

  const login = () => ({
    k3s_platform_git_auth_mode: 'ssh',
    k3s_platform_git_url: at.git.sshUrl,
    k3s_platform_git_generate_key: true,
    k3s_platform_git_known_hosts_scan: true,
  })
  /** What a run says that tells all it can, its events included. */
  const run = async (code: number, ...flags: readonly string[]) => {
    const events = join(await testbed.dir(), 'events.jsonl')
    const args = ['apply', 'k3s_platform_bootstrap', '-i', inventory, '--events', events, ...flags]
    const done = await cli(testbed, code, args, LONG)
    return `${said(done)}\n${await readFile(events, 'utf8')}`
  }
  const expectUntold = async (text: string) => {
    const lines = secretLines(await secret(at.node, 'identity'))
    expect(lines.join('').length).toBeGreaterThanOrEqual(70)
    expect(lines.flatMap(forms).filter((form) => text.includes(form))).toEqual([])
  }

  beforeAll(async () => {
    at = await handoff(testbed, 'alone')
    inventory = await testbed.inventory([at.node], { ...at.vars, ...login() })
    await publish(testbed, at.git, inventory)
  })
  afterAll(() => at?.node.down())

  test('makes the key, tells its public part, and says that nobody has let it in', async () => {
    const text = await run(1, '-vvv', '--debug')
    publicKey = MADE.exec(text)?.[1] ?? ''
    expect(await secret(at.node, 'identity.pub')).toBe(`${publicKey} k3s-platform-alone\n`)
    expect(text).toMatch(SCANNED)
    expect(await secret(at.node, 'known_hosts')).toBe(at.git.knownHosts)
    expect(text).toMatch(REFUSED)
    await expectUntold(text)
  })

  test('makes no other, and does not tell it again', async () => {
    const text = await run(1, '-vvv', '--debug')
    expect(text).not.toMatch(MADE)
    expect(text).not.toMatch(SCANNED)
    expect(text).toMatch(REFUSED)
    expect(await secret(at.node, 'identity.pub')).toContain(publicKey)
    // How to see it is told: a run may be killed before it says what it has made.
    const shown = /its public key: kubectl (.*)$/m.exec(text)?.[1] ?? ''
    expect(await at.node.ask(`k3s kubectl ${shown}`)).toContain(publicKey)
    await expectUntold(text)
  })

  test('is well once the key is let in, and makes no platform-root for a tree that needs the addons', async () => {
    await at.git.authorize(publicKey)
    const text = await run(0, '-vvv', '--debug')
    expect(text).not.toMatch(MADE)
    await expectUntold(text)
    expect(await kustomizations(at.node)).toEqual({})
    const { stdout } = await well(testbed, ['plan', 'k3s_platform_bootstrap', '-i', inventory])
    expect(stdout).toContain('Plan: no changes')
  })

  test('makes platform-root at once for a tree that needs none of them', async () => {
    const own = { k3s_platform_cert_manager_enabled: false, k3s_platform_certificates: [] }
    inventory = await testbed.inventory([at.node], { ...at.vars, ...login(), ...own })
    const map = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'site', namespace: 'default' } }
    const revision = await at.git.commit({
      'clusters/alone/kustomization.yaml': JSON.stringify({ resources: ['site.yaml'] }),
      'clusters/alone/site.yaml': JSON.stringify({ ...map, data: { by: 'hand' } }),
    })
    // What is in Git by now is fetched before it is applied.
    await at.node.kubectl(['delete', '-n', 'flux-system', 'gitrepository/platform-config'])
    await run(0)
    expect(await kustomizations(at.node)).toEqual({ 'platform-root': 'True' })
    const path = '{.status.lastAppliedRevision}'
    expect(await field(at.node, 'flux-system', 'kustomization/platform-root', path)).toBe(`main@sha1:${revision}`)
    expect(await field(at.node, 'default', 'configmap/site', '{.data.by}')).toBe('hand')
    const { document } = await told(testbed, ['apply', 'k3s_platform_bootstrap', '-i', inventory])
    expect(document.hosts[0]).toMatchObject({ status: 'ok', execs: 1, recap: { changed: 0 } })
  })

  test('tries a key that is made anew at once, while what the former one has fetched is still there', async () => {
    await at.node.kubectl(['delete', '-n', 'flux-system', 'secret/platform-config'])
    const text = await run(1)
    expect(text).toMatch(REFUSED)
    await at.git.authorize(MADE.exec(text)?.[1] ?? '')
    await run(0)
  })

  test('keeps the host keys of the first sight: a server that shows others is refused', async () => {
    const first = at.git.knownHosts
    await at.git.rotateHostKey()
    await at.node.kubectl(['delete', '-n', 'flux-system', 'gitrepository/platform-config'])
    expect(await run(1)).toMatch(/the host key of the Git server changed/)
    expect(await secret(at.node, 'known_hosts')).toBe(first)
  })
})
