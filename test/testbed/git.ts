// A git server of the test's own: one repository, read by https (public, with a password, with a token), plain http, and ssh.

import { randomBytes } from 'node:crypto'
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import { z } from 'zod'
import { serverCertificate } from './parts.ts'
import { type Inside, Server } from './server.ts'

const Ports = z.object({ https: z.number(), http: z.number(), ssh: z.number() })

const Requests = z.array(
  z.object({
    way: z.string(),
    /** Empty for ssh, as the path is: it is encrypted. */
    method: z.string(),
    path: z.string(),
    /** 0 while nothing was answered; of ssh, 200 for a login and 401 for a refused key. */
    status: z.number(),
  }),
)
export type GitRequest = z.infer<typeof Requests>[number]

/** How requests by a way go wrong, `times` times (default: always). By ssh, a status is a connection that ends at once. */
export type GitFault = { readonly way: 'public' | 'basic' | 'bearer' | 'ssh'; readonly times?: number } & (
  | { readonly kind: 'status'; readonly status: number }
  /** Not a byte comes back, and the connection stays. */
  | { readonly kind: 'hang' }
)

/** By path; null removes the file. */
export type GitFiles = Readonly<Record<string, string | null>>

export interface KeyPair {
  /** The private key's text, as OpenSSH writes it. */
  readonly private: string
  /** `ssh-ed25519 AAAA... comment` */
  readonly public: string
}

export class GitServer {
  /** The certificate to trust, PEM. */
  readonly ca: string
  /** An authorised pair. */
  readonly keys: KeyPair
  readonly publicUrl: string
  /** publicUrl without TLS. */
  readonly plainUrl: string
  readonly basicUrl: string
  readonly bearerUrl: string
  readonly sshUrl: string
  readonly #server: Server
  readonly #dir: string
  readonly #sshAddress: string
  readonly #authorized = new Set<string>()
  #hostKey = ''
  #password = ''
  #token = ''

  private constructor(server: Server, dir: string, ca: string, keys: KeyPair, ports: z.infer<typeof Ports>) {
    this.#server = server
    this.#dir = dir
    this.ca = ca
    this.keys = keys
    const { hostname } = new URL(server.url)
    this.#sshAddress = `[${hostname}]:${ports.ssh}`
    this.publicUrl = `${server.url}/public/platform.git`
    this.plainUrl = `http://${hostname}:${ports.http}/public/platform.git`
    this.basicUrl = `${server.url}/basic/platform.git`
    this.bearerUrl = `${server.url}/bearer/platform.git`
    this.sshUrl = `ssh://git@${hostname}:${ports.ssh}/platform.git`
  }

  /** With its own state in a directory; the branch main has one commit of `files`, or is not there when they are empty. */
  static async start(inside: Inside, dir: string, files: GitFiles): Promise<GitServer> {
    const { ca } = await serverCertificate(dir)
    const passwd = await readFile('/etc/passwd', 'utf8')
    await mkdir('/run/sshd', { recursive: true, mode: 0o755 }) // sshd insists on it
    await Promise.all([
      git(dir, ['init', '--quiet', '--bare', '--initial-branch=main', join(dir, 'platform.git')]),
      // Its user has root's number, because only root may enter the directory; what it may do is the command below.
      writeFile(join(dir, 'passwd'), `${passwd}git:*:0:0::/:/bin/sh\n`),
      writeFile(join(dir, 'command'), uploadPack(dir), { mode: 0o755 }),
      writeFile(join(dir, 'sshd_config'), sshdConfig(dir)),
    ])
    const server = await Server.start(inside, 'git.mjs', ['--dir', dir])
    const keys = await keyPair(dir)
    const self = new GitServer(server, dir, ca, keys, Ports.parse(await server.call('ports')))
    await Promise.all([self.authorize(keys.public), self.rotateHostKey(), self.rotatePassword(), self.rotateToken()])
    if (Object.keys(files).length > 0) await self.commit(files)
    return self
  }

