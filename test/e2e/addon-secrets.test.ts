// No byte of a secret that the addons are given is anywhere but in its Secret: streams, events, wire, arguments, objects, files.

import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Testbed } from '../testbed/testbed.ts'
import { forms } from './forms.ts'
import { DATABASE, expectNone, inFolders, inNode, inObjects, watched } from './leaks.ts'
import { type Platform, platform, VAULT_URL, vault } from './platform.ts'
import { said } from './state.ts'

const CLOUDFLARE = 'cf-9sV3"kQ\\x2m-token'
const GHCR = 'ghp_7hT2wYb4 $Zr8-token'
const VAULT = 'hvs.Qm5Lr1tE0pNcX-token'
const OF_VAULT = 'pg-Jw6Gd4xS-password'
const SECRETS = [CLOUDFLARE, GHCR, VAULT, OF_VAULT]
const again = (secret: string) => `${secret}-rotated`
/** What is rotated begins with what it was. */
const needles = [...new Set(SECRETS.flatMap(forms))]

let testbed: Testbed
let at: Platform
/** The program's temporary directory. */
let temp = ''
let inventory = ''

beforeAll(async () => {
  testbed = await Testbed.open()
  at = await platform(testbed, 'edge-1')
  temp = await testbed.dir()
  await vault(at.node, [VAULT, again(VAULT)], { some: { thing: OF_VAULT } })
  const { k3s_platform_cloudflare_api_token: _, ...vars } = at.vars
  inventory = await testbed.inventory([at.node], {
    ...vars,
    k3s_platform_ghcr_username: 'robot',
    k3s_platform_vault_server: VAULT_URL,
    k3s_platform_external_secrets: [
      { name: 'of-vault', namespaces: ['platform'], data: { key: { key: 'some', property: 'thing' } } },
    ],
  })
})
afterAll(() => testbed?.close())

const env = (turn: (secret: string) => string) => ({
  TMPDIR: temp,
  CLOUDFLARE_API_TOKEN: turn(CLOUDFLARE),
  GHCR_TOKEN: turn(GHCR),
  VAULT_TOKEN: turn(VAULT),
})
const same = (secret: string) => secret

const nowhereIn = (what: string, text: string) => expectNone(needles, what, text)

const FORMATS = ['text', 'json'] as const

describe('secrets of the addons', () => {
  test.each([
    ['given for the first time', same, true],
    ['rotated', again, false],
  ])('%s are told to nobody by an apply that tells all it can', async (_, turn, installs) => {
    await at.node.ask('touch /run/test-began')
    const events = join(await testbed.dir(), 'events.jsonl')
    const flags = ['-vvv', '-D', '--debug', '--events', events]
    const { done, seen } = await watched(testbed, { needles, folders: [] }, () =>
      testbed.cli(['apply', '-i', inventory, ...flags], { env: env(turn), timeout: 300_000 }),
    )
    expect(done.code, said(done)).toBe(0)
    nowhereIn('stdout', done.stdout)
    nowhereIn('stderr, with the wire', done.stderr)
    nowhereIn('the events', await readFile(events, 'utf8'))
    nowhereIn('arguments of a process', seen.arguments)
    if (installs) expect(seen.arguments, 'the watcher sees what runs in the node').toContain('helm')
    expect(await inObjects(at.node, needles)).toEqual([])
    // What Vault holds is in /srv.
    expect(await inNode(at.node, needles, [DATABASE, '/srv'])).toEqual([])
    expect(await inFolders(testbed, needles, [testbed.home, temp])).toEqual([])
    nowhereIn('the journal', await at.node.ask('journalctl --no-pager -o cat'))
    const stored = ['get', 'secret', '-n', 'cert-manager', 'cloudflare-api-token', '-o', 'jsonpath={.data.api-token}']
    expect(Buffer.from(await at.node.kubectl(stored), 'base64').toString()).toBe(turn(CLOUDFLARE))
    const made = ['get', 'secret', '-n', 'platform', 'of-vault', '-o', 'jsonpath={.data.key}']
    expect(Buffer.from(await at.node.kubectl(made), 'base64').toString()).toBe(OF_VAULT)
    const login = ['get', 'secret', '-n', 'database', 'postgresql-ghcr-pull', '-o', 'jsonpath={.data}']
    const packed = Buffer.from((await at.node.kubectl(login)).split('"')[3] ?? '', 'base64').toString()
    expect(JSON.parse(packed)).toMatchObject({ auths: { 'ghcr.io': { password: turn(GHCR) } } })
  })

  test.each(FORMATS)('are *** in a plan that would rotate them (%s)', async (format) => {
    const done = await testbed.cli(['plan', 'k3s_platform_addon', '-D', '-o', format, '-i', inventory], {
      env: env((secret) => `${secret}-once-more`),
    })
    expect(done.code, said(done)).toBe(2)
    expect(done.stdout).toContain('***')
    for (const secret of ['cloudflare-api-token', 'postgresql-ghcr-pull', 'vault-access']) {
      expect(done.stdout).toContain(secret)
    }
    nowhereIn(`the plan as ${format}`, said(done))
  })
})
