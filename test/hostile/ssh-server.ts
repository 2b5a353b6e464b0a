// A hostile SSH server for tests: it behaves unless its options say how it lies.
//
//   const server = await HostileServer.start({ files: { '/etc/rancher/k3s/k3s.yaml': 'users: [...]' } })
//   const run = await runAgainst(server, ['plan', 'k3s_platform_bootstrap'])   // program.ts: the real program, as a child
//   await server.stop()
//
// By default a login with `privateKeyFile` succeeds, commands really run with /bin/sh on this machine, and ports are forwarded.
// Scripts that would change the machine (they take the lock below /run) are refused. `files` replaces what a script reads:
// every mention of such a path on stdin is redirected to a copy. The node seems to run systemd, whose `systemctl` is a stub (see
// `commands`) that knows no unit. Works without root: `sudo` is then a stub, too.

import { type ChildProcess, spawn } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir, userInfo } from 'node:os'
import { dirname, join } from 'node:path'
import {
  type AuthContext,
  type Connection,
  type KeyboardAuthContext,
  type Prompt,
  Server,
  type ServerChannel,
  type ServerConfig,
  utils,
} from 'ssh2'

/** One command of the client. Exactly one of `run`, `answer` or the raw channel is to be used. */
export interface HostileExec {
  /** From 0. */
  readonly number: number
  readonly command: string
  readonly channel: ServerChannel
  /** Runs it for real. */
  run(): void
  /** Reads all of stdin without running anything: the script, with the nonce of its frames. */
  script(): Promise<{ readonly text: string; readonly nonce: string }>
  /** Writes these chunks at the speed of the reader, then exits with `code`. An iterable may be endless. */
  answer(chunks: Iterable<Buffer | string>, code?: number): Promise<void>
}

export interface HostileOptions {
  /** What scripts find at these absolute paths instead of what is there; null: nothing; a path that ends in `/`: a directory. */
  readonly files?: Readonly<Record<string, string | Buffer | null>>
  /** Bodies of shell scripts that are found before the real commands. */
  readonly commands?: Readonly<Record<string, string>>
  /** Instead of running the command: `exec.run()` is the default. */
  readonly exec?: (exec: HostileExec) => void | Promise<void>
  /** Requests to run a command or to open a tunnel get no answer. */
  readonly mute?: true
  /** Changes what a command prints, chunk by chunk. */
  readonly stdout?: (chunk: Buffer, exec: HostileExec) => Buffer
  /** Instead of accepting `privateKeyFile`'s key and nothing else; see `askQuestions`. */
  readonly authenticate?: (context: AuthContext, server: HostileServer) => void
  /** `greeting`, `banner`, `ident`, algorithms, ... */
  readonly config?: Partial<ServerConfig>
  /** Where forwarded connections really go: `{ '127.0.0.1:6443': port }`, with `*` for all; default: where they ask to go. */
  readonly forwards?: Readonly<Record<string, number>>
}

/** What the client did, in its order. */
export interface HostileLog {
  readonly logins: { method: AuthContext['method']; user: string; password?: string; key?: string }[]
  /** Answers to keyboard-interactive questions. */
  readonly answers: string[]
  readonly commands: string[]
  readonly forwards: string[]
}

const FILES = { '/run/systemd/system/': '' }
const SUDO = { sudo: 'while :; do case $1 in -n | -S) shift ;; -p) shift 2 ;; *) exec "$@" ;; esac; done' }
const COMMANDS = {
  systemctl: 'case $1 in show) echo LoadState=not-found ;; *) exit 1 ;; esac',
  ...(userInfo().uid === 0 ? {} : SUDO),
}

export class HostileServer {
  readonly host = '127.0.0.1'
  readonly port: number
  readonly user = userInfo().username
  /** Removed by stop(). */
  readonly dir: string
  readonly privateKeyFile: string
  /** `type base64` */
  readonly hostKey: string
  readonly log: HostileLog = { logins: [], answers: [], commands: [], forwards: [] }
  readonly #server: Server
  readonly #options: HostileOptions
  readonly #clientKey: Buffer
  readonly #children = new Set<ChildProcess>()
  readonly #connections = new Set<Connection>()

