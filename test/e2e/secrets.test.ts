// No secret's bytes leave their place: streams, events, process lists, files and journals of both sides are searched.

import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { parse } from 'yaml'
import { z } from 'zod'
import type { TestNode } from '../testbed/node.ts'
import { type CliResult, Testbed } from '../testbed/testbed.ts'
import { forms } from './forms.ts'
import { said } from './state.ts'

const SUDO = 'correct horse'
const TOKEN = 'hunter2"\\k3s $ecret/+ünïcode'
const PASSPHRASE = 'open "sesame" \\ 42'

let testbed: Testbed
let node: TestNode
let inventory = ''
let key = ''
/** The program's temporary directory: whatever it makes is in there. */
let temp = ''
let needles: string[] = []
let watching: ReturnType<typeof watch>

beforeAll(async () => {
  testbed = await Testbed.open()
  node = await testbed.node('edge-1')
  key = join(await testbed.dir(), 'locked')
  temp = await testbed.dir()
  await copyFile(node.identityFile, key)
  await execa('chmod', ['600', key])
  await execa('ssh-keygen', ['-q', '-p', '-P', '', '-N', PASSPHRASE, '-f', key])
  inventory = await testbed.inventory({
    'edge-1': {
      ...node.hostVars('deploy'),
      ansible_ssh_private_key_file: key,
      ansible_become_password: SUDO,
      k3s_platform_k3s_env: { SECRET_TOKEN: TOKEN },
    },
  })
  needles = [...new Set([SUDO, TOKEN, PASSPHRASE].flatMap(forms))]
})
afterAll(() => testbed?.close())

/** Looks at the arguments of every process of the machine, those in the nodes included, and at the program's files, as often as it can. */
const WATCHER = `import os, sys, json, stat, time, threading
asked = json.loads(sys.stdin.readline())
needles = [n.encode() for n in asked["needles"]]
done = threading.Event()
threading.Thread(target=lambda: (sys.stdin.readline(), done.set()), daemon=True).start()
found, looks, seen = set(), 0, set()
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
    for top in asked["dirs"]:
        for where, _, names in os.walk(top):
            for name in names:
                path = os.path.join(where, name)
                try:
                    if not stat.S_ISREG(os.stat(path).st_mode): # reading a pipe would take what it holds
                        continue
                    with open(path, "rb") as f:
                        text = f.read()
                except OSError:
                    continue
                if any(n in text for n in needles):
                    found.add(path)
    looks += 1
    time.sleep(0.005)
print(json.dumps({"found": sorted(found), "looks": looks, "seen": len(seen), "ssh": sum(b"/bin/sh" in l for l in seen)}))
`

const Watched = z.object({ found: z.array(z.string()), looks: z.number(), seen: z.number(), ssh: z.number() })

function watch(script: string) {
  const child = execa('/usr/bin/python3', [script], { stdin: 'pipe' })
  child.stdin.write(`${JSON.stringify({ needles, dirs: [testbed.home, temp] })}\n`)
  const ready = new Promise((resolve) => child.stdout.once('data', resolve))
  return {
    ready,
    end: async () => {
      child.stdin.end('stop\n')
      return Watched.parse(JSON.parse((await child).stdout.replace(/^ready\n/, '')))
    },
  }
}

beforeEach(async () => {
  const script = join(await testbed.dir(), 'watch.py')
  await writeFile(script, WATCHER)
  watching = watch(script)
  await watching.ready
  await node.ask('touch /run/test-began')
})

function expectNone(what: string, text: string): void {
  const found = needles.filter((needle) => text.includes(needle))
  expect(found, `${what} has a secret`).toEqual([])
}

/** Files that have one of the needles, of those that were written since the test began. */
async function inNode(): Promise<string[]> {
  const skip = ['/proc', '/sys', '/run/test-began', '/opt/rancher'].map((path) => `-path ${path}`).join(' -o ')
  await node.run('cat >/dev/shm/needles', { input: needles.join('\n') })
  const { stdout } = await node.run(
    `find / \\( ${skip} -o -path /dev/shm/needles \\) -prune -o -type f -newer /run/test-began -print0 | xargs -0 -r grep -laF -f /dev/shm/needles; rm /dev/shm/needles`,
  )
  return stdout.split('\n').filter(Boolean).sort()
}

async function expectClean(done: CliResult, files: readonly string[]): Promise<void> {
  expectNone('stdout', done.stdout)
  expectNone('stderr', done.stderr)
  for (const file of files) expectNone(file, await readFile(file, 'utf8'))
  const watched = await watching.end()
  expect(watched.found, 'arguments of a process, or a file of the workstation').toEqual([])
  expect(watched.looks).toBeGreaterThan(20)
  expect(watched.ssh, 'the watcher sees the shells in the node').toBeGreaterThan(0)
  expectNone('the journal', await node.ask('journalctl --no-pager -o json; journalctl --no-pager -o cat'))
}

const PLACES = ['/etc/systemd/system/k3s.service.env', '/var/lib/k3s-platform/units/k3s.service/good/3']

