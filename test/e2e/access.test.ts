// Every way to log in and become root that people use, over both transports; and every way it fails: one clear error, soon.

import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { TestNode } from '../testbed/node.ts'
import { type CliOptions, type CliResult, Testbed } from '../testbed/testbed.ts'
import { cli, expectUntouched, said } from './state.ts'

const PASSWORD = 'correct horse'
const TRANSPORTS = ['node-ssh', 'openssh'] as const
type Transport = (typeof TRANSPORTS)[number]
type Vars = Readonly<Record<string, unknown>>

let testbed: Testbed
let node: TestNode
/** Cut off from the start. */
let silent: TestNode
/** What listens in the testbed's network without being an SSH server. */
let listener: { readonly mute: number; readonly http: number; stop(): void }
let strangerKey = ''

beforeAll(async () => {
  testbed = await Testbed.open()
  ;[node, silent] = await Promise.all([testbed.node('edge-1'), testbed.node('silent')])
  await silent.cut()
  listener = await listen()
  const dir = await testbed.dir()
  strangerKey = join(dir, 'stranger')
  await execa('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', strangerKey])
})
afterAll(async () => {
  listener?.stop()
  await testbed?.close()
})

async function listen() {
  const program = `const s = [require('net').createServer(c => c.on('error', () => {})),
    require('net').createServer(c => { c.on('error', () => {}); c.end('HTTP/1.1 400 Bad Request\\r\\n\\r\\n') })]
    let n = 0; for (const one of s) one.listen(0, '10.88.0.1', () => ++n === 2 && console.log(JSON.stringify(s.map(o => o.address().port))))`
  const child = testbed.spawn([process.execPath, '-e', program], { timeout: 900_000 })
  child.catch(() => {})
  const ports = await new Promise<string>((resolve) => child.stdout.once('data', (chunk) => resolve(String(chunk))))
  const [mute = 0, http = 0] = ports.match(/\d+/g)?.map(Number) ?? []
  return { mute, http, stop: () => child.kill() }
}

/** The public part's fingerprint, as ssh-keygen says it. */
async function fingerprintOf(publicKey: string): Promise<string> {
  return (await execa('ssh-keygen', ['-lf', '-'], { input: publicKey })).stdout.split(' ')[1] ?? ''
}

/** The problems that were told, without their why and hint. */
function problems({ stderr }: CliResult): string[] {
  return stderr.split('\n').filter((line) => line.startsWith('✗'))
}

interface Refusal {
  readonly name: string
  readonly vars: () => Vars
  readonly options?: () => CliOptions | Promise<CliOptions>
  /** Of the one problem. */
  readonly error: RegExp | (() => Promise<RegExp>)
  /** In the recap; default: unreachable. */
  readonly recap?: 'failed'
  readonly transports?: readonly Transport[]
}

const literal = (text: string) => text.replace(/[.+*?/|()[\]{}\\^$]/g, '\\$&')

