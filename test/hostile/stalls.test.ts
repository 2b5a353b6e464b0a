// A node that stalls: whatever it stops doing, and whatever it does meanwhile, a run ends, and says where and after how long.

import { createReadStream } from 'node:fs'
import { PassThrough } from 'node:stream'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { ProblemError } from '../../src/engine/problem.ts'
import { type RootShell, rootShell } from '../../src/host/root-shell.ts'
import { sh } from '../../src/host/sh.ts'
import { connect } from '../../src/host/ssh/connect.ts'
import type { Exit, Transport } from '../../src/host/transport.ts'
import { runAgainst } from './program.ts'
import { type HostileExec, type HostileOptions, HostileServer } from './ssh-server.ts'

const STEP_MS = 1500
const never = new AbortController().signal

let server: HostileServer | undefined
let link: Transport | undefined
afterEach(async () => {
  await link?.close()
  await server?.stop()
})

async function shellOf(transport: 'node-ssh' | 'openssh', options: HostileOptions): Promise<RootShell> {
  server = await HostileServer.start(options)
  link = await connect({
    ...{ name: 'edge-1', host: server.host, port: server.port, user: server.user },
    ...{ privateKeyFile: server.privateKeyFile, hostKey: [server.hostKey], hostKeyPolicy: 'strict' },
    ...{ sshCommonArgs: [], transport, connection: 'ssh', timeoutMs: 10_000, answerMs: 2 * STEP_MS },
    ...{ env: { PATH: process.env.PATH, LANG: 'C' }, home: server.dir },
  })
  return rootShell(link, 'edge-1', { user: 'root' }, () => undefined, STEP_MS)
}

async function problemOf(run: Promise<unknown>) {
  const error = await run.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  if (!(error instanceof ProblemError)) throw error ?? new Error('it has ended well')
  return error.problems[0]
}

/** Says `first`, then `next` again and again, and never ends. */
const trickle = (first: string, next: string) => async (exec: HostileExec) => {
  const { nonce } = await exec.script()
  const said = (text: string) => text.replaceAll('@n', `@${nonce}`)
  exec.channel.write(said(first))
  const timer = setInterval(() => exec.channel.write(said(next)), 20)
  exec.channel.on('close', () => clearInterval(timer))
}

const hint = 'log in and find what hangs (ps axf, dmesg), then run the same command again; to wait longer: --timeout'

describe.each(['node-ssh', 'openssh'] as const)('%s:', (transport) => {
  test.each([
    ['prints nothing', '\n@n b 0\n', '', 'nothing was heard of it'],
    ['prints for ever', '\n@n b 0\n', 'still waiting for the disk\n', /^(still waiting for the disk\n?){2}/],
    ['waits for ever', '\n@n b 0\n', '\n@n w 5 disk\n', 'disk\ndisk\ndisk'],
    ['has ended, but whose command has not', '\n@n b 0\n\n@n e 0 0\n\n@n z\n', '', 'nothing was heard of it'],
  ])('a step that %s ends after its time', async (_, first, next, why) => {
    const shell = await shellOf(transport, { exec: trickle(first, next) })
    const run = shell.run(sh`:`, { what: 'install; start k3s', names: ['install', 'start k3s'], signal: never })
    expect(await problemOf(run)).toEqual({
      ...{ kind: 'failed', where: 'edge-1', what: 'install: did not end within 1.5 s', hint },
      why: typeof why === 'string' ? why : expect.stringMatching(why),
    })
  })

  test('of two steps the one that stalls is named', async () => {
    const shell = await shellOf(transport, { exec: trickle('\n@n b 0\ndone\n@n e 0 0\n\n@n b 1\n', '') })
    const run = shell.run(sh`:`, { what: 'both', names: ['install', 'start k3s'], signal: never })
    const why = 'nothing was heard of it'
    expect(await problemOf(run)).toMatchObject({ what: 'start k3s: did not end within 1.5 s', why })
  })

  test('a file that the node does not take is not sent for ever', async () => {
    const shell = await shellOf(transport, { exec: () => undefined })
    const sent = shell.feed(sh`cat`, createReadStream('/dev/zero'), 'send /usr/local/bin/k3s', never)
    expect(await problemOf(sent)).toMatchObject({ what: 'send /usr/local/bin/k3s: did not end within 1.5 s', hint })
  })

  test('a command whose start is not answered ends, too', async () => {
    const shell = await shellOf(transport, { mute: true })
    const run = shell.run(sh`:`, { what: 'look', names: ['facts'], signal: never })
    expect(await problemOf(run)).toMatchObject({ what: 'look: did not end within 1.5 s' })
  })

  test('a look ends within --timeout, be it answered or not', async () => {
    for (const options of [{ mute: true }, { exec: trickle('\n@n b 1\n', '') }] as const) {
      server = await HostileServer.start(options)
      const vars = { k3s_platform_ssh_transport: transport }
      const { code, stderr } = await runAgainst(server, ['plan', 'k3s_platform_bootstrap', '--timeout', '1s'], { vars })
      expect(code).toBe(1)
      expect(stderr).toMatch(/edge-1 \w+: its state could not be read within 1 s/)
      await server.stop()
    }
  })
})

test('each step has the whole of its time', async () => {
  vi.useFakeTimers()
  try {
    const [stdin, stdout, stderr] = [new PassThrough(), new PassThrough(), new PassThrough()]
    const closed = vi.fn(() => stdout.end())
    const exit = new Promise<Exit>((resolve) => stdout.once('end', () => resolve({ code: 0, signal: null })))
    const channel = { ...{ stdin, stdout, stderr, exit }, close: closed }
    const transport = { title: '', exec: async () => channel, forward: () => Promise.reject(), close: async () => {} }
    const shell = rootShell(transport, 'edge-1', { user: 'root' }, () => undefined, 1000)
    const ended = problemOf(shell.run(sh`:`, { what: 'both', names: ['install', 'start k3s'], signal: never }))
    await vi.advanceTimersByTimeAsync(900)
    const nonce = /^K=([0-9a-f]+)$/m.exec(String(stdin.read()))?.[1]
    stdout.write(`\n@${nonce} b 0\n`)
    await vi.advanceTimersByTimeAsync(900)
    stdout.write(`\n@${nonce} e 0 0\n\n@${nonce} b 1\n`)
    await vi.advanceTimersByTimeAsync(900)
    expect(closed).not.toHaveBeenCalled()
    await vi.advanceTimersByTimeAsync(100)
    expect(await ended).toMatchObject({ what: 'start k3s: did not end within 1 s' })
    expect(closed).toHaveBeenCalledOnce()
  } finally {
    vi.useRealTimers()
  }
})

test('a lock or tunnel whose start is not answered ends after a minute, or what else is the bound', async () => {
  const shell = await shellOf('node-ssh', { mute: true })
  const why = 'there was no answer within 3 s'
  expect(await problemOf(shell.open(sh`:`, 'lock'))).toMatchObject({ where: 'edge-1', why })
  if (link === undefined) throw new Error('no connection')
  const what = 'the SSH server did not start: tunnel to 127.0.0.1:6443'
  expect(await problemOf(link.forward('127.0.0.1', 6443))).toMatchObject({ where: 'edge-1', what, why })
})
