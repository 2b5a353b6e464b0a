// A service under Debian's real OpenRC (openrc-run, rc-service, rc-update, supervise-daemon) in a chroot of the testbed's root
// file system, with the role's own service script; sh is dash, or busybox as on Alpine. What runs in it is a made-up k3s.

import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { changesOf, type Plan, pending, plan } from '../../src/engine/plan.ts'
import { ProblemError } from '../../src/engine/problem.ts'
import type { Session } from '../../src/engine/runner.ts'
import { hostBackend } from '../../src/host/backend.ts'
import type { Facts } from '../../src/host/facts.ts'
import { file } from '../../src/host/kinds/file.ts'
import { onInit, unitPath } from '../../src/host/kinds/init.ts'
import { disturbedMark, service } from '../../src/host/kinds/service.ts'
import type { HostResource } from '../../src/host/resource.ts'
import { rootShell } from '../../src/host/root-shell.ts'
import { sh } from '../../src/host/sh.ts'
import openrcScript from '../../templates/k3s.openrc.hbs'

const UNIT = 'k3s.service'
const BINARY = '/usr/local/bin/k3s'
const CONFIG = '/etc/k3s.conf'
const never = new AbortController().signal
const testbed = process.env.K3SP_TESTBED_DIR ?? '/var/cache/k3sp-testbed'

describe.each(['dash', 'busybox'])('with %s as sh', (shell) => {
  let holder: ChildProcess
  let dir: string
  let backend: Session<HostResource, Facts>
  const run = (script: string) => inside(holder, script)

  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'openrc-'))
    const openrc = await download(dir)
    const lower = readdirSync(testbed).find((name) => /^rootfs-[0-9a-f]+$/.test(name)) ?? 'no root file system'
    mkdirSync(join(dir, 'root'))
    writeFileSync(join(dir, 'k3s'), FAKE)
    copyFileSync('/usr/bin/busybox', join(dir, 'busybox'))
    const setup = `set -e; cd ${dir}; mount -t tmpfs tmpfs /mnt; mkdir /mnt/upper /mnt/work
mount -t overlay -o lowerdir=${testbed}/${lower},upperdir=/mnt/upper,workdir=/mnt/work overlay root
for d in bin sbin lib; do cp -a ${openrc}/$d/. root/usr/$d/; done; cp -a ${openrc}/usr/. root/usr/; cp -a ${openrc}/etc/. root/etc/
cp k3s root${BINARY}; chmod 755 root${BINARY}; cp busybox root/usr/bin/busybox; ln -sf ${shell} root/usr/bin/sh
mount -t proc proc root/proc; mount -t tmpfs tmpfs root/run; mount --bind /dev root/dev; mkdir -p root/etc/runlevels/default root/etc/conf.d; : >root/etc/insserv.conf
for d in starting started stopping inactive wasinactive failed hotplugged daemons options exclusive scheduled init.d tmp; do mkdir -p root/run/openrc/$d; done
echo default >root/run/openrc/softlevel; printf ready; read -r end`
    holder = spawn('unshare', ['-mpf', '--kill-child', '--propagation', 'private', '/bin/bash', '-c', setup])
    await new Promise<void>((resolve, reject) => {
      let told = ''
      holder.stderr?.on('data', (chunk) => {
        told += chunk
      })
      holder.stdout?.once('data', () => resolve())
      holder.once('close', () => reject(new Error(told)))
    })
    const transport = {
      title: 'a chroot',
      exec: async (command: string) => {
        const child = spawn('nsenter', entering(holder, dir, command))
        return {
          stdin: child.stdin,
          stdout: child.stdout,
          stderr: child.stderr,
          exit: new Promise<{ code: number | null; signal: string | null }>((resolve) =>
            child.once('close', (code, signal) => resolve({ code, signal })),
          ),
          close: () => void child.kill(),
        }
      },
      forward: () => Promise.reject(new Error('no ports')),
      close: async () => undefined,
    }
    backend = hostBackend({
      host: 'edge-1',
      shell: rootShell(transport, 'edge-1', { user: 'root' }, () => undefined),
      holder: () => 'a test',
      fetch: () => Promise.reject(new Error('nothing to fetch')),
      now: Date.now,
      lookMs: 60_000,
      waitSeconds: 10,
      waiting: () => undefined,
    })
  })
  afterAll(() => {
    holder?.stdin?.end()
    holder?.kill('SIGKILL')
    rmSync(dir, { recursive: true, force: true })
  })

  const inside = (_: ChildProcess, script: string): string => {
    const done = spawnSync('nsenter', entering(holder, dir, script), { encoding: 'utf8' })
    return `${done.stdout}${done.stderr}`.trim()
  }

  async function look(content: string): Promise<Plan<HostResource>> {
    const resources = wanted(content)
    const { facts, observations } = await backend.observe(resources, never)
    expect(facts.init).toBe('openrc')
    return plan([{ role: 'r', name: 's', resources }], observations)
  }

  async function apply(content: string): Promise<readonly string[]> {
    const lock = await backend.lock(never)
    try {
      const todo = changesOf(await look(content)).filter(pending)
      await backend.apply(todo, { stop: never, signal: never, step: () => undefined })
      return todo.map(({ note, resource }) => note ?? resource.title)
    } finally {
      await lock.release()
    }
  }
  const notes = (of: Plan<HostResource>) =>
    changesOf(of).flatMap((c) => (pending(c) ? [c.note ?? c.resource.title] : []))

  test('a first start enables it in the runlevel default, and the plan is empty after it', async () => {
    expect(await apply('good 1')).toEqual([CONFIG, '/etc/conf.d/k3s', '/etc/init.d/k3s', 'start k3s.service'])
    expect(run('readlink /etc/runlevels/default/k3s; rc-service k3s status')).toContain('/etc/init.d/k3s')
    expect(run('cat /var/log/k3s.log')).toContain(`server HTTPS_PROXY=a "b" $c \`d\``)
    expect(run('ls /etc/systemd/system/k3s.service')).toMatch(/No such file/)
    expect(notes(await look('good 1'))).toEqual([])
  })

  test('a change restarts it, once', async () => {
    const before = run('cat /run/openrc/options/k3s/child_pid')
    expect(await apply('good 2')).toEqual([CONFIG, 'restart k3s.service'])
    expect(run('cat /run/openrc/options/k3s/child_pid')).not.toBe(before)
    expect(notes(await look('good 2'))).toEqual([])
  })

  test('one that does not come up gets its last good inputs back, and its log says why', async () => {
    const failure = await apply('broken').then(
      () => null,
      (error: unknown) => error,
    )
    if (!(failure instanceof ProblemError)) throw failure
    expect(failure.problems[0]).toMatchObject({
      where: 'edge-1 k3s.service',
      what: expect.stringMatching(
        /^not healthy after the restart: started, restarted \d times.*; the last good configuration was restored and is running$/,
      ),
      why: expect.stringContaining('/var/log/k3s.log: level=fatal msg="no such flag"'),
      hint: expect.stringContaining('full log on the host: /var/log/k3s.log'),
      rescued: true,
    })
    expect(run(`cat ${CONFIG}`)).toBe('good 2')
    expect(notes(await look('good 2'))).toEqual([])
  })

  test('one that was stopped, or whose supervisor was killed, is started again', async () => {
    run('rc-service k3s stop')
    expect(await apply('good 2')).toEqual(['start k3s.service'])
    run('kill -9 $(cat /run/k3s.pid) $(cat /run/openrc/options/k3s/child_pid); sleep 0.3')
    expect(await apply('good 2')).toEqual(['start k3s.service'])
    expect(notes(await look('good 2'))).toEqual([])
  })

  test('one that is not started at boot is enabled, and goes on as it is', async () => {
    const before = run('rc-update -q del k3s default; cat /run/k3s.pid')
    expect(await apply('good 2')).toEqual(['enable k3s.service'])
    expect(run('cat /run/k3s.pid')).toBe(before)
    expect(notes(await look('good 2'))).toEqual([])
  })
})