const refusals: readonly Refusal[] = [
  {
    name: 'a wrong key',
    vars: () => ({ ansible_ssh_private_key_file: strangerKey }),
    error: /edge-1: \S+:22 refused the login of ops$/,
  },
  {
    name: 'a user who is not there',
    vars: () => ({ ansible_user: 'nobody-here' }),
    error: /refused the login of nobody-here$/,
  },
  {
    name: 'a changed host key',
    vars: () => ({}),
    options: async () => ({
      env: { K3S_PLATFORM_SSH_KNOWN_HOSTS: `${node.host} ${await readFile(`${strangerKey}.pub`, 'utf8')}` },
    }),
    error: async () =>
      new RegExp(
        `host key changed \\(known ${literal(await fingerprintOf(await readFile(`${strangerKey}.pub`, 'utf8')))}, offered ${literal(await fingerprintOf(node.hostKey))}\\)$`,
      ),
  },
  {
    name: 'an unknown host key',
    vars: () => ({}),
    options: () => ({ env: { K3S_PLATFORM_SSH_KNOWN_HOSTS: silent.knownHosts() } }),
    error: async () =>
      new RegExp(`host key is not known \\(offered ssh-ed25519 ${literal(await fingerprintOf(node.hostKey))}\\)$`),
  },
  {
    name: 'a pinned fingerprint that is not that of the host',
    vars: () => ({ k3s_platform_ssh_host_key: `SHA256:${'A'.repeat(43)}` }),
    error: async () =>
      new RegExp(
        `host key is not the pinned one \\(pinned SHA256:A{43}, offered ${literal(await fingerprintOf(node.hostKey))}\\)$`,
      ),
    transports: ['node-ssh'],
  },
  {
    name: 'a pinned key that is not that of the host',
    vars: () => ({ k3s_platform_ssh_host_key: silent.hostKey }),
    error: async () =>
      new RegExp(
        `host key is not the pinned one \\(pinned ${literal(await fingerprintOf(silent.hostKey))}, offered ${literal(await fingerprintOf(node.hostKey))}\\)$`,
      ),
  },
  {
    name: 'a closed port',
    vars: () => ({ ansible_port: 2022 }),
    error: /edge-1: 10\.88\.0\.\d+:2022 refused the connection$/,
    options: async () => ({
      env: { K3S_PLATFORM_SSH_KNOWN_HOSTS: `[${node.host}]:2022 ${node.hostKey}` },
    }),
  },
  {
    name: 'a name that does not resolve',
    vars: () => ({ ansible_host: 'no-such-host.invalid' }),
    error:
      /edge-1: (?:the host name no-such-host\.invalid does not resolve|no DNS server answered for the host name no-such-host\.invalid)$/,
  },
  {
    name: 'a host that is silent',
    vars: () => ({ ansible_host: silent.host }),
    error: /edge-1: 10\.88\.0\.\d+:22 did not answer in time$/,
  },
  {
    name: 'a port that accepts and says nothing',
    vars: () => ({ ansible_host: '10.88.0.1', ansible_port: listener.mute }),
    error: /edge-1: 10\.88\.0\.1:\d+ accepts connections, but did not answer the login$/,
  },
  {
    name: 'a port that speaks something else',
    vars: () => ({ ansible_host: '10.88.0.1', ansible_port: listener.http }),
    error: /edge-1: 10\.88\.0\.1:\d+ does not speak SSH$/,
  },
  {
    name: 'a sudo password that is wanted and not given',
    vars: () => ({ ansible_user: 'deploy' }),
    error: /edge-1: sudo requires a password for deploy$/,
    recap: 'failed',
  },
  {
    name: 'a user who may not become root',
    vars: () => ({ ansible_user: 'guest', ansible_become_password: 'open sesame' }),
    error: /edge-1: sudo does not let guest become root$/,
    recap: 'failed',
  },
  {
    name: 'a user without a shell',
    vars: () => ({ ansible_user: 'shellless' }),
    error: /edge-1: the login shell of shellless does not run commands$/,
    recap: 'failed',
  },
  {
    name: 'ansible_become: false',
    vars: () => ({ ansible_become: false }),
    error: /edge-1: root is required, but ansible_become is false$/,
    recap: 'failed',
  },
]

/** The inventory of one host called edge-1 with such variables over those of the node. */
const inventoryOf = (vars: Vars, user = 'ops') => testbed.inventory({ 'edge-1': { ...node.hostVars(user), ...vars } })

