// Every transport keeps the same promises: node-ssh and OpenSSH against a real sshd, and this machine.

import { createHash, randomBytes } from 'node:crypto'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type ConnectOptions, connect } from '../../../src/host/ssh/connect.ts'
import { LinkError, type Transport } from '../../../src/host/transport.ts'
import { gather, know, knownLine, optionsFor, run } from './client.ts'
import { descendants, type Sshd, startSshd } from './sshd.ts'

let sshd: Sshd
beforeAll(async () => {
  sshd = await startSshd({ lines: ['MaxSessions 10'] })
  know(sshd, knownLine(sshd))
}, 30_000)
afterAll(() => sshd.stop())

const kinds: readonly [string, Partial<ConnectOptions>][] = [
  ['node-ssh', { transport: 'node-ssh' }],
  ['openssh', { transport: 'openssh' }],
  ['local', { connection: 'local' }],
]

/** A transport for one test, closed whatever happens. */
async function using<T>(how: Partial<ConnectOptions>, body: (transport: Transport) => Promise<T>): Promise<T> {
  const transport = await connect(optionsFor(sshd, how))
  try {
    return await body(transport)
  } finally {
    await transport.close()
  }
}

describe.each(kinds)('%s', (kind, how) => {
  test('8 MB of random bytes come back as they were sent', async () => {
    await using(how, async (transport) => {
      const sent = randomBytes(8 * 1024 * 1024)
      const { code, stdout, stderr } = await run(transport, 'cat', sent)
      const digest = (data: Buffer) => createHash('sha256').update(data).digest('hex')
      expect([code, stderr.length, stdout.length, digest(stdout)]).toEqual([0, 0, sent.length, digest(sent)])
    })
  })

  test('exit codes, standard output and standard error are kept apart', async () => {
    await using(how, async (transport) => {
      const { code, signal, stdout, stderr } = await run(transport, `/bin/sh -c 'echo out; echo err >&2; exit 7'`)
      expect([code, signal, String(stdout), String(stderr)]).toEqual([7, null, 'out\n', 'err\n'])
      expect((await run(transport, `/bin/sh -c 'exit 255'`)).code).toBe(255)
    })
  })

  test('a command that is killed does not succeed', async () => {
    await using(how, async (transport) => {
      const { code, signal } = await run(transport, `exec /bin/sh -c 'kill -9 $$'`)
      // ssh tells its callers of a signal by its own exit code.
      expect({ code, signal }).toEqual(
        kind === 'openssh' ? { code: 255, signal: null } : { code: null, signal: 'SIGKILL' },
      )
    })
  })

  test('five commands run at once', async () => {
    await using(how, async (transport) => {
      const met = mkdtempSync(join(tmpdir(), 'k3sp-met-'))
      // Each waits for the others: one after the other, none would end.
      const meet = (n: number) =>
        `: >${met}/${n}; while [ "$(ls ${met} | wc -l)" -lt 5 ]; do sleep 0.1; done; echo ${n}`
      const runs = await Promise.all([1, 2, 3, 4, 5].map((n) => run(transport, `/bin/sh -c '${meet(n)}'`)))
      rmSync(met, { recursive: true })
      expect(runs.map(({ stdout }) => String(stdout))).toEqual(['1\n', '2\n', '3\n', '4\n', '5\n'])
    })
  })

  test('output waits for its reader, and the exit for the output', async () => {
    await using(how, async (transport) => {
      const channel = await transport.exec(`/bin/sh -c 'head -c 5000000 /dev/zero; echo end >&2'`)
      channel.stdin.end()
      await new Promise((resolve) => setTimeout(resolve, 300))
      expect(await Promise.race([channel.exit.then(() => 'ended'), Promise.resolve('waits')])).toBe('waits')
      const { code, stdout, stderr } = await gather(channel)
      expect([code, stdout.length, String(stderr)]).toEqual([0, 5_000_000, 'end\n'])
    })
  })

  test('a command that reads no input ends, and the writer is told', async () => {
    await using(how, async (transport) => {
      const channel = await transport.exec('true')
      const written = new Promise((resolve) => channel.stdin.write(randomBytes(16 * 1024 * 1024), resolve))
      const { code } = await gather(channel)
      expect(code).toBe(0)
      expect(await written).toBeInstanceOf(Error)
    })
  })

  test('a command can be left alone: closing its channel ends its input', async () => {
    await using(how, async (transport) => {
      const channel = await transport.exec('cat')
      const ended = channel.exit.catch(() => 'closed')
      channel.close()
      await ended
      await expect.poll(() => (kind === 'local' ? [] : sshd.children()).length, { timeout: 2000 }).toBeLessThan(3)
      expect(String((await run(transport, 'echo on')).stdout)).toBe('on\n')
    })
  })

  test('a port on the other side is reached through it', async () => {
    const server = createServer((socket) => socket.pipe(socket))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const address = server.address()
    const port = typeof address === 'object' && address ? address.port : 0
    await using(how, async (transport) => {
      const { readable, writable } = await transport.forward('127.0.0.1', port)
      const sent = randomBytes(1024 * 1024)
      writable.end(sent)
      const got: Buffer[] = []
      for await (const chunk of readable) got.push(chunk)
      expect(Buffer.concat(got).equals(sent)).toBe(true)
    })
    server.close()
  })

  test('a port where nobody listens is an error, not a silence', async () => {
    await using(how, async (transport) => {
      const reach = async () => {
        const { readable } = await transport.forward('127.0.0.1', 1)
        for await (const _ of readable);
      }
      await expect(reach()).rejects.toThrow()
    })
  })
})

