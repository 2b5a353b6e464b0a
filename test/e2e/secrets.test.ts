// No secret's bytes leave their place: streams, events, process lists, files and journals of both sides are searched.

import { copyFile, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { parse } from 'yaml'
import { z } from 'zod'
import type { TestNode } from '../testbed/node.ts'
import { type CliResult, Testbed } from '../testbed/testbed.ts'
import { forms } from './forms.ts'
import { expectNone, inFolders, inNode, type Watched, watch, watched } from './leaks.ts'
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
let watching: Awaited<ReturnType<typeof watch>>

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

beforeEach(async () => {
  watching = await watch(testbed, { needles, folders: [testbed.home, temp] })
  await node.ask('touch /run/test-began')
})

const nowhereIn = (what: string, text: string) => expectNone(needles, what, text)
/** The API's own certificates are among what is looked for. */
const written = () => inNode(node, needles, ['/opt/rancher'])

/** What was seen meanwhile has none of them. */
async function expectUnseen(): Promise<Watched> {
  const seen = await watching.end()
  expect(seen.files, 'a file of the workstation').toEqual([])
  nowhereIn('arguments of a process', seen.arguments)
  return seen
}

async function expectClean(done: CliResult, files: readonly string[]): Promise<void> {
  nowhereIn('stdout', done.stdout)
  nowhereIn('stderr', done.stderr)
  for (const file of files) nowhereIn(file, await readFile(file, 'utf8'))
  const seen = await expectUnseen()
  expect(seen.looks).toBeGreaterThan(20)
  expect(seen.arguments, 'the watcher sees the shells in the node').toContain('/bin/sh')
  nowhereIn('the journal', await node.ask('journalctl --no-pager -o json; journalctl --no-pager -o cat'))
}

test('the search finds what is planted', async () => {
  await watching.end()
  await writeFile(join(temp, 'planted'), `x${TOKEN}x`)
  const { seen } = await watched(testbed, { needles, folders: [temp] }, () =>
    node.run(`printf %s '${SUDO}' >/srv/planted; sleep 1; : '${SUDO}'`),
  )
  expect(seen.files).toEqual([join(temp, 'planted')])
  expect(() => nowhereIn('arguments of a process', seen.arguments)).toThrow(/has a secret/)
  expect(await written()).toEqual(['/srv/planted'])
  expect(await inFolders(testbed, needles, [temp])).toEqual([join(temp, 'planted')])
  await rm(join(temp, 'planted'))
  await node.ask('rm /srv/planted')
})

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
    expect(await written()).toEqual(PLACES)
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
    nowhereIn(`plan -o ${output}`, shown)
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
    nowhereIn(`output ${i}`, text)
  })
  await expectUnseen()
  expect(await written()).toEqual([])
  nowhereIn('the journal', await node.ask('journalctl --no-pager -o cat'))
})