const FAKE = `#!/bin/sh
printf '%s\\n' "$1 HTTPS_PROXY=$HTTPS_PROXY"
if grep -q broken ${CONFIG}; then echo 'level=fatal msg="no such flag"'; exit 7; fi
echo $$ >/run/ready
exec sleep 1000
`

/** The child that runs now has said so: one that is about to end was alive for a moment, too. */
const HEALTH = sh`[ "$(cat /run/ready)" = "$(cat /run/openrc/options/k3s/child_pid)" ]`

function wanted(content: string): HostResource[] {
  const mark = disturbedMark(UNIT)
  const script = unitPath('openrc', UNIT)
  const inputs = [
    { path: CONFIG, resource: file({ path: CONFIG, content: `${content}\n`, mark }) },
    {
      path: '/etc/conf.d/k3s',
      resource: onInit(
        'openrc',
        file({ path: '/etc/conf.d/k3s', content: 'HTTPS_PROXY="a \\"b\\" \\$c \\`d\\`"\n', mark }),
      ),
    },
    {
      path: unitPath('systemd', UNIT),
      resource: onInit('systemd', file({ path: unitPath('systemd', UNIT), content: '[Unit]\n', mark })),
    },
    {
      path: script,
      resource: onInit(
        'openrc',
        file({ path: script, content: openrcScript({ binary: BINARY, config: null }), mode: '755', mark }),
      ),
    },
  ]
  return [...inputs.map(({ resource }) => resource), service({ unit: UNIT, inputs, health: HEALTH, boundSeconds: 40 })]
}

/** Debian's packages, unpacked. */
async function download(dir: string): Promise<string> {
  const to = join(testbed, 'openrc')
  if (existsSync(join(to, 'sbin/openrc-run'))) return to
  const done = spawnSync(
    '/bin/sh',
    [
      '-c',
      `cd ${dir} && apt-get -q download openrc librc1 libeinfo1 && for d in *.deb; do dpkg -x $d ${to} || exit 1; done`,
    ],
    { encoding: 'utf8' },
  )
  if (done.status !== 0) throw new Error(done.stderr)
  return to
}

/** The child of unshare is the first process of the namespace. */
function entering(holder: ChildProcess, dir: string, command: string): string[] {
  const pid = readFileSync(`/proc/${holder.pid}/task/${holder.pid}/children`, 'utf8').trim()
  return [
    '-t',
    pid,
    '-m',
    '-p',
    'chroot',
    join(dir, 'root'),
    '/usr/bin/env',
    '-i',
    'PATH=/usr/sbin:/usr/bin',
    '/bin/sh',
    '-c',
    command,
  ]
}