describe('refused', () => {
  beforeAll(async () => {
    const keys = '/root/.ssh/authorized_keys'
    await node.ask(`useradd -m -s /bin/sh guest && echo 'guest:open sesame' | chpasswd && useradd -m -s /usr/sbin/nologin shellless
for u in guest shellless; do install -d -o $u /home/$u/.ssh && install -o $u ${keys} /home/$u/.ssh/; done`)
    // From OpenSSH 9.8 on a server turns an address away after some failed logins.
    await node.ask("echo 'PerSourcePenalties no' >/etc/ssh/sshd_config.d/00-patient.conf; systemctl reload ssh")
  })

  const cases = refusals.flatMap((one) =>
    (one.transports ?? TRANSPORTS).map((transport) => [one.name, transport, one] as const),
  )
  // Most of them wait; few at a time, because sshd drops the eleventh connection that is about to log in.
  test.concurrent.each(cases)('%s is one clear error within 15 s (%s)', async (_, transport, one) => {
    const inventory = await inventoryOf({ ...one.vars(), k3s_platform_ssh_transport: transport })
    const done = await testbed.cli(['apply', 'k3s_platform_bootstrap', '-i', inventory], {
      timeout: 15_000,
      ...(await one.options?.()),
    })
    expect(problems(done), said(done)).toHaveLength(1)
    expect(problems(done)[0]).toMatch(typeof one.error === 'function' ? await one.error() : one.error)
    expect(done.stdout).toMatch(one.recap === 'failed' ? /unreachable=0 +failed=1/ : /unreachable=1 +failed=0/)
    expect(done.stdout).toMatch(/ok=0 +changed=0/)
    expect(done.code).toBe(1)
  })

  test.each(TRANSPORTS)('a wrong sudo password is one clear error, and one failed attempt (%s)', async (transport) => {
    const since = await node.ask("date '+%F %T'; sleep 1")
    const inventory = await inventoryOf(
      { ansible_become_password: 'battery staple', k3s_platform_ssh_transport: transport },
      'deploy',
    )
    const done = await cli(testbed, 1, ['apply', 'k3s_platform_bootstrap', '-i', inventory], { timeout: 15_000 })
    expect(problems(done)).toEqual(['✗ edge-1: sudo refused the password for deploy'])
    expect(done.stdout).toMatch(/failed=1/)
    const journal = await node.ask(['journalctl', '--since', since, '-o', 'cat', '--no-pager', '-t', 'sudo'])
    expect(journal.match(/authentication failure|incorrect password/g)?.length, journal).toBeGreaterThan(0)
    expect(journal.match(/pam_unix\(sudo:auth\): authentication failure/g), journal).toHaveLength(1)
  })

  test.each(TRANSPORTS)('a server that has had enough of failed logins says so (%s)', async (transport) => {
    const strict = '/etc/ssh/sshd_config.d/00-patient.conf'
    await node.ask(`echo 'PerSourcePenalties authfail:30 min:1' >${strict}; systemctl restart ssh`)
    const vars = { ansible_ssh_private_key_file: strangerKey, k3s_platform_ssh_transport: transport }
    const inventory = await inventoryOf(vars)
    await cli(testbed, 1, ['apply', 'k3s_platform_bootstrap', '-i', inventory])
    const done = await cli(testbed, 1, ['apply', 'k3s_platform_bootstrap', '-i', inventory])
    expect(problems(done)[0]).toMatch(/edge-1: \S+:22 is rate limiting logins from this address$/)
    expect(done.stderr).toMatch(/why: +it says: Not allowed at this time/)
    await node.ask(`echo 'PerSourcePenalties no' >${strict}; systemctl restart ssh`)
  })

  test('all of them have touched nothing', () => expectUntouched(node))
})

