// A server that closes connections before its banner is tried again; one that has answered in any way is not.

import { writeFileSync } from 'node:fs'
import { createServer, connect as openSocket, type Socket } from 'node:net'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { type ConnectOptions, connect } from '../../../src/host/ssh/connect.ts'
import { know, knownLine, optionsFor, refusalOf, run } from './client.ts'
import { type Sshd, startSshd } from './sshd.ts'

vi.setConfig({ testTimeout: 60_000 })

let sshd: Sshd
/** Lets one connection that has not logged in be there at a time, and drops others by chance. */
let bastion: Sshd
const banner = (dir: string) => {
  writeFileSync(join(dir, 'banner'), 'Authorized use only.\n')
  return [`Banner ${join(dir, 'banner')}`]
}
beforeAll(async () => {
  ;[sshd, bastion] = await Promise.all([
    startSshd(),
    startSshd({ lines: ['MaxStartups 1:50:3', 'MaxSessions 50'], prepare: banner }),
  ])
  know(sshd, knownLine(sshd))
}, 60_000)
afterAll(() => Promise.all([sshd.stop(), bastion.stop()]))

const stops: (() => void)[] = []
afterEach(() => {
  for (const stop of stops.splice(0)) stop()
})

/** Treats the first connections in its own way, and passes the others on to the real server. */
async function gate(
  treat: (socket: Socket, number: number) => boolean,
): Promise<{ port: number; count: () => number }> {
  let count = 0
  const server = createServer((socket) => {
    socket.on('error', () => {})
    if (treat(socket, count++)) return
    const real = openSocket(sshd.port, '127.0.0.1')
    real.on('error', () => socket.destroy())
    socket.pipe(real).pipe(socket)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  stops.push(() => server.close())
  const address = server.address()
  return { port: typeof address === 'object' && address ? address.port : 0, count: () => count }
}

/** What has to succeed has the time that a busy machine takes. */
const PATIENT = { timeoutMs: 50_000 }

const keyed = (port: number, more: Partial<ConnectOptions>): Partial<ConnectOptions> => ({
  ...PATIENT,
  port,
  hostKey: [sshd.hostKeys.ed25519],
  ...more,
})

describe.each([['node-ssh'], ['openssh']] as const)('%s', (transport) => {
  test.each([
    ['closes', (socket: Socket) => socket.destroy()],
    ['resets', (socket: Socket) => socket.resetAndDestroy()],
    ['says that it has too many', (socket: Socket) => socket.end('Exceeded MaxStartups\r\n')],
    ['says it as OpenSSH 9.8 does', (socket: Socket) => socket.end('Not allowed at this time\r\n')],
  ])('goes on with a server that %s the first connections', async (_, treat) => {
    const { port, count } = await gate((socket, number) => {
      if (number < 2) treat(socket)
      return number < 2
    })
    const waits: string[] = []
    const link = await connect(optionsFor(sshd, keyed(port, { transport, onWait: (why) => waits.push(why) })))
    expect(String((await run(link, 'echo in')).stdout)).toBe('in\n')
    await link.close()
    expect(count()).toBe(3)
    expect(waits).toHaveLength(2)
    expect(waits[0]).toMatch(/^127\.0\.0\.1:\d+ .*: trying again in \d+\.\d s$/)
  })

  test('ends within the timeout when the server never lets it in, and says how often it tried', async () => {
    const { port, count } = await gate((socket) => !!socket.end('Exceeded MaxStartups\r\n'))
    const problem = await refusalOf(sshd, keyed(port, { transport, timeoutMs: 6000 }))
    expect(count()).toBeGreaterThan(0)
    expect(problem).toMatchObject({
      kind: 'unreachable',
      what: `127.0.0.1:${port} has too many unauthenticated connections`,
      why: expect.stringMatching(/^it says: Exceeded MaxStartups; tried \d+ times in 6 s$/),
    })
  })

  test('says why it was turned away when the time ends in the middle of another try', async () => {
    const { port } = await gate((socket, number) => {
      if (number === 0) socket.end('Exceeded MaxStartups\r\n')
      return true
    })
    expect(await refusalOf(sshd, keyed(port, { transport, timeoutMs: 6000 }))).toMatchObject({
      what: `127.0.0.1:${port} has too many unauthenticated connections`,
      why: expect.stringMatching(/^it says: Exceeded MaxStartups; tried \d times in 6 s$/),
    })
  })

  test('tries a server only once that does not speak SSH', async () => {
    const { port, count } = await gate((socket) => !!socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'))
    expect((await refusalOf(sshd, keyed(port, { transport }))).what).toBe(`127.0.0.1:${port} does not speak SSH`)
    expect(count()).toBe(1)
  })

  test('tries a refused login only once', async () => {
    const { port, count } = await gate(() => false)
    await refusalOf(sshd, keyed(port, { transport, privateKeyFile: undefined }))
    expect(count()).toBe(1)
  })

  test('stops waiting when the caller does', async () => {
    const caller = new AbortController()
    const { port } = await gate((socket) => !!socket.destroy())
    const onWait = () => caller.abort(new Error('interrupted'))
    await expect(connect(optionsFor(sshd, keyed(port, { transport, onWait, signal: caller.signal })))).rejects.toThrow(
      'interrupted',
    )
  })
})

describe('through a bastion that drops connections,', () => {
  const home = (lines: string) => {
    know(sshd, `${knownLine(sshd)}${knownLine(bastion)}`)
    const own = `UserKnownHostsFile ${sshd.home}/.ssh/known_hosts`
    writeFileSync(join(sshd.home, '.ssh', 'config'), `Host *\n ${own}\n IdentityFile ${bastion.clientKey}\n${lines}`)
  }

  /** As many connections as it takes until it lets nobody in; they go when the result is called. */
  const crowd = async () => {
    const there: Socket[] = []
    while (there.length < 3) {
      const socket = openSocket(bastion.port, '127.0.0.1').on('error', () => {})
      const said = await new Promise<string>((resolve) => {
        socket.once('data', (data) => resolve(String(data))).once('close', () => resolve(''))
      })
      if (said.startsWith('SSH-')) there.push(socket)
      else socket.destroy()
    }
    return () => {
      for (const socket of there) socket.destroy()
    }
  }

  test.each([
    ['ProxyJump', () => `ProxyJump=${bastion.user}@127.0.0.1:${bastion.port}`],
    [
      'ProxyCommand',
      // Since OpenSSH 9.8 an ssh without -v does not say that there was no banner.
      () => `ProxyCommand=ssh -v -F ${sshd.home}/.ssh/config -p ${bastion.port} -W %h:%p ${bastion.user}@127.0.0.1`,
    ],
  ])('all of ten logins at once succeed (%s)', async (_, option) => {
    home('')
    const leave = await crowd()
    const onWait = vi.fn(leave)
    const logins = Array.from({ length: 10 }, async () => {
      const link = await connect(optionsFor(sshd, { ...PATIENT, sshCommonArgs: ['-o', option()], onWait }))
      await link.close()
    })
    await Promise.all(logins)
    expect(onWait).toHaveBeenCalled()
  })

  test.each([
    ['closes', (socket: Socket) => socket.destroy()],
    ['resets', (socket: Socket) => socket.resetAndDestroy()],
    ['says that it has too many', (socket: Socket) => socket.end('Exceeded MaxStartups\r\n')],
  ])('a host behind it that %s the first connection is tried again', async (_, treat) => {
    const { port, count } = await gate((socket, number) => {
      if (number === 0) treat(socket)
      return number === 0
    })
    home('')
    know(sshd, `${knownLine(sshd).replace(String(sshd.port), String(port))}${knownLine(bastion)}`)
    const sshCommonArgs = ['-J', `${bastion.user}@127.0.0.1:${bastion.port}`]
    await (await connect(optionsFor(sshd, { ...PATIENT, port, sshCommonArgs }))).close()
    expect(count()).toBe(2)
  })

  test('a refused login at the bastion is not repeated, even if its ssh is quiet', async () => {
    home('')
    const before = bastion.log().split('Connection from').length
    const hop = `ssh -q -F none -o IdentitiesOnly=yes -o BatchMode=yes -o UserKnownHostsFile=${sshd.home}/.ssh/known_hosts`
    const sshCommonArgs = ['-o', `ProxyCommand=${hop} -p ${bastion.port} -W %h:%p nobody-there@127.0.0.1`]
    await refusalOf(sshd, { sshCommonArgs })
    expect(bastion.log().split('Connection from').length - before).toBe(1)
  })
})