  private constructor(server: Server, options: HostileOptions, dir: string, keys: { host: string; client: string }) {
    const address = server.address()
    this.port = typeof address === 'object' && address !== null ? address.port : 0
    this.dir = dir
    this.privateKeyFile = join(dir, 'client')
    this.hostKey = keys.host.split(' ').slice(0, 2).join(' ').trim()
    this.#server = server
    this.#options = options
    this.#clientKey = Buffer.from(keys.client.split(' ')[1] ?? '', 'base64')
  }

  static async start(options: HostileOptions = {}): Promise<HostileServer> {
    const dir = mkdtempSync(join(tmpdir(), 'k3sp-hostile-'))
    const [host, client] = [keyPair(), keyPair()]
    writeFileSync(join(dir, 'client'), client.private, { mode: 0o600 })
    writeFileSync(join(dir, 'client.pub'), client.public)
    mkdirSync(join(dir, 'bin'))
    for (const [name, body] of Object.entries({ ...COMMANDS, ...options.commands })) {
      writeFileSync(join(dir, 'bin', name), `#!/bin/sh\n${body}\n`)
      chmodSync(join(dir, 'bin', name), 0o755)
    }
    const files = { ...FILES, ...options.files }
    for (const [path, content] of Object.entries(files)) {
      mkdirSync(path.endsWith('/') ? join(dir, 'files', path) : dirname(join(dir, 'files', path)), { recursive: true })
      if (content !== null && !path.endsWith('/')) writeFileSync(join(dir, 'files', path), content)
    }
    let serve = (_: Connection): void => undefined
    const server = new Server({ ...options.config, hostKeys: [host.private] }, (one) => serve(one))
    await new Promise<void>((resolve, reject) => {
      server.on('error', reject)
      server.listen(0, '127.0.0.1', resolve)
    })
    const self = new HostileServer(server, options, dir, { host: host.public, client: client.public })
    serve = (connection) => self.#serve(connection)
    return self
  }

  /** Lines for known_hosts or K3S_PLATFORM_SSH_KNOWN_HOSTS. */
  knownHosts(): string {
    return `[${this.host}]:${this.port} ${this.hostKey}\n`
  }

  /** Connection variables of the inventory. */
  hostVars(): Record<string, string | number> {
    return {
      ansible_host: this.host,
      ansible_port: this.port,
      ansible_user: this.user,
      ansible_ssh_private_key_file: this.privateKeyFile,
    }
  }