test.each(['node-ssh', 'openssh'] as const)(
  'an apply that tells all it can tells no secret, and leaves none lying about (%s)',
  async (transport) => {
    if (transport === 'openssh') await node.ask(`rm ${PLACES[0]}; touch /run/test-began`)
    const events = join(await testbed.dir(), 'events.jsonl')
    const done = await testbed.cli(
      [
        'apply',
        'k3s_platform_bootstrap',
        '-vvv',
        '-D',
        '--debug',
        '-i',
        inventory,
        '--events',
        events,
        '-e',
        `k3s_platform_ssh_transport=${transport}`,
      ],
      { env: { TMPDIR: temp, K3S_PLATFORM_SSH_KEY_PASSPHRASE: PASSPHRASE } },
    )
    expect(done.code, said(done)).toBe(0)
    expect(done.stderr, 'the wire is shown').toContain('/etc/systemd/system/k3s.service.env')
    const kubeconfig = await readFile(join(testbed.home, '.kube/k3s-platform/edge-1.yaml'), 'utf8')
    const Kubeconfig = z.object({ users: z.array(z.object({ user: z.object({ 'client-key-data': z.string() }) })) })
    const clientKey = Kubeconfig.parse(parse(kubeconfig)).users[0]?.user['client-key-data'] ?? ''
    expect(clientKey.length).toBeGreaterThan(100)
    const pem = Buffer.from(clientKey, 'base64').toString().split('\n')[1] ?? ''
    needles = [...new Set([...needles, clientKey, clientKey.slice(40, 100), pem])]
    await expectClean(done, [events])
    needles = needles.filter((needle) => needle !== pem && !clientKey.includes(needle))
    expect(await inNode()).toEqual(PLACES)
    expect(await node.ask(['stat', '-c', '%a %U', ...PLACES, '/var/lib/k3s-platform/units/k3s.service/good'])).toBe(
      '600 root\n600 root\n700 root',
    )
    // It came there as it was.
    const pid = await node.ask('systemctl show -p MainPID --value k3s')
    expect(await node.ask(`tr '\\0' '\\n' </proc/${pid}/environ | grep ^SECRET_TOKEN=`)).toBe(`SECRET_TOKEN=${TOKEN}`)
  },
)

test('plans and documents show that a secret changed, and nothing of it', async () => {
  const changed = await testbed.inventory({
    'edge-1': {
      ...node.hostVars('deploy'),
      ansible_ssh_private_key_file: key,
      ansible_become_password: SUDO,
      k3s_platform_k3s_env: { SECRET_TOKEN: `${TOKEN}2`, OTHER: PASSPHRASE },
    },
  })
  const env = { TMPDIR: temp, K3S_PLATFORM_SSH_KEY_PASSPHRASE: PASSPHRASE }
  for (const output of ['text', 'json', 'junit', 'github']) {
    const done = await testbed.cli(['plan', 'k3s_platform_bootstrap', '-D', '-o', output, '-i', changed], { env })
    expect(done.code, said(done)).toBe(2)
    expect(said(done)).toContain('k3s.service.env')
    // GitHub masks what it is told to mask: these lines are for its eyes only.
    const shown = said(done).replace(/^::add-mask::.*$/gm, '')
    expectNone(`plan -o ${output}`, shown)
  }
  const done = await testbed.cli(['plan', 'k3s_platform_bootstrap', '-i', changed], { env })
  await expectClean(done, [])
})

test('runs that fail show no secret either', async () => {
  const events = join(await testbed.dir(), 'events.jsonl')
  const told: string[] = []
  const fail = async (args: readonly string[], env: Readonly<Record<string, string>> = {}) => {
    const done = await testbed.cli([...args, '-vvv', '--debug', '--events', events], {
      env: { TMPDIR: temp, K3S_PLATFORM_SSH_KEY_PASSPHRASE: PASSPHRASE, ...env },
    })
    expect(done.code, said(done)).toBeGreaterThan(0)
    told.push(done.stdout, done.stderr, await readFile(events, 'utf8').catch(() => ''))
  }
  // A configuration that k3s refuses, the env in the unit's own words; values in the wrong places; a wrong password.
  await fail([
    'apply',
    'k3s_platform_bootstrap',
    '-i',
    inventory,
    '-e',
    '{"k3s_platform_k3s_config":{"kube-apiserver-arg":["no-such-flag=1"]}}',
  ])
  const dir = join(await testbed.dir(), 'wrong')
  await mkdir(dir)
  await writeFile(
    join(dir, 'hosts.yaml'),
    JSON.stringify({
      all: {
        hosts: {
          'edge-1': {
            ...node.hostVars('deploy'),
            ansible_ssh_private_key_file: key,
            ansible_become_password: { not: SUDO },
            k3s_platform_k3s_env: [TOKEN],
          },
        },
      },
    }),
  )
  await fail(['apply', 'k3s_platform_bootstrap', '-i', dir])
  await fail(['apply', 'k3s_platform_bootstrap', '-i', inventory, '-o', 'json'], {
    K3S_PLATFORM_SSH_KEY_PASSPHRASE: `${PASSPHRASE}!`,
  })
  told.forEach((text, i) => {
    expectNone(`output ${i}`, text)
  })
  const watched = await watching.end()
  expect(watched.found).toEqual([])
  expect(await inNode()).toEqual([])
  expectNone('the journal', await node.ask('journalctl --no-pager -o cat'))
})
