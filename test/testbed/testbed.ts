// Everything a test needs to put the built program before real nodes: nodes, release mirror, inventories, and the program itself.

import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { homedir, tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { execa, type Options } from 'execa'
import { stringify } from 'yaml'
import { AcmeServer } from './acme.ts'
import { Charts } from './charts.ts'
import { Flux } from './flux.ts'
import { type GitFiles, GitServer } from './git.ts'
import { baseImages, imageArchive } from './images.ts'
import { Mirror } from './mirror.ts'
import { type NodeOptions, nodes, TestNode } from './node.ts'
import { patient } from './pace.ts'
import { inNode } from './parts.ts'
import { type Inside, Server } from './server.ts'

const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url))

/** The releases that the mirror has: one to install, one to upgrade to. */
export const K3S_VERSIONS = ['v1.36.4+k3s1', 'v1.36.5+k3s1'] as const

/**
 * What a test run makes is called e2e-<its process id>-<random>: a directory in the system's temporary one, and nodes (with
 * -<name>). So what a dead run has left can be told from what others use.
 */
export const E2E_PREFIX = 'e2e-'

const AGENT_UNIT = `[Unit]
Description=Lightweight Kubernetes
After=network-online.target
[Install]
WantedBy=multi-user.target
[Service]
Type=notify
KillMode=process
Delegate=yes
TasksMax=infinity
TimeoutStartSec=0
Restart=always
RestartSec=5s
ExecStart=/usr/local/bin/k3s agent
`

export interface CliOptions {
  /** Added to a clean environment; null takes a variable away. */
  readonly env?: Readonly<Record<string, string | null>>
  /** Default: the testbed's home, an empty directory at first. */
  readonly cwd?: string
  /** Milliseconds on a quiet machine, default 120 000; when it is over the program is killed and the call throws. */
  readonly timeout?: number
  /** The program's stdin; default: none. */
  readonly input?: string
  /** The Node.js that runs it; default: this one. */
  readonly nodeBin?: string
}

export interface CliResult {
  /** null after a signal. */
  readonly code: number | null
  readonly signal: string | null
  readonly stdout: string
  readonly stderr: string
  readonly seconds: number
}

export class Testbed {
  readonly mirror: Mirror
  /** HOME of the program, fresh per testbed. */
  readonly home: string
  readonly #inside: Inside
  readonly #releases: string
  readonly #prefix: string
  readonly #nodes: TestNode[] = []
  readonly #servers: { stop(): Promise<void> }[] = []
  #relays = ''
  readonly #temp: string
  #inventories = 0

  private constructor(mirror: Mirror, inside: Inside, releases: string, temp: string) {
    this.mirror = mirror
    this.#inside = inside
    this.#releases = releases
    this.#temp = temp
    // As a real home: no directory above it is one that others can write, where no compiled code is cached.
    this.home = join(homedir(), basename(temp))
    this.#prefix = `${basename(temp)}-`.toLowerCase()
  }

  /** Needs root; the global setup has prepared the machine and built the stand-in. Side by side with others on one machine. */
  static async open(): Promise<Testbed> {
    const inside = ['nsenter', `--net=/run/netns/${await nodes('net')}`, '--'] as const
    const built = await execa(path('k3s-standin/build'), K3S_VERSIONS, { stderr: 'inherit' })
    const releases = dirname(dirname(built.stdout.split('\n')[0] ?? ''))
    const temp = await mkdtemp(join(tmpdir(), `${E2E_PREFIX}${process.env.K3SP_E2E_RUN ?? process.pid}-`))
    const testbed = new Testbed(await Mirror.start(inside, releases), inside, releases, temp)
    await mkdir(testbed.home, { recursive: true, mode: 0o700 })
    return testbed
  }

