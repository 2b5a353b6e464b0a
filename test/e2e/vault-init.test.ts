// Vault is initialised or taken over on a real node, healed after every kill, and nothing of its keys is where it should not be.

import { existsSync, readFileSync } from 'node:fs'
import { readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { armor, Decrypter, generateX25519Identity, identityToRecipient } from 'age-encryption'
import { execa } from 'execa'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { shellWords } from '../../src/engine/shell-words.ts'
import { random } from '../random.ts'
import type { TestNode } from '../testbed/node.ts'
import { type CliOptions, type CliResult, Testbed } from '../testbed/testbed.ts'
import { forms } from './forms.ts'
import { DATABASE, expectNone, inFolders, inNode, watched } from './leaks.ts'
import { cli, said } from './state.ts'
import { RealVault } from './vault.ts'

const URL = 'http://127.0.0.1:8200'
const ADDONS = ['cert_manager', 'external_secrets', 'caddy', 'external_dns', 'reloader']
const BARE = {
  ...Object.fromEntries(ADDONS.map((addon) => [`k3s_platform_${addon}_enabled`, false])),
  k3s_platform_certificates: [],
  k3s_platform_vault_server: URL,
}

let testbed: Testbed
let node: TestNode
let vault: RealVault
let identity = ''
let byFile = ''
let byOutput = ''
let migrate = ''
/** The age files, newest last. */
const ageFiles = async () => {
  const dir = join(testbed.home, '.kube/k3s-platform')
  return (await readdir(dir)).filter((name) => name.includes('vault-init')).map((name) => join(dir, name))
}

beforeAll(async () => {
  testbed = await Testbed.open()
  node = await testbed.node('edge-1')
  vault = await RealVault.on(node)
  identity = await generateX25519Identity()
  const init = { ...BARE, k3s_platform_vault_bootstrap_mode: 'init' }
  const bare = await testbed.inventory([node], BARE)
  byFile = await testbed.inventory([node], {
    ...init,
    k3s_platform_vault_init_recipients: [await identityToRecipient(identity)],
  })
  byOutput = await testbed.inventory([node], { ...init, k3s_platform_vault_allow_sensitive_output: true })
  migrate = await testbed.inventory([node], { ...BARE, k3s_platform_vault_bootstrap_mode: 'migrate' })
  await cli(testbed, 0, ['apply', '-i', bare])
})
afterAll(() => testbed?.close())

beforeEach(async () => {
  await node.run([
    '/usr/local/bin/k3s',
    'kubectl',
    'delete',
    'secret',
    '-n',
    'extsvc',
    '--ignore-not-found',
    'vault-bootstrap',
  ])
  for (const file of await ageFiles()) await rm(file)
  await vault.fresh()
  await node.ask('journalctl --rotate -q; journalctl --vacuum-time=1s -q; touch /run/test-began')
})

const Kept = z.looseObject({
  unseal_keys_b64: z.array(z.string()),
  unseal_keys_hex: z.array(z.string()),
  root_token: z.string(),
})
type Kept = z.output<typeof Kept>

async function opened(file: string): Promise<Kept> {
  const decrypter = new Decrypter()
  decrypter.addIdentity(identity)
  return Kept.parse(JSON.parse(await decrypter.decrypt(armor.decode(await readFile(file, 'utf8')), 'text')))
}

async function inSecret(): Promise<{ readonly json: Kept; readonly root: string } | null> {
  const text = await node.kubectl([
    'get',
    'secret',
    '-n',
    'extsvc',
    '--ignore-not-found',
    'vault-bootstrap',
    '-o',
    'json',
  ])
  if (text === '') return null
  const { data } = z.looseObject({ data: z.record(z.string(), z.string()) }).parse(JSON.parse(text))
  const of = (key: string) => Buffer.from(data[key] ?? '', 'base64').toString()
  return { json: Kept.parse(JSON.parse(of('init_json'))), root: of('root_token') }
}

const ofKept = ({ unseal_keys_b64, unseal_keys_hex, root_token }: Kept) => [
  ...unseal_keys_b64,
  ...unseal_keys_hex,
  root_token,
]

/** With stderr on a terminal, and stdout in a file, as `apply >log` has them. */
async function onTerminal(args: readonly string[], options: CliOptions): Promise<CliResult> {
  const [log, started] = [join(await testbed.dir(), 'log'), Date.now()]
  const program = [process.execPath, join(import.meta.dirname, '../../dist/k3s-platform.js'), ...args]
  const env = { ...options.env, TERM: 'dumb' }
  const done = await testbed.spawn(['script', '-qec', `${shellWords(program)} >${log}`, '/dev/null'], {
    ...options,
    env,
  })
  const seconds = (Date.now() - started) / 1000
  const [code, signal, stdout] = [done.exitCode ?? null, done.signal ?? null, await readFile(log, 'utf8')]
  return { code, signal, stdout, stderr: done.stdout.replaceAll('\r\n', '\n'), seconds }
}

/** An apply that tells all it can, and everything that it told to anybody but the reader of stderr. */
async function loud(
  inventory: string,
  options: CliOptions = {},
  run: (args: readonly string[], options: CliOptions) => Promise<CliResult> = (args, more) => testbed.cli(args, more),
): Promise<{ done: CliResult; told: Record<string, string> }> {
  const [events, temp] = [join(await testbed.dir(), 'events.jsonl'), await testbed.dir()]
  const flags = ['-vvv', '-D', '--debug', '--events', events]
  const env = { TMPDIR: temp, ...options.env }
  const { done, seen } = await watched(testbed, { needles: [], folders: [] }, () =>
    run(['apply', 'k3s_platform_addon', '-i', inventory, ...flags], { ...options, env }),
  )
  expect(seen.arguments, 'the watcher sees what runs in the node').toContain('vault -data')
  const told = {
    stdout: done.stdout,
    'the events': await readFile(events, 'utf8'),
    'arguments of a process': seen.arguments,
    'the journal': await node.ask('journalctl --no-pager -o cat'),
  }
  return { done, told }
}

/** None of these is in what was told, or in a file of either side but the database of etcd. */
async function expectNowhere(secrets: readonly string[], told: Readonly<Record<string, string>>): Promise<void> {
  const needles = [...new Set(secrets.flatMap(forms))].filter((needle) => needle.length > 8)
  expect(needles.length).toBeGreaterThan(10)
  for (const [what, text] of Object.entries(told)) {
    expect(text.length, what).toBeGreaterThan(0)
    expectNone(needles, what, text)
  }
  expect(await inNode(node, needles, [DATABASE])).toEqual([])
  expect(await inFolders(testbed, needles, [testbed.home])).toEqual([])
}

const plan = (inventory: string, code: number, options: CliOptions = {}) =>
  cli(testbed, code, ['plan', 'k3s_platform_addon', '-i', inventory], options)
const apply = (inventory: string, code: number, options: CliOptions = {}, ...args: readonly string[]) =>
  cli(testbed, code, ['apply', 'k3s_platform_addon', '-i', inventory, ...args], options)

describe('init', () => {
  test('opens a new Vault, and tells its keys to the Secret and the age file alone', async () => {
    const { stdout } = await plan(byFile, 2)
    expect(stdout).toContain(
      'initialize Vault (5 key shares, threshold 3), store them in Secret extsvc/vault-bootstrap and',
    )
    expect(await vault.status()).toMatchObject({ initialized: false })
    const { done, told } = await loud(byFile)
    expect(done.code, said(done)).toBe(0)
    expect(await vault.status()).toMatchObject({ initialized: true, sealed: false })
    const [file = '', ...others] = await ageFiles()
    expect(others).toEqual([])
    const kept = await opened(file)
    expect(await inSecret()).toEqual({ json: kept, root: kept.root_token })
    expect(await vault.isRoot(kept.root_token)).toBe(true)
    await expectNowhere(ofKept(kept), { stderr: done.stderr, ...told })
    const before = await node.kubectl(['get', 'secret', '-n', 'extsvc', 'vault-bootstrap', '-o', 'yaml'])
    await plan(byFile, 0)
    expect((await apply(byFile, 0)).stdout).toContain('changed=0')
    expect(await node.kubectl(['get', 'secret', '-n', 'extsvc', 'vault-bootstrap', '-o', 'yaml'])).toBe(before)

    // It was restarted.
    await vault.stop()
    await vault.start()
    expect(await vault.status()).toMatchObject({ sealed: true })
    expect((await plan(byFile, 2)).stdout).toContain(`unseal Vault ${URL}`)
    const again = await loud(byFile)
    expect(again.done.code, said(again.done)).toBe(0)
    expect(await vault.status()).toMatchObject({ sealed: false })
    await expectNowhere(ofKept(kept), { stderr: again.done.stderr, ...again.told })
    await plan(byFile, 0)

    // Its storage was lost: another Vault is there now.
    await vault.fresh()
    const lost = await apply(byFile, 1)
    expect(said(lost)).toContain(
      'it is not initialized, but Secret extsvc/vault-bootstrap contains the key shares of a Vault',
    )
    expect(await vault.status()).toMatchObject({ initialized: false })
  })

  test('shows the keys once on the terminal where that is allowed, and nowhere else', async () => {
    const { done, told } = await loud(byOutput, {}, onTerminal)
    expect(done.code, said(done)).toBe(0)
    const kept = (await inSecret())?.json
    if (kept === undefined) throw new Error('there is no Secret')
    for (const key of [...kept.unseal_keys_b64, kept.root_token]) {
      expect(done.stderr.split(key).length - 1, 'shown once').toBe(1)
    }
    await expectNowhere(ofKept(kept), told)
    const next = await apply(byOutput, 0, {}, '-vvv')
    await expectNowhere(ofKept(kept), { stderr: next.stderr, stdout: next.stdout })
    expect(await ageFiles()).toEqual([])
  })

  test.each([
    ['in CI', { CI: 'true' }, [], 'CI is set'],
    ['for a program', {}, ['-o', 'json'], '-o json is for programs'],
    ['for a report', {}, ['-o', 'junit'], '-o junit is for programs'],
    ['for GitHub', {}, ['-o', 'github'], '-o github is for programs'],
    ['in a log', {}, [], 'stderr is not a terminal'],
  ])('does not initialise what it could show to nobody: %s', async (_, env, args, why) => {
    expect(said(await apply(byOutput, 1, { env }, ...args))).toContain(why)
    expect(await vault.status()).toMatchObject({ initialized: false })
    expect(await inSecret()).toBeNull()
  })

  test('in CI with a file for the keys, initialises and shows nothing', async () => {
    const done = await apply(byFile, 0, { env: { CI: 'true' } }, '-e', 'k3s_platform_vault_allow_sensitive_output=true')
    const [file = ''] = await ageFiles()
    await expectNowhere(ofKept(await opened(file)), { stderr: done.stderr, stdout: done.stdout })
  })
})

/** Hands everything on to Vault, and leaves a file when the keys of a new one have gone out. */
const PROXY = `import http.server, os, urllib.request, urllib.error
class Handler(http.server.BaseHTTPRequestHandler):
    def go(self):
        length = int(self.headers.get("content-length") or 0)
        body = self.rfile.read(length) if length else None
        headers = {k: v for k, v in self.headers.items() if k.lower() in ("x-vault-token", "content-type")}
        request = urllib.request.Request("http://127.0.0.1:8200" + self.path, method=self.command, data=body, headers=headers)
        try:
            answer = urllib.request.urlopen(request)
        except urllib.error.HTTPError as error:
            answer = error
        text = answer.read()
        self.send_response(answer.code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)
        self.wfile.flush()
        if self.path == "/v1/sys/init":
            open("/srv/initialised", "w").close()
    do_GET = do_PUT = go
    def log_message(self, *_): pass
http.server.ThreadingHTTPServer(("127.0.0.1", 8201), Handler).serve_forever()
`

describe('a run that is killed', () => {
  let inventory = ''
  beforeAll(async () => {
    await node.run('cat >/srv/proxy.py', { input: PROXY })
    await node.ask('systemd-run -q --unit proxy python3 /srv/proxy.py')
    inventory = await testbed.inventory([node], {
      ...BARE,
      k3s_platform_vault_server: 'http://127.0.0.1:8201',
      k3s_platform_vault_bootstrap_mode: 'init',
      k3s_platform_vault_init_recipients: [await identityToRecipient(identity)],
    })
  })

  const next = random(8200)
  const delays = [0, 0, ...Array.from({ length: 6 }, () => Math.floor(next() * 80))]
  test.each(delays.map((ms, i) => [ms, i]))(
    '%i ms after the keys went out is healed, or explained (%i)',
    async (ms) => {
      await node.ask('rm -f /srv/initialised')
      const run = testbed.spawnCli(['apply', 'k3s_platform_addon', '-i', inventory])
      const ended = Promise.race([run.then(() => true), sleep(60_000, true)])
      let over = false
      void ended.then(() => {
        over = true
      })
      while (!over && !existsSync(join(node.root, 'srv/initialised'))) await sleep(1)
      await sleep(ms)
      run.kill('SIGKILL')
      await run
      const kept = await inSecret()
      const files = await ageFiles()
      const again = await testbed.cli(['apply', 'k3s_platform_addon', '-i', inventory])
      if (kept === null && (await vault.status()).sealed) {
        // Between Vault's answer and the disk nothing can be kept.
        expect(again.code, said(again)).toBe(1)
        expect(said(again)).toContain('it is initialized and sealed, but its key shares are unknown')
        if (files[0] === undefined) {
          // The way out that it names.
          await vault.fresh()
          await apply(inventory, 0)
          expect(await vault.status()).toMatchObject({ initialized: true, sealed: false })
          return
        }
        // The file has them: that is the way out.
        const json = await opened(files[0])
        const env = { VAULT_INIT_JSON: JSON.stringify(json), VAULT_ROOT_TOKEN: json.root_token }
        await apply(migrate, 0, { env })
      } else expect(again.code, said(again)).toBe(0)
      expect(await vault.status()).toMatchObject({ initialized: true, sealed: false })
      await plan(inventory, 0)
      const now = await inSecret()
      expect(await vault.isRoot(now?.root ?? '')).toBe(true)
      const written = await ageFiles()
      expect(written.length).toBeGreaterThan(0)
      for (const file of written.filter((name) => name.endsWith('.age'))) expect(await opened(file)).toEqual(now?.json)
    },
  )
})

describe('migrate', () => {
  test('opens a Vault with its keys, keeps both inputs in the Secret, and tells nothing of them', async () => {
    const { keys, keys_base64, root_token } = await vault.init()
    const env = { VAULT_ROOT_TOKEN: root_token, VAULT_INIT_JSON: JSON.stringify({ keys, keys_base64, root_token }) }
    expect((await plan(migrate, 2, { env })).stdout).toContain(`unseal Vault ${URL}`)
    const { done, told } = await loud(migrate, { env })
    expect(done.code, said(done)).toBe(0)
    expect(await vault.status()).toMatchObject({ sealed: false })
    const secret = await node.kubectl([
      'get',
      'secret',
      '-n',
      'extsvc',
      'vault-bootstrap',
      '-o',
      'jsonpath={.data.init_json}',
    ])
    expect(Buffer.from(secret, 'base64').toString()).toBe(env.VAULT_INIT_JSON)
    await expectNowhere([...keys, ...keys_base64, root_token], { stderr: done.stderr, ...told })
    await plan(migrate, 0, { env })
    // Whoever asks for init later finds it done.
    await vault.stop()
    await vault.start()
    await apply(byOutput, 0)
    expect(await vault.status()).toMatchObject({ sealed: false })
    // Without the mode nothing is done, and nothing taken away.
    const without = await testbed.inventory([node], BARE)
    await plan(without, 0)
  })

  test('never initialises a Vault', async () => {
    const other = { root_token: 'hvs.of-another-vault', unseal_keys_b64: ['YWJjZGVmZ2hpamtsbW5vcA=='] }
    const env = { VAULT_ROOT_TOKEN: other.root_token, VAULT_INIT_JSON: JSON.stringify(other) }
    expect(said(await apply(migrate, 1, { env }))).toContain('it is not initialized: there is no Vault to migrate')
    expect(await vault.status()).toMatchObject({ initialized: false })
    expect(await inSecret()).toBeNull()
    await vault.init()
    const wrong = await apply(migrate, 1, { env })
    expect(said(wrong)).toContain('it does not unseal with the key shares of VAULT_INIT_JSON')
    expect(said(wrong)).not.toContain(other.unseal_keys_b64[0])
    expect(await inSecret()).toBeNull()
  })

  test('needs both inputs', async () => {
    const { stderr } = await apply(migrate, 64)
    expect(stderr).toContain('VAULT_ROOT_TOKEN')
    expect(stderr).toContain('VAULT_INIT_JSON')
  })
})

describe('a Vault in the cluster', () => {
  const NAME = 'vault.extsvc.svc'

  test('is reached by its Service over TLS, and waited for until Flux has brought it', async () => {
    await vault.stop()
    const subject = ['-subj', '/CN=vault', '-addext', `subjectAltName=DNS:${NAME}`]
    const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', '-', '-out', '-']
    const { stdout: pair } = await execa('/usr/bin/openssl', ['req', '-x509', '-days', '2', ...subject, ...curve], {
      stdin: 'ignore',
    })
    await node.run('cat >/srv/vault.pem', { input: pair })
    const vars = {
      ...BARE,
      k3s_platform_vault_server: `https://${NAME}:8200`,
      k3s_platform_vault_bootstrap_mode: 'init',
      k3s_platform_vault_init_phase: 'post_flux',
      k3s_platform_vault_init_recipients: [await identityToRecipient(identity)],
    }
    const ca = pair.slice(pair.indexOf('-----BEGIN CERTIFICATE-----'))
    const trusting = await testbed.inventory([node], { ...vars, k3s_platform_vault_ca: ca })
    const late = await apply(trusting, 1, {}, '--timeout', '2s')
    expect(said(late)).toContain('it did not answer within 2 s')
    expect(said(late)).toContain('the Service extsvc/vault does not exist or has no address')

    const run = testbed.cli(['apply', 'k3s_platform_addon', '-i', trusting, '-vv'])
    await sleep(3000)
    const spec = { ports: [{ port: 8200 }], selector: { app: 'vault' } }
    const service = { apiVersion: 'v1', kind: 'Service', metadata: { namespace: 'extsvc', name: 'vault' }, spec }
    await node.kubectl(['apply', '-f', '-'], JSON.stringify(service))
    // The node has no kube-proxy: the Service's address is its own.
    const address = await node.kubectl(['get', 'service', '-n', 'extsvc', 'vault', '-o', 'jsonpath={.spec.clusterIP}'])
    await node.ask(`ip addr add ${address}/32 dev lo`)
    await vault.start({ listen: `${address}:8200`, tls: '/srv/vault.pem' })
    const done = await run
    expect(done.code, said(done)).toBe(0)
    expect(done.stderr).toContain('… the Service extsvc/vault does not exist or has no address')
    await plan(trusting, 0)

    const strict = await testbed.inventory([node], vars)
    const untrusted = await apply(strict, 1, {}, '--timeout', '2s')
    expect(said(untrusted)).toMatch(/the TLS certificate of \S+ is not trusted: /)
    expect(said(untrusted)).toContain('k3s_platform_vault_ca')
    expect(readFileSync(join(testbed.home, '.kube/k3s-platform/edge-1.yaml'), 'utf8')).not.toBe('')
  })
})