describe('let in', () => {
  let inventory = ''
  beforeAll(async () => {
    inventory = await inventoryOf({}, 'root')
    await cli(testbed, 0, ['apply', 'k3s_platform_bootstrap', '-i', inventory])
  })

  /** A login that can look and change: a mode has drifted, apply puts it back. */
  async function works(vars: Vars, user: string, options: CliOptions = {}, args: readonly string[] = []) {
    await node.ask('chmod 644 /etc/rancher/k3s/config.yaml')
    const done = await cli(
      testbed,
      0,
      ['apply', 'k3s_platform_bootstrap', '-i', await inventoryOf(vars, user), ...args],
      options,
    )
    expect(done.stdout).toMatch(/changed=1 +unreachable=0 +failed=0/)
    expect(await node.ask('stat -c %a /etc/rancher/k3s/config.yaml')).toBe('600')
    return done
  }

  const users = [
    ['root', {}],
    ['ops', {}],
    ['deploy', { ansible_become_password: PASSWORD }],
  ] as const
  test.each(TRANSPORTS.flatMap((transport) => users.map(([user, vars]) => [user, transport, vars] as const)))(
    '%s applies (%s)',
    async (user, transport, vars) => {
      await works({ ...vars, k3s_platform_ssh_transport: transport }, user)
    },
  )

  test.each(TRANSPORTS)('a sudo password is asked for by -K (%s)', async (transport) => {
    const dir = await inventoryOf({ k3s_platform_ssh_transport: transport }, 'deploy')
    await node.ask('chmod 644 /etc/rancher/k3s/config.yaml')
    const { output, code } = await onTerminal(['apply', 'k3s_platform_bootstrap', '-K', '-i', dir], [PASSWORD])
    expect(code, output).toBe(0)
    expect(output).toContain('BECOME password: ')
    expect(output).not.toContain('horse')
    expect(await node.ask('stat -c %a /etc/rancher/k3s/config.yaml')).toBe('600')
  })

  test.each(TRANSPORTS)('a login by password (%s)', async (transport) => {
    await node.ask(`echo 'PasswordAuthentication yes' >/etc/ssh/sshd_config.d/00-password.conf; systemctl reload ssh`)
    const { ansible_ssh_private_key_file: _, ...rest } = node.hostVars('deploy')
    const vars = { ...rest, k3s_platform_ssh_transport: transport, ansible_become_password: PASSWORD }
    const withPassword = await testbed.inventory({ 'edge-1': { ...vars, ansible_password: PASSWORD } })
    await cli(testbed, 0, ['plan', 'k3s_platform_bootstrap', '-i', withPassword])
    const { output, code } = await onTerminal(
      ['plan', 'k3s_platform_bootstrap', '-k', '-i', await testbed.inventory({ 'edge-1': vars })],
      [PASSWORD],
    )
    expect(code, output).toBe(0)
    const wrong = await testbed.inventory({ 'edge-1': { ...vars, ansible_password: 'battery staple' } })
    const refused = await cli(testbed, 1, ['plan', 'k3s_platform_bootstrap', '-i', wrong])
    expect(problems(refused)[0]).toMatch(/refused the login of deploy$/)
    expect(refused.stderr).toMatch(/why: +tried: password/)
    await node.ask('rm /etc/ssh/sshd_config.d/00-password.conf; systemctl reload ssh')
  })

  test.each(TRANSPORTS)('a key with a passphrase, from the environment or asked for (%s)', async (transport) => {
    const key = join(await testbed.dir(), 'locked')
    await copyFile(node.identityFile, key)
    await execa('chmod', ['600', key])
    await execa('ssh-keygen', ['-q', '-p', '-P', '', '-N', 'open sesame', '-f', key])
    const vars = { ansible_ssh_private_key_file: key, k3s_platform_ssh_transport: transport }
    await works(vars, 'ops', { env: { K3S_PLATFORM_SSH_KEY_PASSPHRASE: 'open sesame' } })
    const dir = await inventoryOf(vars)
    const wrong = await cli(testbed, 1, ['plan', 'k3s_platform_bootstrap', '-i', dir], {
      env: { K3S_PLATFORM_SSH_KEY_PASSPHRASE: 'open barley' },
    })
    expect(problems(wrong)).toEqual([`✗ edge-1: the passphrase does not decrypt the private key ${key}`])
    const none = await cli(testbed, 1, ['plan', 'k3s_platform_bootstrap', '-i', dir])
    expect(problems(none)).toEqual([`✗ edge-1: the private key ${key} has a passphrase`])
    const { output, code } = await onTerminal(['plan', 'k3s_platform_bootstrap', '-i', dir], ['open sesame'])
    expect(code, output).toBe(0)
  })

  test.each(TRANSPORTS)('a key of the agent (%s)', async (transport) => {
    const socket = join(await testbed.dir(), 'agent')
    const agent = execa('ssh-agent', ['-D', '-a', socket], { reject: false })
    const env = { SSH_AUTH_SOCK: socket }
    for (let i = 0; i < 100 && (await execa('ssh-add', ['-l'], { env, reject: false })).exitCode === 2; i++)
      await new Promise((resolve) => setTimeout(resolve, 20))
    await execa('ssh-add', ['-q', node.identityFile], { env })
    const { ansible_ssh_private_key_file: _, ...vars } = node.hostVars('ops')
    const dir = await testbed.inventory({ 'edge-1': { ...vars, k3s_platform_ssh_transport: transport } })
    await cli(testbed, 0, ['plan', 'k3s_platform_bootstrap', '-i', dir], { env })
    const without = await cli(testbed, 1, ['plan', 'k3s_platform_bootstrap', '-i', dir])
    expect(problems(without)[0]).toMatch(/refused the login of ops$/)
    agent.kill()
    await agent
  })

  test.each(TRANSPORTS)('the policy accept-new learns a key into known_hosts, once (%s)', async (transport) => {
    const home = await testbed.dir()
    const options = { env: { HOME: home, K3S_PLATFORM_SSH_KNOWN_HOSTS: null } }
    const vars = { k3s_platform_ssh_transport: transport }
    const strict = await inventoryOf(vars)
    expect(problems(await cli(testbed, 1, ['plan', 'k3s_platform_bootstrap', '-i', strict], options))[0]).toMatch(
      /host key is not known/,
    )
    const accept = await inventoryOf({ ...vars, k3s_platform_ssh_host_key_policy: 'accept-new' })
    await cli(testbed, 0, ['plan', 'k3s_platform_bootstrap', '-i', accept], options)
    await cli(testbed, 0, ['plan', 'k3s_platform_bootstrap', '-i', accept], options)
    await cli(testbed, 0, ['plan', 'k3s_platform_bootstrap', '-i', strict], options)
    const known = await readFile(join(home, '.ssh/known_hosts'), 'utf8')
    expect(known.split('\n').filter((line) => line.includes(node.hostKey))).toHaveLength(1)
  })

  test('a pinned fingerprint or key lets in without known_hosts', async () => {
    const options = { env: { K3S_PLATFORM_SSH_KNOWN_HOSTS: '' } }
    const print = await fingerprintOf(node.hostKey)
    const pins = [
      { k3s_platform_ssh_host_key: print },
      { k3s_platform_ssh_host_key: node.hostKey, k3s_platform_ssh_transport: 'node-ssh' },
      { k3s_platform_ssh_host_key: node.hostKey, k3s_platform_ssh_transport: 'openssh' },
    ]
    for (const vars of pins)
      await cli(testbed, 0, ['plan', 'k3s_platform_bootstrap', '-i', await inventoryOf(vars)], options)
  })

  describe('through a jump host', () => {
    let jump: TestNode
    const home = async (config: string) => {
      const dir = await testbed.dir()
      await mkdir(join(dir, '.ssh'), { mode: 0o700 })
      await writeFile(join(dir, '.ssh/known_hosts'), testbed.knownHosts())
      await writeFile(
        join(dir, '.ssh/config'),
        `${config}\nHost *\n  IdentityFile ${node.identityFile}\n  UserKnownHostsFile ${dir}/.ssh/known_hosts\n`,
      )
      return { env: { HOME: dir, K3S_PLATFORM_SSH_KNOWN_HOSTS: null } }
    }
    beforeAll(async () => {
      jump = await testbed.node('jump')
      // The node lets only the jump host in, so that nothing else can work.
      await node.ask(`nft add table inet t && nft 'add chain inet t i { type filter hook input priority 0; }' &&
nft add rule inet t i tcp dport 22 ip saddr != ${jump.host} drop`)
    })
    afterAll(() => node.ask('nft delete table inet t'))

    test('of ansible_ssh_common_args', async () => {
      const options = await home('')
      const args = `-o ProxyJump=ops@${jump.host}`
      await works({ ansible_ssh_common_args: args }, 'ops', options)
    })

    test('of ~/.ssh/config, where the host has its address, too', async () => {
      const config = `Host edge-1\n  HostName ${node.host}\n  User ops\n  ProxyJump ops@${jump.host}\n`
      const options = await home(config)
      // The inventory names nothing but the host; the certificate has the address.
      const dir = await testbed.inventory({ 'edge-1': {} })
      const done = await cli(testbed, 2, ['plan', 'k3s_platform_bootstrap', '-i', dir], options)
      expect(said(done)).toMatch(/tls-san/)
    })

    test('that is not there is one clear error', async () => {
      const options = await home('')
      const dir = await inventoryOf({ ansible_ssh_common_args: `-o ProxyJump=ops@${silent.host}` })
      const done = await cli(testbed, 1, ['plan', 'k3s_platform_bootstrap', '-i', dir], { timeout: 15_000, ...options })
      expect(problems(done)).toHaveLength(1)
    })
  })

  const shells = [
    ['/bin/dash', ''],
    [
      '/bin/bash, whose files print',
      'for f in .bashrc .profile .bash_profile; do echo "echo hello from $f" >~ops/$f; done',
    ],
    ['/bin/bash, whose files print to stderr and fail', 'echo "echo oops >&2; false" >~ops/.bashrc'],
    ['fish', ''],
    ['csh', ''],
  ] as const
  test.each(shells)('a login shell %s', async (shell, prepare) => {
    const [name = ''] = shell.split(',')
    if (!name.startsWith('/')) await bringShell(name)
    await node.ask(
      `${prepare || ':'}; echo 'Welcome!' >/etc/motd; usermod -s ${name.startsWith('/') ? name : `/opt/shells/${name}`} ops`,
    )
    for (const transport of TRANSPORTS) await works({ k3s_platform_ssh_transport: transport }, 'ops')
  })

  /** The machine's shell with its libraries: the node can install nothing. */
  async function bringShell(name: string): Promise<void> {
    const binary = await execa('sh', ['-c', `readlink -f "$(command -v ${name})"`])
    const libraries = await execa('ldd', [binary.stdout])
    const files = [...libraries.stdout.matchAll(/(\/\S+\.so\S*)/g)].map((match) => match[1] ?? '')
    const archive = await execa('tar', ['-chf', '-', binary.stdout, ...files], { encoding: 'buffer', stderr: 'ignore' })
    await node.run('mkdir -p /opt/shells/root && tar -xf - -C /opt/shells/root', { input: archive.stdout })
    const loader = files.find((file) => /ld-linux/.test(file)) ?? ''
    const path = [...new Set(files.map((file) => `/opt/shells/root${file.slice(0, file.lastIndexOf('/'))}`))].join(':')
    // A script as a login shell: sshd runs it as it would the program.
    await node.ask(`cat >/opt/shells/${name} <<'X'
#!/bin/sh
exec /opt/shells/root${loader} --library-path ${path} /opt/shells/root${binary.stdout} "$@"
X
chmod 755 /opt/shells/${name}`)
    expect((await node.run([`/opt/shells/${name}`, '-c', 'echo it runs'])).stdout).toBe('it runs\n')
  }
})

/** Runs the program on a terminal of its own and types an answer to each question that ends in a colon and a space. */
async function onTerminal(
  args: readonly string[],
  answers: readonly string[],
): Promise<{ output: string; code: number }> {
  const program = `import os, pty, sys
answers = sys.stdin.read().split("\\n")
pid, fd = pty.fork()
if pid == 0:
    os.execv(sys.argv[1], sys.argv[1:])
seen = b""
while True:
    try:
        chunk = os.read(fd, 4096)
    except OSError:
        break
    if not chunk:
        break
    sys.stdout.buffer.write(chunk)
    seen += chunk
    if answers and (seen.endswith(b"assword: ") or (b"assphrase for" in seen and seen.endswith(b": "))):
        os.write(fd, answers.pop(0).encode() + b"\\r")
        seen = b""
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
`
  const script = join(await testbed.dir(), 'terminal.py')
  await writeFile(script, program)
  const dist = new URL('../../dist/k3s-platform.js', import.meta.url).pathname
  const done = await testbed.spawn(['/usr/bin/python3', script, process.execPath, dist, ...args], {
    input: answers.join('\n'),
  })
  return { output: `${done.stdout}${done.stderr}`, code: done.exitCode ?? -1 }
}
