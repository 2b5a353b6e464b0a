// npm test on a machine with nothing but Node: it brings what it lacks, as root and as a user, or says what to install.

import { fileURLToPath } from 'node:url'
import { execa } from 'execa'
import { expect, test } from 'vitest'
import { nodes } from '../testbed/node.ts'

const repository = fileURLToPath(new URL('../..', import.meta.url))

/** Each runs programs that the machine lacks: sshd, busybox, fish, git, Ansible. */
const FILES = [
  'test/host/sh.test.ts',
  'test/host/ssh/hostkeys.test.ts',
  'test/host/ssh/become.test.ts',
  'test/gitops/git-check.test.ts',
  'test/inventory/vault.test.ts',
]

/**
 * A Debian with Node, npm's packages and no more, thrown away afterwards, in which `user` runs a script in the repository.
 * The nodes' root file system has a few things too many.
 */
async function bare(user: string, script: string, options: readonly string[] = []) {
  const setup = `set -e
apt-get -qq -y purge openssh-server openssh-client curl iproute2 procps >/dev/null 2>&1
rm -rf /var/lib/apt/lists/*
useradd -m dev
mkdir -m 755 /srv/repository
cd /srv/repository
cp -a /mnt/[!n]* .
mkdir node_modules
ln -s /mnt/node_modules/* node_modules
chown -R ${user} .
exec setpriv --reuid=${user} --regid=${user} --init-groups env HOME=$(getent passwd ${user} | cut -d: -f6) sh -c "$1"`
  const container = [
    ...['--quiet', '--register=no', '--keep-unit', '--as-pid2', '--console=pipe', '--volatile=overlay'],
    ...['--directory', (await nodes('rootfs')).trim(), '--machine', `bare-${process.pid}`],
    ...['--resolv-conf=replace-host', '--timezone=off', '--link-journal=no'],
    ...[`--bind-ro=${process.execPath}:/usr/local/bin/node`, `--bind-ro=${repository}:/mnt`, ...options],
  ]
  return execa('systemd-nspawn', [...container, 'sh', '-c', setup, 'sh', script], {
    env: { SYSTEMD_NSPAWN_LOCK: '0', PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin' },
    extendEnv: false,
    stdin: 'ignore',
    all: true,
    reject: false,
  })
}

const unit = `NO_COLOR=1 node node_modules/vitest/vitest.mjs run --project unit ${FILES.join(' ')}`

test.each([
  ['root, by apt', 'root', /^tests: .*sshd.* are missing.*\ntests: installing with apt: .*openssh-server/m],
  [
    'a user, unpacked into a cache',
    'dev',
    /^tests: you are not root: unpacking below \/home\/dev\/.cache\/.*openssh-server/m,
  ],
])('%s: what tests need is brought in one step, and none is skipped', { timeout: 600_000 }, async (_, user, says) => {
  const done = await bare(user, `${unit} && echo AGAIN && ${unit} test/host/sh.test.ts`)
  expect(done.exitCode, done.all).toBe(0)
  const [first = '', second = ''] = done.all.split('AGAIN')
  expect(first).toMatch(says)
  expect(first).toMatch(/Test Files +5 passed \(5\)/)
  expect(done.all).not.toMatch(/skipped/i)
  expect(second).not.toMatch(/installing|unpacking/)
})

test.each([
  ['without network', 'root', unit, ['--private-network'], /apt-get failed: /],
  ['without network, as a user', 'dev', unit, ['--private-network'], /apt-get failed: /],
  ['without apt', 'root', `rm /usr/bin/apt-get; ${unit}`, [], /this is not Debian, and has no apt/],
])('%s: it says what to install before any test, and fails', async (_, user, script, options, why) => {
  const done = await bare(user, script, options)
  expect(done.exitCode, done.all).toBe(1)
  expect(done.all).toMatch(why)
  expect(done.all).toMatch(/^ {2}sshd +Debian's package openssh-server$/m)
  expect(done.all).toMatch(/^tests: on Debian, as root: apt-get update && apt-get install .*openssh-server/m)
  expect(done.all).not.toMatch(/Test Files|✓/)
})
