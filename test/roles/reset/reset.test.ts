// The shell of reset under the three shells: what is found, what goes, what stays; and which data directories are refused.

import { execFileSync } from 'node:child_process'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { dangerOf, reset } from '../../../roles/k3s_platform_bootstrap/reset.ts'
import { clusterGuard } from '../../../roles/k3s_platform_bootstrap/reset-guards.ts'
import { dataDirs, firewall } from '../../../roles/k3s_platform_bootstrap/reset-lists.ts'
import { bootstrap } from '../../../roles/k3s_platform_bootstrap/role.ts'
import { ProblemError } from '../../../src/engine/problem.ts'
import { gone, removing } from '../../../src/host/kinds/gone.ts'
import { sweep } from '../../../src/host/kinds/sweep.ts'
import { prelude } from '../../../src/host/prelude.ts'
import { lines, type Sh, sh } from '../../../src/host/sh.ts'
import { FAKE, fake, noSandbox, type Sandbox, SHELLS, sandbox } from '../../host/shells.ts'

const context = {
  host: 'edge-1',
  address: '203.0.113.7',
  boundSeconds: undefined,
  workstation: {
    kubeconfigs: ['~/.kube/config'],
    read: () => null,
    write: async () => undefined,
    edit: async () => undefined,
    create: () => Promise.resolve(true),
    remove: async () => undefined,
  },
}

describe('a data directory', () => {
  test.each([
    ['/opt/rancher/k3s', null],
    ['/var/lib/rancher/k3s', null],
    ['/srv/k3s', null],
    ['/home/ops/k3s', null],
    ['/', 'other software also keeps files there'],
    ['//', 'other software also keeps files there'],
    ['/opt', 'other software also keeps files there'],
    ['/opt/', 'other software also keeps files there'],
    ['/var/lib', 'other software also keeps files there'],
    ['/home/ops', 'other software also keeps files there'],
    ['/usr', 'it belongs to the operating system'],
    ['/etc/rancher', 'it belongs to the operating system'],
    ['/usr/local/k3s', 'it belongs to the operating system'],
    ['/opt/rancher/../..', 'it contains . or ..'],
    ['opt/rancher', 'it is not an absolute path'],
    ['', 'it is not an absolute path'],
    ['/opt/cloud-neutral', 'it is always kept'],
    ['/opt/cloud-neutral/k3s', 'it is always kept'],
  ])('%j: %s', (path, why) => {
    expect(dangerOf(path)).toBe(why)
  })

  test('that is dangerous is a mistake in the inventory, told before any host is spoken to', () => {
    const vars = bootstrap.vars.parse({ k3s_platform_k3s_config: { 'data-dir': '/usr' } })
    expect(() => reset(vars, context)).toThrow(ProblemError)
  })
})

test('no resource is there twice, and none wants to be', () => {
  const stages = reset(bootstrap.vars.parse({ k3s_platform_data_dir: '/var/lib/rancher/k3s' }), context)
  const ids = stages.flatMap(({ resources }) => resources.map(({ id }) => id))
  expect(new Set(ids).size).toBe(ids.length)
  expect(stages.map(({ name }) => name)).toMatchInlineSnapshot(`
    [
      "guards",
      "services",
      "network",
      "data",
      "k3s",
      "configuration",
      "workstation",
    ]
  `)
})

