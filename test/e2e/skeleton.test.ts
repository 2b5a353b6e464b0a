// The main job on a fresh node: a plan that touches nothing, an apply, and then nothing left to do.

import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import type { TestNode } from '../testbed/node.ts'
import { K3S_VERSIONS, Testbed } from '../testbed/testbed.ts'
import { journalCursor, journalSince, logins, runOf, starts, told, tree, treeChanges, well } from './look.ts'

let testbed: Testbed
let node: TestNode
let inventory: string

beforeAll(async () => {
  testbed = await Testbed.open()
  node = await testbed.node('edge-1')
  inventory = await testbed.inventory([node])
})
afterAll(() => testbed?.close())

/** What a login with sudo writes by itself; the test shows that it does. */
const LOGIN_WRITES = [
  /^\/var\/log\/journal\//, // journald: what sshd, sudo, PAM and systemd say of the login
  /^\/var\/log\/(wtmp|lastlog)(\.db)?$/, // PAM: who logged in when
  /^\/run(\/motd\.dynamic|\/utmp)?$/, // PAM: the message of the day (replaced, so /run is written to), who is here
  /^\/run\/(sudo|user)(\/|$)/, // sudo's time stamps, the login's own directory
  /^\/run\/systemd\/(sessions|users|units|transient|inhibit|journal)(\/|$)/, // logind and the units of a session
]

/** A login as the program does it, without the program. */
async function control(): Promise<void> {
  const known = ['-o', 'StrictHostKeyChecking=no', '-o', 'UserKnownHostsFile=/dev/null', '-o', 'BatchMode=yes']
  const ssh = [
    'ssh',
    '-F',
    '/dev/null',
    '-i',
    node.identityFile,
    ...known,
    `ops@${node.host}`,
    'sudo -n /bin/sh -c true',
  ]
  expect((await testbed.spawn(ssh)).exitCode).toBe(0)
}

/** Without process ids, ports and sessions, the command line that sudo reports, and how politely the client left. */
function withoutNumbers(message: string): string {
  return message
    .replace(/COMMAND=.*/, 'COMMAND=...')
    .replace(/SHA256:\S+/, 'SHA256:...')
    .replace(
      /^(sshd-session): (Disconnected from|Received disconnect from|Connection closed by) .*/,
      '$1: disconnected',
    )
    .replace(/\d+/g, 'N')
}

test('a plan on a fresh node exits 2, names every change and touches nothing at all', async () => {
  await control() // the first login makes what later ones find
  const atFirst = await tree(node)
  const before = await journalCursor(node)
  await control()
  const loginMessages = await journalSince(node, before)
  const afterLogin = await tree(node)
  expect(treeChanges(atFirst, afterLogin, LOGIN_WRITES), 'a login alone').toEqual([])

  const cursor = await journalCursor(node)
  const plan = await testbed.cli(['plan', 'k3s_platform_bootstrap', '-i', inventory])
  const messages = await journalSince(node, cursor)
  expect(plan.code, plan.stdout + plan.stderr).toBe(2)
  expect(treeChanges(afterLogin, await tree(node), LOGIN_WRITES)).toEqual([])
  expect([...new Set(messages.map(withoutNumbers))].sort()).toEqual(
    [...new Set(loginMessages.map(withoutNumbers))].sort(),
  )

  const signs = plan.stdout.split('\n').flatMap((line) => / ([-+~!?] .*)$/.exec(line.trimEnd())?.[1] ?? [])
  expect(signs.map((line) => line.replace(/ {2,}/g, '  '))).toMatchInlineSnapshot(`
    [
      "+ /etc/modules-load.d/k3s-platform.conf",
      "+ /etc/sysctl.d/90-k3s-platform.conf",
      "~ sysctls  net.ipv4.ip_forward: 0 -> 1",
      "+ /etc/rancher/k3s/",
      "+ /opt/rancher/k3s/",
      "+ /usr/local/bin/k3s  v1.36.4+k3s1 (sha256 as published)",
      "+ /etc/rancher/k3s/config.yaml",
      "+ /etc/systemd/system/k3s.service.env",
      "+ /etc/systemd/system/k3s.service",
      "! start k3s.service  because: k3s, config.yaml, k3s.service.env, k3s.service",
      "? API and node  known after k3s starts",
    ]
  `)
  const end = plan.stdout.trimEnd().split('\n').slice(-2).join('\n')
  expect(end.replace(inventory, 'INVENTORY').replace(/\d+ unchanged/, 'N unchanged')).toMatchInlineSnapshot(`
    "Plan: 8 to create, 1 to update, 1 start, 1 known later on 1 host; N unchanged.
    Nothing was changed. To apply: k3s-platform apply k3s_platform_bootstrap -i INVENTORY"
  `)
})

/** What is read here of a line of --events. */
const Line = z.object({
  at: z.number(),
  event: z.string(),
  is: z.string().optional(),
  resource: z.string().optional(),
  plan: z
    .object({ stages: z.array(z.object({ changes: z.array(z.object({ id: z.string(), op: z.string() })) })) })
    .optional(),
})

test('check mode is the plan, word for word', async () => {
  const [plan, check] = [
    await testbed.cli(['plan', 'k3s_platform_bootstrap', '-i', inventory]),
    await testbed.cli(['apply', 'k3s_platform_bootstrap', '--check', '-i', inventory]),
  ]
  expect(check).toMatchObject({ code: 2, stdout: plan.stdout, stderr: plan.stderr })
})