  /** What opens basicUrl now. */
  get login(): { readonly username: string; readonly password: string } {
    return { username: 'reader', password: this.#password }
  }

  /** What opens bearerUrl now. */
  get token(): string {
    return this.#token
  }

  /** The line of a known_hosts file that trusts the ssh server now. */
  get knownHosts(): string {
    return `${this.#sshAddress} ${this.#hostKey}\n`
  }

  /** From now on there is another password, a random one unless it is given; the old one is refused. */
  async rotatePassword(password = randomBytes(12).toString('hex')): Promise<void> {
    this.#password = password
    await this.#server.call('login', { ...this.login, token: this.#token })
  }

  /** From now on there is another token, a random one unless it is given; the old one is refused. */
  async rotateToken(token = randomBytes(12).toString('hex')): Promise<void> {
    this.#token = token
    await this.#server.call('login', { ...this.login, token: this.#token })
  }

  /** From now on the ssh server has another host key. */
  async rotateHostKey(): Promise<void> {
    const key = await keyPair(this.#dir)
    this.#hostKey = key.public.split(' ', 2).join(' ')
    await writeFile(join(this.#dir, 'host_key'), key.private, { mode: 0o600 })
  }

  /** A new pair, not yet authorised, for `authorize(pair.public)`. */
  async newKeys(passphrase = ''): Promise<KeyPair> {
    return keyPair(this.#dir, passphrase)
  }

  /** Lets the owner of a public key in. */
  async authorize(publicLine: string): Promise<void> {
    this.#authorized.add(publicLine.trim())
    await this.#writeAuthorized()
  }

  /** Ends authorize(). */
  async revoke(publicLine: string): Promise<void> {
    this.#authorized.delete(publicLine.trim())
    await this.#writeAuthorized()
  }

  /** Commits changes to files on main; returns the revision, which is the old one when nothing changed. */
  async commit(files: GitFiles, message = 'Change files'): Promise<string> {
    const lines = Object.entries(files).map(async ([path, content]) => {
      if (content === null) return `0 ${'0'.repeat(40)}\t${path}\n`
      return `100644 ${await this.#git(['hash-object', '-w', '--stdin'], content)}\t${path}\n`
    })
    await this.#git(['update-index', '--index-info'], (await Promise.all(lines)).join(''))
    return this.#commitIndex(message)
  }

  /** Commits a directory as the whole tree of main; returns the revision, which is the old one when nothing changed. */
  async commitTree(dir: string, message = 'Change the tree'): Promise<string> {
    await this.#git(['--work-tree', dir, 'add', '--all', '--force', '.'], '', dir)
    return this.#commitIndex(message)
  }

  /** The revision of main. */
  async head(): Promise<string> {
    return this.#git(['rev-parse', '--verify', '--quiet', 'refs/heads/main'])
  }

  /** All requests since the start or the last clear(), oldest first; of ssh, the connections. */
  async requests(): Promise<GitRequest[]> {
    return Requests.parse(await this.#server.call('requests'))
  }

  /** Breaks requests until clear(). */
  async fault(fault: GitFault): Promise<void> {
    await this.#server.call('fault', fault)
  }

  /** Forgets requests and faults. */
  async clear(): Promise<void> {
    await this.#server.call('clear')
  }

  /** Connections are refused, by every way, until up(), which comes back at the same addresses. */
  async down(): Promise<void> {
    await this.#server.call('down')
  }

  async up(): Promise<void> {
    await this.#server.call('up')
  }

  async stop(): Promise<void> {
    await this.#server.stop()
  }

  async #commitIndex(message: string): Promise<string> {
    const tree = await this.#git(['write-tree'])
    const parent = await this.head().catch(() => null)
    if (parent !== null && tree === (await this.#git(['rev-parse', `${parent}^{tree}`]))) return parent
    const commit = await this.#git(['commit-tree', ...(parent === null ? [] : ['-p', parent]), '-m', message, tree])
    await this.#git(['update-ref', 'refs/heads/main', commit])
    return commit
  }

  async #writeAuthorized(): Promise<void> {
    const lines = [...this.#authorized].map((line) => `restrict ${line}\n`)
    await writeFile(join(this.#dir, 'authorized_keys'), lines.join(''))
  }

  async #git(args: readonly string[], input = '', cwd = this.#dir): Promise<string> {
    return git(cwd, ['--git-dir', join(this.#dir, 'platform.git'), ...args], input)
  }
}

/** Runs git with no configuration but the repository's own. */
async function git(cwd: string, args: readonly string[], input = ''): Promise<string> {
  const who = { NAME: 'testbed', EMAIL: 'testbed@example.test' }
  const env = Object.fromEntries(
    ['AUTHOR', 'COMMITTER'].flatMap((role) => Object.entries(who).map(([key, value]) => [`GIT_${role}_${key}`, value])),
  )
  const settings = {
    GIT_CONFIG_GLOBAL: '/dev/null',
    GIT_CONFIG_NOSYSTEM: '1',
    PATH: process.env.PATH ?? '/usr/bin:/bin',
  }
  return (await execa('git', args, { cwd, input, env: { ...env, ...settings }, extendEnv: false })).stdout
}

/** A new ed25519 pair. */
async function keyPair(dir: string, passphrase = ''): Promise<KeyPair> {
  const file = join(dir, randomBytes(6).toString('hex'))
  await execa('ssh-keygen', ['-q', '-t', 'ed25519', '-N', passphrase, '-C', 'testbed', '-f', file], { stdin: 'ignore' })
  const pair = { private: await readFile(file, 'utf8'), public: (await readFile(`${file}.pub`, 'utf8')).trim() }
  await Promise.all([rm(file), rm(`${file}.pub`)])
  return pair
}

/** What a login may do: read the repository. */
function uploadPack(dir: string): string {
  return `#!/bin/sh
case $SSH_ORIGINAL_COMMAND in
"git-upload-pack '/platform.git'" | "git-upload-pack '/platform'") exec git upload-pack '${dir}/platform.git' ;;
esac
echo 'ERROR: Repository not found.' >&2
exit 128
`
}

function sshdConfig(dir: string): string {
  return `HostKey ${dir}/host_key
AuthorizedKeysFile ${dir}/authorized_keys
ForceCommand ${dir}/command
AllowUsers git
StrictModes no
UsePAM no
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
AcceptEnv GIT_PROTOCOL
PidFile none
LogLevel VERBOSE
`
}