const why = noSandbox()
describe.skipIf(why !== undefined).each(SHELLS)('under %s', (shell) => {
  let at: Sandbox
  beforeAll(async () => {
    at = await sandbox(shell)
  })
  afterAll(() => at?.close())
  /** Output of a script; an exit code other than 0 and a word on stderr are failures. */
  const run = (...script: Sh[]): string => {
    const done = at.sh(lines([prelude, ...script]).reveal())
    expect([done.status, done.stderr.toString()]).toEqual([0, ''])
    return done.stdout.toString().trimEnd()
  }
  const steps = (resource: ReturnType<typeof gone>) =>
    resource
      .steps({ actual: { found: [] }, desired: null, facts: Object.create(null) })
      .flatMap((step) => ('run' in step ? [step.run] : []))
  const make = (script: string) => {
    at.reset()
    expect(at.sh(script).stderr.toString()).toBe('')
  }
  const files = () =>
    execFileSync('find', ['opt', '-mindepth', '1'], { cwd: at.root, encoding: 'utf8' }).trim().split('\n').toSorted()

  test('a tree goes but for what is kept below it; links are not followed, and it can be done twice', () => {
    make(`mkdir -p '/opt/k3s/a/b c/.d' /opt/k3s/keep/x /opt/k3s/a/keep /opt/real
      touch '/opt/k3s/a/b c/.d/..f' /opt/k3s/keep/x/y /opt/k3s/a/keep/z /opt/real/stays /opt/k3s/a/-rf '/opt/k3s/*'
      ln -s /opt/real /opt/k3s/link; ln -s /nowhere /opt/k3s/a/dangling`)
    const it = gone({ path: '/opt/k3s', keep: ['/opt/k3s/keep', '/opt/k3s/a/keep', '/opt/k3s/absent'] })
    expect(run(it.probe)).toBe('there')
    run(...steps(it))
    const left = [
      'opt/k3s',
      'opt/k3s/a',
      'opt/k3s/a/keep',
      'opt/k3s/a/keep/z',
      'opt/k3s/keep',
      'opt/k3s/keep/x',
      'opt/k3s/keep/x/y',
      'opt/real',
      'opt/real/stays',
    ]
    expect(files()).toEqual(left)
    expect(run(it.probe)).toBe('')
    run(...steps(it))
    expect(files()).toEqual(left)
  })

  test('a mount below is not entered, and the tree itself may be one', () => {
    make(
      'mkdir -p /opt/k3s/a/disk && /mnt/bin/mount -t tmpfs t /opt/k3s && mkdir -p /opt/k3s/a/disk && /mnt/bin/mount -t tmpfs t /opt/k3s/a/disk && touch /opt/k3s/x /opt/k3s/a/disk/y',
    )
    const it = gone({ path: '/opt/k3s' })
    expect(run(it.probe)).toBe('there')
    run(...steps(it))
    expect(files()).toEqual(['opt/k3s', 'opt/k3s/a', 'opt/k3s/a/disk', 'opt/k3s/a/disk/y'])
    expect(run(it.probe)).toBe('')
    at.sh('/mnt/bin/umount /opt/k3s/a/disk; /mnt/bin/umount /opt/k3s')
  })

  test('what is kept as a whole is left alone', () => {
    make('mkdir -p /opt/k3s/a')
    expect(run(gone({ path: '/opt/k3s', keep: ['/opt'] }).probe)).toBe('')
    expect(run(removing(['/opt/k3s']), sh`k_remove /opt/k3s/a; ls /opt/k3s`)).toBe('a')
  })

  test('a link goes only when it leads where ours do, a directory only when nothing else is in it', () => {
    make('mkdir -p /opt/rancher/k3s /opt/full/k3s /opt/full/other; ln -s k3s /opt/ours; ln -s /bin/ctr /opt/theirs')
    const there = (resource: ReturnType<typeof gone>) => run(resource.probe)
    expect(['/opt/ours', '/opt/theirs'].map((path) => there(gone({ path, only: { linkTo: 'k3s' } })))).toEqual([
      'there',
      '',
    ])
    const only = { emptyBut: ['k3s'] }
    expect(['/opt/rancher', '/opt/full', '/opt/none'].map((path) => there(gone({ path, only })))).toEqual([
      'there',
      '',
      '',
    ])
    expect(there(gone({ path: '/opt/rancher', only, keep: ['/opt/rancher/k3s'] }))).toBe('')
  })

  test.each([
    [
      'config.yaml',
      'mkdir -p /etc/rancher/k3s; echo \'data-dir: "/opt/a"  # here\' >/etc/rancher/k3s/config.yaml',
      '/opt/a',
    ],
    [
      'a drop-in',
      'mkdir -p /etc/rancher/k3s/config.yaml.d; echo data-dir: /opt/a >/etc/rancher/k3s/config.yaml.d/x.yaml',
      '/opt/a',
    ],
    [
      "the official unit's arguments",
      `mkdir -p /etc/systemd/system; printf 'ExecStart=/usr/local/bin/k3s \\\\\\\\\\n    server \\\\\\\\\\n\\t'"'--data-dir'"' \\\\\\\\\\n\\t'"'/opt/a'"' \\\\\\\\\\n' >/etc/systemd/system/k3s.service`,
      '/opt/a',
    ],
    [
      'its environment',
      'mkdir -p /etc/systemd/system; touch /etc/systemd/system/k3s.service; echo K3S_DATA_DIR="/opt/a/" >/etc/systemd/system/k3s.service.env',
      '/opt/a',
    ],
    [
      'nothing but that k3s is there',
      'mkdir -p /etc/systemd/system /var/lib/rancher/k3s; touch /etc/systemd/system/k3s.service',
      '/var/lib/rancher/k3s',
    ],
    ['nothing of k3s', 'mkdir -p /var/lib/rancher/k3s', ''],
  ])('the data directory is known from %s', (_, setup, found) => {
    make(`${setup}; mkdir -p /opt/a /opt/mine`)
    expect(run(dataDirs('/opt/mine', '/etc/rancher/k3s/config.yaml'), sh`k_dirs`).split('\n')).toEqual(
      [found, '/opt/mine'].filter(Boolean).toSorted(),
    )
  })

  test('of a firewall only our chains and the rules that lead to them are named', () => {
    make(':')
    fake(at, 'iptables-save', {
      script: `cat <<'E'
# Generated
*nat
:PREROUTING ACCEPT [1:2]
:KUBE-SERVICES - [0:0]
:CNI-HOSTPORT-DNAT - [0:0]
-A PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-A PREROUTING -p tcp -m comment --comment "mine, not -j KUBE-SERVICES" -j ACCEPT
-A KUBE-SERVICES -d 10.43.0.1/32 -m comment --comment "default/kubernetes:https \\"x\\"" -j RETURN
COMMIT
*mangle
:INPUT ACCEPT [0:0]
COMMIT
*filter
:INPUT DROP [9:9]
:MINE - [0:0]
-A INPUT -s 10.0.0.0/8 -g MINE
-A INPUT -m comment --comment "KUBE-ROUTER rule to accept" -m mark --mark 0x20000/0x20000 -j ACCEPT
COMMIT
E`,
    })
    fake(at, 'iptables-restore', { script: `echo "$@" >${FAKE}/got; cat >>${FAKE}/got` })
    const it = sweep({ id: 'x', title: 'chains', verb: 'remove', ...firewall })
    expect(run(it.probe).split('\n')).toEqual([
      'iptables KUBE-SERVICES',
      'iptables CNI-HOSTPORT-DNAT',
      'iptables rule of kube-router in INPUT',
    ])
    run(...steps(it))
    expect(at.sh(`cat ${FAKE}/got`).stdout.toString()).toBe(`--noflush
*nat
-D PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-F KUBE-SERVICES
-F CNI-HOSTPORT-DNAT
-X KUBE-SERVICES
-X CNI-HOSTPORT-DNAT
COMMIT
*filter
-D INPUT -m comment --comment "KUBE-ROUTER rule to accept" -m mark --mark 0x20000/0x20000 -j ACCEPT
COMMIT
`)
  })
})

test.each<[string, readonly string[], RegExp | null]>([
  ['a node alone', ['edge-1'], null],
  ['one of three', ['s1', 's2', 's3'], /^edge-1 is one of 3 nodes of a cluster/],
])('%s may be reset only where nobody misses it', (_, names, refused) => {
  const guard = clusterGuard({ host: 'edge-1', binary: '/k3s', kubeconfig: '/k3s.yaml' })
  const text = JSON.stringify({ items: names.map((name) => ({ metadata: { name } })) })
  const look = (said: string) => guard.read({ code: 0, text: said, bytes: Buffer.from(said), err: '' })
  if (refused === null) expect(look(text)).toEqual({ actual: null })
  else
    expect(() => look(text)).toThrow(
      expect.objectContaining({ problems: [expect.objectContaining({ what: expect.stringMatching(refused) })] }),
    )
  for (const junk of ['', 'hello', '[]', 'null', '{"items":7}']) expect(look(junk)).toEqual({ actual: null })
})