  /** A new node with `name` as its host name (a-z, 0-9, -; at most 20 characters). */
  async node(name: string, options: NodeOptions = {}): Promise<TestNode> {
    const node = await TestNode.up(name, `${this.#prefix}${name}`, options)
    this.#nodes.push(node)
    const at = '/usr/local/lib/k3s-standin'
    if (options.pods !== undefined)
      await node.ask(`mkdir -p ${at}/images && ln -s ${inNode(this.#releases)}/kubenode ${at}/`)
    if (options.pods === 'real') {
      const helm = await imageArchive('k3s', this.#releases, join(this.#releases, K3S_VERSIONS[0]), 'k3s')
      await node.ask(`ln -s ${await baseImages()} ${at}/images/ && ln -s ${helm} ${at}/images/k3s.tar`)
    }
    return node
  }

  /** Makes a node an agent of the server, with the unit of k3s's install script; `config` is for its config.yaml. */
  async join(node: TestNode, server: TestNode, config: Readonly<Record<string, unknown>> = {}): Promise<void> {
    const token = await server.ask('cat $(sed -n "s/^data-dir: //p" /etc/rancher/k3s/config.yaml)/server/node-token')
    const text = stringify({ server: `https://${server.host}:6443`, token, ...config })
    const binary = '/usr/local/bin/k3s'
    await node.run('mkdir -p /etc/rancher/k3s && cat >/etc/rancher/k3s/config.yaml', { input: text })
    await node.run('cat >/etc/systemd/system/k3s-agent.service', { input: AGENT_UNIT })
    await node.ask(`set -e
      curl -fsS -o ${binary} ${this.mirror.url}/${encodeURIComponent(K3S_VERSIONS[0])}/k3s && chmod 755 ${binary}
      systemctl daemon-reload && systemctl enable -q --now k3s-agent`)
  }

  /** The lines of a known_hosts file that trust every node made so far. */
  knownHosts(): string {
    return this.#nodes.map((node) => `${node.knownHosts()}\n`).join('') + this.#relays
  }

  /** A chart repository and OCI registry of this test's own; by http, or by https with an authority of its own (`ca`). */
  async charts(options: { tls?: boolean } = {}): Promise<Charts> {
    const charts = await Charts.start(this.#inside, options.tls === true ? await this.dir() : null)
    this.#servers.push(charts)
    return charts
  }

  /** A mirror of Flux's releases of this test's own, by http. */
  async flux(): Promise<Flux> {
    const flux = await Flux.start(this.#inside)
    this.#servers.push(flux)
    return flux
  }

  /** A git server of this test's own; `files` are what the branch main begins with, and without any there is no branch. */
  async git(options: { files?: GitFiles } = {}): Promise<GitServer> {
    const files = options.files ?? { 'README.md': '# platform\n' }
    const git = await GitServer.start(this.#inside, await this.dir(), files)
    this.#servers.push(git)
    return git
  }

  /**
   * An ACME server on the node, which is also its name server (every name is the node, until acme.point()): to be called
   * before cert-manager starts there, and again after a reboot.
   */
  async acme(node: TestNode): Promise<AcmeServer> {
    const acme = await AcmeServer.start(this.#inside, node, await this.dir())
    this.#servers.push(acme)
    return acme
  }

  /** Connection variables of a way to the node on which a round trip takes `milliseconds` more. */
  async delayed(node: TestNode, milliseconds: number, user?: string): Promise<Record<string, string | number>> {
    const to = ['--to', `${node.host}:${node.port}`, '--delay', String(milliseconds)]
    const relay = await Server.start(this.#inside, 'relay.mjs', to)
    this.#servers.push(relay)
    const { hostname, port } = new URL(relay.url)
    this.#relays += `[${hostname}]:${port} ${node.hostKey}\n`
    return { ...node.hostVars(user), ansible_host: hostname, ansible_port: Number(port) }
  }

  /**
   * Writes an inventory directory and returns its path. Nodes are entered with a login as ops; a map has the variables per
   * host (start from node.hostVars()). `groupVars` go over the mirror's address, the older k3s version and a kubeconfig here in group_vars/all.yaml.
   */
  async inventory(
    hosts: readonly TestNode[] | Readonly<Record<string, object>>,
    groupVars: Readonly<Record<string, unknown>> = {},
  ): Promise<string> {
    const dir = join(this.#temp, `inventory-${++this.#inventories}`)
    const entries = Array.isArray(hosts)
      ? hosts.map((node: TestNode) => [node.name, node.hostVars()])
      : Object.entries(hosts)
    const all = {
      k3s_platform_k3s_mirror_url: this.mirror.url,
      k3s_platform_k3s_version: K3S_VERSIONS[0],
      k3s_platform_kubeconfig_fetch: true, // no test has a terminal
      ...groupVars,
    }
    await mkdir(join(dir, 'group_vars'), { recursive: true })
    await writeFile(join(dir, 'hosts.yaml'), stringify({ all: { hosts: Object.fromEntries(entries) } }))
    // The text `yes` is to be read as one.
    await writeFile(join(dir, 'group_vars/all.yaml'), stringify(all, { compat: 'yaml-1.1' }))
    return dir
  }

  /** A fresh directory that close() removes. */
  async dir(): Promise<string> {
    return mkdtemp(join(this.#temp, 'dir-'))
  }

  /**
   * Runs the built program in the testbed's network, with a clean environment: PATH, HOME, no agent, no colour, and the nodes'
   * keys in K3S_PLATFORM_SSH_KNOWN_HOSTS. Any exit code is a result; only a timeout throws, with the output.
   */
  async cli(args: readonly string[], options: CliOptions = {}): Promise<CliResult> {
    const done = await this.spawnCli(args, options)
    if (done.timedOut) throw new Error(`${done.shortMessage}\n${done.stdout}\n${done.stderr}`)
    return {
      code: done.exitCode ?? null,
      signal: done.signal ?? null,
      stdout: done.stdout,
      stderr: done.stderr,
      seconds: done.durationMs / 1000,
    }
  }

  /** As cli(), but returns the running process (execa's): its pid is the program's, kill('SIGKILL') and kill('SIGINT') hit it. */
  spawnCli(args: readonly string[], options: CliOptions = {}) {
    const program = [options.nodeBin ?? process.execPath, path('../../dist/k3s-platform.js'), ...args]
    return this.spawn(program, options)
  }

  /** Any program (ssh, ansible-playbook, curl) in the testbed's network, as spawnCli() does it. */
  spawn(argv: readonly string[], options: Omit<CliOptions, 'nodeBin'> = {}) {
    const [command, ...prefix] = this.#inside
    const env: Record<string, string> = {
      PATH: process.env.PATH ?? '/usr/local/bin:/usr/bin:/bin',
      HOME: this.home,
      LANG: 'C.UTF-8',
      NO_COLOR: '1',
      K3S_PLATFORM_SSH_KNOWN_HOSTS: this.knownHosts(),
    }
    for (const [name, value] of Object.entries(options.env ?? {})) {
      if (value === null) delete env[name]
      else env[name] = value
    }
    const settings = {
      env,
      extendEnv: false,
      cwd: options.cwd ?? this.home,
      timeout: patient(options.timeout ?? 120_000),
      killSignal: 'SIGKILL',
      reject: false,
      stripFinalNewline: false,
      ...(options.input === undefined ? { stdin: 'ignore' as const } : { input: options.input }),
    } as const satisfies Options
    return execa(command, [...prefix, ...argv], settings)
  }

  /** Takes down what it has made. */
  async close(): Promise<void> {
    const servers = [this.mirror, ...this.#servers].map((server) => server.stop())
    await Promise.all([...servers, ...this.#nodes.map((node) => node.down())])
    for (const left of [this.#temp, this.home]) await rm(left, { recursive: true, force: true })
  }
}
