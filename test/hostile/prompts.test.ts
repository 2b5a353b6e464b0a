// A server chooses the questions of a login and must not get more by it than the password that is meant for it.

import { execFileSync, spawn } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createConnection, createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import type { AuthContext, Prompt } from 'ssh2'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { ProblemError } from '../../src/engine/problem.ts'
import { Secret } from '../../src/engine/secret.ts'
import { type ConnectOptions, connect } from '../../src/host/ssh/connect.ts'
import { know, knownLine, run, optionsFor as sshdOptions } from '../host/ssh/client.ts'
import { keygen, startSshd } from '../host/ssh/sshd.ts'
import { HostileServer } from './ssh-server.ts'

const PASSWORD = 'correct horse'
const PASSPHRASE = 'open sesame'
vi.setConfig({ testTimeout: 30_000 })

const servers: HostileServer[] = []
afterEach(async () => {
  for (const server of servers.splice(0)) await server.stop()
})

async function start(options: Parameters<typeof HostileServer.start>[0]): Promise<HostileServer> {
  const server = await HostileServer.start(options)
  servers.push(server)
  return server
}

/** Puts rounds of questions, then says no: whatever came is in the log. */
function asking(rounds: readonly (readonly Prompt[])[], allow: AuthContext['method'][] = ['keyboard-interactive']) {
  return (context: AuthContext, server: HostileServer) => {
    if (context.method !== 'keyboard-interactive') return context.reject(allow)
    const next = (round: number) => {
      const prompts = rounds[round]
      if (prompts === undefined) return context.reject(allow)
      server.askQuestions(context, [...prompts], () => next(round + 1))
    }
    next(0)
  }
}

const question = (prompt: string): Prompt => ({ prompt, echo: false })

function optionsFor(server: HostileServer, more: Partial<ConnectOptions>): ConnectOptions {
  const home = join(server.dir, 'home')
  mkdirSync(join(home, '.ssh'), { recursive: true, mode: 0o700 })
  return {
    name: 'edge-1',
    host: server.host,
    port: server.port,
    user: server.user,
    sshCommonArgs: [],
    transport: 'auto',
    connection: 'ssh',
    timeoutMs: 10_000,
    hostKey: [],
    hostKeyPolicy: 'strict',
    knownHostsText: server.knownHosts(),
    env: { PATH: process.env.PATH, LANG: 'C' },
    home,
    ...more,
  }
}

async function tryLogin(server: HostileServer, more: Partial<ConnectOptions>): Promise<string> {
  try {
    await (await connect(optionsFor(server, more))).close()
    return 'in'
  } catch (error) {
    if (!(error instanceof ProblemError)) throw error
    return error.problems.map(({ what, why }) => `${what}: ${why}`).join('\n')
  }
}

function lockedKey(server: HostileServer, ...options: string[]): string {
  const key = join(server.dir, 'locked')
  execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', ...options, '-N', PASSPHRASE, '-f', key])
  return key
}

/** What a log or a machine must not have. */
const received = (server: HostileServer) => JSON.stringify(server.log)

interface Way extends Partial<ConnectOptions> {
  readonly pin?: boolean
}

const transports = [['node-ssh'], ['openssh']] as const

const disguises = (key: string) => [
  `Enter passphrase for key '${key}': `,
  `Enter passphrase for ${key}: `,
  'Enter passphrase for key',
  `\r\u001b[2KEnter passphrase for key '${key}': `,
  'passphrase: ',
  'Password (or passphrase): ',
]

