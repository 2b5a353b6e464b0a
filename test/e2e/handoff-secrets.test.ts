// No byte of what the repository is read with is anywhere but in its Secret: streams, events, arguments, files, objects, the tree.

import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { armor, Encrypter, generateIdentity, identityToRecipient } from 'age-encryption'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { stringify } from 'yaml'
import { Testbed } from '../testbed/testbed.ts'
import { forms } from './forms.ts'
import { type Handoff, handoff, reading, secretLines } from './handoff.ts'
import { DATABASE, expectNone, inFolders, inNode, inObjects, type Watched, watched } from './leaks.ts'
import { field } from './platform.ts'
import { cli, said } from './state.ts'

const PASSWORD = 'gh"Pw9\\sV3 $kQ-password'
const TOKEN = 'glpat/7hT2wYb4+Zr8=-token'
const PASSPHRASE = 'open "sesame" \\ 4242'

let testbed: Testbed
let at: Handoff
/** The program's temporary directory. */
let temp = ''
let locked = { private: '', public: '' }
let age = ''
/** The file with the key that opens the inventory's secrets.yaml, which is encrypted for it. */
let keyFile = ''
let recipient = ''
let needles: string[] = []

beforeAll(async () => {
  testbed = await Testbed.open()
  at = await handoff(testbed, 'edge-1')
  temp = await testbed.dir()
  locked = await at.git.newKeys(PASSPHRASE)
  age = await generateIdentity()
  const own = await generateIdentity()
  recipient = await identityToRecipient(own)
  keyFile = join(await testbed.dir(), 'key.txt')
  await writeFile(keyFile, `${own}\n`, { mode: 0o600 })
  await Promise.all([
    at.git.authorize(locked.public),
    at.git.rotatePassword(PASSWORD),
    at.git.rotateToken(TOKEN),
    // What needs none of the addons is handed over by the bootstrap role alone.
    at.git.commit({ 'clusters/edge-1/kustomization.yaml': 'resources: []\n' }),
  ])
  const keys = [...secretLines(at.git.keys.private), ...secretLines(locked.private)]
  needles = [...new Set([PASSWORD, TOKEN, PASSPHRASE, age, ...keys].flatMap(forms))]
})
afterAll(() => testbed?.close())

/** From the environment the first two, and from a file that is encrypted all of the last. */
const ways = [
  ['https-basic', () => ({ SOPS_AGE_KEY: age, GITOPS_FLUX_HTTP_PASSWORD: PASSWORD }), 'password', () => PASSWORD],
  ['https-bearer', () => ({ SOPS_AGE_KEY: age, GITOPS_FLUX_BEARER_TOKEN: TOKEN }), 'bearerToken', () => TOKEN],
  ['ssh', () => ({ K3S_PLATFORM_AGE_KEY_FILE: keyFile }), 'identity', () => locked.private],
] as const
type Mode = (typeof ways)[number][0]
type Env = Readonly<Record<string, string>>

async function inventoryOf(mode: Mode): Promise<string> {
  const {
    k3s_platform_git_http_password: _,
    k3s_platform_git_bearer_token: __,
    ...vars
  } = { ...at.vars, ...reading(at, mode) }
  if (mode !== 'ssh') return testbed.inventory([at.node], vars)
  const { k3s_platform_git_private_key: ___, ...plain } = vars
  const inventory = await testbed.inventory([at.node], plain)
  const encrypter = new Encrypter()
  encrypter.addRecipient(recipient)
  const secrets = {
    k3s_platform_git_private_key: locked.private,
    k3s_platform_git_private_key_passphrase: PASSPHRASE,
    k3s_platform_sops_age_key: age,
  }
  await writeFile(join(inventory, 'secrets.yaml'), armor.encode(await encrypter.encrypt(stringify(secrets))))
  return inventory
}

/** For the bootstrap role: nothing of the addons is in the tree. */
const NO_ADDONS = JSON.stringify({ k3s_platform_cert_manager_enabled: false, k3s_platform_certificates: [] })

const WATCHED = () => ({ needles, folders: [testbed.home, temp] })
const nowhereIn = (what: string, text: string) => expectNone(needles, what, text)

async function expectNowhere(seen: Watched): Promise<void> {
  expect(seen.files, 'files of the workstation while it ran').toEqual([])
  nowhereIn('the arguments of processes', seen.arguments)
  expect(await inObjects(at.node, needles)).toEqual([])
  expect(await inNode(at.node, needles, [DATABASE])).toEqual([])
  expect(await inFolders(testbed, needles, [testbed.home, temp])).toEqual([])
  nowhereIn('the journal', await at.node.ask('journalctl --no-pager -o json; journalctl --no-pager -o cat'))
}

const stored = async (name: string, key: string) =>
  Buffer.from(await field(at.node, 'flux-system', `secret/${name}`, `{.data.${key}}`), 'base64').toString()

