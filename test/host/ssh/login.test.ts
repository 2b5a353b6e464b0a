// Logins that work and logins that are refused, over both transports, against a real sshd.

import { execFileSync, spawn } from 'node:child_process'
import { chmodSync, existsSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { Secret } from '../../../src/engine/secret.ts'
import { type ConnectOptions, connect } from '../../../src/host/ssh/connect.ts'
import { know, knownLine, optionsFor, refusalOf, run } from './client.ts'
import { freePort, keygen, type Sshd, startSshd } from './sshd.ts'

let sshd: Sshd
let encrypted: string
let stranger: string
beforeAll(async () => {
  sshd = await startSshd({
    prepare: (dir) => {
      keygen('-t', 'ed25519', '-N', '', '-f', join(dir, 'ca'))
      keygen('-s', join(dir, 'ca'), '-I', 'host', '-h', '-n', '127.0.0.1', join(dir, 'ed25519.pub'))
      return [`HostCertificate ${join(dir, 'ed25519-cert.pub')}`, `TrustedUserCAKeys ${join(dir, 'ca.pub')}`]
    },
  })
  encrypted = join(sshd.dir, 'encrypted')
  keygen('-t', 'ecdsa', '-N', 'open sesame', '-f', encrypted)
  stranger = join(sshd.dir, 'stranger')
  keygen('-t', 'ed25519', '-N', '', '-f', stranger)
  writeFileSync(join(sshd.dir, 'authorized_keys'), readFileSync(`${encrypted}.pub`), { flag: 'a' })
}, 30_000)
afterAll(() => sshd.stop())
beforeEach(() => {
  know(sshd, knownLine(sshd))
  rmSync(join(sshd.home, '.ssh', 'config'), { force: true })
})

/** Logs in, runs a command, closes; tells which transport did it. */
async function logIn(more: Partial<ConnectOptions> = {}): Promise<string> {
  const transport = await connect(optionsFor(sshd, more))
  try {
    expect(String((await run(transport, 'echo in')).stdout)).toBe('in\n')
    return transport.title.replace(String(sshd.port), 'PORT').replace(/^[^@]*@/, '')
  } finally {
    await transport.close()
  }
}

const both = [['node-ssh'], ['openssh']] as const

describe.each(both)('%s refuses', (transport) => {
  test('what nobody listens on', async () => {
    const port = await freePort()
    expect(await refusalOf(sshd, { transport, port })).toMatchObject({
      kind: 'unreachable',
      where: 'edge-1',
      what: `127.0.0.1:${port} refused the connection`,
    })
  })

  test('a name that does not resolve', async () => {
    const problem = await refusalOf(sshd, { transport, host: 'no-such-host.invalid', timeoutMs: 5000 })
    expect(problem).toMatchObject({
      kind: 'unreachable',
      what: expect.stringMatching(
        /^(the host name no-such-host\.invalid does not resolve|no DNS server answered for the host name no-such-host\.invalid)$/,
      ),
    })
  })

  test.each([
    ['accepts connections and says nothing', '', 'accepts connections, but did not answer the login'],
    ['is a web server', 'HTTP/1.1 400 Bad Request\r\n\r\n', 'does not speak SSH'],
    ['hangs up at once', undefined, 'closed the connection before the login was done'],
  ])('a server that %s', async (_, greeting, what) => {
    const open = new Set<Socket>()
    const server = createServer((socket) => {
      open.add(socket.on('error', () => {}))
      if (greeting === undefined) socket.destroy()
      else socket.write(greeting)
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const address = server.address()
    const port = typeof address === 'object' && address ? address.port : 0
    const problem = await refusalOf(sshd, { transport, port, timeoutMs: 1000 })
    for (const socket of open) socket.destroy()
    server.close()
    expect(problem.what).toBe(`127.0.0.1:${port} ${what}`)
  })

  test('a key that the server does not know, and says which were tried', async () => {
    const problem = await refusalOf(sshd, { transport, privateKeyFile: stranger })
    expect(problem).toMatchObject({
      kind: 'unreachable',
      what: `127.0.0.1:PORT refused the login of ${sshd.user}`,
      why: expect.stringContaining('tried: key DIR/stranger'),
    })
  })

  test('a key file that is not there', async () => {
    expect(await refusalOf(sshd, { transport, privateKeyFile: '/nowhere/key' })).toMatchObject({
      kind: 'unreachable',
      what: 'the private key /nowhere/key does not exist',
    })
  })

  test('a key with a passphrase that nobody gives, or a wrong one', async () => {
    expect(await refusalOf(sshd, { transport, privateKeyFile: encrypted })).toMatchObject({
      what: 'the private key DIR/encrypted has a passphrase',
      hint: expect.stringContaining('K3S_PLATFORM_SSH_KEY_PASSPHRASE'),
    })
    const askSecret = async () => new Secret('wrong')
    expect(await refusalOf(sshd, { transport, privateKeyFile: encrypted, askSecret })).toMatchObject({
      what: 'the passphrase does not decrypt the private key DIR/encrypted',
    })
  })

  test('an unknown host, showing the key that it offers', async () => {
    know(sshd, '')
    const offered = execFileSync('ssh-keygen', ['-lf', join(sshd.dir, 'ed25519.pub')], { encoding: 'utf8' }).split(
      ' ',
    )[1]
    expect(await refusalOf(sshd, { transport })).toMatchObject({
      kind: 'unreachable',
      what: `host key is not known (offered ssh-ed25519 ${offered})`,
      hint: expect.stringContaining('ssh-keyscan -p PORT 127.0.0.1 >> ~/.ssh/known_hosts'),
    })
  })

  test.each(['strict', 'accept-new'] as const)(
    'a changed host key under %s, with both fingerprints',
    async (hostKeyPolicy) => {
      const other = readFileSync(`${stranger}.pub`, 'utf8').split(' ').slice(0, 2).join(' ')
      know(sshd, `[127.0.0.1]:${sshd.port} ${other}\n`)
      const prints = [`${stranger}.pub`, join(sshd.dir, 'ed25519.pub')].map(
        (file) => execFileSync('ssh-keygen', ['-lf', file], { encoding: 'utf8' }).split(' ')[1],
      )
      expect(await refusalOf(sshd, { transport, hostKeyPolicy })).toMatchObject({
        kind: 'unreachable',
        what: `host key changed (known ${prints[0]}, offered ${prints[1]})`,
        hint: "check the key on the console, then: ssh-keygen -R '[127.0.0.1]:PORT'",
      })
    },
  )

  test('a revoked host key', async () => {
    know(sshd, `${knownLine(sshd)}@revoked * ${sshd.hostKeys.ed25519}\n`)
    expect((await refusalOf(sshd, { transport })).what).toMatch(/^host key is revoked/)
  })

  test.each([
    ['by its name without a port', '127.0.0.1'],
    ['at another port', '[127.0.0.1]:2'],
  ])('a host key that is revoked %s, though known, pinned or new', async (_, hosts) => {
    const revoked = `@revoked ${hosts} ${sshd.hostKeys.ed25519}\n`
    know(sshd, `${knownLine(sshd)}${revoked}`)
    expect((await refusalOf(sshd, { transport })).what).toMatch(/^host key is revoked/)
    const pinned = { transport, hostKey: [sshd.hostKeys.ed25519] }
    expect((await refusalOf(sshd, pinned)).what).toMatch(/^host key is revoked/)
    const knownHostsText = `${revoked}${knownLine(sshd)}`
    expect((await refusalOf(sshd, { transport, knownHostsText })).what).toMatch(/^host key is revoked/)
    know(sshd, revoked)
    // The server has keys of other types, which ssh may ask for: only the revoked one must not be learned.
    await connect(optionsFor(sshd, { transport, hostKeyPolicy: 'accept-new' })).then(
      (link) => link.close(),
      () => undefined,
    )
    expect(readFileSync(join(sshd.home, '.ssh', 'known_hosts'), 'utf8')).not.toContain(
      `\n[127.0.0.1]:${sshd.port} ${sshd.hostKeys.ed25519}`,
    )
  })

  test('a key that is not the pinned one, whatever known_hosts says', async () => {
    const pin = readFileSync(`${stranger}.pub`, 'utf8')
    const problem = await refusalOf(sshd, { transport, hostKey: [pin], hostKeyPolicy: 'accept-new' })
    expect(problem.what).toMatch(/^host key is not the pinned one \(pinned SHA256:.{43}, offered SHA256:.{43}\)$/)
  })

  test('to wait longer than the caller', async () => {
    const caller = new AbortController()
    const server = createServer(() => {})
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const address = server.address()
    const port = typeof address === 'object' && address ? address.port : 0
    setTimeout(() => caller.abort(new Error('interrupted')), 300)
    await expect(connect(optionsFor(sshd, { transport, port, signal: caller.signal }))).rejects.toThrow('interrupted')
    server.close()
  })
})

describe.each(both)('%s logs in', (transport) => {
  test('with a passphrase from the environment, or asked for', async () => {
    const env = { ...optionsFor(sshd).env, K3S_PLATFORM_SSH_KEY_PASSPHRASE: 'open sesame' }
    await logIn({ transport, privateKeyFile: encrypted, env })
    const asked: string[] = []
    const askSecret = async (prompt: string) => {
      asked.push(prompt)
      return new Secret('open sesame')
    }
    await logIn({ transport, privateKeyFile: encrypted, askSecret })
    expect(asked).toEqual([`Passphrase for ${encrypted}: `])
  })

  test('with a key of the agent', async () => {
    const socket = join(sshd.dir, `agent-${transport}`)
    const agent = spawn('ssh-agent', ['-D', '-a', socket], { stdio: 'ignore' })
    try {
      await expect.poll(() => existsSync(socket)).toBe(true)
      execFileSync('ssh-add', ['-q', sshd.clientKey], { env: { ...process.env, SSH_AUTH_SOCK: socket }, stdio: 'pipe' })
      const env = { ...optionsFor(sshd).env, SSH_AUTH_SOCK: socket }
      await logIn({ transport, privateKeyFile: undefined, env })
    } finally {
      agent.kill()
    }
  })

  test('with a default key of the home directory', async () => {
    const key = join(sshd.home, '.ssh', 'id_ed25519')
    writeFileSync(key, readFileSync(sshd.clientKey), { mode: 0o600 })
    try {
      // OpenSSH looks for default keys in the home directory of the user database, not in $HOME.
      if (transport === 'node-ssh') await logIn({ transport, privateKeyFile: undefined })
    } finally {
      rmSync(key)
    }
  })

  test.each(['ed25519', 'ecdsa', 'rsa'] as const)('to a host whose known key is of type %s', async (type) => {
    know(sshd, knownLine(sshd, type))
    await logIn({ transport })
  })

  test('to a host that known_hosts lists under a hashed name', async () => {
    know(sshd, knownLine(sshd))
    execFileSync('ssh-keygen', ['-H', '-f', join(sshd.home, '.ssh', 'known_hosts')], { stdio: 'pipe' })
    await logIn({ transport })
  })

  test('to a host with a pinned public key, known or not', async () => {
    know(sshd, '')
    await logIn({ transport, hostKey: [sshd.hostKeys.rsa] })
    expect(readFileSync(join(sshd.home, '.ssh', 'known_hosts'), 'utf8')).toBe('')
  })

  test('with known_hosts text in place of the files, which stay as they are', async () => {
    know(sshd, `${knownLine(sshd).split(' ')[0]} ${readFileSync(`${stranger}.pub`, 'utf8')}`)
    const before = readFileSync(join(sshd.home, '.ssh', 'known_hosts'), 'utf8')
    await logIn({ transport, knownHostsText: knownLine(sshd) })
    await logIn({ transport, knownHostsText: '', hostKeyPolicy: 'accept-new' })
    expect(readFileSync(join(sshd.home, '.ssh', 'known_hosts'), 'utf8')).toBe(before)
    expect((await refusalOf(sshd, { transport, knownHostsText: '' })).what).toMatch(/^host key is not known/)
  })

  test('to a new host under accept-new, and remembers its key for strict', async () => {
    rmSync(join(sshd.home, '.ssh', 'known_hosts'))
    await logIn({ transport, hostKeyPolicy: 'accept-new' })
    // OpenSSH leaves the mode to the umask.
    const { mode } = statSync(join(sshd.home, '.ssh', 'known_hosts'))
    if (transport === 'node-ssh') expect(mode & 0o777).toBe(0o600)
    await logIn({ transport, hostKeyPolicy: 'strict' })
  })
})

describe('the transport is chosen:', () => {
  const config = (text: string) => writeFileSync(join(sshd.home, '.ssh', 'config'), text)
  const nodeSsh = '127.0.0.1:PORT (ssh)'
  const openSsh = '127.0.0.1:PORT (openssh)'

  test('node-ssh when nothing speaks against it', async () => {
    expect(await logIn()).toBe(nodeSsh)
  })

  test('node-ssh with name, port, user and key from ssh_config where the inventory is silent', async () => {
    config(`Host edge\n HostName 127.0.0.1\n Port ${sshd.port}\n User ${sshd.user}\n IdentityFile ${sshd.clientKey}\n`)
    const silent = { port: undefined, user: undefined, privateKeyFile: undefined }
    expect(await logIn({ ...silent, host: 'edge' })).toBe(nodeSsh)
  })

  test('OpenSSH for a ProxyCommand in ssh_config', async () => {
    const hop = `ssh -F /dev/null -i ${sshd.clientKey} -o UserKnownHostsFile=${sshd.home}/.ssh/known_hosts`
    config(`Host *\n ProxyCommand ${hop} -p ${sshd.port} -W %h:%p ${sshd.user}@127.0.0.1\n`)
    expect(await logIn()).toBe(openSsh)
  })

  test('OpenSSH for arguments of the inventory, which cannot weaken the host key policy', async () => {
    const sshCommonArgs = ['-o', 'StrictHostKeyChecking=no', '-o', 'ControlPersist=60s', '-C']
    expect(await logIn({ sshCommonArgs })).toBe(openSsh)
    know(sshd, '')
    expect((await refusalOf(sshd, { sshCommonArgs })).what).toMatch(/^host key is not known/)
  })

  test('OpenSSH for a host that is trusted only through a certificate authority', async () => {
    know(sshd, `@cert-authority * ${readFileSync(join(sshd.dir, 'ca.pub'), 'utf8')}`)
    expect(await logIn()).toBe(openSsh)
  })

  test('OpenSSH for a key with a certificate', async () => {
    const key = join(sshd.dir, 'certified')
    keygen('-t', 'ed25519', '-N', '', '-f', key)
    keygen('-s', join(sshd.dir, 'ca'), '-I', 'user', '-n', sshd.user, `${key}.pub`)
    expect(await logIn({ privateKeyFile: key })).toBe(openSsh)
  })

  test('a pinned fingerprint finds the key of its type, and needs node-ssh', async () => {
    know(sshd, '')
    for (const type of ['ed25519', 'ecdsa', 'rsa']) {
      const line = execFileSync('ssh-keygen', ['-lf', join(sshd.dir, `${type}.pub`)], { encoding: 'utf8' })
      expect(await logIn({ hostKey: [line.split(' ')[1] ?? ''] })).toBe(nodeSsh)
    }
    const hostKey = [`SHA256:${'A'.repeat(43)}`]
    expect((await refusalOf(sshd, { hostKey })).what).toMatch(/^host key is not the pinned one/)
    expect(await refusalOf(sshd, { hostKey, sshCommonArgs: ['-4'] })).toMatchObject({ kind: 'usage' })
  })

  test('an ssh_config that ssh does not understand is told in its words', async () => {
    config('NoSuchOption yes\n')
    expect(await refusalOf(sshd, {})).toMatchObject({
      what: 'ssh does not accept its configuration',
      why: expect.stringContaining('nosuchoption'),
    })
  })
})

describe('the host key of a jump host', () => {
  let jump: Sshd
  beforeAll(async () => {
    jump = await startSshd()
  }, 30_000)
  afterAll(() => jump.stop())
  const name = () => `[127.0.0.1]:${jump.port}`
  const print = () =>
    execFileSync('ssh-keygen', ['-lf', join(jump.dir, 'ed25519.pub')], { encoding: 'utf8' }).split(' ')[1]
  const ways = [
    ['ProxyJump', () => `ProxyJump=${jump.user}@127.0.0.1:${jump.port}`],
    [
      'ProxyCommand',
      () =>
        `ProxyCommand=ssh -o StrictHostKeyChecking=yes -F ${sshd.home}/.ssh/config -p ${jump.port} -W %h:%p ${jump.user}@127.0.0.1`,
    ],
  ] as const
  const through = (option: string, jumpKeys: string) => {
    know(sshd, `${knownLine(sshd)}${jumpKeys}`)
    const own = `UserKnownHostsFile ${sshd.home}/.ssh/known_hosts`
    writeFileSync(join(sshd.home, '.ssh', 'config'), `Host *\n ${own}\n IdentityFile ${jump.clientKey}\n`)
    return refusalOf(sshd, { sshCommonArgs: ['-o', option] })
  }

  test.each(ways)('that is not known is told as that of the jump host (%s)', async (way, option) => {
    const problem = await through(option(), '')
    expect(problem.what).toBe(
      `the host key of the jump host ${name()} is not known${way === 'ProxyJump' ? ` (offered ssh-ed25519 ${print()})` : ''}`,
    )
    expect(problem.hint).toMatch(`ssh-keyscan -p ${jump.port} 127.0.0.1 >> ~/.ssh/known_hosts`)
  })

  test.each(ways)('that has changed is told as that of the jump host (%s)', async (_, option) => {
    const other = readFileSync(`${stranger}.pub`, 'utf8')
    const problem = await through(option(), `${name()} ${other}`)
    expect(problem.what).toMatch(`the host key of the jump host ${name()} changed (offered `)
    expect(problem.what).toMatch(print() ?? '-')
    expect(problem.why).toMatch('known from DIR/home/.ssh/known_hosts:2')
    expect(problem.hint).toMatch(`ssh-keygen -R '${name()}'`)
  })

  test('that is revoked is told as that of the jump host', async () => {
    const problem = await through(ways[0][1](), `@revoked * ${jump.hostKeys.ed25519}\n${knownLine(jump)}`)
    expect(problem.what).toMatch(`the host key of the jump host ${name()} is revoked`)
  })

  test('is not taken for that of the target, whose own key is not known', async () => {
    know(sshd, knownLine(jump))
    const own = `UserKnownHostsFile ${sshd.home}/.ssh/known_hosts`
    writeFileSync(join(sshd.home, '.ssh', 'config'), `Host *\n ${own}\n IdentityFile ${jump.clientKey}\n`)
    for (const [, option] of ways) {
      const problem = await refusalOf(sshd, { sshCommonArgs: ['-o', option()] })
      expect(problem.what).toMatch(/^host key is not known \(offered ssh-ed25519/)
    }
  })

  test('an address that nobody listens at is told as that of the jump host', async () => {
    const port = await freePort()
    const problem = await refusalOf(sshd, { sshCommonArgs: ['-J', `127.0.0.1:${port}`] })
    expect(problem.what).toBe(`127.0.0.1:${port} refused the connection`)
  })
})

test('a server without a common key exchange is told apart', async () => {
  const odd = await startSshd({ lines: ['KexAlgorithms sntrup761x25519-sha512@openssh.com'] })
  try {
    know(odd, knownLine(odd))
    expect((await refusalOf(odd, {})).what).toMatch(/have no algorithm in common$/)
    expect(await connect(optionsFor(odd, { transport: 'openssh' })).then((t) => t.close())).toBeUndefined()
  } finally {
    await odd.stop()
  }
})

test('a banner and a noisy forced command do not disturb the streams', async () => {
  const noisy = await startSshd({
    prepare: (dir) => {
      writeFileSync(join(dir, 'banner'), 'Authorized use only\n'.repeat(50))
      writeFileSync(join(dir, 'force'), '#!/bin/sh\necho motd\nexec /bin/sh -c "$SSH_ORIGINAL_COMMAND"\n')
      chmodSync(join(dir, 'force'), 0o755)
      return [`Banner ${join(dir, 'banner')}`, `ForceCommand ${join(dir, 'force')}`]
    },
  })
  try {
    know(noisy, knownLine(noisy))
    for (const [transport] of both) {
      const link = await connect(optionsFor(noisy, { transport }))
      const { code, stdout, stderr } = await run(link, 'cat; exit 3', 'input')
      await link.close()
      expect([code, String(stdout), String(stderr)]).toEqual([3, 'motd\ninput', ''])
    }
  } finally {
    await noisy.stop()
  }
})