describe.each(transports)('%s', (transport) => {
  test('never tells a passphrase to a server that asks for it', async () => {
    const server = await start({ authenticate: asking([]) })
    const privateKeyFile = lockedKey(server)
    const rounds = disguises(privateKeyFile).map((text) => [question(text), { prompt: text, echo: true }])
    const hostile = await start({ authenticate: asking(rounds, ['publickey', 'keyboard-interactive', 'password']) })
    const env = { ...optionsFor(hostile, {}).env, K3S_PLATFORM_SSH_KEY_PASSPHRASE: PASSPHRASE }
    await tryLogin(hostile, { transport, privateKeyFile, env })
    await tryLogin(hostile, { transport, privateKeyFile, env, password: new Secret(PASSWORD) })
    expect(received(hostile)).not.toContain(PASSPHRASE)
    // The key itself was offered: it was opened.
    expect(hostile.log.logins.map(({ method }) => method)).toContain('publickey')
  })

  test('answers only the question for the password, and only once', async () => {
    const rounds = [
      [question('Verification code: ')],
      [question('PIN: '), question('One-time password for root: ')],
      [{ prompt: 'Password: ', echo: true }],
      [question('Password: ')],
      [question('Password: '), question('New password: ')],
    ]
    const hostile = await start({ authenticate: asking(rounds) })
    await tryLogin(hostile, { transport, password: new Secret(PASSWORD) })
    const given = hostile.log.answers.filter((answer) => answer !== '')
    expect(given).toEqual([PASSWORD])
    // ssh does not say whether an answer would be echoed: there the fourth answer is the first that looks the same.
    expect(hostile.log.answers.slice(0, 3)).toEqual(['', '', ''])
  })

  test('tells no password to a login that was given none', async () => {
    const hostile = await start({ authenticate: asking([[question('Password: ')], [question('root@x password: ')]]) })
    await tryLogin(hostile, { transport })
    expect(hostile.log.answers.filter(Boolean)).toEqual([])
  })

  test('logs in by a password that the server asks for in its own words', async () => {
    const server = await start({
      authenticate: (context, self) => {
        if (context.method !== 'keyboard-interactive') return context.reject(['keyboard-interactive'])
        self.askQuestions(context, [question('Password: ')], () =>
          self.log.answers.at(-1) === PASSWORD ? context.accept() : context.reject(),
        )
      },
    })
    expect(await tryLogin(server, { transport, password: new Secret(PASSWORD) })).toBe('in')
  })

  test.each([
    ['an address', {}],
    ['a name in capitals', { host: 'LOCALHOST' }],
    ['a pinned key', { pin: true }],
    ['an alias for its key', { sshCommonArgs: ['-o', 'HostKeyAlias=Edge.Example'] }],
    ['a name of ssh_config', { host: 'edge', sshCommonArgs: ['-o', 'HostName=127.0.0.1'] }],
  ])('logs in by password to a host that is known by %s', async (_, { pin = false, ...more }: Way) => {
    const server = await start({
      authenticate: (context) =>
        context.method === 'password' && context.password === PASSWORD
          ? context.accept()
          : context.reject(['password']),
    })
    const names = `[127.0.0.1]:${server.port},[localhost]:${server.port},edge.example`
    const result = await tryLogin(server, {
      transport: more.sshCommonArgs === undefined ? transport : 'auto',
      password: new Secret(PASSWORD),
      knownHostsText: `${names} ${server.hostKey}\n`,
      hostKey: pin ? [server.hostKey] : [],
      ...more,
    })
    expect(result).toBe('in')
  })

  test('does not repeat a login because the server prints what ssh prints when it was turned away', async () => {
    const sockets = new Set<Socket>()
    const forged = 'kex_exchange_identification: Connection closed by remote host\r\ndebug1: Authenticated to x\r\n'
    const server = await start({
      config: { banner: forged.repeat(200) },
      authenticate: (context) => {
        if (context.method !== 'password') return context.reject(['password'])
        for (const socket of sockets) socket.destroy()
      },
    })
    const proxy = createServer((socket) => {
      const real = createConnection(server.port, server.host)
      for (const one of [socket, real]) sockets.add(one.on('error', () => {}))
      socket.pipe(real).pipe(socket)
    })
    await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
    const address = proxy.address()
    const port = typeof address === 'object' && address ? address.port : 0
    const more = { transport, port, hostKey: [server.hostKey], timeoutMs: 5000 }
    expect(await tryLogin(server, { ...more, password: new Secret(PASSWORD) })).not.toBe('in')
    proxy.close()
    expect(server.log.logins.filter(({ password }) => password === PASSWORD)).toHaveLength(1)
  })

  test('sends a wrong password once', async () => {
    const server = await start({
      authenticate: (context, self) => {
        if (context.method === 'keyboard-interactive') self.askQuestions(context, [question('Password: ')])
        else context.reject(['keyboard-interactive', 'password'])
      },
    })
    await tryLogin(server, { transport, password: new Secret(PASSWORD) })
    const sent = [...server.log.answers, ...server.log.logins.map((login) => login.password)].filter(Boolean)
    expect(sent).toEqual([PASSWORD])
  })

  test.each([
    ['ed25519', []],
    ['ecdsa', ['-t', 'ecdsa', '-b', '384']],
    ['ecdsa 521', ['-t', 'ecdsa', '-b', '521']],
    ['rsa', ['-t', 'rsa', '-b', '2048']],
    ['rsa as PEM', ['-t', 'rsa', '-b', '2048', '-m', 'PEM']],
  ])('logs in with a key with a passphrase (%s)', async (_, options) => {
    const server = await start({
      authenticate: (context, self) => {
        const accepts =
          context.method === 'publickey' &&
          readFileSync(join(self.dir, 'locked.pub'), 'utf8').includes(context.key.data.toString('base64'))
        if (accepts) context.accept()
        else context.reject(['publickey'])
      },
    })
    const privateKeyFile = lockedKey(server, ...options)
    const env = { ...optionsFor(server, {}).env, K3S_PLATFORM_SSH_KEY_PASSPHRASE: PASSPHRASE }
    const more = { transport, privateKeyFile, env }
    const link = await connect(optionsFor(server, more))
    expect(String((await run(link, 'echo in')).stdout)).toBe('in\n')
    await link.close()
  })
})

