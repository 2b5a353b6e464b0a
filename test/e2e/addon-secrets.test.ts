// No byte of a secret that the addons are given is anywhere but in its Secret: streams, events, wire, arguments, objects, files.

import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { type CliResult, Testbed } from '../testbed/testbed.ts'
import { forms } from './forms.ts'
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

/** Looks at the arguments of every process of the machine, those in the node included, as often as it can. */
const WATCHER = `import os, sys, json, threading, time
needles = [n.encode() for n in json.loads(sys.stdin.readline())]
done = threading.Event()
threading.Thread(target=lambda: (sys.stdin.readline(), done.set()), daemon=True).start()
found, seen, looks = set(), set(), 0
print("ready", flush=True)
while not done.is_set():
    for pid in os.listdir("/proc"):
        if pid.isdigit():
            try:
                with open("/proc/%s/cmdline" % pid, "rb") as f:
                    line = f.read()
            except OSError:
                continue
            if line and line not in seen:
                seen.add(line)
                if any(n in line for n in needles):
                    found.add(line.replace(b"\\0", b" ").decode(errors="replace"))
    looks += 1
    time.sleep(0.02)
print(json.dumps({"found": sorted(found), "looks": looks, "helm": sum(b"helm" in l for l in seen)}))
`
const Watched = z.object({ found: z.array(z.string()), looks: z.number(), helm: z.number() })

/** Runs the program while the arguments of all processes are watched. */
async function watched(run: () => Promise<CliResult>): Promise<{ done: CliResult; seen: z.output<typeof Watched> }> {
  const script = join(await testbed.dir(), 'watch.py')
  await writeFile(script, WATCHER)
  const child = execa('/usr/bin/python3', [script], { stdin: 'pipe' })
  child.stdin.write(`${JSON.stringify(needles)}\n`)
  await new Promise((resolve) => child.stdout.once('data', resolve))
  const done = await run()
  child.stdin.end('stop\n')
  return { done, seen: Watched.parse(JSON.parse((await child).stdout.replace(/^ready\n/, ''))) }
}

function expectNone(what: string, text: string): void {
  const found = needles.filter((needle) => text.includes(needle))
  expect(found, `${what} has a secret`).toEqual([])
}

/** Files with a needle in them, but for the database of etcd and what Vault holds. */
async function inFiles(): Promise<string[]> {
  const skip =
    '\\( -path /proc -o -path /sys -o -path /dev/shm/needles -o -path /opt/rancher/k3s/server/db -o -path /srv \\)'
  await at.node.run('cat >/dev/shm/needles', { input: needles.join('\n') })
  const look = `find / ${skip} -prune -o -type f -size -20M -newer /run/test-began -print0 | xargs -0 -r grep -laF -f /dev/shm/needles; rm /dev/shm/needles`
  const there = (await at.node.run(look)).stdout
  const list = join(await testbed.dir(), 'needles')
  await writeFile(list, needles.join('\n'))
  const here = await execa('grep', ['-rlaF', '-f', list, testbed.home, temp], { reject: false })
  return `${there}\n${here.stdout}`.split('\n').filter(Boolean).toSorted()
}

const Live = z.object({
  items: z.array(
    z.looseObject({
      kind: z.string(),
      metadata: z.looseObject({ name: z.string(), namespace: z.string().optional() }),
      data: z.unknown().optional(),
      stringData: z.unknown().optional(),
    }),
  ),
})

/** Objects that have a needle anywhere, except in the data of a Secret. */
async function inObjects(): Promise<string[]> {
  const kinds = (await at.node.kubectl(['api-resources', '--verbs=list', '-o', 'name'])).split('\n').filter(Boolean)
  const { items } = Live.parse(
    JSON.parse(await at.node.kubectl(['get', '-A', kinds.join(','), '-o', 'json', '--show-managed-fields'])),
  )
  expect(items.length).toBeGreaterThan(100)
  const told = (item: (typeof items)[number]) =>
    JSON.stringify(item.kind === 'Secret' ? { ...item, data: undefined } : item)
  return items
    .filter((item) => needles.some((needle) => told(item).includes(needle)))
    .map(({ kind, metadata }) => `${kind} ${metadata.namespace ?? ''}/${metadata.name}`)
}

const FORMATS = ['text', 'json'] as const

describe('secrets of the addons', () => {
  test.each([
    ['given for the first time', same, true],
    ['rotated', again, false],
  ])('%s are told to nobody by an apply that tells all it can', async (_, turn, installs) => {
    await at.node.ask('touch /run/test-began')
    const events = join(await testbed.dir(), 'events.jsonl')
    const flags = ['-vvv', '-D', '--debug', '--events', events]
    const { done, seen } = await watched(() =>
      testbed.cli(['apply', '-i', inventory, ...flags], { env: env(turn), timeout: 300_000 }),
    )
    expect(done.code, said(done)).toBe(0)
    expectNone('stdout', done.stdout)
    expectNone('stderr, with the wire', done.stderr)
    expectNone('the events', await readFile(events, 'utf8'))
    expect(seen.found, 'arguments of a process').toEqual([])
    expect(seen.looks).toBeGreaterThan(20)
    if (installs) expect(seen.helm, 'the watcher sees what runs in the node').toBeGreaterThan(0)
    expect(await inObjects()).toEqual([])
    expect(await inFiles()).toEqual([])
    expectNone('the journal', await at.node.ask('journalctl --no-pager -o cat'))
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
    expectNone(`the plan as ${format}`, said(done))
  })
})