test('the first apply exits 0 over one login, ends in the recap of Ansible, and k3s works', async () => {
  const before = await logins(node)
  const events = join(await testbed.dir(), 'events.jsonl')
  const done = await well(testbed, ['apply', 'k3s_platform_bootstrap', '-i', inventory, '--events', events])
  expect(done.stdout).toMatch(
    /^PLAY RECAP\nedge-1 +ok=\d+ +changed=\d+ +unreachable=0 +failed=0 +skipped=0 +rescued=0 +\d+\.\d s\n$/,
  )
  expect(await logins(node)).toBe(before + 1)
  expect(await node.ask('k3s kubectl get --raw /readyz')).toBe('ok')
  expect(await node.ask('k3s kubectl get nodes --no-headers')).toMatch(/^edge-1 +Ready /)
  expect(await node.ask('k3s --version | head -n 1')).toContain(K3S_VERSIONS[0])
  expect(await starts(node)).toBe(1)

  const told = (await readFile(events, 'utf8'))
    .trimEnd()
    .split('\n')
    .map((line) => Line.parse(JSON.parse(line)))
  // The mirror is plain http, and that is told first.
  expect(told[0]?.event).toBe('problem')
  const kinds = told.slice(1).map(({ event }) => event)
  expect([kinds[0], kinds.at(-1)]).toEqual(['start', 'end'])
  expect(new Set(kinds)).toEqual(new Set(['start', 'busy', 'plan', 'step', 'end']))
  const times = told.map(({ at }) => at)
  expect(times).toEqual(times.toSorted((a, b) => a - b))
  const planned = told.find(({ event }) => event === 'plan')?.plan?.stages.flatMap((stage) => stage.changes) ?? []
  const made = told.filter(({ is }) => is === 'done').map(({ resource }) => resource)
  const deferred = planned.filter(({ op, id }) => op === 'deferred' && !made.includes(id)).map(({ id }) => id)
  expect(made).toEqual(planned.filter(({ op, id }) => op !== 'none' && !deferred.includes(id)).map(({ id }) => id))
  expect(deferred).toEqual(['k3s:ready']) // the start had seen to it
})

test('a plan right after exits 0 and says that there are no changes', async () => {
  const plan = await well(testbed, ['plan', 'k3s_platform_bootstrap', '-i', inventory])
  expect(plan.stdout).toMatch(/^Plan: no changes; \d+ unchanged on 1 host\.$/m)
  expect(plan.stdout).not.toContain('To apply')
})

test('a second apply costs one exec and changes nothing', async () => {
  const [files, run, logged] = [await managed(), await runOf(node), await logins(node)]
  const { code, document } = await told(testbed, ['apply', 'k3s_platform_bootstrap', '-i', inventory])
  expect(code).toBe(0)
  expect(document).toMatchObject({ mode: 'apply', status: 'ok', exitCode: 0, problems: [] })
  expect(document.hosts).toMatchObject([
    {
      host: 'edge-1',
      status: 'ok',
      execs: 1,
      steps: [],
      problems: [],
      recap: { changed: 0, failed: 0, unreachable: 0 },
    },
  ])
  expect(await managed()).toBe(files)
  expect(await runOf(node)).toBe(run)
  expect(await logins(node)).toBe(logged + 1)
})

test('a failed run is one document of the published schema, too', async () => {
  const refused = await told(testbed, [
    'apply',
    'k3s_platform_bootstrap',
    '-i',
    inventory,
    '-e',
    'k3s_platform_k3s_version=v1.36.99+k3s1',
  ])
  expect([refused.code, refused.document.status, refused.document.hosts[0]?.status]).toEqual([1, 'failed', 'failed'])
  expect(refused.document.hosts[0]?.problems).toHaveLength(1)
  const wrong = await told(testbed, [
    'apply',
    'k3s_platform_bootstrap',
    '-i',
    inventory,
    '-e',
    'k3s_platform_k3s_versoin=v1.36.99+k3s1',
  ])
  expect([wrong.code, wrong.document.status, wrong.document.hosts]).toEqual([64, 'usage', []])
  expect(wrong.document.problems).toMatchObject([
    { kind: 'usage', hint: expect.stringContaining('k3s_platform_k3s_version') },
  ])
})

test('an upgrade by the inventory is one restart, and the node reports the new version', async () => {
  const newer = await testbed.inventory([node], { k3s_platform_k3s_version: K3S_VERSIONS[1] })
  const before = await starts(node)
  const plan = await testbed.cli(['plan', 'k3s_platform_bootstrap', '-i', newer])
  expect(plan.code).toBe(2)
  expect(plan.stdout).toMatch(/~ \/usr\/local\/bin\/k3s +v1\.36\.4\+k3s1 -> v1\.36\.5\+k3s1/)
  expect(plan.stdout).toMatch(/! restart k3s\.service +because: k3s$/m)
  await well(testbed, ['apply', 'k3s_platform_bootstrap', '-i', newer])
  expect(await starts(node)).toBe(before + 1)
  expect(await node.ask('k3s kubectl get node edge-1 --no-headers')).toContain(K3S_VERSIONS[1])
  await well(testbed, ['plan', 'k3s_platform_bootstrap', '-i', newer])
})

/** Mode, owner, inode, size, mtime and ctime of every file that the role manages, on both sides. */
async function managed(): Promise<string> {
  const files = await node.ask(
    `find /etc/rancher /etc/systemd/system/k3s.service* /usr/local/bin /etc/modules-load.d /etc/sysctl.d /var/lib/k3s-platform \
      -printf '%p %m %U:%G %i %s %T@ %C@\\n' | sort; stat -c '%n %a %i' /opt/rancher/k3s`,
  )
  const here = await stat(join(testbed.home, '.kube/k3s-platform/edge-1.yaml'))
  return `${files}\n${here.ino} ${here.mtimeMs} ${here.mode}`
}