  async stop(): Promise<void> {
    for (const child of this.#children) child.kill('SIGKILL')
    for (const connection of this.#connections) connection.end()
    this.#server.close()
    rmSync(this.dir, { recursive: true, force: true })
  }

  #serve(connection: Connection): void {
    this.#connections.add(connection)
    connection.on('close', () => this.#connections.delete(connection))
    connection.on('error', () => undefined)
    connection.on('authentication', (context) => {
      this.log.logins.push({
        method: context.method,
        user: context.username,
        ...(context.method === 'password' ? { password: context.password } : {}),
        ...(context.method === 'publickey' ? { key: context.key.algo } : {}),
      })
      if (this.#options.authenticate) this.#options.authenticate(context, this)
      else if (context.method === 'publickey' && this.isClientKey(context.key.data)) context.accept()
      else context.reject(['publickey'])
    })
    if (this.#options.mute) {
      connection.on('session', (accept) => accept().on('exec', () => undefined))
      connection.on('tcpip', () => undefined)
      return
    }
    connection.on('session', (accept) => {
      accept().on('exec', (acceptExec, _reject, { command }) => this.#exec(acceptExec(), command))
    })
    connection.on('tcpip', (accept, reject, { destIP, destPort }) => {
      const to = `${destIP}:${destPort}`
      this.log.forwards.push(to)
      const port = this.#options.forwards?.[to] ?? this.#options.forwards?.['*']
      const socket = connect(port === undefined ? { host: destIP, port: destPort } : { host: '127.0.0.1', port })
      socket.once('error', () => reject())
      socket.once('connect', () => {
        const channel = accept()
        socket.on('error', () => channel.destroy())
        channel.on('error', () => socket.destroy())
        socket.pipe(channel).pipe(socket)
      })
    })
  }

  /** Whether this is the key that the default login accepts. */
  isClientKey(key: Buffer): boolean {
    return key.equals(this.#clientKey)
  }

  /** Puts questions to the client and logs its answers; rejects the login afterwards unless `then` is given. */
  askQuestions(context: KeyboardAuthContext, prompts: Prompt[], then = () => context.reject()): void {
    context.prompt(prompts, (answers) => {
      this.log.answers.push(...answers)
      then()
    })
  }

  #exec(channel: ServerChannel, command: string): void {
    const number = this.log.commands.push(command) - 1
    channel.on('error', () => undefined)
    const exec: HostileExec = {
      number,
      command,
      channel,
      run: () => this.#run(exec),
      script: async () => {
        const chunks: Buffer[] = []
        channel.on('data', (chunk: Buffer) => chunks.push(chunk))
        await new Promise((resolve) => channel.once('end', resolve).once('close', resolve))
        const text = Buffer.concat(chunks).toString('utf8')
        return { text, nonce: /^K=([0-9a-f]+)$/m.exec(text)?.[1] ?? '' }
      },
      answer: async (chunks, code = 0) => {
        for (const chunk of chunks) {
          if (channel.destroyed || !channel.writable) return
          channel.write(chunk)
          // What the client does must be seen between two chunks.
          await new Promise(setImmediate)
          while (channel.writable && channel.writableNeedDrain) await new Promise((resolve) => setTimeout(resolve, 2))
        }
        channel.exit(code)
        channel.end()
      },
    }
    void (this.#options.exec ?? ((one) => one.run()))(exec)
  }

  #run(exec: HostileExec): void {
    const { channel, command } = exec
    const env = {
      PATH: `${join(this.dir, 'bin')}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin`,
      HOME: this.dir,
    }
    const child = spawn('/bin/sh', ['-c', command], { env })
    this.#children.add(child)
    child.stdin.on('error', () => undefined)
    let rest = ''
    channel.on('data', (chunk: Buffer) => {
      const all = (rest + chunk.toString('latin1')).split('\n')
      rest = all.pop() ?? ''
      const text = all.map((line) => `${line}\n`).join('')
      if (text.includes('/run/k3s-platform.')) {
        channel.stderr.write('this server runs nothing that changes the machine\n')
        child.kill('SIGKILL')
      }
      child.stdin.write(this.#redirect(text), 'latin1')
    })
    channel.on('end', () => child.stdin.end(this.#redirect(rest), 'latin1'))
    channel.on('close', () => child.kill('SIGKILL'))
    const change = this.#options.stdout ?? ((chunk: Buffer) => chunk)
    child.stdout.on('data', (chunk: Buffer) => {
      if (channel.writable && !channel.write(change(chunk, exec))) {
        child.stdout.pause()
        channel.once('drain', () => child.stdout.resume())
      }
    })
    child.stderr.on('data', (chunk: Buffer) => channel.writable && channel.stderr.write(chunk))
    child.on('close', (code) => {
      this.#children.delete(child)
      if (!channel.writable) return
      channel.exit(code ?? 137)
      channel.end()
    })
  }

  #redirect(text: string): string {
    return Object.keys({ ...FILES, ...this.#options.files })
      .map((path) => path.replace(/\/$/, ''))
      .reduce(
        (all, path) => all.replace(new RegExp(`${escaped(path)}(?![\\w.-])`, 'g'), join(this.dir, 'files', path)),
        text,
      )
  }
}

/** One in 256 keys that ssh2 generates cannot be read: it drops a zero at the beginning of the public part. */
function keyPair(): { private: string; public: string } {
  const pair = utils.generateKeyPairSync('ed25519')
  return utils.parseKey(pair.private) instanceof Error ? keyPair() : pair
}

function escaped(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&')
}