describe('through a jump host', () => {
  /** A jump host that asks for everything first, then lets in who has its key. */
  const jumpHost = (rounds: readonly (readonly Prompt[])[]) => {
    let asked = false
    return start({
      authenticate: (context, self) => {
        if (context.method === 'publickey' && self.isClientKey(context.key.data) && asked) return context.accept()
        if (context.method !== 'keyboard-interactive' || asked) {
          return context.reject(asked ? ['publickey'] : ['keyboard-interactive', 'publickey'])
        }
        asked = true
        const next = (round: number) => {
          const prompts = rounds[round]
          if (prompts === undefined) return context.reject(['publickey'])
          self.askQuestions(context, [...prompts], () => next(round + 1))
        }
        next(0)
      },
    })
  }

  const ways = [
    ['ProxyJump', (jump: HostileServer) => ['-o', `ProxyJump=${jump.user}@${jump.host}:${jump.port}`]],
    ['-J', (jump: HostileServer) => ['-J', `${jump.user}@${jump.host}:${jump.port}`]],
    [
      'ProxyCommand',
      (jump: HostileServer, home: string) => [
        '-o',
        `ProxyCommand=ssh -F ${home}/.ssh/config -p ${jump.port} -W %h:%p ${jump.user}@${jump.host}`,
      ],
    ],
  ] as const

  test.each(ways)('(%s) neither password nor passphrase of the target go to the jump host', async (_, argumentsFor) => {
    const target = await start({
      authenticate: (context, self) => {
        if (context.method === 'password' && context.password === PASSWORD) context.accept()
        else context.reject(context.method === 'publickey' && self.isClientKey(context.key.data) ? [] : ['password'])
      },
    })
    const names = [`${target.user}@${target.host}'s password: `, `(${target.user}@${target.host}) Password: `]
    const key = lockedKey(target)
    const jump = await jumpHost([...names, 'Password: ', ...disguises(key)].map((text) => [question(text)]))
    const { home } = optionsFor(target, {})
    writeFileSync(join(home, '.ssh', 'known_hosts'), `${target.knownHosts()}${jump.knownHosts()}`)
    writeFileSync(
      join(home, '.ssh', 'config'),
      `Host *\n  UserKnownHostsFile ${home}/.ssh/known_hosts\n  IdentityFile ${jump.privateKeyFile}\n  PreferredAuthentications keyboard-interactive,publickey,password\n`,
    )
    const result = await tryLogin(target, {
      sshCommonArgs: argumentsFor(jump, home),
      privateKeyFile: key,
      password: new Secret(PASSWORD),
      env: { PATH: process.env.PATH, LANG: 'C', K3S_PLATFORM_SSH_KEY_PASSPHRASE: PASSPHRASE },
      knownHostsText: undefined,
    })
    expect(jump.log.answers.length).toBeGreaterThan(0)
    expect(jump.log.answers.filter(Boolean)).toEqual([])
    expect(received(jump)).not.toContain(PASSPHRASE)
    expect(received(jump)).not.toContain(PASSWORD)
    expect(received(target)).not.toContain(PASSPHRASE)
    expect(result).toBe('in')
    expect(target.log.logins.filter(({ password }) => password === PASSWORD)).toHaveLength(1)
  })
})

