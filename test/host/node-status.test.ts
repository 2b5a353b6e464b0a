// The status of a node: what the probe prints under every shell, and what is made of an answer that lies.

import { X509Certificate } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { z } from 'zod'
import { frame } from '../../src/host/frames.ts'
import { type NodeStatus, nodeStatus, nodeStatusIn } from '../../src/host/node-status.ts'
import { prelude } from '../../src/host/prelude.ts'
import { rootShell } from '../../src/host/root-shell.ts'
import { lines, sh } from '../../src/host/sh.ts'
import { noSandbox, type Sandbox, SHELLS, sandbox } from './shells.ts'

const pairs = z
  .record(z.string(), z.string())
  .parse(parse(readFileSync(new URL('../certificates/pairs.yaml', import.meta.url), 'utf8')))
const [pem = ''] = Object.values(pairs).flatMap(
  (text) => text.match(/-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----\n/g) ?? [],
)
const expiry = new Date(new X509Certificate(pem).validTo).toISOString()

const resource = nodeStatus({
  binary: '/usr/local/bin/k3s',
  stamps: '/var/lib/k3s-platform/stamps',
  dataDir: '/opt/rancher k3s',
  snapshots: '/opt/rancher k3s/server/db/snapshots',
})

function statusOf(text: string): NodeStatus | undefined {
  const answer = { text, bytes: Buffer.from(text), err: '', code: 0 }
  return nodeStatusIn(new Map([[resource.id, { ...resource.read(answer), desired: null }]]))
}

const EMPTY: NodeStatus = {
  ...{ dataDir: '/opt/rancher k3s', uptimeSeconds: null, availableMiB: null, release: null },
  ...{ rebootRequired: false, rebootPackages: [], snapshots: { count: 0, newest: null }, certificates: [] },
}

test.each<[what: string, text: string, read: Partial<NodeStatus>]>([
  ['nothing', '', {}],
  ['numbers that are none', 'uptime=-1\navailable=1e99\nsnapshot=x\n', {}],
  ['a time beyond all calendars', 'snapshot=999999999999999\n', {}],
  ['a release that is a sentence', 'release=v1.2.3 && rm -rf /\n', {}],
  ['the words of a reboot alone', 'reboot=maybe\npackage=$(id)\n', {}],
  [
    'a certificate that is none',
    'certificate=x.crt\n-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n',
    {},
  ],
  ['a name with a control character', `certificate=\x1b[2J.crt\n${pem}`, {}],
  [
    'the same package a thousand times, and others',
    `reboot=required\n${'package=libc6\n'.repeat(1000)}${Array.from({ length: 99 }, (_, i) => `package=p${i}\n`).join('')}`,
    { rebootRequired: true, rebootPackages: ['libc6', ...Array.from({ length: 19 }, (_, i) => `p${i}`)] },
  ],
  [
    'a thousand certificates',
    `certificate=x.crt\n${pem}`.repeat(1000),
    { certificates: Array.from({ length: 64 }, () => ({ name: 'x.crt', notAfter: expiry })) },
  ],
])('an answer with %s', (_, text, read) => {
  expect(statusOf(text)).toEqual({ ...EMPTY, ...read })
})

test('a look that was not asked for it has no status', () => {
  expect(nodeStatusIn(new Map())).toBeUndefined()
})

const why = noSandbox()
if (why !== undefined) console.warn(`SKIPPED: the status of this machine was not read: ${why}`)

describe.skipIf(why !== undefined).each(SHELLS)('on this machine under %s', (shell) => {
  let at: Sandbox
  beforeAll(async () => {
    at = await sandbox(shell)
  })
  beforeEach(() => at.reset())
  afterAll(() => at?.close())

  const look = async () => {
    const wire = rootShell(at.transport, 'here', { user: 'root' }, () => undefined)
    const how = { what: 'look', names: ['status'], signal: new AbortController().signal }
    const answer = (await wire.run(lines([prelude, frame(0, resource.probe), sh`k_finish`]), how)).get(0)
    expect(answer).toMatchObject({ code: 0, err: '' })
    return { text: answer?.text ?? '', status: statusOf(answer?.text ?? '') }
  }

  test('a bare machine has an uptime and memory, and nothing else', async () => {
    const { status } = await look()
    expect(status).toMatchObject({ ...EMPTY, uptimeSeconds: expect.any(Number), availableMiB: expect.any(Number) })
    expect(status?.availableMiB).toBeGreaterThan(10)
  })

  test('release, reboot, snapshots and certificates are read; no private key leaves the machine', async () => {
    const data = `'/opt/rancher k3s'`
    at.sh(`mkdir -p ${data}/server/tls/etcd ${data}/agent ${data}/server/db/snapshots /var/lib/k3s-platform`)
    at.sh(`: >/usr/local/bin/k3s; chmod 755 /usr/local/bin/k3s`)
    at.sh(`printf '%s 0 v1.36.5+k3s1\\n' "$(stat -c %s.%Y.%i /usr/local/bin/k3s)" >/var/lib/k3s-platform/stamps`)
    at.sh(`touch -d @1700000000 ${data}/server/db/snapshots/a; touch -d @1800000000 ${data}/server/db/snapshots/b`)
    at.sh(`: >/run/reboot-required; printf 'linux-image-amd64\\nlibc6\\nlibc6\\n' >/run/reboot-required.pkgs`)
    const write = (path: string, text: string) => writeFileSync(join(at.root, 'opt/rancher k3s', path), text)
    write('server/tls/client-admin.crt', `${pem}${pem}`)
    write('server/tls/client-admin.key', '-----BEGIN PRIVATE KEY-----\nCANARY\n')
    write('server/tls/etcd/server-client.crt', `-----BEGIN PRIVATE KEY-----\nCANARY\n${pem}`)
    write('agent/broken.crt', 'CANARY')
    const { text, status } = await look()
    expect(status).toMatchObject({
      release: 'v1.36.5+k3s1',
      rebootRequired: true,
      rebootPackages: ['linux-image-amd64', 'libc6'],
      snapshots: { count: 2, newest: '2027-01-15T08:00:00.000Z' },
      certificates: [
        { name: 'client-admin.crt', notAfter: expiry },
        { name: 'server-client.crt', notAfter: expiry },
      ],
    })
    expect(text).not.toContain('CANARY')
    at.sh('rm -f /run/reboot-required*')
  })
})