describe('what the repository is read with', () => {
  test.each(ways)('is told to nobody by an apply that tells all it can, by %s', async (mode, env, key, value) => {
    await at.node.ask('touch /run/test-began')
    const inventory = await inventoryOf(mode)
    const events = join(await testbed.dir(), 'events.jsonl')
    const flags = ['-vvv', '-D', '--debug', '--events', events, '-e', NO_ADDONS]
    const { done, seen } = await watched(testbed, WATCHED(), () =>
      testbed.cli(['apply', 'k3s_platform_bootstrap', '-i', inventory, ...flags], {
        env: { TMPDIR: temp, ...env() },
        timeout: 300_000,
      }),
    )
    expect(done.code, said(done)).toBe(0)
    nowhereIn('stdout', done.stdout)
    nowhereIn('stderr, with the wire', done.stderr)
    nowhereIn('the events', await readFile(events, 'utf8'))
    await expectNowhere(seen)
    expect(seen.arguments, 'what the workstation asks').toContain('ls-remote')
    expect(seen.arguments, 'what runs in the node').toContain('source-controller')
    // It came there as it was.
    expect(await stored('platform-config', key)).toBe(value())
    expect(await stored('sops-age', 'age\\.agekey')).toBe(age)
    expect(await field(at.node, 'flux-system', 'kustomization/platform-root', '{.status.lastAppliedRevision}')).toBe(
      `main@sha1:${await at.git.head()}`,
    )
  })

  test.each(ways)('is *** in plans and documents that would change it, by %s', async (mode, env) => {
    const inventory = await inventoryOf(mode)
    for (const format of ['text', 'json', 'junit', 'github']) {
      const done = await testbed.cli(
        ['plan', 'k3s_platform_bootstrap', '-D', '-o', format, '-i', inventory, '-e', NO_ADDONS],
        { env: { TMPDIR: temp, ...env() } },
      )
      expect([0, 2], said(done)).toContain(done.code)
      if (mode !== 'ssh' && format !== 'junit') expect(done.stdout).toContain('***')
      // GitHub masks what it is told to mask: these lines are for its eyes only.
      nowhereIn(`the plan as ${format}`, said(done).replace(/^::add-mask::.*$/gm, ''))
    }
  })

  test('is told by no run that fails', async () => {
    const told: string[] = []
    const fail = async (code: number, mode: Mode, env: Env, ...more: readonly string[]) => {
      const events = join(await testbed.dir(), 'events.jsonl')
      const args = ['apply', 'k3s_platform_bootstrap', '-i', await inventoryOf(mode), '-vvv', '--debug', ...more]
      const done = await testbed.cli([...args, '-e', NO_ADDONS, '--events', events], {
        env: { TMPDIR: temp, ...env },
      })
      expect(done.code, said(done)).toBe(code)
      expect(said(done)).toMatch(/refuse/)
      told.push(done.stdout, done.stderr, await readFile(events, 'utf8').catch(() => ''))
    }
    await at.git.rotatePassword()
    await at.git.rotateToken()
    await at.git.revoke(locked.public)
    // The workstation is refused, which has to ask anew; the cluster is; and values in the wrong places.
    const unasked = ['-e', 'k3s_platform_git_check=false']
    for (const [mode, env] of ways) {
      const { seen } = await watched(testbed, WATCHED(), async () => {
        await fail(64, mode, { ...env(), XDG_CACHE_HOME: await testbed.dir() })
        await fail(1, mode, env(), ...unasked, '-o', 'json')
      })
      expect(seen.files).toEqual([])
      told.push(seen.arguments)
    }
    const odd = { k3s_platform_git_private_key: { not: locked.private }, k3s_platform_sops_age_key: [age] }
    const wrong = await testbed.inventory([at.node], { ...at.vars, ...reading(at, 'ssh'), ...odd })
    told.push(said(await cli(testbed, 64, ['apply', '-i', wrong, '-vvv', '--debug'], { env: { TMPDIR: temp } })))
    const turned = await testbed.inventory([at.node], {
      ...{ ...at.vars, ...reading(at, 'ssh'), k3s_platform_git_private_key: locked.private },
      k3s_platform_git_private_key_passphrase: `${PASSPHRASE}!`,
    })
    told.push(said(await cli(testbed, 64, ['apply', '-i', turned, '-vvv', '--debug'], { env: { TMPDIR: temp } })))
    told.forEach((text, i) => {
      nowhereIn(`output ${i}`, text)
    })
    expect(await inFolders(testbed, needles, [testbed.home, temp])).toEqual([])
    expect(await inNode(at.node, needles, [DATABASE])).toEqual([])
    nowhereIn('the journal', await at.node.ask('journalctl --no-pager -o cat'))
  })

  test('is not in the tree', async () => {
    for (const [mode, env] of ways) {
      const tree = await testbed.dir()
      const args = ['render', '-i', await inventoryOf(mode), '--tree', tree, '-vvv', '-D']
      const done = await cli(testbed, 0, args, { env: { TMPDIR: temp, ...env() } })
      nowhereIn(`what render says, by ${mode}`, said(done))
      expect(await inFolders(testbed, needles, [tree])).toEqual([])
    }
  })

  test('is told to nobody when it is a key that is made, but for its public part', async () => {
    await at.node.ask('touch /run/test-began')
    await at.node.kubectl(['delete', 'secret', '-n', 'flux-system', 'platform-config'])
    const { k3s_platform_git_private_key: _, ...vars } = { ...at.vars, ...reading(at, 'ssh') }
    const inventory = await testbed.inventory([at.node], { ...vars, k3s_platform_git_generate_key: true })
    const events = join(await testbed.dir(), 'events.jsonl')
    const flags = ['-vvv', '-D', '--debug', '--events', events, '-e', NO_ADDONS]
    const { done, seen } = await watched(testbed, WATCHED(), () =>
      testbed.cli(['apply', 'k3s_platform_bootstrap', '-i', inventory, ...flags], { env: { TMPDIR: temp } }),
    )
    expect(done.code, said(done)).toBe(1)
    expect(done.stderr).toContain((await stored('platform-config', 'identity\\.pub')).split(' ')[1])
    const made = secretLines(await stored('platform-config', 'identity'))
    needles = made.flatMap(forms)
    expect(made.join('').length).toBeGreaterThanOrEqual(70)
    nowhereIn('stdout', done.stdout)
    nowhereIn('stderr, with the wire', done.stderr)
    nowhereIn('the events', await readFile(events, 'utf8'))
    await expectNowhere(seen)
  })
})