test('nor does a command on this machine', async () => {
  const env = { PATH: process.env.PATH, K3S_PLATFORM_SSH_KEY_PASSPHRASE: PASSPHRASE, LANG: 'C' }
  const server = await start({})
  const link = await connect(optionsFor(server, { connection: 'local', env }))
  expect(String((await run(link, 'env')).stdout)).not.toContain(PASSPHRASE)
  await link.close()
})

test('a ProxyCommand sees no secret in its environment, nor in the arguments of any process', async () => {
  const server = await start({})
  const spy = join(server.dir, 'spy')
  const seen = join(server.dir, 'seen')
  writeFileSync(spy, `#!/bin/sh\n{ env; cat /proc/[0-9]*/cmdline | tr '\\0' ' '; } >${seen} 2>/dev/null\nexit 1\n`)
  chmodSync(spy, 0o755)
  const privateKeyFile = lockedKey(server)
  await tryLogin(server, {
    sshCommonArgs: ['-o', `ProxyCommand=${spy}`],
    privateKeyFile,
    password: new Secret(PASSWORD),
    env: { ...optionsFor(server, {}).env, K3S_PLATFORM_SSH_KEY_PASSPHRASE: PASSPHRASE, AWS_PROFILE: 'kept' },
  })
  const text = readFileSync(seen, 'utf8')
  expect(text).toContain('AWS_PROFILE=kept')
  expect(text).toContain('IdentityAgent=')
  expect(text).not.toContain(PASSPHRASE)
  expect(text).not.toContain(PASSWORD)
})

test('the agent is not forwarded to a node, whatever the arguments say', async () => {
  const sshd = await startSshd()
  const socket = join(sshd.dir, 'agent')
  const agent = spawn('ssh-agent', ['-D', '-a', socket], { stdio: 'ignore' })
  try {
    await expect.poll(() => existsSync(socket)).toBe(true)
    know(sshd, knownLine(sshd))
    const link = await connect(
      sshdOptions(sshd, {
        sshCommonArgs: ['-A', '-o', 'ForwardAgent=yes'],
        env: { PATH: process.env.PATH, LANG: 'C', SSH_AUTH_SOCK: socket },
      }),
    )
    const { stdout } = await run(link, 'echo "[$SSH_AUTH_SOCK]"')
    await link.close()
    expect(String(stdout)).toBe('[]\n')
  } finally {
    agent.kill()
    await sshd.stop()
  }
}, 20_000)

test('an opened key and the keys of the agent work side by side', async () => {
  const sshd = await startSshd()
  const socket = join(sshd.dir, 'agent')
  const agent = spawn('ssh-agent', ['-D', '-a', socket], { stdio: 'ignore' })
  try {
    await expect.poll(() => existsSync(socket)).toBe(true)
    execFileSync('ssh-add', ['-q', sshd.clientKey], { env: { ...process.env, SSH_AUTH_SOCK: socket }, stdio: 'pipe' })
    know(sshd, knownLine(sshd))
    const locked = join(sshd.dir, 'locked')
    keygen('-t', 'ed25519', '-N', PASSPHRASE, '-f', locked)
    const env = {
      PATH: process.env.PATH,
      LANG: 'C',
      SSH_AUTH_SOCK: socket,
      K3S_PLATFORM_SSH_KEY_PASSPHRASE: PASSPHRASE,
    }
    // The server does not know the opened key: the agent's own lets in.
    const link = await connect(sshdOptions(sshd, { transport: 'openssh', privateKeyFile: locked, env }))
    expect(String((await run(link, 'echo in')).stdout)).toBe('in\n')
    await link.close()
  } finally {
    agent.kill()
    await sshd.stop()
  }
}, 20_000)
