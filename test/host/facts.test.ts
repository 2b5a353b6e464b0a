// Facts: what recorded answers mean, and that the probe gives answers of that form under every shell.

import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { availableParallelism, hostname, release, totalmem } from 'node:os'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { z } from 'zod'
import { aboutHost, diskAt, type Facts, factsProbe, readFacts } from '../../src/host/facts.ts'
import { frame } from '../../src/host/frames.ts'
import { prelude } from '../../src/host/prelude.ts'
import { rootShell } from '../../src/host/root-shell.ts'
import { lines, sh } from '../../src/host/sh.ts'
import { noSandbox, type Sandbox, SHELLS, sandbox } from './shells.ts'

const recorded = z
  .array(
    z.strictObject({
      host: z.string(),
      source: z.string(),
      answer: z.string(),
      about: z.string(),
      facts: z.record(z.string(), z.json()),
      /** For the test of preflight. */
      finds: z.array(z.string()),
    }),
  )
  .parse(parse(readFileSync(new URL('facts.yaml', import.meta.url), 'utf8')))

test.each(recorded)('$host ($source)', ({ answer, about, facts }) => {
  // The exec took two seconds; the clock of the host is compared with the middle of them.
  const read = readFacts({ text: answer }, 999_000, 1_001_000)
  expect(read).toMatchObject(facts)
  expect(aboutHost(read)).toBe(about)
})

const why = noSandbox()
if (why !== undefined) console.warn(`SKIPPED: the facts of this machine were not read: ${why}`)

describe.skipIf(why !== undefined).each(SHELLS)('on this machine under %s', (shell) => {
  let at: Sandbox
  beforeAll(async () => {
    at = await sandbox(shell)
  })
  afterAll(() => at?.close())

  const facts = async (): Promise<Facts> => {
    const sent = Date.now()
    const wire = rootShell(at.transport, 'here', { user: 'root' }, () => undefined)
    const script = lines([prelude, frame(0, factsProbe), sh`k_finish`])
    const how = { what: 'look', names: ['facts'], signal: new AbortController().signal }
    const answer = (await wire.run(script, how)).get(0)
    expect(answer).toMatchObject({ code: 0, err: '' })
    if (answer === undefined) throw new Error('no answer')
    return readFacts(answer, sent, Date.now())
  }

  test('the answers are those of node', async () => {
    const uname = spawnSync('uname', ['-m'], { encoding: 'utf8' }).stdout.trim()
    const seen = await facts()
    expect(seen).toMatchObject({
      hostname: hostname(),
      uid: 0,
      kernel: release(),
      arch: uname === 'x86_64' ? 'amd64' : uname === 'aarch64' ? 'arm64' : uname,
      packageManager: null,
      init: 'other',
      k3s: { binary: false, service: false, ours: false },
    })
    expect(Math.abs(seen.clockSkewSeconds)).toBeLessThanOrEqual(1)
    expect(seen.os.id).toMatch(/^[a-z-]+$/)
    expect(seen.os.name).not.toBe('')
    expect(seen.cpus).toBeGreaterThanOrEqual(availableParallelism())
    expect(Math.abs(seen.memoryMiB - totalmem() / 1_048_576)).toBeLessThan(2)
    expect(diskAt(seen, '/')?.freeMiB).toBeGreaterThan(10)
    for (const { address } of seen.addresses) expect(address).toMatch(/^[0-9a-f.:]+$/)
  })

  test('a directory has the room of the file system that it is on', async () => {
    at.reset()
    at.sh('/mnt/bin/mount -t tmpfs -o size=3m,nr_inodes=100 tmpfs /tmp')
    const seen = await facts()
    at.sh('/mnt/bin/umount /tmp')
    expect(diskAt(seen, '/tmp/deep/in/it')).toMatchObject({ path: '/tmp', sizeMiB: 3, freeMiB: 3, freeInodes: 99 })
    expect(diskAt(seen, '/tmpfiles')?.path).not.toBe('/tmp')
    expect(diskAt(seen, '/opt/rancher/k3s')?.freeMiB).toBeGreaterThan(3)
  })

  test('what os-release says is taken as it says it, quotes and all', async () => {
    at.reset()
    at.sh(
      `printf '%s\\n' 'ID="opensuse-leap"' "PRETTY_NAME='It is a \\"leap\\"'" VERSION_ID=15.6 ID_LIKE='"suse opensuse"' >/etc/os-release`,
    )
    expect((await facts()).os).toEqual({
      id: 'opensuse-leap',
      like: ['suse', 'opensuse'],
      version: '15.6',
      name: 'It is a "leap"',
    })
  })

  test('k3s is seen where it is installed', async () => {
    at.reset()
    at.sh(
      'mkdir -p /etc/systemd/system; : >/usr/local/bin/k3s; chmod 755 /usr/local/bin/k3s; : >/etc/systemd/system/k3s.service',
    )
    expect((await facts()).k3s).toEqual({ binary: true, service: true, ours: false })
  })
})