describe.each(kinds.slice(0, 2))('%s over a link', (kind, how) => {
  test('a dropped link is a LinkError that names the command', async () => {
    const transport = await connect(optionsFor(sshd, how))
    const channel = await transport.exec(`/bin/sh -c 'echo started; sleep 60'`)
    await new Promise((resolve) => channel.stdout.once('data', resolve))
    channel.stderr.resume()
    const exit = channel.exit.catch((error: unknown) => error)
    sshd.signalChildren('SIGKILL')
    const error = await exit
    expect(error).toBeInstanceOf(LinkError)
    expect(String(error)).toContain(`in flight: /bin/sh -c 'echo started; sleep 60'`)
    await expect(transport.exec('true')).rejects.toBeInstanceOf(LinkError)
    await transport.close()
  })

  test('a link that goes silent is noticed by keepalive', async () => {
    const transport = await connect(optionsFor(sshd, { ...how, keepalive: { intervalMs: 1000, countMax: 1 } }))
    const channel = await transport.exec('cat')
    channel.stdout.resume()
    channel.stderr.resume()
    sshd.signalChildren('SIGSTOP')
    await expect(channel.exit).rejects.toBeInstanceOf(LinkError)
    sshd.signalChildren('SIGKILL')
    await transport.close()
  })

  test('closing ends what is in flight and leaves no process and no file behind', async () => {
    const before = descendants(process.pid)
    const tmp = mkdtempSync(join(tmpdir(), 'k3sp-tmp-'))
    const transport = await connect(optionsFor(sshd, { ...how, env: { ...optionsFor(sshd).env, TMPDIR: tmp } }))
    expect(readdirSync(tmp)).toHaveLength(kind === 'openssh' ? 1 : 0)
    const channel = await transport.exec('cat')
    channel.stdout.resume()
    channel.stderr.resume()
    const exit = channel.exit.catch((error: unknown) => error)
    await transport.close()
    await transport.close()
    expect(await exit).toBeInstanceOf(LinkError)
    await expect.poll(() => descendants(process.pid).filter((pid) => !before.includes(pid))).toEqual([])
    await expect.poll(() => sshd.children(), { timeout: 3000 }).toEqual([])
    expect(readdirSync(tmp)).toEqual([])
    rmSync(tmp, { recursive: true })
  })
})
